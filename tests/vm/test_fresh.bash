# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# A program that is told looks at once: it stats, reads and lists. Each time it must find what the host made of it.

: "${VM_FRESH_CHANGES:=2000}"

# What is told of "file" until the last word of this change. Whatever is told of it, what it was before must not be found any more. But
# for a second modify of the change before, which hostwatch-events(7) names in LIMITS: it may come this late, rarely.
fresh_until() { # EVENT SIZE CONTENT LISTED
	local want="$*" event size content listed
	while vm_read; do
		[[ $vm_line == '| R '* ]] || continue
		read -r _ _ event file size content listed <<<"$vm_line"
		[ "$file" = file ] || continue
		if [ "$content" = "$fresh_old" ] && [ "$event" = MODIFY ] && [ $((++fresh_late)) -le $((VM_FRESH_CHANGES / 50)) ]; then
			continue
		fi
		if [ "$content" = "$fresh_old" ] && [ "$fresh_old" != - ]; then
			vm_fail "$event $file: still $content, as before $want"
			return 1
		fi
		[ "$event $size $content $listed" != "$want" ] || return 0
		[ "$event" != "$1" ] || vm_fail "found $event $size $content $listed, not $want" || return 1
	done
	vm_fail "not told: $want"
}

# The same size every time, so that nothing but the data tells one from the other.
fresh_change() { # NUMBER
	local data
	printf -v data '%08d' "$1"
	case $(($1 % 5)) in
	0) printf '%s' "$data" >"$dir/file" && fresh_until CLOSE_WRITE 8 "$data" yes ;;
	1)
		printf '%s' "$data" >"$dir/.new"
		mv "$dir/.new" "$dir/file" && fresh_until MOVED_TO 8 "$data" yes
		;;
	2) printf '%s' "$data" 1<>"$dir/file" && fresh_until CLOSE_WRITE 8 "$data" yes ;;
	3) rm "$dir/file" && data=- && fresh_until DELETE - - no ;;
	4) printf '%s' "$data" >"$dir/file" && fresh_until CLOSE_WRITE 8 "$data" yes ;;
	esac || return 1
	fresh_old=$data
}

test_whoever_looks_when_told_finds_the_new_state() {
	local i fresh_old=00000000 fresh_late=0
	printf '%s' $fresh_old >"$dir/file"
	host_sync || return 1
	vm_run "cat /mnt/$name/file >/dev/null; ls -l /mnt/$name >/dev/null; vm-reader /mnt/$name 2>&1 </dev/null | mark R &" &&
		vm_wait '^R Watches established' || return 1
	for ((i = 1; i <= VM_FRESH_CHANGES; i++)); do
		vm_forget
		fresh_change "$i" || {
			echo "    change $i"
			return 1
		}
	done
	vm_run 'killall vm-reader'
	echo "    $VM_FRESH_CHANGES changes, $fresh_late late modify"
}
