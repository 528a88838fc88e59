#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatch explain names the watcher that hostwatch watch gets, and fails where it fails.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
NOBODY=65534
script=$(realpath "${BASH_SOURCE[0]}")

# The programs where a user without rights can run them.
stage() {
	[ "$(id -u)" = 0 ] || skip "needs root, to be another user"
	command -v setpriv >/dev/null || skip "no setpriv"
	mkdir -p stage
	cp -Rp "$B/hostwatch" "$B/plugins" "$B/sinks" stage/
	chmod -R a+rX stage
	staged=$PWD/stage/hostwatch
}

# Words before a command, or none: as="" is whoever runs this.
as_nobody="setpriv --reuid $NOBODY --regid $NOBODY --clear-groups --inh-caps=-all"

# What watch gets: the watcher of the root, or its error without the name of the program. Its status in $status.
truth() {
	local text
	status=0
	text=$(timeout $DEADLINE "$@" --exit-after-idle 1ms 2>&1 >/dev/null) || status=$?
	[ $status != 3 ] || status=0 # it watched, and nothing happened
	sed -nE 's/^hostwatch[^:]*: ([a-z]+) watches .*/\1/p' <<<"$text" | grep . && return
	sed -E 's/^hostwatch( watch)?: (error: )?//' <<<"$text"
}

# The same of explain, by its first line.
answer() {
	local text
	status=0
	text=$(timeout $DEADLINE "$@" 2>&1) || status=$?
	if [ $status = 0 ]; then
		head -n 1 <<<"$text" | sed -E 's/^.*\): ([a-z]+).*$/\1/'
	else
		sed -E 's/^hostwatch( explain)?: (error: )?//' <<<"$text"
	fi
}

# Of each directory, for the user that the words in "$1" make of us.
agree() {
	local as=$1 program=$2 dir expected
	shift 2
	for dir; do
		# shellcheck disable=SC2086 # several words
		expected=$(
			truth $as "$program" watch "$dir"
			echo "$status"
		)
		equal "$expected" "$(
			answer $as "$program" explain "$dir"
			echo "$status"
		)" "$dir (${as:-$(id -un)})"
		[ "$(answer $as "$program" explain --no-count "$dir")" = "$(head -n -1 <<<"$expected")" ] ||
			fail "$dir --no-count (${as:-$(id -un)})"
	done
}

# A device as /proc/PID/fdinfo writes it.
device() {
	local major minor
	read -r major minor < <(stat -c '%Hd %Ld' "$1")
	printf '%x\n' $((major << 20 | minor))
}

# What a running program holds in the kernel: lines of /proc/PID/fdinfo that begin like this.
held() {
	cat "/proc/$1/fdinfo/"* 2>/dev/null | grep "^$2" || :
}

# The watcher that process $1 has on the filesystem of directory $2: the kernel knows of all but polling.
watcher_at() {
	local sdev
	sdev=$(device "$2")
	if held "$1" fanotify | grep -q "sdev:$sdev\b"; then
		echo fanotify
	elif held "$1" 'inotify wd' | grep -q "sdev:$sdev\b"; then
		echo inotify
	else
		echo polling
	fi
}

# Starts watch on a directory and waits until it watches. Sets $pid and $watched, its line.
start_watch() {
	local end=$((SECONDS + DEADLINE))
	: >err
	start "$@"
	until grep -q ' watches ' err; do
		[ $SECONDS -lt $end ] || fail "it does not watch: $(cat err)"
		kill -0 "$pid" 2>/dev/null || fail "it ended: $(cat err)"
	done
	watched=$(grep ' watches ' err)
}

# Every filesystem below $3, as explain names it and as the kernel has it of watch.
agree_below() {
	local as=$1 program=$2 dir=$3 places path name
	shift 3
	# shellcheck disable=SC2086 # several words
	places=$($as "$program" explain --json "$@" "$dir" | jq -r '.shares[0].filesystems[] | "\(.watcher) \(.path)"')
	[ -n "$places" ] || fail "explain says nothing of $dir"
	start_watch $as "$program" watch "$@" "$dir"
	while read -r name path; do
		equal "$name" "$(watcher_at "$pid" "$path")" "$path (${as:-$(id -un)})"
	done <<<"$places"
	finish "$pid"
	printf '%s\n' "$places"
}

