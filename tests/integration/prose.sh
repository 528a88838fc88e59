#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# mk/prose finds phrases that documentation and messages should not contain, and no others.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# Prints the lines and phrases that mk/prose finds in a file.
found() {
	(cd "$tree" && mk/prose "$1") >found || :
	sed -n 's/^[^:]*:\([0-9]*\): \.*\(.*\)\.\.\.$/\1 \2/p' found
}

test_phrases_are_found_in_text_and_across_lines() {
	printf '%s\n' 'Events of a file are' 'told to receivers.' '' 'What a queue drops is found again.' >page.md
	equal "2 Events of a file are told to receivers.
4 What a queue drops is found again." "$(found "$PWD/page.md")"
}

test_code_is_not_prose() {
	printf '%s\n' 'The word `told` is code.' '```' 'whoever was told' '```' >page.md
	equal "" "$(found "$PWD/page.md")"
}

test_plain_english_is_accepted() {
	printf '%s\n' 'There is none, and there is no other. A slow receiver may fall behind.' \
		'It can tell a move from a deletion. See ahead.c and suspects.c.' >page.md
	equal "" "$(found "$PWD/page.md")"
}

test_strings_of_c_files_are_messages() {
	# shellcheck disable=SC2028 # as C has it
	echo 'hw_error("share %s: receivers are told\n", name); /* told */' >a.c
	equal "1 share X: receivers are told" "$(found "$PWD/a.c" | sed 's/ *$//')"
}

test_the_documentation_is_clean() {
	(cd "$tree" && mk/prose)
}

run_tests
