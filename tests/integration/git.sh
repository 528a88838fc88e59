#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# hostwatch since, and the fsmonitor hook of git: GIT_OPERATIONS random operations (GIT_SEED), after each of which git status
# says the same with the hook and without it.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

end_daemon() {
	kill "-${1:-TERM}" "$daemon"
	wait "$daemon" 2>/dev/null || :
}

configure() {
	top=$PWD
	mkdir -p share
	printf '[hostwatch]\ncontrol = %s/control\n[share a]\npath = %s/share\n%s' "$top" "$top" "${more-}" >conf
	printf '[sink s]\nplugin = socket\nlisten = unix:%s/s\nformat = %s\n' "$top" "${format:-json}" >>conf
	export HOSTWATCH_CONTROL=$top/control
	unset HOSTWATCH_EVENTS XDG_RUNTIME_DIR
}

# Calls since for share/$1 with the token; the names are in $names, in one line, the new token is in $token.
changed() {
	local text
	text=$("$B/hostwatch" since "$top/share/$1" "${token-}") || fail "since: exit status $?"
	token=$(head -n 1 <<<"$text")
	names=$(tail -n +2 <<<"$text" | tr '\n' ' ')
}

each_name_is_printed_once() {
	configure
	mkdir -p share/d/sub share/x
	begin_daemon "$top"
	token=
	changed d
	equal '/ ' "$names"
	changed d
	equal '' "$names"
	touch share/d/f share/d/sub/g share/outside
	touch share/d/f
	changed d
	equal 'f sub/g ' "$names"
	mv share/d/sub share/d/moved
	changed d
	equal 'moved/ sub/ ' "$names"
	mv share/d/moved share/x/m
	changed d
	equal 'moved/ ' "$names"
	mv share/x/m share/d/back
	rm share/d/f
	touch $'share/d/a\nb'
	changed d
	equal $'"a\\nb" back/ f ' "$names"
	mv share/d share/e
	mv share/e share/d
	changed d
	equal '/ ' "$names"
	token=0000000000000001:5
	changed d
	equal '/ ' "$names"
	for token in x '' 1: :1 1:1:1 10000000000000000:1; do
		changed d
		equal '/ ' "$names"
	done
	touch share/d/z
	equal $'z\n' "$("$B/hostwatch" since -z share/d "$token" | tail -z -n +2 | tr '\0' '\n')"$'\n'
	end_daemon
}

test_since_prints_each_changed_name_once() {
	for format in json netlink; do
		mkdir $format
		cd $format
		each_name_is_printed_once
		cd ..
	done
}

test_since_knows_when_it_cannot_know() {
	more=$'journal = 1M\n'
	configure
	begin_daemon "$top"
	token=
	changed .
	printf 'share/%0200d\n' {1..6000} | xargs mkdir
	changed .
	equal '/ ' "$names"
	changed .
	equal '' "$names"
	end_daemon
	begin_daemon "$top"
	changed .
	equal '/ ' "$names"
	end_daemon
}