# What a bash of its own runs that has read this file.
inside() {
	started=()
	trap 'for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done' EXIT
	set -e
	"$@"
}

# Runs one of the functions here with mounts of its own.
in_mounts() {
	[ "$(id -u)" = 0 ] || skip "needs root, to mount"
	unshare -m --propagation private true 2>/dev/null || skip "cannot have mounts of its own (unshare -m)"
	unshare -m --propagation private bash -c '. "$1" && inside "${@:2}"' bash "$script" "$@"
}

make_places() {
	mkdir -p plain/sub shut unsearchable/sub
	ln -s plain link
	ln -s nowhere dangling
	echo x >file
	chmod 700 shut
	chmod 744 unsearchable
}

# ---- the same answer as watch ----

test_explain_agrees_with_watch_on_every_kind_of_place() {
	make_places
	agree "" "$B/hostwatch" . plain link shut unsearchable dangling file nonesuch file/below /proc/self/fdinfo /sys/fs \
		/dev/shm
}

test_explain_agrees_with_watch_for_a_user_without_rights() {
	stage
	make_places
	agree "$as_nobody" "$staged" . plain link shut shut/below unsearchable dangling file nonesuch /proc/sys/fs /dev/shm
}

test_explain_agrees_with_watch_in_a_user_namespace() {
	unshare -U true 2>/dev/null || skip "user namespaces cannot be made here"
	make_places
	agree "unshare -U" "$B/hostwatch" . plain link shut unsearchable dangling file nonesuch /dev/shm
	agree "unshare -Ur" "$B/hostwatch" . plain link shut unsearchable dangling file nonesuch /dev/shm
}

# Large ones, of which nothing but the root is in the share.
test_explain_agrees_with_watch_about_whole_filesystems() {
	for dir in / /usr /dev /proc /sys /run /tmp; do
		equal "$(truth "$B/hostwatch" watch -x '/*' "$dir")" "$(answer "$B/hostwatch" explain -x '/*' "$dir")" "$dir"
	done
}

mount_places() {
	mkdir -p share/{tmp,bind,proc,sys,overlay,locked} other/sub upper work
	mount -t tmpfs none share/tmp
	mkdir -p share/tmp/deeper
	mount -t tmpfs none share/tmp/deeper
	mount --bind other share/bind
	mount -t proc none share/proc || rmdir share/proc
	mount --rbind /sys share/sys || rmdir share/sys
	mount -t overlay -o "lowerdir=other,upperdir=upper,workdir=work" none share/overlay || rmdir share/overlay
	mount -t tmpfs -o mode=700 none share/locked
	mkdir share/locked/sub
}

