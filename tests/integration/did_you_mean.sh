#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A word that is nearly right is answered with the right one, whatever kind of word it is.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# suggests WORD COMMAND...: the command fails, and asks "did you mean WORD?".
suggests() {
	local status=0 question="did you mean [\"[]?$1[]\"]?\\?"
	text=$(timeout $DEADLINE "${@:2}" 2>&1 </dev/null) || status=$?
	[ $status != 0 ] && [ $status != 124 ] || fail "exit status $status: ${*:2}"
	[[ $text =~ $question ]] || {
		echo "$text"
		fail "does not suggest $1: ${*:2}"
	}
}

test_commands_and_options() {
	suggests watch "$B/hostwatch" wacth
	suggests plugin-check "$B/hostwatch" plugincheck
	suggests --version "$B/hostwatch" --versoin
	suggests --pace "$B/hostwatch" demo --pcae 1s
	suggests --exit-after "$B/hostwatch" guest-sim --exit-aftre 1 unix:/x
	suggests --rounds "$B/hostwatch" plugin-check --ruonds 1 x
	suggests --path "$B/hostwatch" plugins --apth x
	suggests --socket "$B/hostwatch" status --sokcet x
	suggests --config "$B/hostwatchd" --confg x
	suggests --channel "$B/hostwatch-guest" --chanel x
}

test_choices() {
	suggests watcher "$B/hostwatch" new-plugin wathcer x
	suggests sink "$B/hostwatch" new-plugin snik x
	suggests debug "$B/hostwatchd" --log-level debgu
	suggests warning "$B/hostwatch-guest" --log-level waring
	suggests module "$B/hostwatch-guest" --channel unix:/x --mount /x --inject modul
}

test_plugins_and_watchers() {
	suggests polling "$B/hostwatch" plugins poling
	suggests socket "$B/hostwatch" plugins sokcet
	suggests inotify "$B/hostwatch" watch --watcher inotfy .
	suggests fanotify "$B/hostwatch" watch --watcher polling,fanotfy .
}

# suggests_in WORD CONFIGURATION
suggests_in() {
	printf '%s\n' "${@:2}" >conf
	suggests "$1" "$B/hostwatch" check conf
	suggests "$1" "$B/hostwatchd" -c conf
}

test_the_configuration() {
	local share=$'[share src]\npath = /tmp' sink=$'[sink ev]\nplugin = socket\nlisten = unix:/nonesuch/s'
	suggests_in hostwatch '[hostwacth]' "$share"
	suggests_in share '[shar src]' "$share"
	suggests_in sink '[sinc src]' "$share"
	suggests_in watcher '[wacther polling]' "$share"
	suggests_in log_level '[hostwatch]' 'log_levle = info' "$share"
	suggests_in info '[hostwatch]' 'log_level = inof' "$share"
	suggests_in interval "$share" 'intervall = 1s'
	suggests_in polling "$share" 'watcher = poling'
	suggests_in polling "$share" 'watcher = inotify, poling'
	suggests_in inotify "$share" '[watcher inotfy]'
	suggests_in interval "$share" '[watcher polling]' 'intervall = 1s'
	suggests_in socket "$share" '[sink ev]' 'plugin = sokcet'
	suggests_in socket "$share" '[sink sokcet]'
	suggests_in json "$share" "$sink" 'format = josn'
	suggests_in yes "$share" "$sink" 'allow_remote = yse'
	suggests_in src "$share" "$sink" 'shares = scr'
	suggests_in src "$share" '[sink vm]' 'plugin = virtiofs' 'channel = unix:/x' 'share = scr'
}

test_the_configuration_of_a_guest() {
	for pair in 'guest=[geust]' 'mount=[moutn a]' 'state=[guest]#stat = x' 'path=[mount a]#pth = /x' \
		'touch=[mount a]#inject = tuoch'; do
		tr '#' '\n' <<<"${pair#*=}" >conf
		suggests "${pair%%=*}" "$B/hostwatch-guest" --check -c conf
	done
}

test_shares_of_a_daemon() {
	mkdir src
	cat >conf <<-EOF
		[hostwatch]
		control = $PWD/control
		[share src]
		path = $PWD/src
		watcher = polling
		[sink lines]
		plugin = socket
		listen = unix:$PWD/lines
	EOF
	start "$B/hostwatchd" -c conf
	end=$((SECONDS + DEADLINE))
	until grep -q 'hostwatchd: ready: ' err; do
		[ $SECONDS -lt $end ] || fail "it is never ready"
	done
	export HOSTWATCH_CONTROL=$PWD/control
	suggests src "$B/hostwatch" sync scr
	suggests src "$B/hostwatch" switch scr polling
	suggests inotify "$B/hostwatch" switch src inotfy
	status=0
	text=$("$B/hostwatch" tail --share scr "unix:$PWD/lines" 2>&1) || status=$?
	equal 1 $status
	contains "$text" "no such share; this sink sends src" # a sink knows its shares, not what is near
	finish "$pid"
}

run_tests
