#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Commands of hostwatch that need no daemon.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

test_check_tells_every_mistake_at_once() {
	mkdir dir
	cat >conf <<-EOF
		[hostwatch]
		log_levle = info
		[share a]
		path = /nonesuch
		settle = soon
		[share b]
		path = /
		[share b]
		path = $PWD/dir
		[sink events]
		plugin = socket
		[sink events]
		plugin = socket
		listen = unix:$PWD/s
		nonsense
	EOF
	status=0
	text=$("$B/hostwatch" check conf 2>&1) || status=$?
	equal 78 $status
	contains "$text" "conf:2: "
	contains "$text" "log_level"
	contains "$text" "conf:4: "
	contains "$text" "conf:5: "
	contains "$text" "conf:8: "
	contains "$text" "conf:12: "
	contains "$text" "conf:15: "
}

test_check_tells_what_plugins_find_with_its_lines() {
	mkdir dir
	cat >conf <<-EOF
		[share a]
		path = /nonesuch
		[share b]
		path = $PWD/dir
		[sink events]
		plugin = socket
		mode = 0999
		listen = unix:$PWD/s
		listen = unix:
		listen = tcp:0.0.0.0:99
		allow_uid = 0
		allow_uid = root
		group = nonesuch-group
		[sink one]
		plugin = virtiofs
		channel = unix:$PWD/one
		share = nonesuch
		[sink two]
		plugin = virtiofs
		mode = 8
		channel = bogus:$PWD/two
	EOF
	status=0
	text=$("$B/hostwatch" check conf 2>&1) || status=$?
	equal 78 $status
	equal "2 7 9 10 12 13 17 18 20 21" "$(sed -n 's/^conf:\([0-9]*\): .*/\1/p' <<<"$text" | xargs)"
	contains "$text" "conf:7: [sink events] mode: not an octal number"
	contains "$text" "conf:17: [sink one] share: there is no share "
	# The daemon says the same.
	status=0
	same=$(timeout 60 "$B/hostwatchd" -c conf 2>&1) || status=$?
	equal 78 $status
	equal "$text" "$(sed 's/^hostwatchd: error: //' <<<"$same")"
}

# Also of sections with keys that are unknown, stand twice, or have no such value.
test_check_tells_what_plugins_find_in_sections_with_mistakes() {
	mkdir dir
	cat >conf <<-EOF
		[watcher polling]
		budgett = 10%
		idle_max = 5s
		[share a]
		path = $PWD/dir
		watcher = polling
		setle = 1s
		interval = 10s
		[sink events]
		plugin = socket
		colour = blue
		mode = 0999
		mode = 0600
		max_subscribers = none
		listen = unix:
		lisen = unix:$PWD/s
		[sink one]
		plugin = virtiofs
		share = a
		share = b
		mode = 8
		channel = bogus:$PWD/two
	EOF
	status=0
	text=$("$B/hostwatch" check conf 2>&1) || status=$?
	equal 78 $status
	equal "2 3 7 11 12 13 14 15 16 20 21 22" "$(sed -n 's/^conf:\([0-9]*\): .*/\1/p' <<<"$text" | xargs)"
	contains "$text" "conf:3: [watcher polling] idle_max: must not be shorter than interval"
	contains "$text" "conf:12: [sink events] mode: not an octal number"
	contains "$text" "conf:13: [sink events] mode: set more than once"
	contains "$text" "conf:22: [sink one] channel = bogus:"
}

# What they say of a key whose value is not known would be no mistake.
test_check_tells_nothing_that_comes_of_another_mistake() {
	mkdir dir
	cat >conf <<-EOF
		[watcher polling]
		idle_max = 5s
		[share a]
		path = $PWD/dir
		watcher = polling
		interval = 10 s
		[share b]
		path = $PWD/dir
		watcher = polling
		intervall = 1s
		[sink events]
		plugin = socket
		listn = unix:$PWD/s
		[sink other]
		plugin = socket
		listen = tcp:0.0.0.0:99
		allow_remote = perhaps
		handshake_timeout = 150ms
		helo_wait = 10ms
		[sink one]
		plugin = virtiofs
		chanel = unix:$PWD/one
		share = c
		shares = a, bb
	EOF
	status=0
	text=$("$B/hostwatch" check conf 2>&1) || status=$?
	equal 78 $status
	equal "6 10 13 17 19 20 22 24" "$(sed -n 's/^conf:\([0-9]*\): .*/\1/p' <<<"$text" | xargs)"
}

# The first lines of a configuration with these shares.
shares() {
	mkdir -p dir
	for share in "$@"; do
		printf '[share %s]\npath = %s\n' "$share" "$PWD/dir"
	done
}