nested_mounts() {
	mount_places
	agree_below "" "$B/hostwatch" share -x /proc/ -x /sys/ >places
	agree_below "" "$B/hostwatch" share -w inotify -x /sys/ >places
	for path in tmp tmp/deeper bind; do
		contains "$(cat places)" "inotify $PWD/share/$path"
	done
	! grep share/sys places || fail "an excluded directory is explained"
	agree "" "$B/hostwatch" share/*
}

# explain, watch and the daemon agree; nothing keeps what is mounted there busy.
pseudo_filesystems() {
	mkdir -p share/{proc,sys,d}
	mount -t proc -o hidepid=0 proc share/proc
	mount -t sysfs sysfs share/sys
	json=$("$B/hostwatch" explain --json share)
	equal "1 2 2" "$(jq -r '.shares[0] | "\(.filesystems | length) \(.filesystems[0].directories) \(.pseudo.count)"' <<<"$json")"
	contains "$("$B/hostwatch" explain share | xargs)" "note proc: the kernel makes the content of this filesystem; it is not entered (pseudo = yes)"
	start_watch "$B/hostwatch" watch -w inotify share
	contains "$(cat err)" "not entering \"share/proc\": the kernel makes the content of proc"
	equal 2 "$(held "$pid" 'inotify wd' | wc -l)"
	umount share/sys
	mount -t tmpfs tmpfs share/sys # from here on an ordinary filesystem
	touch share/sys/new
	await "$out" share/sys/new
	umount share/proc share/sys
	finish "$pid"
	mount -t proc -o hidepid=0 proc share/proc
	printf '[share src]\npath = %s\npseudo = yes\n' "$PWD/share" >conf
	contains "$("$B/hostwatch" explain -c conf | xargs)" "$PWD/share/proc (proc): polling"
}

test_pseudo_filesystems_are_entered_on_request_only() {
	in_mounts pseudo_filesystems
}

# The root of a share is entered in any case.
pseudo_root() {
	mkdir -p share
	mount -t sysfs sysfs share
	contains "$("$B/hostwatch" explain --no-count share/kernel | xargs)" "(sysfs): polling"
}

test_the_root_of_a_share_may_be_on_a_pseudo_filesystem() {
	in_mounts pseudo_root
}

# Serves a FUSE filesystem at "$1", "$2" levels deep or without end.
mount_fuse() {
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	start "$B/tests/fuse-endless" "$@"
	read -r -t $DEADLINE -u "$out" line || skip "FUSE cannot be mounted: $(cat err)"
}

fuse_mount() {
	mkdir -p share/fuse
	mount_fuse share/fuse 5
	agree_below "" "$B/hostwatch" share >places
	contains "$(cat places)" "polling $PWD/share/fuse"
	agree "" "$B/hostwatch" share share/fuse share/fuse/d/d
	json=$("$B/hostwatch" explain --json share/fuse)
	equal "5 9 fuse" "$(jq -r '.shares[0].filesystems[0] | "\(.directories) \(.entries) \(.type)"' <<<"$json")"
	contains "$("$B/hostwatch" explain share/fuse | xargs)" "inotify no: fuse: "
	umount share/fuse
}

test_explain_agrees_with_watch_about_fuse() {
	in_mounts fuse_mount
}

# Counting ends with SIGINT; on a terminal it shows how far it is.
endless_count() {
	mkdir endless
	mount_fuse endless
	: >typescript
	script -qefc 'echo $$ >pid; exec "$B/hostwatch" explain endless' typescript >/dev/null </dev/null &
	shell=$!
	end=$((SECONDS + DEADLINE))
	until grep -q 'counting: [0-9]* directories, [0-9]* entries' typescript; do
		[ $SECONDS -lt $end ] || fail "no progress: $(cat typescript)"
	done
	kill -INT "$(cat pid)"
	status=0
	wait $shell || status=$?
	equal 0 $status
	contains "$(cat typescript)" "(fuse): polling"
	contains "$(cat typescript)" "counted so far: "
	umount -l endless
}

test_explain_ends_counting_with_sigint() {
	command -v script >/dev/null || skip "no script(1)"
	in_mounts endless_count
}

test_explain_agrees_with_watch_about_nested_mounts() {
	in_mounts nested_mounts
}

nested_mounts_of_nobody() {
	stage
	mount_places
	agree_below "$as_nobody" "$staged" share -x /proc/ -x /sys/ >places
	contains "$(cat places)" "polling $PWD/share/locked"
	contains "$($as_nobody "$staged" explain -x /proc/ -x /sys/ share)" "1 directory cannot be read"
	agree "$as_nobody" "$staged" share/*
}

test_explain_agrees_with_watch_about_nested_mounts_without_rights() {
	in_mounts nested_mounts_of_nobody
}

# ---- limits: lowered in a user namespace, where they are nobody else's ----

# Runs a function as the only user of a namespace; "$1": what is written to which limit.
in_namespace() {
	unshare -Ur true 2>/dev/null || skip "user namespaces cannot be made here"
	unshare -Ur test -w /proc/sys/user/max_inotify_watches || skip "/proc/sys/user cannot be written in a user namespace"
	unshare -Ur bash -c '. "$1" && inside "${@:2}"' bash "$script" "$@"
}

make_tree() {
	mkdir -p tree/{1,2,3,4,5,6,7,8,9,10}/{a,b}
}

watches_run_out() {
	echo 20 >/proc/sys/user/max_inotify_watches
	make_tree
	json=$("$B/hostwatch" explain --json -w inotify tree)
	text=$("$B/hostwatch" explain -w inotify tree)
	start_watch "$B/hostwatch" watch -w inotify tree
	# What it predicts is what watch holds, and what is left to polling.
	equal "$(held "$pid" 'inotify wd' | wc -l)" "$(jq '.shares[0].filesystems[0].watchers[0].directories' <<<"$json")"
	equal '{"objects":"watches","count":31,"sysctl":"user.max_inotify_watches","limit":20,"used":0,"lacking":11,"raise_to":40}' \
		"$(jq -c '.shares[0].filesystems[0].watchers[0].needs' <<<"$json")"
	equal 11 "$(jq '.shares[0].filesystems[0].watchers[1].directories' <<<"$json")"
	contains "$(xargs <<<"$text")" "watches needed: 31, user.max_inotify_watches: 20, in use by this user: 0. 11 directories will get polling instead."
	contains "$(xargs <<<"$text")" "sysctl user.max_inotify_watches=40"
	# Watches of other programs are missing.
	json=$("$B/hostwatch" explain --json -w inotify tree/1)
	equal 20 "$(jq '.shares[0].filesystems[0].watchers[0].needs.used // 20' <<<"$json")"
	agree "" "$B/hostwatch" tree tree/1
	finish "$pid"
	# One excluded directory more, and all fit.
	json=$("$B/hostwatch" explain --json -w inotify -x b/ -x /10/ tree)
	equal 19 "$(jq '.shares[0].filesystems[0].watchers[0].directories' <<<"$json")"
	equal 0 "$(jq '.shares[0].filesystems[0].watchers[0].needs.lacking' <<<"$json")"
}

test_explain_counts_the_watches_that_are_missing() {
	in_namespace watches_run_out
}

watches_are_in_use() {
	echo 20 >/proc/sys/user/max_inotify_watches
	make_tree
	mkdir small
	start_watch "$B/hostwatch" watch -w inotify tree/1
	json=$("$B/hostwatch" explain --json -w inotify tree)
	equal "3 14" "$(jq -r '.shares[0].filesystems[0].watchers[0].needs | "\(.used) \(.lacking)"' <<<"$json")"
	contains "$("$B/hostwatch" explain -w inotify tree | xargs)" "in use by this user: 3 (3 by hostwatch, process $pid)"
	finish "$pid"
}

test_explain_counts_the_watches_in_use() {
	in_namespace watches_are_in_use
}

instances_run_out() {
	make_tree
	echo 0 >/proc/sys/user/max_inotify_instances
	agree "" "$B/hostwatch" tree
	contains "$("$B/hostwatch" explain tree | xargs)" "inotify no: inotify instance limit reached; raise user.max_inotify_instances, now 0"
	echo 0 >/proc/sys/user/max_fanotify_groups
	agree "" "$B/hostwatch" tree
	equal polling "$(answer "$B/hostwatch" explain tree)"
	contains "$("$B/hostwatch" explain tree | xargs)" "fanotify no: "
}

# What each share holds is not there for the next one; what was only tried is.
instances_of_several_shares() {
	: >conf
	for n in 1 2 3; do
		mkdir $n
		printf '[share %s]\npath = %s\nwatcher = inotify, polling\n' $n "$PWD/$n" >>conf
	done
	echo 2 >/proc/sys/user/max_inotify_instances
	equal "inotify inotify polling" "$("$B/hostwatch" explain --json -c conf | jq -r '.shares[].filesystems[].watcher' | xargs)"
	equal "conf:9: warning: [share 3] watcher: inotify" "$("$B/hostwatch" check conf 2>&1 | sed 's/ cannot watch .*//')"
	sed -i 's/inotify, polling/polling, inotify/' conf
	equal "polling true" "$("$B/hostwatch" explain --json -c conf |
		jq -r '.shares[2].filesystems[] | "\(.watcher) \(.watchers[1].works)"')"
}

