#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The state of a share outlives the daemon: what a subscriber that resumes gets after a stop, after SIGKILL, and when the
# state cannot be used.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# Mounts of its own, if that is possible.
if [ ! "${private-}" ] && [ ! "$(lacks_mounts)" ]; then
	private=1 exec unshare --mount --propagation private "$0" "$@"
fi

configure() {
	mkdir -p share
	cat >conf <<-EOT
		[hostwatch]
		control = $PWD/control
		state_dir = $PWD/state
		state_log_dir = ${logs:-$PWD/log}
		[share a]
		path = $PWD/share
		watcher = ${watcher:-auto}
		interval = 50ms
		[sink s]
		plugin = socket
		listen = unix:$PWD/s
	EOT
}
begin_daemon() {
	configure
	run_daemon conf err
}

end_daemon() {
	sync_share
	status=0
	kill "-${1:-TERM}" "$daemon"
	wait "$daemon" 2>/dev/null || status=$?
	[ -n "${1-}" ] || [ $status = 0 ] || fail "$(cat err)"
}

sync_share() {
	"$B/hostwatch" sync --socket "$PWD/control" a >/dev/null
}

# Waits until a snapshot is complete.
snapshot() {
	local end=$((SECONDS + DEADLINE))
	until [ -e state/a.open ]; do
		[ $SECONDS -lt $end ] || fail "no snapshot"
	done
}

# Sets $epoch and $seq to those of the newest event.
position() {
	sync_share
	"$B/hostwatch" status --socket "$PWD/control" --json >status
	epoch=$(grep -oE '"epoch":"?[0-9a-f]+' status | head -n 1 | grep -oE '[0-9a-f]+$')
	seq=$(grep -oE '"seq":[0-9]+' status | head -n 1 | grep -oE '[0-9]+$')
}

# news [COUNT]: prints the events after the position that was taken, one a line, and takes the position again. COUNT: how many
# they are, if numbers were skipped.
news() {
	local old_epoch=$epoch old_seq=$seq
	position
	equal "$old_epoch" "$epoch" "another epoch"
	[ "$seq" -gt "$old_seq" ] || return 0
	"$B/hostwatch" tail --json --epoch "$epoch" --after "$old_seq" --share a -n "${1-$((seq - old_seq))}" "unix:$PWD/s" >got 2>tail_err ||
		fail "$(cat tail_err)"
	grep '"event"' got | stripped | sed -E 's/"seq":[0-9]+,"share":"a",//'
}