# What check says of a configuration with mistakes.
refused() {
	local status=0
	text=$("$B/hostwatch" check "$1" 2>&1) || status=$?
	equal 78 $status "exit status of check"
}

test_check_says_what_a_second_share_needs() {
	printf '[sink vm]\nplugin = virtiofs\nchannel = unix:%s\n' "$PWD/vm" >sink
	{ shares srv && cat sink; } >conf
	equal "" "$("$B/hostwatch" check conf 2>&1)"
	{ shares srv docs && cat sink; } >conf
	refused conf
	equal 'conf:5: [sink vm] this sink carries one share of 2: add "share = NAME" with one of: srv, docs' "$text"
	{ shares srv docs home && cat sink; } >conf
	refused conf
	contains "$text" 'conf:7: [sink vm] this sink carries one share of 3: add "share = NAME" with one of: srv, docs, home'
	# Either key helps.
	echo 'share = docs' | cat conf - >named
	equal "" "$("$B/hostwatch" check named 2>&1)"
	echo 'shares = docs' | cat conf - >named
	equal "" "$("$B/hostwatch" check named 2>&1)"
	# A socket serves any number.
	{ shares srv docs home && printf '[sink s]\nplugin = socket\nlisten = unix:%s\n' "$PWD/s"; } >conf
	equal "" "$("$B/hostwatch" check conf 2>&1)"
}

test_check_says_which_share_was_meant() {
	printf '[sink vm]\nplugin = virtiofs\nchannel = unix:%s\n' "$PWD/vm" >sink
	{ shares project && cat sink && echo 'share = projects'; } >conf
	refused conf
	equal 'conf:6: [sink vm] share: there is no share "projects", did you mean "project"?' "$text"
	{ shares srv docs && cat sink && echo 'share = projects'; } >conf
	refused conf
	equal 'conf:8: [sink vm] share: there is no share "projects"; the shares are: srv, docs' "$text"
	{ shares srv docs && cat sink && echo 'shares = srv, doc'; } >conf
	refused conf
	equal 'conf:8: [sink vm] shares: there is no share "doc", did you mean "docs"?' "$text"
	{ shares srv docs && cat sink && printf 'shares = srv\nshare = docs\n'; } >conf
	refused conf
	equal 'conf:9: [sink vm] share: "shares" on line 8 leaves out "docs": add it there' "$text"
}

test_check_says_why_a_file_cannot_be_read() {
	mkdir dir
	status=0
	text=$("$B/hostwatch" check dir 2>&1) || status=$?
	equal 78 $status
	contains "$text" "Is a directory"
}

test_check_accepts_a_share_inside_a_share() {
	mkdir -p outer/inner
	printf '[share outer]\npath = %s\n[share inner]\npath = %s\n' "$PWD/outer" "$PWD/outer/inner" >conf
	equal "" "$("$B/hostwatch" check conf 2>&1)"
}

test_check_finds_a_missing_file() {
	status=0
	text=$("$B/hostwatch" check nonesuch 2>&1) || status=$?
	[ $status != 0 ]
	contains "$text" nonesuch
}

test_plugins_lists_what_is_built() {
	text=$("$B/hostwatch" plugins)
	for file in "$B"/plugins/*.so "$B"/sinks/*.so; do
		name=$(basename "$file" .so)
		contains "$text" "$name"
		[ -n "$("$B/hostwatch" plugins "$name")" ]
	done
	contains "$("$B/hostwatch" plugins polling)" interval
}

test_an_unknown_command_gets_a_suggestion() {
	status=0
	text=$("$B/hostwatch" wach 2>&1) || status=$?
	equal 2 $status
	contains "$text" '"wach": no such command, did you mean watch?'
	text=$("$B/hostwatch" $'\e[2Jx' 2>&1) || status=$?
	contains "$text" '"\x1b[2Jx": no such command'
}

test_a_bad_time_is_told_with_its_option() {
	status=0
	text=$("$B/hostwatch" watch --settle soon . 2>&1) || status=$?
	equal 2 $status
	contains "$text" '--settle: "soon" is not a duration'
	text=$("$B/hostwatch" demo --pace 5x 2>&1) || status=$?
	contains "$text" '--pace: "5x" is not a duration'
}

test_every_command_has_help() {
	for command in $("$B/hostwatch" --help | sed -n 's/^  \([a-z-]\{2,\}\)  *.*/\1/p'); do
		contains "$("$B/hostwatch" "$command" --help)" "usage: hostwatch $command"
	done
}

test_examples_are_sound() {
	for file in "$tree"/examples/*.conf; do
		# They name places that need not exist here.
		text=$("$B/hostwatch" check "$file" 2>&1) || :
		! grep -Ev 'No such file|does not exist|not there|is missing' <<<"$text" | grep . ||
			fail "$file"
	done
}

run_tests