test_explain_counts_the_instances_of_several_shares() {
	in_namespace instances_of_several_shares
}

test_explain_agrees_with_watch_when_instances_and_groups_are_used_up() {
	in_namespace instances_run_out
}

marks_run_out() {
	make_tree
	[ -e /proc/sys/user/max_fanotify_marks ] || skip "no fanotify marks in user namespaces"
	echo 20 >/proc/sys/user/max_fanotify_marks
	json=$("$B/hostwatch" explain --json tree)
	equal fanotify "$(jq -r '.shares[0].filesystems[0].watcher' <<<"$json")"
	start_watch "$B/hostwatch" watch tree
	equal "$(held "$pid" 'fanotify ino' | wc -l) $(held "$pid" 'inotify wd' | wc -l)" \
		"$(jq -r '.shares[0].filesystems[0].watchers | "\(.[0].directories) \(.[1].directories)"' <<<"$json")"
	finish "$pid"
}

test_explain_counts_the_marks_that_are_missing() {
	in_namespace marks_run_out
}

# ---- what no directory shows ----

test_explain_takes_no_kernel_watcher_for_the_kernels_own_files() {
	for dir in /proc /sys; do
		type=$(stat -f -c %T "$dir")
		case $type in proc | sysfs) ;; *) skip "$dir is $type" ;; esac
		equal "no no yes" "$("$B/hostwatch" explain --no-count "$dir" | sed -n '2,5s/^  [a-z]* *\(yes\|no\):.*/\1/p' | xargs)"
		equal polling "$(answer "$B/hostwatch" explain --no-count "$dir")"
	done
}

