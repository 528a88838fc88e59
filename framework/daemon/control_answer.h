/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the control socket says: records as control.h describes them. */
#ifndef HW_CONTROL_ANSWER_H
#define HW_CONTROL_ANSWER_H

#include "errors.h"
#include <stdio.h>

struct hw_core;

/* Made by hw_answer_begin(), ended by hw_answer_end(); out of memory is told at the end. */
struct hw_answer {
	FILE *to; /* owned */
	char *text;
	size_t size;
};

void hw_answer_begin(struct hw_answer *answer);
/* The text, owned by the caller, not terminated by NUL. -ENOMEM. */
int hw_answer_end(struct hw_answer *answer, char **ret_text, size_t *ret_size);

/* One of these writes the whole answer, its last line included. */
void hw_answer_error(struct hw_answer *answer, const char *reason);
/* All lines but the last one as `mistake`; without any, what the error number says. */
void hw_answer_errors(struct hw_answer *answer, const struct hw_errors *errors, int error);
void hw_answer_status(struct hw_answer *answer, struct hw_core *core);

#endif
