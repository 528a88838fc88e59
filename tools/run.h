/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs one command at a time, in its own process group. Its orphans become children of this
 * program, which reaps them, so that no zombies remain. Loop thread only; one per process, which
 * must have no other children.
 */
#ifndef HW_RUN_H
#define HW_RUN_H

#include "loop.h"

#include <stdbool.h>
#include <sys/types.h>

/* Called when the command has ended, with its exit status, or 128 plus the signal that ended it.
 * After hw_run_stop(), its process group has also ended. May start the next command. */
typedef void hw_run_ended_fn(void *arg, int status);

struct hw_run {
	struct hw_loop *loop; /* borrowed */
	hw_run_ended_fn *ended;
	void *arg;
	uint64_t kill_after_ns; /* from the first signal of hw_run_stop() to SIGKILL */
	struct hw_timer *killer; /* owned */
	uv_signal_t child; /* SIGCHLD */
	pid_t pid; /* the leader of its group; 0: no command is running */
	int status; /* of the leader; -1: still running */
	bool stopping;
};

/* Returns 0 or -errno. `run` must not move until the loop is destroyed. */
int hw_run_init(struct hw_run *run, struct hw_loop *loop, uint64_t kill_after_ns,
		hw_run_ended_fn *ended, void *arg);
/* Kills the remaining processes of the group. */
void hw_run_free(struct hw_run *run);

/* Starts argv, searched in PATH, with `setting` ("NAME=value", or NULL) in its environment and
 * /dev/null as standard input. -errno: it cannot be executed. */
int hw_run_start(struct hw_run *run, char *const *argv, const char *setting);

/* Sends the signal to the group; then SIGKILL after kill_after_ns, or at once on the second call.
 * */
void hw_run_stop(struct hw_run *run, int number);

#endif
