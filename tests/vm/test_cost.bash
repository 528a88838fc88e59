# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
# What the mount of inject = replay costs, divided by the virtiofs mount below it, in one guest. Warm is the best of three after a
# first one; cold is the first after the guest's caches were dropped. Nothing is asserted: docs/performance.md has results.

: "${VM_COST_FILES:=1000}"
cost_commands=(
	'git status|tool git --no-optional-locks status --porcelain'
	'find|tool find . -path ./.git -prune -o -printf %s'
	'grep -r|tool grep -rq zzz p0 p1 p2 p3 p4 p5 p6 p7 p8 p9'
	'cat|tool cat p*/src/*.c'
	'read a large file|tool dd if=large of=/dev/null bs=1M'
)

cost_tree() {
	local i
	git init -q .
	for ((i = 0; i < VM_COST_FILES; i++)); do
		mkdir -p "p$((i % 10))/src"
		yes "int f$i;" | sed 60q >"p$((i % 10))/src/f$i.c"
	done
	find p* -name '*.c' -exec touch -d 2020-01-01 {} + # older than the index
	git add -A
	git -c user.name=a -c user.email=a@localhost commit -qm one
	git status >/dev/null
	head -c 128M /dev/zero >large
}

# Hundredths of a second that a command takes in a directory of the guest, in $cost.
cost_of() { # DIR COMMAND
	vm_run "cd $1; read -r begun rest </proc/uptime; { $2; } >/dev/null 2>&1; read -r ended rest </proc/uptime; cd /; echo \"\$begun \$ended\"" || return 1
	cost=$(awk 'NF { print int(($2 - $1) * 100 + 0.5) }' <<<"$vm_output")
}

cost_warm() { # DIR COMMAND
	local best=''
	for _ in 1 2 3; do
		cost_of "$@" || return 1
		[ "$best" ] && ((best <= cost)) || best=$cost
	done
	cost=$best
}

cost_cold() { # DIR COMMAND
	vm_run 'for i in 1 2 3; do echo 3 >/proc/sys/vm/drop_caches; done' && cost_of "$@"
}

test_replay_costs_little() {
	local row command cold warm cold_lower warm_lower
	[[ $guest_inject = replay ]] || { guest_skip "inject = $guest_inject has no mount of its own"; return; }
	programs_begin && (cd "$dir" && cost_tree) && host_sync || return 1
	for row in "${cost_commands[@]}"; do
		command=${row#*|}
		cost_cold "/lower/$name" "$command" && cold_lower=$cost && cost_warm "/lower/$name" "$command" && warm_lower=$cost || return 1
		cost_cold "/mnt/$name" "$command" && cold=$cost && cost_warm "/mnt/$name" "$command" && warm=$cost || return 1
		awk -v name="${row%%|*}" -v a="$cold" -v b="$cold_lower" -v c="$warm" -v d="$warm_lower" \
			'BEGIN { printf "    %-18s cold %5.2f (%d to %d ms)  warm %5.2f (%d to %d ms)\n", name, a / b, b * 10, a * 10, c / d, d * 10, c * 10 }'
	done
}
