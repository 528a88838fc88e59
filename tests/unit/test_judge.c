/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judge of random bursts accepts what watchers cannot know, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bursts/judge.h"
#include "tests/bursts/stream.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/conformance/trace.h"

#include <hostwatch/event.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The streams of one burst, under each watcher that can run here. */
struct streams {
	struct hw_stream list[HW_RIG_BACKENDS];
	size_t count;
};

static struct hw_trace *make_trace(const char *text)
{
	FILE *in = fmemopen((char *)(uintptr_t)text, strlen(text), "r");
	struct hw_trace *trace;

	assert_non_null(in);
	assert_int_equal(hw_trace_read(in, "burst", &trace), 0);
	(void)fclose(in); /* memory */
	return trace;
}

static void run(struct streams *streams, const char *text, const struct hw_place *place)
{
	struct hw_trace *trace = make_trace(text);

	streams->count = 0;
	for (unsigned i = 0; i < HW_RIG_BACKENDS; i++) {
		const struct hw_stream_config config = { hw_rig_backends[i], place, false };
		struct hw_stream *stream = &streams->list[streams->count];
		int r = hw_stream_run(trace, &config, stream);

		if (r == -EOPNOTSUPP) {
			hw_stream_release(stream);
			continue;
		}
		assert_int_equal(r, 0);
		streams->count++;
	}
	hw_trace_destroy(trace);
}

static void release(struct streams *streams)
{
	for (size_t i = 0; i < streams->count; i++)
		hw_stream_release(&streams->list[i]);
}

static void assert_judged(const struct streams *streams, const char *mistake)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	const char *wrong = hw_judge(streams->list, streams->count, 0, out);

	if (wrong && (!mistake || strcmp(wrong, mistake) != 0))
		for (size_t i = 0; i < streams->count; i++)
			hw_judge_show(&streams->list[i], out);
	(void)fclose(out); /* memory */
	if (!wrong != !mistake || (wrong && strcmp(wrong, mistake) != 0))
		print_error("%s", text);
	free(text);
	if (mistake)
		assert_string_equal(wrong ? wrong : "", mistake);
	else
		assert_null(wrong);
}

static void accept_burst(const char *text)
{
	unsigned places;
	const struct hw_place *place = hw_scratch_places(&places);
	struct streams streams;

	for (unsigned i = 0; i < places; i++) {
		run(&streams, text, &place[i]);
		assert_judged(&streams, NULL);
		release(&streams);
	}
}

/* Returns the first event of this kind under the first watcher. */
static struct hw_burst_event *first_of(const struct streams *streams, uint8_t kind)
{
	const struct hw_stream *stream = &streams->list[0];

	for (size_t i = 0; i < stream->count; i++)
		if (stream->events[i].kind == kind)
			return &stream->events[i];
	fail_msg("no event of kind %u", kind);
	return NULL;
}

static void set_text(struct hw_burst_event *event, const char *text)
{
	free(event->text);
	event->text = strdup(text);
	assert_non_null(event->text);
}

/* ---- arrivals ---- */

static void an_arrival_is_looked_up_where_its_directory_is_at_the_end(void **state)
{
	(void)state;
	accept_burst("proves rule 1\n\n"
		     "setup:\n"
		     "mkdir d\n"
		     "write d/f \"1\"\n"
		     "mkdir e\n"
		     "outside write o \"2\"\n\n"
		     "> exchange d e\n"
		     "> movein o d/f\n");
}

static void a_new_file_in_a_directory_that_is_renamed_did_not_come_from_outside(void **state)
{
	const char *text = "proves rule 1\n\n"
			   "setup:\n"
			   "mkdir d\n\n"
			   "> write d/f \"1\"\n"
			   "> rename d e\n";
	unsigned places;
	struct streams streams;

	(void)state;
	run(&streams, text, hw_scratch_places(&places));
	struct hw_burst_event *event = first_of(&streams, HW_CREATE);

	event->kind = HW_MOVE;
	assert_judged(&streams, "an entry came that was not outside");
	release(&streams);
}

static void an_entry_below_what_took_its_name_comes_back(void **state)
{
	(void)state;
	accept_burst("proves rule 1\n\n"
		     "setup:\n"
		     "write b \"1\"\n"
		     "mkdir d\n"
		     "write d/f \"2\"\n\n"
		     "> exchange d b\n"
		     "> rename b c\n"
		     "> mkdir b\n"
		     "> rename c b/m\n");
	accept_burst("proves rule 1\n\n"
		     "setup:\n"
		     "mkdir f\n"
		     "write f/a \"1\"\n\n"
		     "> mkdir x\n"
		     "> exchange x f\n"
		     "> rename x/a f/b\n"
		     "> rmdir x\n");
}

/* Makes the first watcher report a move as an arrival from outside. */
static void a_move_into_a_new_directory_is_no_arrival(void **state)
{
	const char *text = "proves rule 1\n\n"
			   "setup:\n"
			   "write a \"1\"\n"
			   "write b \"2\"\n\n"
			   "> rename b c\n"
			   "> mkdir b\n"
			   "> rename a b/m\n";
	unsigned places;
	struct streams streams;
	struct hw_stream *stream = streams.list;

	(void)state;
	run(&streams, text, hw_scratch_places(&places));
	assert_judged(&streams, NULL);
	for (size_t i = 0; i < stream->count; i++)
		if (stream->events[i].from && !strcmp(stream->events[i].from, "a")) {
			free(stream->events[i].from);
			stream->events[i].from = NULL;
		}
	assert_judged(&streams, "an entry came that was not outside");
	release(&streams);
}

/* ---- moves out of the share ---- */

