#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What make install puts where, and whether it works there.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

command -v "${CC:=cc}" >/dev/null || CC=gcc

# In a copy of the build: another prefix is built into a program.
build() {
	if [ ! -d build ]; then
		case $PWD in *[[:blank:]]*) skip "make cannot build below $PWD, whose path has a blank" ;; esac
		mkdir build
		# Not the directory itself, nor anything that other suites change meanwhile: tar fails for that.
		(cd "$B" && tar --format=posix -c --exclude=./tests --exclude=./examples --exclude=./abi --exclude=./vm \
			--exclude=./fresh --exclude=./static --exclude=./deb --exclude='./*-logs' ./*) | tar -x -C build
	fi
	make -s -C "$tree" B="$PWD/build" "$@" >made 2>errors || {
		cat made errors
		fail "make $*"
	}
}

test_destdir_gets_everything() {
	build DESTDIR="$PWD/root" prefix=/usr install
	for file in bin/hostwatch lib/hostwatch/bench/run lib/hostwatch/bench/load bin/hostwatch-git-fsmonitor sbin/hostwatchd lib/libhostwatch-wire.a include/hostwatch/plugin.h \
		lib/pkgconfig/hostwatch.pc lib/systemd/system/hostwatchd.service \
		share/doc/hostwatch/examples/hostwatch.conf lib/sysusers.d/hostwatch.conf \
		share/bash-completion/completions/hostwatch share/bash-completion/completions/hostwatchd \
		share/zsh/site-functions/_hostwatch share/zsh/site-functions/_hostwatchd; do
		[ -f "root/usr/$file" ] || fail "no $file"
	done
	equal "$(cd "$tree/plugins" && ls -I common)" "$(cd root/usr/lib/hostwatch/plugins && ls | sed 's/\.so$//')"
	equal "$(cd "$tree/sinks" && ls)" "$(cd root/usr/lib/hostwatch/sinks && ls | sed 's/\.so$//')"
	[ -z "$(find root -type f -perm /022)" ] || fail "others may write"
	if command -v scdoc >/dev/null; then
		equal "$(cd "$tree/docs/man" && ls | sed 's/\.scd$//' | grep -v '^hostwatch-guest\.')" \
			"$(find root/usr/share/man -type f -printf '%f\n' | LC_ALL=C sort)" "man pages"
	fi
	[ -z "$(find root -name '*guest*' ! -name guest.h)" ] || fail "the agent's files belong to install-guest"
	! grep -rl "$PWD" root/usr/lib/pkgconfig root/usr/lib/systemd || fail "DESTDIR is told"
	if command -v pkg-config >/dev/null; then
		equal /usr/lib/hostwatch/plugins \
			"$(PKG_CONFIG_PATH=root/usr/lib/pkgconfig pkg-config --variable=plugindir hostwatch)"
	fi
	! grep -rlF "$tree" root || fail "the path of the sources is built in"
	# Run from where it will not stay.
	mkdir tmp
	HOSTWATCH_PLUGIN_PATH=$PWD/root/usr/lib/hostwatch/plugins TMPDIR=$PWD/tmp \
		root/usr/bin/hostwatch demo >text || fail "$(<text)"

	build DESTDIR="$PWD/root" prefix=/usr uninstall
	equal "" "$(find root ! -type d)"
	equal "" "$(find root -name '*hostwatch*')"
}

test_the_agent_comes_with_its_page() {
	build DESTDIR="$PWD/root" prefix=/usr sysconfdir=/etc install-guest
	files=etc/init.d/hostwatch-guest
	[ ! -e "$B/hostwatch-guest-replay" ] || files="$files
usr/lib/hostwatch/hostwatch-guest-replay"
	files="$files
usr/lib/systemd/system/hostwatch-guest.service
usr/sbin/hostwatch-guest
usr/share/bash-completion/completions/hostwatch-guest
usr/share/doc/hostwatch-guest/examples/guest.conf"
	if command -v scdoc >/dev/null; then
		files="$files
usr/share/man/man8/hostwatch-guest.8"
	fi
	files="$files
usr/share/zsh/site-functions/_hostwatch-guest"
	equal "$files" "$(cd root && find . -type f -printf '%P\n' | LC_ALL=C sort)"
	build DESTDIR="$PWD/root" prefix=/usr sysconfdir=/etc uninstall-guest
	equal "" "$(find root ! -type d)"
}

# A PATH with everything but scdoc.
test_without_scdoc_install_says_once_that_pages_are_missing() {
	mkdir bin
	IFS=: read -ra dirs <<<"$PATH"
	for dir in "${dirs[@]}"; do
		find "$dir" -maxdepth 1 ! -type d ! -name scdoc -exec ln -st bin {} + 2>/dev/null || :
	done
	PATH=$PWD/bin build DESTDIR="$PWD/root" prefix=/usr install install-guest
	equal 1 "$(grep -c "scdoc is not installed, so the man pages are left out; 'make deps' installs it" errors)"
	[ -x root/usr/bin/hostwatch ] && [ -x root/usr/sbin/hostwatch-guest ]
	[ ! -e root/usr/share/man ]
}

test_pages_are_made_without_the_library_of_an_optional_sink() {
	command -v scdoc >/dev/null || skip "scdoc is not installed"
	build man
	rm -r build/man build/docs/options.tsv
	build NATS_LIBS= man
	contains "$(<build/man/hostwatch.conf.5)" 'This installation was built without the plugin nats.'
}

test_plugins_are_found_where_they_were_installed() {
	build prefix="$PWD/here" install
	mkdir tmp
	TMPDIR=$PWD/tmp here/bin/hostwatch demo >text || fail "$(<text)"
	contains "$(here/bin/hostwatch plugins)" virtiofs
	printf '[hostwatch]\ncontrol = %s/control\n[share a]\npath = %s/tmp\n' "$PWD" "$PWD" >conf
	equal "" "$(here/sbin/hostwatchd --check -c conf 2>&1)"
}

test_directories_of_plugins_can_be_chosen() {
	build prefix="$PWD/here" plugindir="$PWD/there/w" sinkdir="$PWD/there/s" install
	[ -e there/w/polling.so ]
	[ -e there/s/socket.so ]
	contains "$(here/bin/hostwatch plugins)" polling
}

test_dkms_sources_stand_alone() {
	make -s -C "$tree" dkms DESTDIR="$PWD/root" >said
	version=$(sed -n 's/^VERSION := //p' "$tree/Makefile")
	equal "copied the sources to $PWD/root/usr/src/hostwatch-$version" "$(<said)"
	contains "$(<"root/usr/src/hostwatch-$version/dkms.conf")" "PACKAGE_VERSION=\"$version\""
	[ "$(id -u)" = 0 ] || return 0
	status=0
	make -s -C "$tree" dkms KERNEL=0-none 2>said || status=$?
	equal 2 $status
	if command -v dkms >/dev/null; then
		contains "$(<said)" "make dkms: the headers of Linux 0-none are not installed: apt-get install linux-headers-0-none"
	else
		contains "$(<said)" "make dkms: dkms is not installed: apt-get install dkms"
	fi
}

# Functions of the library that a header declares.
functions_of() {
	sed -nE '/^typedef/d; s/^(static inline )?[a-z].*[ *](hw_[a-z0-9_]+)\(.*/\2/p' "$1"
}