test_explain_tells_which_marks_fanotify_would_use() {
	text=$("$B/hostwatch" explain "$PWD" | sed -n '3,5p' | xargs)
	case $text in
	"fanotify no: "*) skip "${text#*no: }" ;;
	esac
	if [ "$(id -u)" = 0 ]; then
		case $text in
		"fanotify yes: one mark for the whole filesystem"* | "fanotify yes: one mark per directory: "*) ;;
		*) fail "$text" ;;
		esac
	else
		contains "$text" "fanotify yes: one mark per directory: a filesystem mark needs CAP_SYS_ADMIN"
	fi
}

a_file_is_mounted() {
	mkdir -p share/dir
	echo x >share/dir/file
	echo y >source
	mount --bind source share/dir/file
	contains "$("$B/hostwatch" explain -w inotify share | xargs)" \
		"warning dir/file: a file is mounted here; inotify does not report its changes, so it is compared once per interval"
	equal '["dir/file"]' "$("$B/hostwatch" explain --json share | jq -c '[.shares[0].mounted_files.first[].path]')"
	start_watch "$B/hostwatch" watch -w inotify -i 20ms share
	echo z >>share/dir/file
	await "$out" 'modify .*dir/file'
	finish "$pid"
	! "$B/hostwatch" explain -w polling share | grep 'is mounted' || fail "polling sees it"
	start_watch "$B/hostwatch" watch -w polling -i 20ms share
	echo z >>share/dir/file
	await "$out" 'modify .*dir/file'
	finish "$pid"
}

test_explain_says_how_a_mounted_file_is_watched() {
	in_mounts a_file_is_mounted
}

mounted_twice() {
	mkdir -p share/{a,b}/sub share/a/sub/deep
	mount --bind share/a share/b
	mkdir share/a/loop
	mount --bind share share/a/loop
	json=$(timeout $DEADLINE "$B/hostwatch" explain --json -w inotify share)
	start_watch "$B/hostwatch" watch -w inotify share
	# a or b, whichever is met first, is watched; the other one is scanned.
	equal "$(held "$pid" 'inotify wd' | wc -l)" "$(jq '[.shares[0].filesystems[].watchers[0].directories] | add' <<<"$json")"
	equal "$(sed -E 's/.* in ([0-9]+) directories.*/\1/' <<<"$watched")" \
		"$(jq '[.shares[0].filesystems[].directories] | add' <<<"$json")"
	finish "$pid"
}

