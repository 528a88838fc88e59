/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers of the control socket: records as described in control.h. */
#ifndef HW_CONTROL_ANSWER_H
#define HW_CONTROL_ANSWER_H

#include "errors.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hw_core;

/* Created by hw_answer_begin(), ended by hw_answer_end(), which returns an error if memory was
 * short. */
struct hw_answer {
	FILE *to; /* owned */
	char *text;
	size_t size;
	bool in_record;
};

void hw_answer_begin(struct hw_answer *answer);
/* Returns 0 and the text, owned by the caller, not terminated by NUL; or -ENOMEM. */
int hw_answer_end(struct hw_answer *answer, char **ret_text, size_t *ret_size);

/* Begins a record; the fields that follow are part of it. */
void hw_answer_record(struct hw_answer *answer, const char *kind);
void hw_answer_text(struct hw_answer *answer, const char *key, const char *value);
void hw_answer_number(struct hw_answer *answer, const char *key, uint64_t value);

/* Each of these writes a whole answer, including its last line. */
void hw_answer_error(struct hw_answer *answer, const char *reason);
/* Writes all lines except the last as `mistake`. If there are no lines, writes the text of the
 * error number. */
void hw_answer_errors(struct hw_answer *answer, const struct hw_errors *errors, int error);
void hw_answer_status(struct hw_answer *answer, struct hw_core *core);

#endif
