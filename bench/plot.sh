#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# plot.sh JSON DIR [FORM...]: draws results of `hostwatch bench` with gnuplot, as svg and png: histograms of latency, cost by contender, and
# what depends on the size of the tree, the depth of the queue or the number of subscribers.
set -u
json=$1 dir=$2
shift 2
[ $# -gt 0 ] || set -- svg png
command -v gnuplot >/dev/null || { echo "hostwatch bench: gnuplot is not installed" >&2; exit 1; }
mkdir -p -- "$dir" || exit 1
data=$(mktemp -d) || exit 1
trap 'rm -rf "$data"' EXIT
forms=("$@") status=0
noted='set label "medians; compare within a picture only" at graph 0.01,1.03 font ",9" textcolor rgb "#777777";'

# rows SCENARIO METRIC: "contender median" lines, from objects that have a line each.
rows() {
	sed -n "s/^{\"scenario\":\"$1\",\"contender\":\"\([^\"]*\)\",\"metric\":\"$2\",\"median\":\([^,]*\),.*/\1 \2/p" "$json"
}

# draw NAME COMMANDS: the same picture in all formats. gnuplot reads data in this directory.
draw() {
	local form
	for form in "${forms[@]}"; do
		(cd "$data" && gnuplot -e "set terminal ${form/png/pngcairo} size 900,500 noenhanced; set output 'picture'" -e "$noted $2") &&
			mv "$data/picture" "$dir/$1.$form" || status=1
	done
}

# ratios SCENARIO METRIC DIVISOR SCALE: "contender value" lines.
ratios() {
	rows "$1" "$2" >"$data/above"
	if [ "$3" = 1 ]; then awk '{ print $1, 1 }' "$data/above" >"$data/below"; else rows "$1" "$3" >"$data/below"; fi
	awk -v scale="$4" 'FNR == NR { n[$1] = $2; next } n[$1] { print $1, $2 / n[$1] / scale }' "$data/below" "$data/above"
}

# bars NAME SCENARIO TITLE
bars() {
	ratios "$2" cpu_ns changes 1000 | grep -v '^unwatched ' >"$data/rows"
	[ -s "$data/rows" ] || return
	draw "$1" "set style data histogram; set style fill solid; set yrange [0:*]; set ylabel 'us CPU per change'; set title '$3'; \
		set xtics rotate by -35; unset key; plot 'rows' using 2:xtic(1)"
}

# lines NAME SCENARIO METRIC DIVISOR SCALE X-LABEL Y-LABEL: one line for each contender, over the number in its label.
lines() {
	local plots
	rm -f "$data"/line-*
	ratios "$2" "$3" "$4" "$5" |
		awk -v to="$data/line-" 'split($1, part, "/") == 2 && $2 > 0 { print part[2], $2 | ("sort -n >" to part[1]) }'
	plots=$(cd "$data" && for file in line-*; do
		[ ! -s "$file" ] || printf "'%s' using 1:2 with linespoints title '%s'," "$file" "${file#line-}"
	done)
	[ -z "$plots" ] || draw "$1" "set logscale xy; set key outside; set xlabel '$6'; set ylabel '$7'; plot ${plots%,}"
}

# histogram SCENARIO: the delays of all rounds, as a share of them below each limit.
histogram() {
	local who plots
	rm -f "$data"/hist-*
	for who in $(rows "$1" line_p50_ns | cut -d' ' -f1); do
		sed -n "s/^{\"scenario\":\"$1\",\"contender\":\"${who//+/\\+}\",\"metric\":\"hist_\([0-9]*\)\".*\"values\":\[\([0-9,]*\)\].*/\1 \2/p" "$json" |
			awk '{ n = split($2, list, ","); sum = 0; for (i = 1; i <= n; i++) sum += list[i]; print $1 / 1000, sum }' | sort -n >"$data/hist-$who"
	done
	plots=$(cd "$data" && for file in hist-*; do
		[ ! -s "$file" ] || printf "'%s' using 1:2 with steps title '%s'," "$file" "${file#hist-}"
	done)
	[ -z "$plots" ] || draw "$1" "set logscale x; set key outside; set xlabel 'us'; set ylabel 'changes'; set title '$1'; plot ${plots%,}"
}

for scenario in drain storm append rename race $(sed -n 's/^{"scenario":"\(replay-[^"]*\)".*/\1/p' "$json" | sort -u); do
	bars "cost-$scenario" "$scenario" "$scenario"
done
histogram latency
histogram leave
lines fanout fanout cpu_ns deliveries 1000 subscribers 'us CPU per delivery'
lines sizes-time sizes wall_ns 1 1e6 'entries of the tree' 'ms until armed'
lines sizes-memory sizes grown_kb 1 1024 'entries of the tree' 'MB, without an empty directory'
lines sizes-event sizes event_cpu_ns changes 1000 'entries of the tree' 'us CPU per change'
lines depths depths cpu_ns changes 1000 'queued changes' 'us CPU per change'
exit $status