test_since_fails_outside_of_every_share() {
	local text dir status=0
	more=$'exclude = out/\n'
	configure
	mkdir -p other share/out/in
	begin_daemon "$top"
	text=$("$B/hostwatch" since other 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'no share that this user can reach contains this directory'
	# Nobody knows what changes there.
	for dir in share/out share/out/in; do
		status=0
		"$B/hostwatch" since $dir >/dev/null 2>&1 || status=$?
		equal 1 $status
	done
	status=0
	cd other
	text=$("$B/hostwatch-git-fsmonitor" 2 x 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'hostwatch-git-fsmonitor: '
	# git tries version 1 next.
	status=0
	equal '' "$("$B/hostwatch-git-fsmonitor" 1 1 2>&1)" || status=$?
	end_daemon
	status=0
	text=$(HOSTWATCH_EVENTS=unix:$PWD/none "$B/hostwatch" since . 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'no hostwatchd with a socket sink'
}

# The quoted path has more than 16 KiB. No system call accepts such a path as a whole.
test_since_handles_long_paths() {
	local text status=0 name dir
	name=$(printf '\001%.0s' {1..240})
	configure
	begin_daemon "$top"
	token=
	changed .
	cd share
	for _ in {1..20}; do
		mkdir "$name"
		cd -P "./$name"
	done
	touch end
	text=$("$B/hostwatch" since "$top/share" "$token" | tail -n 1)
	equal "\"$(for _ in {1..20}; do printf '\\x01%.0s' {1..240}; echo -n /; done)end\"" "$text"
	for dir in . "$PWD"; do
		status=0
		text=$("$B/hostwatch" since "$dir" 2>&1) || status=$?
		equal 1 $status
		contains "$text" 'its absolute path has more than 4095 bytes, so no sink can be asked for it; name a directory above it'
	done
	status=0
	text=$("$B/hostwatch-git-fsmonitor" 2 x 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'its absolute path has more than 4095 bytes'
	cd "$top"
	status=0
	text=$("$B/hostwatch" since conf 2>&1) || status=$?
	equal 1 $status
	contains "$text" 'Not a directory'
	end_daemon
}

# ---- git ----

hash_git() {
	command -v git >/dev/null || skip "git is not installed"
	export GIT_CONFIG_NOSYSTEM=1 HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a
	export GIT_CONFIG_GLOBAL=/dev/null GIT_EDITOR=:
}

# The status without the hook and without its caches, from a copy of the index.
true_status() {
	cp "$(git rev-parse --git-path index)" "$top/index"
	GIT_INDEX_FILE=$top/index git --no-optional-locks -c core.fsmonitor=false -c core.untrackedCache=false \
		status --porcelain "$@"
}

compare_status() {
	local kind
	for kind in normal all; do
		equal "$(true_status -u$kind)" "$(git status --porcelain -u$kind 2>>"$top/git.err")" \
			"seed $seed, operation $n, after: $done_so_far"
	done
}

# A random entry of the work tree, in $pick: find's tests are the arguments. Fails if no entry passes them.
pick() {
	local found
	mapfile -t found < <(find . -mindepth 1 -name .git -prune -o "$@" -print | LC_ALL=C sort)
	[ ${#found[@]} -gt 0 ] || return 1
	pick=${found[RANDOM % ${#found[@]}]}
}
# A directory, or the top.
pick_dir() {
	pick -type d || pick=.
}
# A name of few, so that old ones return.
name() {
	name=${1-}$((RANDOM % 6))
}

operate() {
	local from first
	case $1 in
	modify) pick -type f && echo "$n" >>"$pick" ;;
	create) pick_dir && name f && echo "$n" >"$pick/$name" ;;
	remove) pick -type f && rm "$pick" ;;
	rename) pick -type f && from=$pick && pick_dir && name f && mv -T "$from" "$pick/$name" ;;
	make_dirs) pick_dir && name d && from=$pick/$name && name d && mkdir -p "$from/$name" && echo "$n" >"$from/$name/f" ;;
	rename_dir) pick -type d && from=$pick && pick_dir && name d && mv -T "$from" "$pick/$name" ;;
	remove_dir) pick -type d && rm -r "$pick" ;;
	swap_dirs) pick -type d && first=$pick && pick -type d && mv -T "$first" "$top/swap" && { mv -T "$pick" "$first" || :; } &&
		mv -T "$top/swap" "$pick" ;;
	move_out) pick -type d && name o && rm -rf "$top/out/$name" && mv -T "$pick" "$top/out/$name" ;;
	move_in) name o && from=$top/out/$name && [ -d "$from" ] && pick_dir && name d && mv -T "$from" "$pick/$name" ;;
	move_in_share) name d && mkdir -p "../beside/$name/d1" && echo "$n" >"../beside/$name/d1/f1" && from=../beside/$name &&
		pick_dir && name d && mv -T "$from" "$pick/$name" ;;
	to_file) pick -type d && rm -r "$pick" && echo "$n" >"$pick" ;;
	to_dir) pick -type f && rm "$pick" && mkdir "$pick" && echo "$n" >"$pick/f1" ;;
	link) pick_dir && name f && ln -sf d1 "$pick/$name" ;;
	mode) pick -type f && chmod "$((RANDOM % 2 ? 755 : 644))" "$pick" ;;
	touch) pick -type f && touch "$pick" ;;
	add) pick_dir && git add -A -- "$pick" ;;
	commit) git add -A && git commit -q -m "$n" ;;
	reset) git reset -q --hard ;;
	clean) git clean -q -ffd ;;
	stash) git stash -q -u ;;
	pop) git stash pop -q ;;
	checkout) git checkout -q "b$((RANDOM % 3))" ;;
	rebase) git add -A && git commit -q --allow-empty -m "$n" && { git rebase -q "b$((RANDOM % 3))" || git rebase --abort; } ;;
	restart) end_daemon && begin_daemon "$top" ;;
	kill) end_daemon KILL && begin_daemon "$top" ;;
	away)
		end_daemon KILL
		operate rename_dir || :
		operate make_dirs || :
		compare_status
		begin_daemon "$top"
		;;
	esac
}

operations=(modify modify create create remove rename make_dirs make_dirs make_dirs rename_dir rename_dir rename_dir remove_dir
	swap_dirs swap_dirs move_out move_out move_in move_in move_in_share to_file to_dir link mode touch add add commit reset clean
	stash pop pop checkout checkout rebase)
rare=(restart kill away)

