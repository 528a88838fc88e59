/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks the JSON lines of a program with an independent parser, and replays them on a model. */
#ifndef HW_HOSTILE_REPLAY_H
#define HW_HOSTILE_REPLAY_H

#include "program.h"
#include "tests/common/model.h"
#include <hostwatch/wire.h>

struct replay {
	struct hw_model *told; /* owned */
	const char *root; /* borrowed */
	uint64_t events;
	/* Called for each replayed event; may be NULL. */
	void (*seen)(void *arg, const struct hw_event *event);
	void *arg;
};

/* The model starts with the entries that are below root now. */
void replay_begin(struct replay *r, const char *root);
void replay_end(struct replay *r);

/* Starts `hostwatch watch --json` with this root and watcher, and waits for hello. */
void replay_start_watch(struct program *p, const char *root, const char *watcher,
			program_prepare_fn *prepare, void *arg);

/* Replays one line, and modifies it. Fails the test if the line does not continue a consistent
 * history. */
void replay_line(struct replay *r, char *line);
/* Reads until the model equals the state on disk. */
void replay_until_equal(struct replay *r, struct program *p);

#endif
