#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# docs/fidelity.md is made of recorded results and of those that guests have just seen.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# Prints the page if the guest saw this reason in a trace that is recorded.
page() { # REASON
	mkdir -p "seen$1/traces/one"
	printf '6.12\tauto\tinotify\tinotifywait\t001-create-empty-file\t%s\n' "$1" >"seen$1/traces/one/results.tsv"
	"$tree/tests/vm/fidelity" "$PWD/seen$1"
}

# Prints the numbers of traces, of those with the same events, and of others.
numbers() {
	sed -n 's/^| 6\.12 | auto | inotify | inotifywait | \([0-9]*\) | \([0-9]*\) | \([0-9]*\) |$/\1 \2 \3/p'
}

test_what_was_seen_replaces_what_was_recorded() {
	read -r all same others < <(page '' | numbers)
	equal "$all $((same - 1)) $((others + 1))" "$(page touch | numbers)"
}

test_the_page_shows_what_is_recorded() {
	events() {
		sed '/^## Events/,/^## Traces/!d' "$1"
	}
	page '' >page.md
	equal "$(events page.md)" "$(events "$tree/docs/fidelity.md")"
}

run_tests
