#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# scaling.sh JSON... OUTPUT.svg: draws memory and start time over the number of files, as computed from coefficients (bench/scaling.awk).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
output=${*: -1}
set -- "${@:1:$#-1}"
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
awk -v data=1 -f "$here/json.awk" -f "$here/scaling.awk" "$@" | awk -v to="$data/" '{ print $2, $3, $4 >(to $1) }'
[ -s "$data/hostwatch-inotify" ] || { echo "scaling: no coefficients in $*" >&2; exit 1; }
cd "$data"
gnuplot -e "set terminal svg size 900,500 noenhanced; set output 'picture'; set logscale xy; set key outside; set xlabel 'files'; \
	set ylabel 'MB'; set y2label 's'; set logscale y2; set y2tics; set title 'computed: memory and time until armed'; \
	plot 'hostwatch-inotify' using 1:2 with linespoints title 'memory, inotify', 'hostwatch-fanotify' using 1:2 with linespoints title 'memory, fanotify', \
	'hostwatch-inotify' using 1:3 axes x1y2 with lines dashtype 2 title 'time, inotify', 'hostwatch-fanotify' using 1:3 axes x1y2 with lines dashtype 2 title 'time, fanotify'"
cd - >/dev/null
cp "$data/picture" "$output"