# The power is lost: of the log, nothing is left. With "copy", its copy is.
lose_power() {
	end_daemon KILL
	rm log/*.log
	[ "${1-}" = copy ] || rm -f state/*.copy
}

# Waits until the logs are copied.
copied() {
	local end=$((SECONDS + DEADLINE)) log
	for log in log/*.log; do
		until cmp -s "$log" "state/$(basename "$log" .log).copy"; do
			[ $SECONDS -lt $end ] || fail "$log is not copied: $(ls -l log state)"
		done
	done
}

logged() {
	grep -qF -- "$1" err || fail "not logged: $1; but: $(cat err)"
}

# Four kinds of change, while no daemon runs.
change() {
	echo more >>share/d/kept
	rm share/d/gone
	mv share/d/old share/e/new
	echo new >share/fresh
}
prepare() {
	mkdir -p share/d share/e
	echo 1 >share/d/kept
	echo 2 >share/d/gone
	echo 3 >share/d/old
	echo 4 >share/d/same
}
changed='{"event":"move","type":"file","from":"d/old","to":"e/new"}
{"event":"delete","type":"file","path":"d/gone"}
{"event":"create","type":"file","path":"fresh"}
{"event":"modify","type":"file","path":"d/kept"}
{"event":"modify","type":"file","path":"fresh"}
{"event":"close_write","type":"file","path":"d/kept"}
{"event":"close_write","type":"file","path":"fresh"}'

# If d is another filesystem than e.
changed_between='{"event":"create","type":"file","path":"e/new"}
{"event":"modify","type":"file","path":"e/new"}
{"event":"close_write","type":"file","path":"e/new"}
{"event":"delete","type":"file","path":"d/old"}
'$(tail -n +2 <<<"$changed")

try_stop() {
	prepare
	begin_daemon
	snapshot
	touch share/d/first
	position
	end_daemon "${1-}"
	change
	begin_daemon
	equal "$changed" "$(news)"
	logged "share a: continues from the state in"
	position
	end_daemon "${1-}"
	begin_daemon
	equal "" "$(news)" "nothing has changed"
	end_daemon
}
test_a_clean_stop_continues_the_epoch() {
	try_stop
}
test_sigkill_continues_the_epoch() {
	try_stop KILL
}
test_sigkill_continues_the_epoch_under_polling() {
	watcher=polling try_stop KILL
}
# What moved within a directory that also moved was not outside of the share.
test_moves_below_a_directory_that_moved_are_moves() {
	mkdir -p share/d/deep/er
	echo 1 >share/d/f
	begin_daemon
	snapshot
	position
	end_daemon KILL
	mv share/d/f share/d/deep/er/g
	mv share/d share/e
	begin_daemon
	equal '{"event":"move","type":"file","from":"d/f","to":"d/deep/er/g"}
{"event":"move","type":"dir","from":"d","to":"e"}' "$(news)"
	end_daemon
}
# More of them than are held open, and deeper ones.
test_moves_below_many_directories_of_one_that_moved_are_moves() {
	local deep dirs
	deep=$(printf 'n/%.0s' {1..80})
	dirs=$(printf 'share/d/%s ' {1..100})
	# shellcheck disable=SC2086
	mkdir -p $dirs "share/d/$deep"
	touch share/d/f{1..100} "share/d/${deep}f"
	begin_daemon
	snapshot
	position
	end_daemon KILL
	for i in {1..100}; do mv "share/d/f$i" "share/d/$i/g"; done
	mv "share/d/${deep}f" share/d/g
	mv share/d share/e
	begin_daemon
	equal 102 "$(news | grep -c '"event":"move".*"from"')"
	position
	end_daemon
}
# No watcher saw the close.
test_a_file_that_was_closed_meanwhile_is_complete() {
	prepare
	begin_daemon
	snapshot
	exec 8>share/open
	echo 1 >&8
	position
	end_daemon KILL
	exec 8>&-
	begin_daemon
	equal '{"event":"close_write","type":"file","path":"open"}' "$(news)"
	end_daemon
}
# The events of the snapshot are kept. Those that followed it are lost, and with them nobody knows which numbers they had.
test_a_crash_of_the_system_continues_the_epoch() {
	prepare
	begin_daemon
	snapshot
	end_daemon
	begin_daemon
	position
	before=$seq
	touch share/d/lost
	position
	lost=$seq
	lose_power
	change
	begin_daemon
	logged "after a run whose last events are lost"
	old=$epoch
	position
	equal "$old" "$epoch"
	[ "$seq" -gt "$lost" ] || fail "numbers are given twice"
	"$B/hostwatch" tail --json --epoch "$epoch" --after "$lost" --share a -n 1 "unix:$PWD/s" >got 2>tail_err
	contains "$(cat got)" '"event":"rescan","path":""'
	seq=$before
	{
		echo "$changed"
		echo '{"event":"create","type":"file","path":"d/lost"}'
		echo '{"event":"close_write","type":"file","path":"d/lost"}'
	} >expected
	equal "$(sort expected)" "$(news 9 | sort)"
	end_daemon
}
# What is copied is not lost.
test_a_crash_of_the_system_loses_nothing_that_is_copied() {
	prepare
	begin_daemon
	snapshot
	touch share/d/first
	sync_share
	copied
	touch share/d/second
	sync_share
	copied
	position
	lose_power copy
	change
	begin_daemon
	logged "after a run whose last events are lost"
	equal "$changed" "$(news 7)"
	# The copy of the run before the crash belongs to the log of the run after it.
	position
	end_daemon KILL
	begin_daemon
	logged "after a run that did not stop cleanly"
	equal "" "$(news)" "nothing has changed"
	touch share/d/third
	position
	copied
	lose_power copy
	touch share/d/fourth
	begin_daemon
	equal '{"event":"create","type":"file","path":"d/fourth"}
{"event":"close_write","type":"file","path":"d/fourth"}' "$(news 2)"
	end_daemon
	equal "" "$(find state -name '*.copy')" "copies after a clean stop"
}
# Numbers that were skipped are no events that a receiver has lost.
test_skipped_numbers_do_not_count_as_lost() {
	prepare
	begin_daemon
	snapshot
	touch share/d/lost
	position
	lose_power
	begin_daemon
	"$B/hostwatch" tail --json --epoch "$epoch" --after "$seq" --share a "unix:$PWD/s" >got 2>tail_err &
	started+=($!)
	end=$((SECONDS + DEADLINE))
	until grep -q '"rescan"' got; do
		[ $SECONDS -lt $end ] || fail "no rescan: $(cat got tail_err)"
	done
	"$B/hostwatch" status --socket "$PWD/control" --json >status
	[[ $(cat status) =~ '"rescans":1,"lost":'[0-9]'}' ]] || fail "$(cat status)"
	end_daemon
}
# The log of the run after the crash follows what is left of the run before it, and the next crash skips numbers again.
test_crashes_of_the_system_follow_each_other() {
	prepare
	begin_daemon
	snapshot
	position
	for crash in 1 2 3; do
		lose_power
		begin_daemon
		[ -e state/a.numbers ] || fail "no numbers are reserved"
		old=$seq
		position
		[ "$seq" -gt "$old" ] || fail "crash $crash: numbers are given twice"
		touch "share/d/crash$crash"
		end_daemon KILL
		begin_daemon
		logged "after a run that did not stop cleanly"
		contains "$(news 1)" "\"path\":\"d/crash$crash\""
	done
	position
	end_daemon
	begin_daemon
	logged "after a clean stop"
	equal "" "$(news)" "nothing has changed"
	[ ! -e state/a.numbers ] || fail "a.numbers is left"
	end_daemon
}
test_numbers_that_cannot_be_reserved_begin_a_new_epoch() {
	prepare
	begin_daemon
	snapshot
	position
	lose_power
	mkdir -p state/a.numbers/x
	old=$epoch
	begin_daemon
	logged "no sequence numbers are reserved: cannot write $PWD/state/a.numbers: Is a directory; a new epoch begins"
	position
	[ "$epoch" != "$old" ] || fail "the same epoch"
	rm -r state/a.numbers
	end_daemon
}
# A crash of the system leaves files that were being written, whose names are not those of complete ones.
test_files_that_were_not_complete_are_not_read() {
	prepare
	begin_daemon
	snapshot
	end_daemon
	head -c 100 state/a.state >state/a.state.new
	head -c 100 state/a.state >state/a.open.new
	begin_daemon
	logged "continues from the state in"
	logged "after a clean stop"
	snapshot
	position
	lose_power
	head -c 100 state/a.open >state/a.state.new
	head -c 100 state/a.open >state/a.numbers.new
	old=$epoch
	begin_daemon
	logged "whose last events are lost"
	position
	equal "$old" "$epoch"
	end_daemon
	begin_daemon
	logged "after a clean stop"
	end_daemon
}
# A clean state that was found after a crash would give the numbers of later events twice.
test_a_running_daemon_leaves_no_clean_state() {
	prepare
	begin_daemon
	snapshot
	end_daemon
	[ -e state/a.state ] || fail "no state after a clean stop"
	[ ! -e state/a.open ] || fail "an open state after a clean stop"
	begin_daemon
	[ ! -e state/a.state ] || fail "a clean state while the daemon runs"
	[ -e state/a.open ] || fail "no open state while the daemon runs"
	end_daemon
	equal "" "$(ls log)" "logs after a clean stop"
}
test_a_log_of_another_boot_is_not_read() {
	prepare
	begin_daemon
	snapshot
	position
	end_daemon KILL
	for file in log/*.log; do
		dd if=/dev/zero of="$file" bs=1 seek=80 count=4 conv=notrunc 2>/dev/null
	done
	old=$seq
	begin_daemon
	logged "whose last events are lost"
	position
	[ "$seq" -gt "$old" ] || fail "numbers are given twice"
	end_daemon
}
test_a_damaged_log_is_read_up_to_the_damage() {
	prepare
	begin_daemon
	snapshot
	position
	touch share/d/first
	sync_share
	size=$(stat -c %s log/*.log)
	touch share/d/second
	end_daemon KILL
	printf xxxx | dd of="$(echo log/*.log)" bs=1 seek=$((size + 20)) conv=notrunc 2>/dev/null
	begin_daemon
	logged "whose last events are lost"
	equal '{"event":"create","type":"file","path":"d/first"}
{"event":"close_write","type":"file","path":"d/first"}
{"event":"create","type":"file","path":"d/second"}
{"event":"close_write","type":"file","path":"d/second"}' "$(news 4)"
	end_daemon
}
test_a_damaged_state_is_set_aside() {
	prepare
	begin_daemon
	snapshot
	end_daemon
	printf x | dd of=state/a.state bs=1 seek=200 conv=notrunc 2>/dev/null
	begin_daemon
	logged "cannot be used: it is damaged; it is kept as a.bad; a new epoch begins"
	[ -e state/a.bad ] || fail "a.bad is missing"
	end_daemon
	[ -e state/a.state ] || fail "no new state"
}
test_a_state_of_the_future_is_set_aside() {
	prepare
	begin_daemon
	snapshot
	end_daemon
	printf '\11' | dd of=state/a.state bs=1 seek=8 conv=notrunc 2>/dev/null
	begin_daemon
	logged "cannot be used: a later version of hostwatch wrote it"
	end_daemon
}
test_a_state_of_another_root_is_set_aside() {
	prepare
	begin_daemon
	snapshot
	end_daemon
	mv share other
	ln -s other share
	begin_daemon
	logged "continues from the state in" # the path is the same
	end_daemon
	rm share
	mkdir share
	mv state/a.state state/b.state
	sed -i 's/share a/share b/' conf
	run_daemon conf err
	logged "share b: the state in"
	logged "cannot be used: it is of another directory"
	kill "$daemon"
	wait "$daemon"
}
# try_another_device DIRECTORY: a filesystem is mounted there, and has another device number after a reboot.
try_another_device() {
	local before file
	[ "$(id -u)" = 0 ] || skip "only root can mount"
	mkdir -p "$1" spare
	for file in image other; do
		truncate -s 8M $file
		mkfs.ext4 -q $file
	done
	mount -o loop image "$1" 2>mount_err || skip "no loop device can be mounted: $(cat mount_err)"
	trap 'umount -l "$directory" spare 2>/dev/null || :; for p in "${started[@]}"; do kill -KILL "$p" 2>/dev/null || :; done' EXIT
	directory=$PWD/$1
	prepare
	before=$(stat -c %d "$1")
	begin_daemon
	snapshot
	position
	end_daemon
	change
	umount "$1"
	mount -o loop other spare
	mount -o loop image "$1"
	[ "$(stat -c %d "$1")" != "$before" ] || skip "the kernel gave the same device number again"
	begin_daemon
	equal "$(sort <<<"$2")" "$(news | sort)"
	end_daemon
	umount "$1" spare
}
test_a_root_with_another_device_number_is_the_same() {
	try_another_device share "$changed"
}
test_a_mount_point_with_another_device_number_is_the_same() {
	try_another_device share/d "$changed_between"
}
test_two_daemons_do_not_share_a_state() {
	prepare
	begin_daemon
	snapshot
	sed "s,$PWD/control,$PWD/control2,; s,unix:$PWD/s,unix:$PWD/s2," conf >conf2
	first=$daemon
	run_daemon conf2 err2
	contains "$(cat err2)" "its state is not kept"
	contains "$(cat err2)" "another hostwatchd keeps the state of a share of this name there"
	kill "$daemon"
	wait "$daemon"
	daemon=$first
	end_daemon
}
test_others_may_not_write_to_the_directory() {
	prepare
	mkdir -m 777 state
	chmod 777 state
	begin_daemon
	logged "its state is not kept"
	logged "other users may write to this directory"
	end_daemon
}
test_a_directory_that_is_a_symbolic_link_is_named() {
	prepare
	mkdir -m 700 real
	ln -s real state
	begin_daemon
	logged "its state is not kept: \"$PWD/state\": it is a symbolic link; set state_dir to the path that it points to"
	end_daemon
	rm state
	rmdir log
	ln -s real log
	begin_daemon
	logged "its state is not kept: \"$PWD/log\": it is a symbolic link; set state_log_dir to the path that it points to"
	end_daemon
}
# As after a run as root. The state is as it was, so that it can be used when it has the right owner.
test_the_state_of_another_user_is_named_and_left() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	prepare
	begin_daemon
	snapshot
	position
	end_daemon
	local old=$epoch
	chown 65534 state/a.state
	begin_daemon
	logged "its state is not kept: \"$PWD/state/a.state\": it belongs to user 65534, and hostwatchd runs as user 0; change the owner"
	end_daemon
	[ ! -e state/a.bad ] || fail "it was set aside"
	chown 0 state/a.state
	begin_daemon
	logged "share a: continues from the state in"
	position
	equal "$old" "$epoch" epoch
	end_daemon KILL
	chown 65534 log/a.*
	begin_daemon
	logged "its state is not kept: \"$(echo "$PWD"/log/a.*.log)\": it belongs to user 65534"
	end_daemon
}
test_a_snapshot_that_was_removed_is_reported() {
	prepare
	begin_daemon
	snapshot
	position
	end_daemon KILL
	local old
	old=$(ls log)
	rm state/a.open
	begin_daemon
	logged "share a: $PWD/state has no a.open, only the log of the last run was left: somebody removed the file"
	snapshot
	[ ! -e "log/$old" ] || fail "the old log is there: $(ls log)"
	end_daemon
	begin_daemon
	! grep -q 'has no a.open' err || fail "$(cat err)"
	end_daemon
}
test_no_state_is_kept_in_the_share_itself() {
	mkdir -p share
	logs=$PWD/share/log
	begin_daemon
	logged "its state is not kept: state_dir or state_log_dir is in the share itself"
	touch share/file
	sync_share
	equal "" "$(ls share/log)"
	end_daemon
}
test_files_are_private() {
	prepare
	begin_daemon
	snapshot
	end_daemon
	equal 700 "$(stat -c %a state)"
	equal "600 600" "$(stat -c %a state/* | xargs)"
}
test_the_service_manager_names_the_directory() {
	prepare
	configure
	sed -i '/^state_dir/d' conf
	mkdir -m 700 state
	STATE_DIRECTORY=$PWD/state:/nowhere run_daemon conf err
	snapshot
	end_daemon
	[ -e state/a.state ] || fail "no state in \$STATE_DIRECTORY: $(cat err)"
	sed -i 's/^state_log_dir/state_dir =\n&/' conf
	rm state/a.state
	STATE_DIRECTORY=$PWD/state run_daemon conf err
	end_daemon
	[ ! -e state/a.state ] || fail "a state although state_dir is empty"
}
test_status_shows_it() {
	prepare
	begin_daemon
	snapshot
	# The snapshot is there a moment before its process has ended.
	end=$((SECONDS + DEADLINE))
	until "$B/hostwatch" status --socket "$PWD/control" >status && grep -qF ", state " status; do
		[ $SECONDS -lt $end ] || fail "no state: $(cat status)"
	done
	position
	[[ $(cat status) =~ '"kept_bytes":'[1-9] ]] || fail "$(cat status)"
	end_daemon
	chmod 777 state
	begin_daemon
	"$B/hostwatch" status --socket "$PWD/control" >status
	contains "$(cat status)" ", state not kept: "
	end_daemon
}
test_a_reload_continues_the_epoch() {
	prepare
	begin_daemon
	snapshot
	position
	sed -i 's/interval = 50ms/interval = 60ms/' conf
	"$B/hostwatch" reload --socket "$PWD/control"
	touch share/d/later
	contains "$(news)" '"path":"d/later"'
	logged "continues from the state in"
	end_daemon
}
test_excludes_that_change_are_a_difference() {
	prepare
	begin_daemon
	snapshot
	position
	end_daemon
	begin_daemon
	end_daemon
	sed -i 's/interval = 50ms/interval = 50ms\nexclude = same/' conf
	run_daemon conf err
	equal '{"event":"delete","type":"file","path":"d/same"}' "$(news)"
	end_daemon
}

# small DIRECTORY SIZE: a filesystem that can become full.
small() {
	[ "${private-}" ] || skip "$(lacks_mounts)"
	mkdir -p "$1"
	mount -t tmpfs -o "mode=700,size=$2" none "$1"
}
fill() {
	! cat /dev/zero >"$1/fill" 2>/dev/null || fail "$1 is never full"
}
await_log() {
	local end=$((SECONDS + DEADLINE))
	until grep -qF -- "$1" err; do
		[ $SECONDS -lt $end ] || fail "not logged: $1; but: $(cat err)"
	done
}
test_a_full_disk_is_tried_again() {
	small state 64k
	prepare
	fill state
	begin_daemon
	await_log "share a: its state is not kept at the moment: cannot write a snapshot to $PWD/state: No space left on device"
	logged "tries again every 10 s; if it is killed before that succeeds, receivers with newer events read everything again"
	position
	touch share/d/first
	equal '{"event":"create","type":"file","path":"d/first"}
{"event":"close_write","type":"file","path":"d/first"}' "$(news)"
	"$B/hostwatch" status --socket "$PWD/control" >status
	contains "$(cat status)" ", state not kept: cannot write a snapshot to "
	rm state/fill
	snapshot
	equal 1 "$(grep -c "its state is not kept" err)"
	position
	end_daemon KILL
	change
	begin_daemon
	equal "$changed" "$(news)"
	end_daemon
	umount --lazy state
}
test_a_full_disk_of_the_log_loses_no_event() {
	small log 64k
	prepare
	begin_daemon
	snapshot
	position
	fill log
	touch share/d/{1..200} # more than the rest of a page
	equal 200 "$(news | grep -c '"create"')"
	logged "share a: its state is not kept at the moment: cannot write the log in $PWD/log: No space left on device"
	position
	old=$epoch last=$seq
	end_daemon KILL
	rm log/fill
	begin_daemon
	position
	[ "$epoch" != "$old" ] || [ "$seq" -gt "$last" ] || fail "numbers are given twice"
	end_daemon
	umount --lazy log
}
test_a_full_disk_at_a_stop_continues_the_epoch() {
	small state 64k
	prepare
	begin_daemon
	snapshot
	position
	fill state
	end_daemon
	logged "share a: cannot write its state to $PWD/state: No space left on device; it is kept in $PWD/log until the system stops"
	rm state/fill
	change
	begin_daemon
	equal "$changed" "$(news)"
	end_daemon
	umount --lazy state
}
test_a_log_that_cannot_be_copied_is_tried_again() {
	small state 64k
	prepare
	begin_daemon
	snapshot
	copied
	fill state
	touch share/d/{1..200}
	await_log "share a: cannot copy the log of its state to $PWD/state: No space left on device"
	position
	rm state/fill
	copied
	equal 1 "$(grep -c "cannot copy the log" err)"
	lose_power copy
	change
	begin_daemon
	equal "$changed" "$(news 7)"
	end_daemon
	umount --lazy state
}
# A snapshot needs no log.
test_a_full_disk_of_the_log_at_a_stop_continues_the_epoch() {
	small log 64k
	prepare
	begin_daemon
	snapshot
	fill log
	touch share/d/{1..200}
	position
	logged "cannot write the log in $PWD/log: No space left on device"
	end_daemon
	[ -e state/a.state ] || fail "no state: $(cat err)"
	rm log/fill
	change
	begin_daemon
	logged "after a clean stop"
	equal "$changed" "$(news)"
	end_daemon
	umount --lazy log
}
# The old state is of use: what it has is not read again.
test_full_disks_at_a_stop_leave_the_old_state() {
	small state 64k
	small log 64k
	prepare
	begin_daemon
	snapshot
	position
	old=$epoch first=$seq
	fill state
	fill log
	touch share/d/{1..200}
	position
	last=$seq
	end_daemon
	logged "share a: cannot write its state to $PWD/state: No space left on device; cannot write the log in $PWD/log: No space left on device; receivers with events that are newer than its last state read everything again"
	rm state/fill log/fill
	begin_daemon
	logged "after a run whose last events are lost"
	position
	equal "$old" "$epoch"
	[ "$seq" -gt "$last" ] || fail "numbers are given twice"
	seq=$first
	equal 200 "$(news 400 | grep -c '"create"')"
	end_daemon
	umount --lazy state log
}
# The file that is being written is a FIFO without a reader: the process that opens it waits.
test_a_disk_that_hangs_delays_nothing() {
	prepare
	mkdir -m 700 state
	mkfifo state/a.open.new
	begin_daemon
	position
	touch share/d/first
	equal '{"event":"create","type":"file","path":"d/first"}
{"event":"close_write","type":"file","path":"d/first"}' "$(news)"
	[ ! -e state/a.open ] || fail "a snapshot"
	position
	end_daemon
	change
	begin_daemon
	logged "after a clean stop"
	equal "$changed" "$(news)"
	end_daemon
}

run_tests
