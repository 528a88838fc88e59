/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers of the control socket: records as control.h describes them. */
#ifndef HW_CONTROL_ANSWER_H
#define HW_CONTROL_ANSWER_H

#include "errors.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hw_core;

/* Made by hw_answer_begin(), ended by hw_answer_end(), which reports when memory was short. */
struct hw_answer {
	FILE *to; /* owned */
	char *text;
	size_t size;
	bool in_record;
};

void hw_answer_begin(struct hw_answer *answer);
/* The text, owned by the caller, not terminated by NUL. -ENOMEM. */
int hw_answer_end(struct hw_answer *answer, char **ret_text, size_t *ret_size);

/* Begins a record; the fields that follow belong to it. */
void hw_answer_record(struct hw_answer *answer, const char *kind);
void hw_answer_text(struct hw_answer *answer, const char *key, const char *value);
void hw_answer_number(struct hw_answer *answer, const char *key, uint64_t value);

/* One of these writes the whole answer, its last line included. */
void hw_answer_error(struct hw_answer *answer, const char *reason);
/* All lines but the last one as `mistake`; without any, the text of the error number. */
void hw_answer_errors(struct hw_answer *answer, const struct hw_errors *errors, int error);
void hw_answer_status(struct hw_answer *answer, struct hw_core *core);

#endif