begin_repository() {
	local b
	mkdir -p share/beside out "share/$1"
	cd "share/$1"
	git init -q -b b0 .
	git config core.untrackedCache true
	git config core.fsmonitor "$B/hostwatch-git-fsmonitor"
	mkdir -p d1/d2 d3
	echo 1 | tee f1 d1/f1 d1/d2/f2 d3/f3 >/dev/null
	git add -A
	git commit -q -m first
	for b in b1 b2; do
		git checkout -q -b $b b0
		mkdir -p $b/d1 && echo $b | tee $b/d1/f f1 >/dev/null
		git mv d1 d5
		git add -A
		git commit -q -m $b
	done
}

# operates COUNT
operates() {
	local operation
	for ((n = 1; n <= $1; n++)); do
		operation=${operations[RANDOM % ${#operations[@]}]}
		[ $((RANDOM % 50)) != 0 ] || operation=${rare[RANDOM % ${#rare[@]}]}
		operate "$operation" >>"$top/git.out" 2>&1 || :
		done_so_far="$done_so_far $operation"
		done_so_far=${done_so_far:$((${#done_so_far} > 300 ? -300 : 0))}
		[ $((RANDOM % 3)) = 0 ] || compare_status
	done
	compare_status
}

test_git_status_is_the_same_with_the_hook() {
	configure
	hash_git
	begin_daemon "$top"
	seed=${GIT_SEED:-$RANDOM}
	RANDOM=$seed
	done_so_far=
	begin_repository repo
	operates "${GIT_OPERATIONS:-60}"
	# The hook was asked, and had answers.
	contains "$(GIT_TRACE_FSMONITOR=1 git status 2>&1)" 'returned success'
	end_daemon
}

test_git_status_is_the_same_in_another_worktree_and_deep_below() {
	configure
	hash_git
	begin_daemon "$top"
	seed=${GIT_SEED:-$RANDOM}
	RANDOM=$seed
	done_so_far=
	begin_repository deep/down/repo
	git branch other
	git worktree add -q "$top/share/tree" other
	cd "$top/share/tree"
	mkdir -p ../beside
	operates "$((${GIT_OPERATIONS:-60} / 4))"
	contains "$(GIT_TRACE_FSMONITOR=1 git status 2>&1)" 'returned success'
	end_daemon
}

# git keeps the untracked names of a directory until the hook names something in it.
test_git_forgets_what_was_in_a_directory_that_was_renamed() {
	local away=$'mv d4 ../beside/d4\nmv d6 d4' below=$'mv d4/in ../beside/in\nmv d6/in d4/in' out=$'mv d4 "$top/out"\nmv d6 d4'
	configure
	hash_git
	begin_daemon "$top"
	seed=0 n=0 done_so_far=
	begin_repository repo
	for moves in "$away" "$below" "$out"; do
		rm -rf d4 d6 ../beside/* "$top"/out/*
		mkdir -p d4/in d6/in/deep
		touch d4/in/untracked d4/in/other d6/in/deep/untracked
		compare_status
		compare_status # from the cache
		eval "$moves"
		rm -rf d4/in/deep
		compare_status
	done
	end_daemon
}

# A new untracked directory, which git has in its cache: the times of directories that have just changed would not count.
cached() { # DIR
	mkdir -p "$1"
	touch "$1/untracked"
	find . -name .git -prune -o -type d -exec touch -d '1 hour ago' {} +
	contains "$(git status --porcelain)" '?? '
	contains "$(git status --porcelain)" '?? '
}

# The times of a directory do not show that one below it became empty, and checkout looks at no directory.
test_git_reads_all_directories_when_the_hook_cannot_know() {
	local branch
	configure
	hash_git
	begin_daemon "$top"
	seed=0 n=0 done_so_far=
	begin_repository repo
	git checkout -q b0
	cached d1/d4/in
	end_daemon KILL
	mv d1/d4/in d3/in
	compare_status # nobody answers
	begin_daemon "$top"
	compare_status
	for branch in b1 b0; do
		cached d3/in/$branch
		end_daemon KILL
		mv d3/in/$branch "$top/out/$branch"
		begin_daemon "$top"
		git checkout -q $branch
		compare_status
	done
	end_daemon
}

# git takes no name of a repository's own files, but its untracked cache has how a repository was shown.
test_git_sees_a_repository_that_is_made_or_removed() {
	local mode
	configure
	hash_git
	begin_daemon "$top"
	seed=0 n=0 done_so_far=
	begin_repository repo
	for mode in normal all; do
		git config status.showUntrackedFiles $mode
		cached "$mode/files"
		git init -q "$mode/files"
		compare_status
		git init -q "$mode/empty"
		git -C "$mode/empty" commit -q --allow-empty -m first
		compare_status
		compare_status # from the cache
		rm -rf "$mode/empty/.git"
		compare_status
		touch "$mode/files/git~1"
		compare_status
	done
	end_daemon
}

test_git_works_without_a_daemon() {
	configure
	hash_git
	begin_repository repo
	echo 2 >f1
	seed=0 n=0 done_so_far=
	compare_status
	contains "$(cat "$top/git.err")" 'hostwatch-git-fsmonitor: '
}

run_tests
