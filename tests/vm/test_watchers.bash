# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# More programs that react to changes, compared as in test_programs.bash. They take longer, and some are not in Debian: those that the
# host does not have are skipped.

watchers_need() { # FILE HOW
	[ -e "$1" ] || guest_skip "there is no $1: $2"
}

# The directory of a package of Node.js, where tool() finds it.
watchers_npm() { # PACKAGE
	local where
	for where in /usr/share/nodejs /usr/lib/node_modules /usr/local/lib/node_modules; do
		[ ! -e "$where/$1/package.json" ] || { echo "$where/$1"; return; }
	done
	echo "/usr/lib/node_modules/$1"
}

watchers_need_npm() { # PACKAGE
	watchers_need "$(watchers_npm "$1")" "npm install -g $1"
}

watchers_npm_version() { # PACKAGE
	sed -n 's/^[ \t]*"version": *"\([^"]*\)".*/\1/p' "$(watchers_npm "$1")/package.json" | sed 1q
}

test_gio_monitor_reacts() {
	watchers_need /usr/bin/gio 'mk/deps vm' || return
	programs_compare 'gio monitor' "$(programs_package libglib2.0-bin)" gio \
		'tool gio monitor -d DIR' '' gio \
		create 'echo 1 >new' '/new: created' \
		modify 'echo 2 >>modified' '/modified: changes done' \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' 'renamed to .*/saved' \
		delete 'rm deleted' '/deleted: deleted' \
		rename 'mv renamed other' '/renamed: renamed to .*/other'
}

# A rename is a delete and a create for it if it reads the first record before the second is there.
test_lsyncd_reacts() {
	watchers_need /usr/bin/lsyncd 'mk/deps vm' || return
	programs_compare lsyncd "$(programs_package lsyncd)" lsyncd \
		'{ echo "settings { nodaemon = true }"
		echo "sync { source = \"DIR\", delay = 0, onCreate = \"echo lsyncd create ^pathname\", onModify = \"echo lsyncd modify ^pathname\","
		echo "onDelete = \"echo lsyncd delete ^pathname\", onMove = \"echo lsyncd move ^o.pathname ^d.pathname\" }"; } >/tmp/lsyncd.conf
		tool lsyncd -nodaemon /tmp/lsyncd.conf' '' lsyncd \
		create 'echo 1 >new' 'lsyncd create new$' \
		modify 'echo 2 >>modified' 'lsyncd modify modified$' \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' 'lsyncd (create|move .*) saved$' \
		delete 'rm deleted' 'lsyncd delete deleted$' \
		rename 'mv renamed other' 'lsyncd (move renamed|create) other$' \
		'new subdirectory' 'mkdir sub && echo 1 >sub/file' 'lsyncd create sub/file$'
}

# It does not report what a new directory contains when it begins to watch it, nor names that are gone.
test_reflex_reacts() {
	watchers_need /usr/bin/reflex 'mk/deps vm' || return
	programs_terminal && programs_compare 'reflex, with fsnotify of Go' "$(programs_package reflex)" reflex \
		'cd DIR && HOME=/tmp SHELL=/bin/sh /usr/bin/reflex -d none -- echo reflex {}' '' reflex \
		create 'echo 1 >new' 'reflex new$' \
		modify 'echo 2 >>modified' 'reflex modified$' \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' 'reflex saved$' \
		rename 'mv renamed other' 'reflex other$' \
		'new subdirectory' 'mkdir sub' 'reflex sub/$' \
		'create in the new subdirectory' 'echo 1 >sub/file' 'reflex sub/file$'
}

test_python_watchdog_reacts() {
	watchers_need /usr/lib/python3/dist-packages/watchdog 'mk/deps vm' || return
	printf '%s' "$programs_watchdog" >"$share/watch.py"
	programs_compare 'watchdog of Python' "$(programs_package python3-watchdog)" python3 \
		'tool python3 /mnt/watch.py DIR' 'watchdog ready' '' \
		create 'echo 1 >new' 'watchdog created .*/new( |$)' \
		modify 'echo 2 >>modified' 'watchdog modified .*/modified( |$)' \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' 'watchdog moved .*/saved$' \
		delete 'rm deleted' 'watchdog deleted .*/deleted( |$)' \
		rename 'mv renamed other' 'watchdog moved .*/renamed .*/other$' \
		'new subdirectory' 'mkdir sub && echo 1 >sub/file' 'watchdog created .*/sub/file( |$)'
}

test_watchman_reacts() {
	local files='.*"is_fresh_instance":false' state='-n --no-pretty --sockname=/tmp/w.sock --logfile=/tmp/w.log --pidfile=/tmp/w.pid'
	watchers_need /usr/bin/watchman 'mk/deps vm' || return
	programs_compare watchman "$(programs_package watchman)" watchman \
		"USER=root tool watchman $state watch DIR; echo '[\"subscribe\",\"DIR\",\"s\",{\"fields\":[\"name\",\"exists\"]}]' | USER=root tool watchman $state -p -j" \
		'"subscribe":"s"' '' \
		create 'echo 1 >new' '"exists":true,"name":"new"'"$files" \
		modify 'echo 2 >>modified' '"exists":true,"name":"modified"'"$files" \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' '"exists":true,"name":"saved"'"$files" \
		delete 'rm deleted' '"exists":false,"name":"deleted"'"$files" \
		rename 'mv renamed other' '"exists":true,"name":"other"'"$files" \
		'new subdirectory' 'mkdir sub && echo 1 >sub/file' '"exists":true,"name":"sub/file"'"$files"
}

