#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What docs/commands says of pages with mistakes: page, line and command of each.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

commands() {
	status=0
	HW_DEADLINE=${deadline-60} "$tree/docs/commands" "$B" "$@" >report 2>&1 || status=$?
}

# The report has this line, whatever its number.
reports() {
	sed -E 's/^((not )?ok) [0-9]+ /\1 /' report | grep -qxF -- "$1" || {
		cat report
		fail "no such line: $1"
	}
}

private() {
	[ "$(id -u)" = 0 ] || skip "only root can have a /run and a /usr/local of its own"
	unshare -m true 2>/dev/null || skip "no mount namespace can be made here: unshare -m fails"
}

test_a_good_page_passes() {
	private
	cat >page.md <<-'EOF'
		<!-- check: run mkdir /srv/data -->
		<!-- check: config c.conf -->
		```ini
		[share data]
		path = /srv/data
		[sink s]
		plugin = socket
		listen = unix:/run/hostwatch/s
		```
		<!-- check: meanwhile date >/srv/data/file -->
		```sh
		cd /srv                         # lasts
		test -d data &&
		    test -d /run
		cd
		hostwatchd -c ~/../page/c.conf
		hostwatch tail unix:/run/hostwatch/s
		hostwatch tail --json unix:/run/hostwatch/s | head -n 2
		hostwatch watch /srv/data
		hostwatch watch --json /srv/data
		```
		```console
		$ hostwatch sync data
		17 00c0ffee00c0ffee
		$ echo a; echo b; echo 12 ms
		a
		...
		3 ms
		```
		<!-- check: fails 78 hostwatch check nonesuch -->
		```sh
		hostwatch check nonesuch
		```
		<!-- check: output -->
		```
		cannot open "nonesuch": No such file or directory
		```
		```json
		{"a":1}
		[]
		```
		<!-- check: c in void f(void) -->
		```c
		...
		abort();
		```
		<!-- check: text a picture -->
		```
		 --> <--
		```
	EOF
	commands "$PWD/page.md"
	[ $status = 0 ] && ! grep '^not ok' report || { cat report; fail "exit status $status"; }
	reports "ok - page.md:12: cd /srv                         # lasts"
	reports 'ok - page.md:13: test -d data && \n     test -d /run'
	reports "ok - page.md:23: output of hostwatch sync data"
	reports "ok - page.md:44: C"
	[ ! -e /srv/data ] && [ ! -e /run/hostwatch/s ] || fail "the machine is not private"
}

test_mistakes_are_named_with_page_line_and_command() {
	private
	cat >bad.md <<-'EOF'
		```
		hostwatch --version
		```
		```sh
		true
		hostwatch explian /
		echo "never ends
		```
		```ini
		[share a]
		path = /nonesuch
		```
		<!-- check: elsewhere modprobe -->
		```sh
		modprobe something
		hostwatch watch /srv
		```
		<!-- check: elsewhere reboot -->
		```console
		$ echo one
		two
		```
		```json
		{"a":
		```
		<!-- check: c after -->
		```
		int x = nonesuch;
		```
		<!-- check: strange -->
		```sh
		sleep 100
		```
	EOF
	deadline=5 commands "$PWD/bad.md"
	equal 1 $status
	reports "not ok - bad.md:1: hostwatch --version"
	reports "#   a block of unknown kind: docs/page says how a comment before it describes it"
	reports "ok - bad.md:5: true"
	reports "not ok - bad.md:6: hostwatch explian /"
	reports "#   exit status 2, where 0 is expected"
	reports 'not ok - bad.md:7: echo "never ends'
	reports "not ok - bad.md:10: configuration"
	reports "not ok - bad.md:15: modprobe something"
	reports "#   tests/vm/commands does not say where it is tried"
	reports "not ok - bad.md:16: hostwatch watch /srv"
	reports "#   it printed no event; what makes it print one is said by a comment before the block: check: meanwhile COMMAND"
	reports "not ok - bad.md:19: check: elsewhere reboot"
	reports "not ok - bad.md:20: output of echo one"
	reports "#   no such line: two"
	reports "not ok - bad.md:24: JSON"
	reports "not ok - bad.md:28: C"
	reports "#   unknown comment: check: strange"
	reports "not ok - bad.md:32: sleep 100"
	reports "#   it still runs after 5 s"
}

# A page of another kind, and a daemon that does not start.
test_scdoc_pages_are_read_as_well() {
	private
	cat >page.1.scd <<-'EOF'
		page(1)

		# NAME

		; check: sh
		```
		printf 'a\\n'
		```

		; check: output
		```
		a
		```

			; check: sh
			```
			hostwatchd -c nonesuch
			```
	EOF
	commands "$PWD/page.1.scd"
	equal 1 $status
	reports "ok - page.1.scd:7: printf 'a\\n'"
	reports "ok - page.1.scd:12: output"
	reports "not ok - page.1.scd:17: hostwatchd -c nonesuch"
	reports "#   it was never ready, and exited with 78"
}

test_without_rights_commands_are_skipped_with_the_reason() {
	as=()
	if [ "$(id -u)" = 0 ]; then
		command -v setpriv >/dev/null || skip "setpriv is not installed"
		chmod 755 .
		as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
		"${as[@]}" test -r "$tree/docs/page" || skip "the tree cannot be read by nobody"
	fi
	cat >page.md <<-'EOF'
		```sh
		hostwatch --version
		```
		```json
		{"a":1}
		```
	EOF
	"${as[@]}" "$tree/docs/commands" "$B" "$PWD/page.md" >report 2>&1 || { cat report; fail "it fails"; }
	reports "ok - $PWD/page.md:2: hostwatch --version # SKIP only root can have a /run and a /usr/local of its own"
	grep -q 'page.md:5: JSON' report || fail "$(<report)"
}

run_tests
