/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The conformance suite: runs every trace with every watcher on every filesystem, and every trace
 * as a burst. */
#include "check.h"
#include "host.h"

#include "tests/common/needs.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST_TESTS 2u

enum mode { STEPS, BURST, TURNING_BURST };

/* One cmocka test. */
struct test {
	const struct hw_trace *trace; /* borrowed from the suite */
	const struct hw_place *place; /* borrowed from the suite */
	const char *backend; /* static; NULL for bursts */
	enum mode mode;
};

/* More than the number of known places. */
#define PLACES_MAX 16u

struct suite {
	struct hw_place places[PLACES_MAX]; /* the places that the traces run on; their strings are
					     * borrowed */
	unsigned place_count;
	const char *under[HW_RIG_BACKENDS + 2]; /* run only these watchers; borrowed */
	unsigned under_count; /* 0: all */
	struct hw_trace **traces; /* owned, in the order of their names */
	size_t trace_count;
	struct test *tests; /* owned */
	struct CMUnitTest *units; /* owned, and their names */
	size_t count;
};

static struct suite suite;

static void print_lines(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		print_error("%.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void check_trace(void **state)
{
	const struct test *test = *state;
	const struct hw_trace *trace = test->trace;
	enum hw_verdict verdict;
	char *text = NULL;
	size_t size;

	FILE *report = open_memstream(&text, &size);
	assert_non_null(report);
	if (test->mode == STEPS)
		verdict = hw_check_steps(trace, test->backend, NULL, test->place, report);
	else
		verdict = hw_check_burst(trace, test->place, test->mode == TURNING_BURST, report);
	(void)fclose(report); /* memory */
	print_lines(text);
	free(text);
	if (verdict == HW_SKIP)
		skip();
	assert_int_equal(verdict, HW_PASS);
}

static bool proves_rule(const struct hw_trace *trace, unsigned rule)
{
	for (size_t i = 0; i < trace->proof_count; i++)
		if (!strcmp(trace->proofs[i].kind, "rule") &&
		    (unsigned)atoi(trace->proofs[i].name) == rule)
			return true;
	return false;
}

static void every_rule_has_a_trace(void **state)
{
	(void)state;
	for (unsigned rule = 1; rule <= HW_RULES; rule++) {
		bool found = false;

		for (size_t i = 0; i < suite.trace_count; i++)
			found = found || proves_rule(suite.traces[i], rule);
		if (!found)
			fail_msg("no trace proves rule %u", rule);
	}
}

/* ---- where the traces run ---- */

/* The kinds of overlayfs. Lower and upper layer are on one filesystem, or on ext4 and tmpfs if the
 * machine has both; with "xino=off", each file then has the device number of its layer. A lower
 * directory can be renamed only with redirect_dir. */
static const struct {
	const char *name, *options;
	bool in_lower, apart;
} overlays[] = {
	{ .name = "overlay-upper", .options = ",redirect_dir=on" },
	{ .name = "overlay", .options = ",redirect_dir=on", .in_lower = true },
	{ .name = "overlay-metacopy", .options = ",metacopy=on,redirect_dir=on", .in_lower = true },
	{ .name = "overlay-index", .options = ",index=on,redirect_dir=on", .in_lower = true },
	{ .name = "overlay-apart",
	  .options = ",redirect_dir=on,xino=off",
	  .in_lower = true,
	  .apart = true },
	{ .name = "overlay-xino",
	  .options = ",redirect_dir=on,xino=on",
	  .in_lower = true,
	  .apart = true },
};

static bool find_place(const char *name, struct hw_place *ret)
{
	unsigned count;
	const struct hw_place *plain = hw_scratch_places(&count);

	for (unsigned i = 0; i < count; i++)
		if (!strcmp(plain[i].name, name)) {
			*ret = plain[i];
			return true;
		}
	for (unsigned i = 0; i < sizeof(overlays) / sizeof(*overlays); i++)
		if (!strcmp(overlays[i].name, name)) {
			*ret = (struct hw_place){
				.name = name,
				.path = plain[count - 1].path,
				.lower = plain[overlays[i].apart ? 0 : count - 1].path,
				.options = overlays[i].options,
				.in_lower = overlays[i].in_lower
			};
			return true;
		}
	return false;
}

/* Adds the argument of --on: a known name, or NAME=DIR. `text` is borrowed. */
static int add_place(char *text)
{
	struct hw_place *place = &suite.places[suite.place_count];
	char *dir = strchr(text, '=');

	if (suite.place_count == PLACES_MAX)
		return -E2BIG;
	if (dir) {
		*dir = '\0';
		*place = (struct hw_place){ .name = text, .path = dir + 1 };
	} else if (!find_place(text, place)) {
		fprintf(stderr, "--on %s: no such place here\n", text);
		return -EINVAL;
	}
	suite.place_count++;
	return 0;
}

static int add_under(const char *watcher)
{
	if (suite.under_count == HW_RIG_BACKENDS + 2)
		return -E2BIG;
	suite.under[suite.under_count++] = watcher;
	return 0;
}

static void add_default_places(void)
{
	const struct hw_place *plain = hw_scratch_places(&suite.place_count);

	memcpy(suite.places, plain, suite.place_count * sizeof(*plain));
}

/* ---- building the suite ---- */

static bool is_wanted(const char *what)
{
	bool wanted = !suite.under_count;

	for (unsigned i = 0; i < suite.under_count; i++)
		wanted |= !strcmp(suite.under[i], what);
	return wanted;
}

static void add_test(const struct hw_trace *trace, const struct hw_place *place, const char *what,
		     const char *backend, enum mode mode)
{
	char *name;

	if (!is_wanted(what))
		return;
	if (asprintf(&name, "%s/%s/%s", trace->name, what, place->name) < 0)
		abort();
	suite.tests[suite.count] = (struct test){ trace, place, backend, mode };
	suite.units[suite.count] =
		(struct CMUnitTest){ name, check_trace, NULL, NULL, &suite.tests[suite.count] };
	suite.count++;
}

static void add_trace(const struct hw_trace *trace)
{
	for (unsigned p = 0; p < suite.place_count; p++) {
		const struct hw_place *place = &suite.places[p];

		for (unsigned b = 0; b < HW_RIG_BACKENDS; b++)
			add_test(trace, place, hw_rig_backends[b], hw_rig_backends[b], STEPS);
		if (trace->no_burst)
			continue;
		add_test(trace, place, "burst", NULL, BURST);
		add_test(trace, place, "burst-turning", NULL, TURNING_BURST);
	}
}

static int load_traces(const char *dir)
{
	char *pattern;
	glob_t found;
	int r = 0;

	if (asprintf(&pattern, "%s/*.trace", dir) < 0)
		return -ENOMEM;
	if (glob(pattern, 0, NULL, &found)) {
		fprintf(stderr, "%s: no traces\n", pattern);
		free(pattern);
		return -ENOENT;
	}
	free(pattern);
	suite.traces = calloc(found.gl_pathc, sizeof(*suite.traces));
	for (size_t i = 0; suite.traces && i < found.gl_pathc; i++) {
		int error = hw_trace_load(found.gl_pathv[i], &suite.traces[suite.trace_count]);

		if (error)
			r = error;
		else
			suite.trace_count++;
	}
	globfree(&found);
	return suite.traces ? r : -ENOMEM;
}

static void add_host_tests(void)
{
	static const struct {
		const char *name;
		CMUnitTestFunction test;
	} tests[] = {
		{ "watching_leaves_no_trace_on_files", watching_leaves_no_trace_on_files },
		{ "overlapping_shares_are_both_told", overlapping_shares_are_both_told },
	};
	void *backend;
	char *name;

	for (unsigned i = 0; !suite.under_count && i < HOST_TESTS * HW_RIG_BACKENDS; i++) {
		backend = (void *)(uintptr_t)hw_rig_backends[i / HOST_TESTS];
		if (asprintf(&name, "%s/%s", tests[i % HOST_TESTS].name, (const char *)backend) < 0)
			abort();
		suite.units[suite.count++] = (struct CMUnitTest){ name, tests[i % HOST_TESTS].test,
								  NULL, NULL, backend };
	}
}

static int build_suite(void)
{
	size_t most = suite.trace_count * suite.place_count * (HW_RIG_BACKENDS + 2) +
		      HOST_TESTS * HW_RIG_BACKENDS + 1;

	suite.tests = calloc(most, sizeof(*suite.tests));
	suite.units = calloc(most, sizeof(*suite.units));
	if (!suite.tests || !suite.units)
		return -ENOMEM;
	for (size_t i = 0; i < suite.trace_count; i++)
		add_trace(suite.traces[i]);
	add_host_tests();
	suite.units[suite.count] = (struct CMUnitTest){ "every_rule_has_a_trace",
							every_rule_has_a_trace, NULL, NULL, NULL };
	return 0;
}

/* The last unit does not own its name. */
static void free_suite(void)
{
	for (size_t i = 0; i < suite.count; i++)
		free((char *)(uintptr_t)suite.units[i].name);
	for (size_t i = 0; i < suite.trace_count; i++)
		hw_trace_destroy(suite.traces[i]);
	free(suite.units);
	free(suite.tests);
	free(suite.traces);
}

/* ---- the table of README.md ---- */

static bool proves(const struct hw_trace *trace, const struct hw_proof *proof)
{
	for (size_t i = 0; i < trace->proof_count; i++)
		if (!strcmp(trace->proofs[i].kind, proof->kind) &&
		    !strcmp(trace->proofs[i].name, proof->name))
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	const struct hw_proof *x = a, *y = b;
	int kinds = strcmp(x->kind, y->kind);

	return kinds ? kinds : strverscmp(x->name, y->name);
}

static void print_row(const struct hw_proof *proof)
{
	const char *comma = "";

	printf("| %s | %s | ", proof->kind, proof->name);
	for (size_t i = 0; i < suite.trace_count; i++)
		if (proves(suite.traces[i], proof)) {
			printf("%s%.3s", comma, suite.traces[i]->name);
			comma = ", ";
		}
	printf(" |\n");
}

static int print_table(void)
{
	struct hw_proof *all = NULL;
	size_t count = 0;

	for (size_t i = 0; i < suite.trace_count; i++) {
		const struct hw_trace *trace = suite.traces[i];

		all = reallocarray(all, count + trace->proof_count, sizeof(*all));
		if (!all)
			return -ENOMEM;
		memcpy(all + count, trace->proofs, trace->proof_count * sizeof(*all));
		count += trace->proof_count;
	}
	qsort(all, count, sizeof(*all), by_name);
	printf("| | | traces |\n|---|---|---|\n");
	for (size_t i = 0; i < count; i++)
		if (!i || by_name(&all[i - 1], &all[i]))
			print_row(&all[i]);
	free(all);
	return 0;
}

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--traces DIR] [--on PLACE]... [--under WATCHER]... [--filter GLOB]\n"
		"       [--state] [--list] [--table]\n"
		"  --on      runs them there: ext4, tmpfs, overlay, overlay-upper, overlay-apart,\n"
		"            overlay-index, overlay-metacopy, overlay-xino, or NAME=DIR\n"
		"  --under   runs them under this watcher, or as burst or burst-turning, only\n"
		"  --filter  runs the tests whose name matches, as '03*/inotify/*'\n"
		"  --state   keeps the state of the share as hostwatchd does\n"
		"  --list    prints the names of the tests\n"
		"  --table   prints what each trace proves\n",
		program);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "traces", required_argument, NULL, 't' },
		{ "on", required_argument, NULL, 'o' },
		{ "under", required_argument, NULL, 'u' },
		{ "filter", required_argument, NULL, 'f' },
		{ "state", no_argument, NULL, 's' },
		{ "list", no_argument, NULL, 'l' },
		{ "table", no_argument, NULL, 'T' },
		{ 0 },
	};
	const char *dir = "tests/conformance";
	int option, what = 0, failed = 0, bad = 0;

	while ((option = getopt_long(argc, argv, "t:o:u:f:lT", options, NULL)) >= 0) {
		if (option == 't')
			dir = optarg;
		else if (option == 'o')
			bad |= add_place(optarg);
		else if (option == 'u')
			bad |= add_under(optarg);
		else if (option == 'f')
			cmocka_set_test_filter(optarg);
		else if (option == 's')
			hw_check_keep_state();
		else if (option == 'l' || option == 'T')
			what = option;
		else
			return usage(argv[0]);
	}
	if (bad)
		return usage(argv[0]);
	if (!suite.place_count)
		add_default_places();
	if (load_traces(dir) || build_suite())
		return 1;
	(void)hw_lacks_mounts(); /* before any thread is started, which would stay in the old
				  * namespace */
	if (what == 'T')
		failed = print_table();
	for (size_t i = 0; what == 'l' && i < suite.count; i++)
		puts(suite.units[i].name);
	if (!what)
		failed = _cmocka_run_group_tests("conformance", suite.units, suite.count + 1, NULL,
						 NULL);
	free_suite();
	return failed != 0;
}