# A library that was built with a sanitizer needs its runtime.
read -ra sanitize <<<"${SANITIZE-}"

# A program outside of the tree, with an installation that it knows by pkg-config alone.
test_a_program_links_what_is_installed() {
	command -v pkg-config >/dev/null || skip "pkg-config is not installed"
	build DESTDIR="$PWD/root" prefix=/usr install-sdk install-packaging
	export PKG_CONFIG_PATH=$PWD/root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$PWD/root
	headers=("$PWD"/root/usr/include/hostwatch/*.h)
	equal "$(basename -a "$tree"/{framework,wire,guest}/include/hostwatch/*.h | LC_ALL=C sort)" \
		"$(basename -a "${headers[@]}" | LC_ALL=C sort)"
	{
		for header in "${headers[@]}"; do
			echo "#include <hostwatch/$(basename "$header")>"
		done
		echo 'typedef void (*function)(void);'
		echo 'extern const function functions[];'
		echo 'const function functions[] = {'
		for header in "${headers[@]}"; do
			functions_of "$header" | sed 's/.*/(function)&,/'
		done
		echo '};'
		echo 'int main(void) { return functions[0] == 0; }'
	} >all.c
	grep -q hw_nl_parse all.c && grep -q hw_frame_decode all.c && grep -q hw_address_parse all.c
	read -ra words < <(pkg-config --cflags --libs hostwatch)
	words+=("${sanitize[@]}")
	"$CC" -std=c11 -Wall -Wextra -Wno-cast-function-type -Werror -o all all.c "${words[@]}" || fail "${words[*]}"
	./all
}

# A program that does something with it, in a prefix of its own and without a sysroot.
test_a_program_reads_json_lines_with_the_library() {
	command -v pkg-config >/dev/null || skip "pkg-config is not installed"
	build prefix="$PWD/here" install-sdk install-packaging
	cat >read.c <<-'EOF'
		#include <hostwatch/wire.h>
		#include <stdio.h>
		#include <string.h>

		int main(void)
		{
			static char line[HW_JSON_REQUEST_MAX];
			struct hw_json_message m;

			while (fgets(line, sizeof(line), stdin))
				if (!hw_json_parse_line(line, strcspn(line, "\n"), &m) && m.what == HW_JSON_EVENT)
					printf("%s %.*s\n", hw_kind_name(m.event.kind), (int)m.event.path_len, m.event.path);
			return 0;
		}
	EOF
	read -ra words < <(PKG_CONFIG_PATH=$PWD/here/lib/pkgconfig pkg-config --cflags --libs hostwatch)
	words+=("${sanitize[@]}")
	"$CC" -std=c11 -Wall -Wextra -Werror -o read read.c "${words[@]}" || fail "${words[*]}"
	equal "create src/a.c" "$(./read <<<'{"seq":7,"time":1795363200123456789,"share":"srv","event":"create","type":"file","path":"src/a.c"}')"
}

# Alone, twice, in any C since C99, and in C++ where there is a compiler for it.
test_every_header_stands_alone() {
	build DESTDIR="$PWD/root" prefix=/usr install-sdk
	for header in root/usr/include/hostwatch/*.h; do
		name=$(basename "$header")
		printf '#include <hostwatch/%s>\n#include <hostwatch/%s>\nint unit;\n' "$name" "$name" >one.c
		for std in c99 c11 gnu11; do
			"$CC" -std=$std -Wall -Wextra -Wpedantic -Werror -Iroot/usr/include -fsyntax-only one.c || fail "$name $std"
		done
		if command -v c++ >/dev/null; then
			c++ -Wall -Wextra -Werror -Iroot/usr/include -fsyntax-only -x c++ one.c || fail "$name in C++"
		fi
	done
}

run_tests