test_explain_counts_directories_that_are_mounted_twice() {
	in_mounts mounted_twice
}

test_explain_counts_what_watch_counts() {
	mkdir -p tree/{a,b,.git}/{x,y} tree/a/x/.git
	touch tree/{a,b,.git}/{1,2,3}.o tree/keep.o
	for excludes in "" "-x .git/" "-x *.o" "-x /a/x" "-x *.o -x !keep.o" "-x a/"; do
		set -f
		# shellcheck disable=SC2086 # several words
		json=$("$B/hostwatch" explain --json $excludes tree)
		# shellcheck disable=SC2086
		start_watch "$B/hostwatch" watch $excludes tree
		set +f
		equal "$(sed -E 's/.*, ([0-9]+) entries in ([0-9]+) directories.*/\1 \2/' <<<"$watched")" \
			"$(jq -r '.shares[0].filesystems[0] | "\(.entries + 1) \(.directories)"' <<<"$json")" "$excludes"
		finish "$pid"
	done
}

# ---- configurations ----

write_conf() {
	mkdir -p one/{a,b} two
	cat >conf <<-EOF
		[share one]
		path = $PWD/one
		watcher = slow, inotify
		exclude = b/
		[share two]
		path = $PWD/two
		[watcher slow]
		plugin = polling
		interval = 5s
		idle_max = 60s
	EOF
}

test_explain_honours_a_configuration() {
	write_conf
	json=$("$B/hostwatch" explain --json -c conf)
	equal "one two" "$(jq -r '.shares[].share' <<<"$json" | xargs)"
	equal "slow inotify" "$(jq -r '.shares[0].filesystems[0].watchers[].name' <<<"$json" | xargs)"
	equal "2 2" "$(jq -r '.shares[0].filesystems[0] | "\(.directories) \(.watchers[0].directories)"' <<<"$json")"
	equal "5000000000 60000000000" \
		"$(jq -r '.shares[0].filesystems[0].watchers[0].scan | "\(.interval_ns) \(.idle_interval_ns)"' <<<"$json")"
	equal "two" "$("$B/hostwatch" explain --json -c conf two | jq -r '.shares[].share')"
	text=$("$B/hostwatch" explain -c conf)
	contains "$text" "share one, $PWD/one"
	contains "$(xargs <<<"$text")" "every 60 s while nothing changes"
}

test_explain_suggests_a_share() {
	write_conf
	status=0
	text=$("$B/hostwatch" explain -c conf oen 2>&1) || status=$?
	equal 2 $status
	contains "$text" 'hostwatch explain: "oen": no such share in "conf", did you mean one?'
}

test_explain_says_what_check_says_of_mistakes() {
	printf '[share a]\npath = /nonesuch\nwatchr = auto\n' >conf
	status=0
	text=$("$B/hostwatch" explain -c conf 2>&1) || status=$?
	equal 78 $status
	equal "$("$B/hostwatch" check conf 2>&1)" "$text"
	status=0
	"$B/hostwatch" explain -c nonesuch 2>err || status=$?
	equal 78 $status
}

test_explain_goes_on_after_a_share_that_cannot_be_watched() {
	stage
	write_conf
	chmod 700 one
	status=0
	text=$($as_nobody "$staged" explain -c conf 2>err) || status=$?
	equal 1 $status
	contains "$(cat err)" "hostwatch explain: share one: cannot read directory \"$PWD/one\": Permission denied"
	contains "$text" "share two"
	json=$($as_nobody "$staged" explain -c conf --json 2>/dev/null) || :
	contains "$(jq -r '.shares[0].error' <<<"$json")" "cannot read directory \"$PWD/one\": Permission denied"
}

