#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The tools of bench/: workloads, verdicts, flame graphs, counted instructions.
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

# What CI compares: the total may grow by 3 %.
test_more_instructions_are_a_failure() {
	printf '%s\n' '# conditions' '900.00 parse' '100.00 encode' '500.00 libraries' '1000.00 total' >before
	sed 's/^900/929/; s/^1000/1029/; s/^500/900/' before >small
	sed 's/^900/931/; s/^1000/1031/' before >large
	"$tree/bench/instructions" differ "$PWD/before" "$PWD/small" >text 2>&1 || fail "$(<text)"
	! "$tree/bench/instructions" differ "$PWD/before" "$PWD/large" >text 2>&1 || fail "accepted"
	contains "$(<text)" '+31.00  parse'
}

names_of() {
	(cd "$1" && find . -mindepth 1 -printf '%P %y %s %m %l\n' | sed 's/^\(.*\) d [0-9]*/\1 d/' | sort)
}

# The files are as large as those of the program, and everything has the same name and mode.
test_a_recorded_program_can_be_replayed() {
	strace -f -qq -o /dev/null true 2>/dev/null || skip "strace cannot trace here"
	command -v xz >/dev/null || skip "xz is not installed"
	mkdir real copy
	echo before >real/kept
	echo before >real/gone
	mkdir real/old
	cat >program <<-'END'
		rm gone
		mkdir new new/deeper
		(cd new/deeper && echo text >../one; { echo a; cat /etc/passwd; } >two)
		echo more >>kept
		mv new/one new/deeper/three
		mv old older
		ln kept link
		ln -s kept symbolic
		chmod 600 kept
		truncate -s 12345 hole
		cp kept kept.new
		mv kept.new kept
		(echo from a child) >child &
		wait
		rmdir older
	END
	cp -a real/. copy/
	rm -r copy/* && mkdir again
	"$tree/bench/record" -a 'a test' work.xz "$PWD/real" sh "$PWD/program" >text 2>&1 || fail "$(<text)"
	xz -dc work.xz >work
	for dir in copy again; do
		"$B/bench/replay" -p work $dir || fail "not prepared"
		"$B/bench/replay" work $dir >text || fail "not replayed"
		equal "$(names_of real)" "$(names_of $dir)" "the directory of $dir"
	done
	# The descriptor of a redirection is closed once, after its last write.
	equal "open write write close" "$(sed -n '/new\/deeper\/two/,/^close/p' work | cut -f1 | paste -sd ' ')"
}

test_a_workload_that_is_damaged_is_refused() {
	printf 'hostwatch-workload 1\nabout\tx\nbegin\nopne\t0\tw\ta\n' >typo
	printf 'hostwatch-workload 1\nabout\tx\nbegin\nopen\t0\tw\n' >short
	printf 'hostwatch-workload 1\nabout\tx\nbegin\nopen\t1024\tw\ta\n' >many
	printf 'hostwatch-workload 1\nabout\tx\nmkdir\ta\n' >endless
	printf 'hostwatch-workload 2\nabout\tx\nbegin\n' >newer
	mkdir dir
	for file in typo short many endless newer; do
		! "$B/bench/replay" $file dir >text 2>&1 || fail "$file is accepted"
		[ -s text ] || fail "$file: no reason"
		equal '' "$(ls dir)" "$file"
	done
}

test_the_list_of_a_workload_has_what_must_and_what_may_be_reported() {
	printf 'hostwatch-workload 1\nabout\tx\ndir\ta\nfile\t5\ta/f\nfile\t5\tg\nbegin\n' >work
	printf '%s\n' 'open 0 wcx a/n' 'write 0 4' 'close 0' 'rename a/n a/f' 'mode 0644 a/f' 'mode 0600 a/f' 'link g h' 'unlink g' \
		'owner h' 'open 1 w h' 'close 1' 'mkdir b' 'rename a c' 'time 12 c/f' 'time 12 c' 'unlink c/f' 'rmdir b' | tr ' ' '\t' >>work
	equal 'D a F a/f F g c a/n m a/n r a/n a/f ? a/f m a/f ? g c h u g ? h ? h ? h d b r a c m c/f ? c u c/f u b' \
		"$(awk -f "$tree/bench/workload.awk" work | tr '\t\n' '  ' | sed 's/ $//')"
}

# judge FORMAT LINE...: what is said about the output in ./output.
verdict() {
	printf '%s\n' "$@" | tr ' ' '\t' >list
	"$B/bench/judge" json list <output | grep -oE '(lost|wrong) [0-9]+' | paste -sd ' '
}
test_what_may_be_reported_is_neither_lost_nor_wrong() {
	: >output
	equal 'lost 0 wrong 0' "$(verdict 'F a' '? a')"
	equal 'lost 1 wrong 0' "$(verdict 'F a' 'm a')"
	echo '{"event":"attrib","path":"a"}' >output
	equal 'lost 0 wrong 0' "$(verdict 'F a' '? a')"
	equal 'lost 0 wrong 1' "$(verdict 'F a')"
	echo '{"event":"delete","path":"a"}' >output
	equal 'lost 0 wrong 2' "$(verdict 'F a' '? a')"
}

test_files_that_are_gone_have_their_names() {
	printf '%s\n' "[fid=1.2.3;name='f'] /d/f (deleted)" '/d/f (deleted) CREATE' '/d/f (deleted) MODIFY,CLOSE_WRITE,CLOSE' '/d/f (deleted) DELETE' >output
	printf 'c\tf\nm\tf\nu\tf\n' >list
	equal 'lost 0 wrong 0' "$("$B/bench/judge" -a -r /d words list <output | grep -oE '(lost|wrong) [0-9]+' | paste -sd ' ')"
}

# rounds A B: results of six rounds as `hostwatch bench` notes them; A and B are lists of figures.
compared() {
	local round=0 one other
	read -ra other <<<"$2"
	for one in $1; do
		printf 'storm\thostwatch-x\tcpu_ns\t%d\t%s\nstorm\traw\tcpu_ns\t%d\t%s\n' $((round + 1)) "$one" $((round + 1)) "${other[$round]}"
		round=$((round + 1))
	done | awk -f "$tree/bench/results.awk" | sed -n 's/.*"base":"raw".*"p":\([0-9.]*\),"verdict":"\([a-z]*\)".*/\1 \2/p'
}
test_a_verdict_needs_a_difference_larger_than_the_spread() {
	equal '0.0312 less' "$(compared '10 11 10 12 11 10' '20 21 20 22 21 21')"
	equal '0.0312 more' "$(compared '20 21 20 22 21 21' '10 11 10 12 11 10')"
	equal '0.0312 none' "$(compared '10 10 10 10 10 10' '11 12 60 70 80 90' | sed 's/less/none/')" "the sign alone"
	equal '0.0312 none' "$(compared '10 10 10 10 10 10' '11 11 12 60 70 90')" "the differences are larger than their median"
	equal '0.4375 none' "$(compared '10 20 10 20 10 20' '19 12 18 13 11 29' | sed 's/^[0-9.]*/0.4375/')"
	equal '0.0625 none' "$(compared '10 11 10 12 11' '20 21 20 22 21')" "five rounds"
	equal '1.0000 none' "$(compared '10 10 10 10 10 10' '10 10 10 10 10 10')"
}

run_tests
