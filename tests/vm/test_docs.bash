# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2016
# Runs the commands of README.md and the man pages that `make check-docs` cannot run: those of tests/vm/commands that name this file.

# The commands (or, with "block", the first lines of blocks) in the order of the list.
docs_commands() { # [block]
	sed -n 's|^\([^#].*\)\ttests/vm/test_docs\.bash$|\1|p' tests/vm/commands | if [ $# = 0 ]; then grep -v '^-'; else grep '^-'; fi
}

# As in a guest with DKMS, modprobe has to find the module. The mount is where the pages have it.
docs_prepare() {
	mkdir -p "$share/projects"
	vm_run 'killall hostwatch-guest 2>/dev/null; wait; rmmod hostwatch' &&
		vm_run 'mkdir -p "/lib/modules/$(uname -r)/updates" && cp /modules/hostwatch.ko "/lib/modules/$(uname -r)/updates/" && depmod -a' &&
		vm_run 'mount -t virtiofs share0 /mnt/projects'
}

test_commands_of_the_pages_work_in_a_guest() {
	local command commands
	mapfile -t commands < <(docs_commands)
	[ ${#commands[@]} -gt 0 ] && docs_prepare || return 1
	for command in "${commands[@]}"; do
		vm_forget
		case $command in
		*--channel*)
			vm_run "$command 2>&1 </dev/null | mark agent &" && vm_wait '^agent .*\] connected, at event' || return 1
			;;
		*)
			vm_run "$command" || { echo "    exit status $?: $command"; return 1; }
			[[ $command != *--probe* ]] || grep -qE '^ *module +yes' <<<"$vm_output" || { echo "    $vm_output"; return 1; }
			;;
		esac
	done
	vm_run "inotifywait -m --format '%w %e %f' /mnt/projects/$name 2>&1 </dev/null | mark docs &" && vm_wait '^docs Watches established' || return 1
	echo text >"$dir/file"
	vm_wait "^docs /mnt/projects/$name/ CREATE file" && vm_wait "^docs /mnt/projects/$name/ CLOSE_WRITE,CLOSE file" || return 1
	vm_run 'killall hostwatch-guest inotifywait; wait; umount /mnt/projects' && guest_agent_start
}

# QEMU accepts the options, and creates the device.
test_qemu_takes_the_options_of_the_pages() {
	local page block options first taken=0
	first=$(docs_commands block)
	for page in README.md docs/man/*.scd; do
		while IFS= read -r block; do
			read -ra options <<<"$block"
			taken=$((taken + 1))
			printf 'info qtree\nquit\n' | docs_qemu "${options[@]}" >"$vm/qtree" 2>&1 && grep -q 'name = "org.hostwatch.0"' "$vm/qtree" || {
				echo "    $page: $block"
				sed 's/^/    /' "$vm/qtree"
				return 1
			}
		done < <(docs_blocks "$page" | grep -- "^$first")
	done
	[ $taken -gt 0 ]
}

# Each block of a page in a line.
docs_blocks() { # PAGE
	local scdoc=0
	[[ $1 != *.scd ]] || scdoc=1
	awk -v scdoc=$scdoc -f docs/blocks.awk "$1" | awk -F '\t' '
		$1 == "open" { block = "" }
		$1 == "text" { block = block (block == "" ? "" : " ") $3 }
		$1 == "close" { print block }'
}

# With an empty /run, and in a directory where a path is relative.
docs_qemu() {
	unshare -m sh -c 'mount -t tmpfs tmpfs /run && mkdir /run/hostwatch && cd /run && exec timeout 60 qemu-system-x86_64 "$@"' sh \
		-nodefaults -display none -S -monitor stdio "$@"
}