test_explain_agrees_with_the_daemon() {
	write_conf
	printf '[hostwatch]\ncontrol = %s\n' "$PWD/ctl" >>conf
	start "$B/hostwatchd" -c conf
	end=$((SECONDS + DEADLINE))
	until grep -q 'hostwatchd: ready: ' err; do
		[ $SECONDS -lt $end ] || fail "it is never ready"
	done
	for share in one two; do
		name=$("$B/hostwatch" explain --json -c conf $share | jq -r '.shares[0].filesystems[0].watcher')
		"$B/hostwatch" status --socket "$PWD/ctl" | grep -qE "^$share .*\b$name\b" || fail "$share is not watched by $name"
	done
	finish "$pid"
}

# ---- check warns of the same ----

check_in_namespace() {
	make_tree
	cat >conf <<-EOF
		[share one]
		path = $PWD/tree
		watcher = inotify, polling
		[share two]
		path = /proc/sys
		watcher = inotify, slow
		[watcher slow]
		plugin = polling
	EOF
	equal "conf:6: warning: [share two] watcher: inotify cannot watch \"/proc/sys\" (proc)" \
		"$("$B/hostwatch" check conf 2>&1 | sed 's/: the kernel.*//')"
	echo 20 >/proc/sys/user/max_inotify_watches
	text=$("$B/hostwatch" check conf 2>&1)
	contains "$text" "conf:3: warning: [share one] watcher: inotify has too few watches for \"$PWD/tree\":"
	contains "$text" "user.max_inotify_watches is 20"
	equal "$text" "$("$B/hostwatchd" --check -c conf 2>&1)"
	# Both shares together.
	sed -i "s,/proc/sys,$PWD/tree/1," conf
	echo 33 >/proc/sys/user/max_inotify_watches
	contains "$("$B/hostwatch" check conf 2>&1)" "conf:6: warning: [share two] watcher: inotify has too few watches"
	echo 34 >/proc/sys/user/max_inotify_watches
	equal "" "$("$B/hostwatch" check conf 2>&1)"
}

test_check_warns_of_what_explain_finds() {
	in_namespace check_in_namespace
}

test_check_fails_when_a_share_cannot_be_watched() {
	mkdir dir
	printf '[share a]\npath = %s\n[share b]\npath = /proc/sys\nwatcher = inotify\n' "$PWD/dir" >conf
	for check in "hostwatch check conf" "hostwatchd --check -c conf"; do
		status=0
		text=$("$B"/$check 2>&1) || status=$?
		equal 1 $status
		contains "$text" 'conf:5: [share b] watcher: no watcher can watch "/proc/sys": inotify: '
	done
	# The daemon says the same.
	status=0
	text=$(timeout $DEADLINE "$B/hostwatchd" -c conf 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'share b: no watcher can watch "/proc/sys": inotify: '
}

test_check_warns_of_a_directory_that_it_may_not_read() {
	stage
	mkdir shut
	chmod 700 shut
	printf '[share a]\npath = %s\n' "$PWD/shut" >conf
	equal "" "$("$B/hostwatch" check conf 2>&1)"
	status=0
	text=$($as_nobody "$staged" check conf 2>&1) || status=$?
	equal 1 $status
	contains "$text" "conf:2: [share a] path: cannot read directory \"$PWD/shut\": Permission denied"
}

# ---- the output ----

test_lines_of_explain_fit_80_columns() {
	mkdir -p "$(printf 'long%.0s' {1..20})"
	text=$("$B/hostwatch" explain .)
	equal "" "$(grep -E '^.{81}' <<<"$text")"
}

test_explain_refuses_what_a_configuration_says() {
	write_conf
	status=0
	text=$("$B/hostwatch" explain -c conf -w inotify 2>&1) || status=$?
	equal 2 $status
	contains "$text" "--watcher"
	status=0
	text=$("$B/hostwatch" explain 2>&1) || status=$?
	equal 2 $status
	contains "$text" "DIR is missing"
}

[ "$0" != "${BASH_SOURCE[0]}" ] || run_tests
