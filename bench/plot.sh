#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# plot.sh JSON DIR: draws results of `hostwatch bench` with gnuplot, as svg and png: histograms of latency, cost by contender, fan-out.
set -u
json=$1 dir=$2
command -v gnuplot >/dev/null || { echo "hostwatch bench: gnuplot is not installed" >&2; exit 1; }
mkdir -p -- "$dir" || exit 1
data=$(mktemp -d) || exit 1
trap 'rm -rf "$data"' EXIT

# rows SCENARIO METRIC: "contender median" lines, from objects that have a line each.
rows() {
	sed -n "s/^{\"scenario\":\"$1\",\"contender\":\"\([^\"]*\)\",\"metric\":\"$2\",\"median\":\([^,]*\),.*/\1 \2/p" "$json"
}

# draw NAME COMMANDS: the same picture in both formats. gnuplot reads data in this directory.
draw() {
	local form
	for form in svg pngcairo; do
		(cd "$data" && gnuplot -e "set terminal $form size 900,500 noenhanced; set output 'picture'" -e "$2") &&
			mv "$data/picture" "$dir/$1.${form%cairo}" || return 1
	done
}

status=0
for scenario in drain storm append rename race; do
	rows "$scenario" cpu_ns | awk '$1 != "unwatched" { print }' >"$data/cost"
	rows "$scenario" changes >"$data/changes"
	[ -s "$data/cost" ] || continue
	awk 'FNR == NR { n[$1] = $2; next } n[$1] { print $1, $2 / n[$1] / 1000 }' "$data/changes" "$data/cost" >"$data/rows"
	draw "cost-$scenario" "set style data histogram; set style fill solid; set yrange [0:*]; set ylabel 'us CPU per change'; set title '$scenario'; set xtics rotate by -35; unset key; plot 'rows' using 2:xtic(1)" || status=1
done
for who in $(rows latency line_p50_ns | cut -d' ' -f1); do
	rows latency 'hist_[0-9]*' >/dev/null
	sed -n "s/^{\"scenario\":\"latency\",\"contender\":\"${who//+/\\+}\",\"metric\":\"hist_\([0-9]*\)\".*\"values\":\[\([0-9,]*\)\].*/\1 \2/p" "$json" |
		awk '{ n = split($2, list, ","); sum = 0; for (i = 1; i <= n; i++) sum += list[i]; print $1 / 1000, sum }' | sort -n >"$data/hist-$who"
done
plots=$(cd "$data" && for file in hist-*; do [ ! -s "$file" ] || printf "'%s' using 1:2 with steps title '%s'," "$file" "${file#hist-}"; done)
[ -z "$plots" ] || draw latency "set logscale x; set xlabel 'us'; set ylabel 'changes'; set title 'latency'; plot ${plots%,}" || status=1
rows fanout cpu_ns >"$data/cpu"
rows fanout deliveries >"$data/deliveries"
if [ -s "$data/cpu" ]; then
	(cd "$data" && awk 'FNR == NR { n[$1] = $2; next } n[$1] { split($1, part, "/"); print part[2], $2 / n[$1] / 1000 >("fan-" part[1]) }' \
		deliveries cpu)
	plots=$(cd "$data" && for file in fan-*; do [ ! -s "$file" ] || printf "'%s' using 1:2 with linespoints title '%s'," "$file" "${file#fan-}"; done)
	[ -z "$plots" ] || draw fanout "set logscale xy; set xlabel 'subscribers'; set ylabel 'us CPU per delivery'; plot ${plots%,}" || status=1
fi
exit $status