test_parcel_watcher_reacts() {
	watchers_need_npm @parcel/watcher || return
	programs_compare @parcel/watcher "$(watchers_npm_version @parcel/watcher), Node.js $(node --version)" node \
		"tool node -e 'require(\"@parcel/watcher\").subscribe(\"DIR\", (e, seen) => seen.forEach(s => console.log(\"parcel\", s.type, s.path)), {backend: \"inotify\"}).then(() => console.log(\"parcel ready\"))'" \
		'parcel ready' '' \
		create 'echo 1 >new' 'parcel (create|update) .*/new$' \
		modify 'echo 2 >>modified' 'parcel update .*/modified$' \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' 'parcel (create|update) .*/saved$' \
		delete 'rm deleted' 'parcel delete .*/deleted$' \
		rename 'mv renamed other' 'parcel create .*/other$' \
		'new subdirectory' 'mkdir sub && echo 1 >sub/file' 'parcel (create|update) .*/sub/file$'
}

test_nodemon_reacts() {
	watchers_need_npm nodemon || return
	programs_compare nodemon "$(watchers_npm_version nodemon), Node.js $(node --version)" node \
		"cd DIR && tool node $(watchers_npm nodemon)/bin/nodemon.js -V script.js" 'ran 1' node \
		create 'echo 1 >new.js' 'files triggering change check: .*new.js' \
		modify 'echo "module.exports = 2" >modified.js' 'ran 2' \
		'atomic save' 'echo "module.exports = 3" >.tmp && mv .tmp modified.js' 'ran 3' \
		rename 'mv new.js other.js' 'files triggering change check: .*other.js' \
		delete 'rm other.js' 'files triggering change check: .*other.js' \
		'new subdirectory' 'mkdir sub && echo 1 >sub/file.js' 'files triggering change check: .*sub/file.js'
}

# What is built needs a file that is not there at first.
test_webpack_reacts() {
	watchers_need_npm webpack || return
	programs_compare webpack "$(watchers_npm_version webpack), Node.js $(node --version)" node \
		"echo 'require(\"./later/file.js\"), require(\"./modified.js\")' >DIR/script.js
		tool node -e 'require(\"webpack\")({mode: \"development\", devtool: false, context: \"DIR\", entry: \"./script.js\", output: {path: \"/tmp/built\"}})
			.watch({}, (e, s) => console.log(\"webpack\", e || s.hasErrors() ? \"error\" : \"built\", ...s.compilation.compiler.modifiedFiles || []))'" \
		'webpack error' node \
		modify 'echo "module.exports = 2" >modified.js' 'webpack error .*/modified.js' \
		'atomic save' 'echo "module.exports = 3" >.tmp && mv .tmp modified.js' 'webpack error .*/modified.js' \
		'new subdirectory' 'mkdir later && echo "module.exports = 4" >later/file.js' 'webpack built' \
		rename 'mv later/file.js later/other.js' 'webpack error' \
		create 'echo "module.exports = 5" >later/file.js' 'webpack built' \
		delete 'rm later/file.js' 'webpack error'
}

# Java finds its configuration in /etc.
test_java_watchservice_reacts() {
	local java
	java=$(readlink -f /usr/bin/javac) && watchers_need "$java" 'mk/deps vm-programs' || return
	java=${java%/bin/javac}
	mkdir -p "$share/java/etc" && "$java/bin/javac" -d "$share/java" tests/vm/Watch.java && cp -rL /etc/java-* "$share/java/etc" || return 1
	programs_begin && host_sync && vm_run 'mkdir -p /etc && cp -r /mnt/java/etc/* /etc' || return 1
	programs_compare 'WatchService of Java' "$("$java/bin/java" -version 2>&1 | sed -n 's/.* version "\([^"]*\)".*/\1/p')" java \
		"$java/bin/java -Xint -Xmx64m -XX:+UseSerialGC -cp /mnt/java Watch DIR" 'java ready' '' \
		create 'echo 1 >new' 'java ENTRY_CREATE .*/new$' \
		modify 'echo 2 >>modified' 'java ENTRY_MODIFY .*/modified$' \
		'atomic save' 'echo 3 >.tmp && mv .tmp saved' 'java ENTRY_(CREATE|MODIFY) .*/saved$' \
		delete 'rm deleted' 'java ENTRY_DELETE .*/deleted$' \
		rename 'mv renamed other' 'java ENTRY_CREATE .*/other$' \
		'new subdirectory' 'mkdir sub && echo 1 >sub/file' 'java (has|ENTRY_CREATE) .*/sub/file$'
}
