/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replay.h"

#include "tests/common/scratch.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUIET_MS 100

void replay_begin(struct replay *r, const char *root)
{
	*r = (struct replay){ .root = root };
	assert_int_equal(hw_model_create(&r->told), 0);
	assert_int_equal(hw_model_load(r->told, root), 0);
}

void replay_end(struct replay *r)
{
	hw_model_destroy(r->told);
}

void replay_start_watch(struct program *p, const char *root, const char *watcher,
			program_prepare_fn *prepare, void *arg)
{
	PROGRAM_START(p, prepare, arg, HOSTWATCH, "watch", "--json", "--interval", "100ms",
		      "--watcher", watcher, root);
	program_await(p, &p->out, "{\"hello\":");
}

static void check_json(const char *line, size_t len)
{
	json_error_t error;
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);

	if (!object)
		fail_msg("not JSON: %s: %.200s", error.text, line);
	json_decref(object);
}

void replay_line(struct replay *r, char *line)
{
	struct hw_json_message message;
	size_t len = strlen(line);
	char why[160] = "";

	check_json(line, len);
	char *copy = strndup(line, 300);

	assert_int_equal(hw_json_parse_line(line, len, &message), 0);
	if (message.what == HW_JSON_ERROR)
		fail_msg("error: %s", copy);
	if (message.what == HW_JSON_EVENT) {
		r->events++;
		if (hw_model_apply(r->told, &message.event, why, sizeof(why)))
			fail_msg("%s: %s", why, copy);
		if (r->seen)
			r->seen(r->arg, &message.event);
	}
	free(copy);
}

static struct hw_model *load_truth(const char *root)
{
	struct hw_model *truth;

	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, root), 0);
	return truth;
}

void replay_until_equal(struct replay *r, struct program *p)
{
	int64_t deadline = hw_clock_monotonic_ns() + PROGRAM_DEADLINE_MS * INT64_C(1000000);
	struct hw_model *truth = load_truth(r->root);
	FILE *null = fopen("/dev/null", "we");

	assert_non_null(null);
	for (;;) {
		char *line = program_line(p, QUIET_MS);

		if (line)
			replay_line(r, line);
		else if (!hw_model_compare(r->told, truth, null) ||
			 hw_clock_monotonic_ns() > deadline || p->out.fd < 0)
			break;
	}
	(void)fclose(null); /* nothing depends on it */
	size_t different = hw_model_compare(r->told, truth, stderr);

	hw_model_destroy(truth);
	if (different)
		fail_msg("%zu entries differ; stderr: %s", different, p->err.bytes);
}
