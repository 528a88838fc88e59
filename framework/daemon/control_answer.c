/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control_answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void hw_answer_begin(struct hw_answer *answer)
{
	*answer = (struct hw_answer){ 0 };
	answer->to = open_memstream(&answer->text, &answer->size);
}

static void end_record(struct hw_answer *answer)
{
	if (answer->in_record)
		fputc('\n', answer->to);
	answer->in_record = false;
}

int hw_answer_end(struct hw_answer *answer, char **ret_text, size_t *ret_size)
{
	bool bad;

	if (!answer->to)
		return -ENOMEM;
	end_record(answer);
	bad = ferror(answer->to) != 0;
	if (fclose(answer->to) != 0 || bad) {
		free(answer->text);
		return -ENOMEM;
	}
	*ret_text = answer->text;
	*ret_size = answer->size;
	return 0;
}

void hw_answer_record(struct hw_answer *answer, const char *kind)
{
	if (!answer->to)
		return;
	end_record(answer);
	fputs(kind, answer->to);
	answer->in_record = true;
}

void hw_answer_text(struct hw_answer *answer, const char *key, const char *value)
{
	if (!answer->to)
		return;
	fprintf(answer->to, "\t%s=", key);
	for (; *value; value++) {
		if (*value == '\t')
			fputs("\\t", answer->to);
		else if (*value == '\n')
			fputs("\\n", answer->to);
		else if (*value == '\\')
			fputs("\\\\", answer->to);
		else
			fputc(*value, answer->to);
	}
}

void hw_answer_number(struct hw_answer *answer, const char *key, uint64_t value)
{
	if (answer->to)
		fprintf(answer->to, "\t%s=%" PRIu64, key, value);
}

void hw_answer_error(struct hw_answer *answer, const char *reason)
{
	hw_answer_record(answer, "error");
	hw_answer_text(answer, "text", reason);
}

void hw_answer_errors(struct hw_answer *answer, const struct hw_errors *errors, int error)
{
	for (size_t i = 0; i + 1 < errors->count; i++) {
		hw_answer_record(answer, "mistake");
		hw_answer_text(answer, "text", errors->lines[i]);
	}
	hw_answer_error(answer,
			errors->count ? errors->lines[errors->count - 1] : strerror(-error));
}
