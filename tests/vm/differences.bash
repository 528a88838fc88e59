# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034
# Compares the events that programs in a guest received with those on a tmpfs of the guest. tests/vm/differences lists the expected
# differences, each with a reason that hostwatch-events(7) explains.
#
#	traces_compare TRACE WATCHER PROGRAM	sets $traces_verdict (ok, failed) and $traces_reason

# Prints the reasons of the expected difference on the first line, then the lines of the transcript that differ.
traces_expected() { # TRACE WATCHER PROGRAM
	awk -v trace="$1" -v watcher="$2" -v program="$3" -v cache="cache=$guest_cache" -v inject="$guest_inject" '
		/^#/ || /^$/ { next }
		/^\[/ {
			words = split(substr($0, 2, index($0, "]") - 2), word, " ")
			mine = word[1] == trace && word[2] == program && applies()
			why = substr($0, index($0, "]") + 2)
			if (mine) reasons = reasons " " why
			next
		}
		# The system calls of inject = replay have both sides.
		mine && inject == "replay" && why ~ /one-sided/ && one_sided() { next }
		mine { lines = lines $0 "\n" }
		# Whether one of the watchers and caches that are named is this one, and none is another injector.
		function applies(    i, any, one) {
			for (i = 3; i <= words; i++) {
				if (word[i] ~ /^inject=/ && word[i] != "inject=" inject) return 0
				if (word[i] ~ /^inject=/) continue
				any = 1
				one = one || word[i] == watcher || word[i] == cache
			}
			return !any || one
		}
		function one_sided() { return /^-RENAME/ && ($2 == "-" || $4 == "?" || $2 == $4) }
		END {
			if (inject == "replay") gsub(/ one-sided/, "", reasons)
			print substr(reasons, 2)
			printf "%s", lines
		}' tests/vm/differences
}

traces_difference() { # LOCAL TOLD
	diff -U0 "$1" "$2" | sed -n '1,2d; /^[-+]/p'
}

traces_compare() { # TRACE WATCHER PROGRAM
	local expected got
	expected=$(traces_expected "$@")
	got=$(traces_difference "$traces/local/$1.$3" "$traces/$2/$1.$3")
	traces_reason=${expected%%$'\n'*}
	expected=${expected#"$traces_reason"}
	traces_verdict=ok
	[ "${expected#$'\n'}" != "$got" ] || return 0
	traces_verdict=failed
	traces_reason=
	echo "    on a tmpfs (-) and on the mount (+):"
	diff -U99 "$traces/local/$1.$3" "$traces/$2/$1.$3" | sed '1,3d; s/^/    /'
	printf '%s\n' "[$1 $3 $2] " "$got" "" >>"$traces/differences"
	[ -z "${expected#$'\n'}" ] || printf '%s\n' "    but these differences were expected:" "${expected#$'\n'}"
}

# Prints why a trace is not run in a guest. Returns 1 if it is run.
traces_not_run() { # TRACE
	case $1 in
	116-*) echo "while the root is away only a rescan is reported, and no barrier is answered" ;;
	117-* | 118-*) echo "a mount keeps showing its original root directory, not the one that replaced it" ;;
	151-* | 152-* | 154-* | 155-*) echo "its files are on an overlayfs, as here they are not" ;;
	153-*) echo "on a tmpfs a change is reported under the name of the mounted file" ;;
	171-* | 183-*) echo "on a tmpfs a file without a name has the number of its inode, which is never the same" ;;
	179-* | 180-*) echo "inotify cannot tell apart the files that had a name in the traces before, if times are put back" ;;
	*) return 1 ;;
	esac
}
