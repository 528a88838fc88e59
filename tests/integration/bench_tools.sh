#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Flame graphs, counted instructions and system calls: the tools of bench/ that explain a figure.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

before=$'w;main;read_a 30\nw;main;"x<y>&";k 10\nw;idle 60'
after=$'w;main;read_a 50\nw;main;new 10\nw;idle 40'

draw() { # OUTPUT FOLDED...
	awk -f "$tree/bench/flame.awk" "${@:2}" >"$1" || fail "flame.awk"
	! command -v xmllint >/dev/null || xmllint --noout "$1" || fail "$1 is not XML"
}
# The value of an attribute of the box whose title begins so.
box() { # FILE TITLE ATTRIBUTE
	grep -F "<title>$2:" "$1" | sed -nE "s/.*<rect[^>]* $3=\"([^\"]*)\".*/\1/p"
}

test_stacks_of_perf_are_folded_with_the_caller_first() {
	printf '%s\n' 'hostwatch  12 1.5:  1001001 cpu-clock:' '	  5500 k+0x12 (/usr/bin/hostwatch)' '	  44 main+0x1 (/usr/bin/hostwatch)' '' \
		'two words 12 1.6:  1001001 cpu-clock:' '	 ff81 [unknown] (/usr/lib/libx.so.1)' '	  44 main+0x1 (/usr/bin/two)' '' \
		'hostwatch  12 1.7:  1001001 cpu-clock:' '	  5504 k+0x16 (/usr/bin/hostwatch)' '	  44 main+0x1 (/usr/bin/hostwatch)' '' |
		awk -f "$tree/bench/fold.awk" >folded
	equal $'hostwatch;main;k 2\ntwo_words;main;[libx.so.1] 1' "$(cat folded)"
}

test_widths_are_proportional_and_names_are_escaped() {
	echo "$before" >before
	draw graph.svg before
	equal "1180.00 708.00 472.00 354.00 118.00" "$(for f in w idle main read_a k; do box graph.svg $f width; done | paste -sd ' ')"
	# A child begins where its parent does, and is above it.
	equal "$(box graph.svg main x)" "$(box graph.svg '&quot;x&lt;y&gt;&amp;&quot;' x)"
	[ "$(box graph.svg k y)" -lt "$(box graph.svg main y)" ] || fail "the callee is below"
}

test_a_difference_is_red_where_more_and_blue_where_less() {
	echo "$before" >before
	echo "$after" >after
	draw graph.svg before after
	equal "rgb(255,255,255) rgb(65,65,255) rgb(255,65,65)" "$(for f in w idle read_a; do box graph.svg $f fill; done | paste -sd ' ')"
	contains "$(cat graph.svg)" "gone: k, before 10.00%"
	contains "$(cat graph.svg)" "new: 10 samples, 10.00%, before 0.00%"
}

test_a_file_that_has_no_stacks_is_refused() {
	echo "not a stack" >bad
	: >empty
	! awk -f "$tree/bench/flame.awk" bad >out 2>err || fail "accepted"
	contains "$(cat err)" "bad:1: not a folded stack"
	! awk -f "$tree/bench/flame.awk" empty >out 2>err || fail "accepted"
	contains "$(cat err)" "no samples"
}

test_flame_draws_a_program() {
	perf record -q -o probe true >/dev/null 2>&1 || skip "perf cannot record here"
	"$tree/bench/flame" graph.svg awk 'BEGIN { for (i = 0; i < 3000000; i++) x += i * i }' 2>err || fail "$(cat err)"
	contains "$(cat graph.svg)" "<title>"
	grep -qE '^[^ ]*awk;.* [0-9]+$' graph.folded || fail "no stack of awk: $(head -n 5 graph.folded)"
}

test_instructions_are_the_same_in_two_runs() {
	command -v valgrind >/dev/null || skip "no valgrind"
	[ -x "$B/bench/bin/drain" ] || skip "make bench-drain builds the program that is counted"
	"$tree/bench/instructions" count "$B" >one 2>err || fail "$(cat err)"
	"$tree/bench/instructions" count "$B" >two 2>err || fail "$(cat err)"
	grep -q ' hw_journal_append$' one || fail "no figure of hw_journal_append: $(cat one)"
	awk '$2 == "total" { t[++n] = $1 } END { d = t[1] - t[2]; exit !(n == 2 && d * d < (0.005 * t[1]) ^ 2) }' one two ||
		fail "they differ by more than 0.5 %: $(grep -h total one two)"
}

run_tests
