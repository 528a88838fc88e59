#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# mk/deps: names packages that exist, and the command that installs them.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

lists=(build test checks)

# With an empty database of packages everything is missing. Nothing is installed: root becomes somebody else.
deps_on_an_empty_machine() {
	mkdir -p dpkg/info dpkg/updates
	: >dpkg/status
	chmod -R a+rX .
	cp "$tree/mk/deps" deps
	local user=()
	[ "$(id -u)" != 0 ] || user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	status=0
	text=$(DPKG_ADMINDIR=$PWD/dpkg "${user[@]}" sh ./deps "$@" 2>&1) || status=$?
}

# Prints those of the names that apt-cache knows no package for.
unknown() {
	apt-cache policy "$@" | awk '/^[^ ]/ { name = $1 } / Candidate: [^(]/ { print name }' >known
	for name; do
		grep -qxF "$name:" known || echo "$name"
	done
}

# The package lists of a machine may have been removed, as in container images.
need_package_lists() {
	command -v apt-cache >/dev/null || skip "no apt-cache"
	[ -z "$(unknown gcc)" ] || skip "apt-cache has no package lists; apt-get update gets them"
}

test_every_package_exists_in_this_release() {
	need_package_lists
	deps_on_an_empty_machine "${lists[@]}"
	names=$(sed -n 's/^  \([^ :]*\): .*/\1/p' <<<"$text")
	[ "$(wc -l <<<"$names")" -ge 15 ] || fail "$text"
	# shellcheck disable=SC2086 # one word a package
	equal "" "$(unknown $names)"
}

test_an_ordinary_user_gets_the_command_that_root_has_to_run() {
	command -v dpkg-query >/dev/null || skip "no dpkg-query"
	deps_on_an_empty_machine build
	equal 1 $status
	contains "$text" "  libuv1-dev: event loop and thread pool"
	contains "$text" "only root can install packages; run this as root:  "
	[[ $text =~ apt-get\ install\ --no-install-recommends\ -y\ .*\ libuv1-dev\ .*\ uthash-dev ]] || fail "$text"
	[[ $text != *'|'* ]] || fail "an alternative is printed: $text"
}

test_man_pages_are_built_by_what_building_needs() {
	command -v dpkg-query >/dev/null || skip "no dpkg-query"
	deps_on_an_empty_machine build
	contains "$text" "  scdoc: "
}

# `make run` installs what building needs, and cmocka is what the tests need.
test_what_make_run_builds_needs_no_package_of_the_tests() {
	[ -w "$tree/$(realpath --relative-to "$tree" "$B")" ] || skip "the tree was built by somebody else"
	sources=$(make -C "$tree" -n -B all 2>&1 | grep -oE '[^ ]+\.c\b' | sort -u)
	contains "$sources" framework/daemon/main.c
	contains "$sources" tests/conformance/world.c
	# shellcheck disable=SC2086 # paths of the tree have no blanks
	equal "" "$(cd "$tree" && grep -l 'cmocka\.h' $sources)"
}

test_nothing_is_printed_if_nothing_is_missing() {
	command -v dpkg-query >/dev/null || skip "no dpkg-query"
	dpkg-query -W scdoc libuv1-dev uthash-dev >/dev/null 2>&1 || skip "the packages are not installed"
	equal "" "$("$tree/mk/deps" build 2>&1)"
}

test_unknown_lists_are_refused() {
	status=0
	text=$("$tree/mk/deps" nonsense 2>&1) || status=$?
	equal 2 $status
	contains "$text" "no such list: nonsense"
}

run_tests