static void an_entry_that_came_back_and_left_again_is_in_doubt(void **state)
{
	(void)state;
	accept_burst("proves rule 1\n\n"
		     "setup:\n"
		     "write a \"1\"\n"
		     "outside write o \"2\"\n\n"
		     "> moveout a x\n"
		     "> movein x a\n"
		     "> movein o b\n"
		     "> moveout a y\n"
		     "> write t \"3\"\n"
		     "> rename t b\n");
}

static void a_file_that_left_by_a_new_name_is_in_doubt(void **state)
{
	(void)state;
	accept_burst("proves rule 1\n\n"
		     "setup:\n"
		     "mkdir d\n"
		     "mkdir e\n"
		     "write d/f \"1\"\n\n"
		     "> link d/f e/n\n"
		     "> moveout e/n x\n"
		     "> unlink d/f\n");
	accept_burst("proves rule 1\n\n"
		     "setup:\n"
		     "mkdir d\n"
		     "mkdir e\n"
		     "write d/f \"1\"\n\n"
		     "> link d/f e/n\n"
		     "> rename e/n e/m\n"
		     "> unlink d/f\n"
		     "> moveout e x\n");
}

static void an_arrival_that_inotify_does_not_see_is_in_doubt(void **state)
{
	(void)state;
	accept_burst("proves rule 1\n\n"
		     "setup:\n"
		     "write b \"1\"\n"
		     "mkdir e\n"
		     "outside write o \"2\"\n\n"
		     "> moveout e x\n"
		     "> rename b n\n"
		     "> movein o n\n"
		     "> unlink n\n");
}

/* Turns a move out of the share, as the first watcher reports it, into a delete. */
static void refuse_delete(const char *text)
{
	unsigned places;
	struct streams streams;

	run(&streams, text, hw_scratch_places(&places));
	assert_judged(&streams, NULL);
	struct hw_burst_event *event = first_of(&streams, HW_MOVE);

	event->kind = HW_DELETE;
	free(event->path);
	event->path = event->from;
	event->from = NULL;
	set_text(event, "delete file a");
	assert_judged(&streams, "the kernel's watchers differ");
	release(&streams);
}

static void a_move_out_that_is_certain_is_no_delete(void **state)
{
	(void)state;
	refuse_delete("proves rule 1\n\n"
		      "setup:\n"
		      "write a \"1\"\n\n"
		      "> moveout a x\n");
	refuse_delete("proves rule 1\n\n"
		      "setup:\n"
		      "write a \"1\"\n"
		      "write b \"1\"\n\n"
		      "> link b n\n"
		      "> unlink n\n"
		      "> rename a n\n"
		      "> moveout n x\n");
	refuse_delete("proves rule 1\n\n"
		      "setup:\n"
		      "write a \"1\"\n"
		      "outside write o \"2\"\n\n"
		      "> moveout a x\n"
		      "> movein o b\n");
}

/* ---- changes ---- */

static void a_write_in_a_directory_that_came_is_hidden_by_old_times(void **state)
{
	(void)state;
	accept_burst("proves rule 1\n\n"
		     "setup:\n"
		     "write b \"1\"\n"
		     "touch b 1000000000\n"
		     "mkdir d\n"
		     "outside mkdir p\n\n"
		     "> movein p d/f\n"
		     "> mkdir m\n"
		     "> rename d m/m\n"
		     "> rename b m/m/f/f\n"
		     "> write m/m/f/f \"2\"\n"
		     "> touch m/m/f/f 1000000000\n");
}

static void an_old_time_hides_changes_of_what_arrived_in_a_new_directory(void **state)
{
	(void)state;
	accept_burst("proves rule 1\n\n"
		     "setup:\n"
		     "outside write o \"1\"\n\n"
		     "> mkdir n\n"
		     "> movein o n/a\n"
		     "> write n/a \"23\"\n"
		     "> touch n/a 1000000000\n");
}

/* The first watcher reports close_write instead of modify. */
static void a_write_to_what_arrived_in_a_new_directory_is_announced(void **state)
{
	const char *text = "proves rule 1\n\n"
			   "setup:\n"
			   "outside write o \"1\"\n\n"
			   "> mkdir n\n"
			   "> movein o n/a\n"
			   "> write n/a \"23\"\n";
	unsigned places;
	struct streams streams;

	(void)state;
	run(&streams, text, hw_scratch_places(&places));
	assert_judged(&streams, NULL);
	struct hw_burst_event *event = first_of(&streams, HW_MODIFY);

	event->kind = HW_CLOSE_WRITE;
	set_text(event, "close_write x");
	assert_judged(&streams, "a change of data is not announced");
	release(&streams);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arrival_is_looked_up_where_its_directory_is_at_the_end),
		cmocka_unit_test(
			a_new_file_in_a_directory_that_is_renamed_did_not_come_from_outside),
		cmocka_unit_test(an_entry_below_what_took_its_name_comes_back),
		cmocka_unit_test(a_move_into_a_new_directory_is_no_arrival),
		cmocka_unit_test(an_entry_that_came_back_and_left_again_is_in_doubt),
		cmocka_unit_test(a_file_that_left_by_a_new_name_is_in_doubt),
		cmocka_unit_test(an_arrival_that_inotify_does_not_see_is_in_doubt),
		cmocka_unit_test(a_move_out_that_is_certain_is_no_delete),
		cmocka_unit_test(a_write_in_a_directory_that_came_is_hidden_by_old_times),
		cmocka_unit_test(an_old_time_hides_changes_of_what_arrived_in_a_new_directory),
		cmocka_unit_test(a_write_to_what_arrived_in_a_new_directory_is_announced),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
