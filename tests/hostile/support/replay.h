/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON lines of a program, checked by a parser that is not ours and replayed on a model. */
#ifndef HW_HOSTILE_REPLAY_H
#define HW_HOSTILE_REPLAY_H

#include "program.h"
#include "tests/common/model.h"
#include <hostwatch/wire.h>

struct replay {
	struct hw_model *told; /* owned */
	const char *root; /* borrowed */
	uint64_t events;
	/* Called for each event that was replayed; NULL is fine. */
	void (*seen)(void *arg, const struct hw_event *event);
	void *arg;
};

/* What is below root already counts as known. */
void replay_begin(struct replay *r, const char *root);
void replay_end(struct replay *r);

/* Starts `hostwatch watch --json` with these words and waits for hello. */
void replay_start_watch(struct program *p, const char *root, const char *watcher,
			program_prepare_fn *prepare, void *arg);

/* One line, which is changed. Fails the test when it is no event of a consistent history. */
void replay_line(struct replay *r, char *line);
/* Reads until the model is what is on disk. */
void replay_until_equal(struct replay *r, struct program *p);

#endif
