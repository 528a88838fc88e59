/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One command at a time, in a process group of its own. Its orphans become children of this
 * program, which reaps them: there are no zombies. Loop thread only; one per process, which has no
 * other children.
 */
#ifndef HW_RUN_H
#define HW_RUN_H

#include "loop.h"

#include <stdbool.h>
#include <sys/types.h>

/* The command has ended: its exit status, or 128 and the signal that ended it. After hw_run_stop(),
 * its process group has ended as well. May start the next one. */
typedef void hw_run_ended_fn(void *arg, int status);

struct hw_run {
	struct hw_loop *loop; /* borrowed */
	hw_run_ended_fn *ended;
	void *arg;
	uint64_t kill_after_ns; /* from the first signal of hw_run_stop() to SIGKILL */
	struct hw_timer *killer; /* owned */
	uv_signal_t child; /* SIGCHLD */
	pid_t pid; /* the leader of its group; 0: nothing runs */
	int status; /* of the leader, -1: it has not ended */
	bool stopping;
};

/* -errno. `run` stays at its place until the loop is destroyed. */
int hw_run_init(struct hw_run *run, struct hw_loop *loop, uint64_t kill_after_ns,
		hw_run_ended_fn *ended, void *arg);
/* Kills what is left of the group. */
void hw_run_free(struct hw_run *run);

/* Starts argv, searched in PATH, with `setting` ("NAME=value", or NULL) in its environment and
 * /dev/null as standard input. -errno: it cannot be executed, and nothing runs. */
int hw_run_start(struct hw_run *run, char *const *argv, const char *setting);

/* Sends the signal to the group; SIGKILL after kill_after_ns, or at once the second time. */
void hw_run_stop(struct hw_run *run, int number);

#endif
