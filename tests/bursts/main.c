/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random bursts: 6 to 9 operations, like those of editors, unpackers and deployments, within one
 * window of `settle`. The streams of all watchers must be true and equal. A seed that fails is
 * printed as the shortest trace that fails in the same way.
 */
#include "burst.h"
#include "judge.h"
#include "stream.h"

#include "tests/common/needs.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct settings {
	uint64_t first;
	uint64_t seeds;
	uint32_t kinds;
	uint32_t ignored; /* mistakes to ignore, one bit each */
	unsigned tries; /* runs of each burst while it is shortened */
	bool minimises;
	const char *trace; /* borrowed: a file to run instead of random bursts */
} settings = { .first = 1, .seeds = 300, .kinds = HW_BURST_ALL, .tries = 3, .minimises = true };

struct seed {
	struct hw_burst burst;
	const struct hw_place *place;
	bool turning;
};

/* Runs a trace with every watcher. Returns the mistake or NULL. Appends the report to `out`. */
static const char *try_trace(const struct seed *seed, const struct hw_trace *trace, FILE *out)
{
	struct hw_stream streams[HW_RIG_BACKENDS];
	const char *wrong = NULL;
	size_t count = 0;

	for (unsigned i = 0; i < HW_RIG_BACKENDS && !wrong; i++) {
		const struct hw_stream_config config = { hw_rig_backends[i], seed->place,
							 seed->turning };
		int r = hw_stream_run(trace, &config, &streams[count]);

		if (r && r != -EOPNOTSUPP) {
			fprintf(out, "%s: %s\n", hw_rig_backends[i], strerror(-r));
			wrong = "cannot be run";
		}
		if (r == -EOPNOTSUPP)
			hw_stream_release(&streams[count]);
		else
			count++;
	}
	if (!wrong)
		wrong = hw_judge(streams, count, settings.ignored, out);
	for (size_t i = 0; i < count; i++) {
		if (wrong)
			hw_judge_show(&streams[i], out);
		hw_stream_release(&streams[i]);
	}
	return wrong;
}

/* Runs the burst without these operations. Returns the mistake or NULL. */
static const char *try_without(const struct seed *seed, const bool *skip, unsigned tries, FILE *out)
{
	struct hw_trace *trace = NULL;
	const char *wrong = NULL;

	if (hw_burst_trace(&seed->burst, skip, &trace))
		return NULL;
	if (hw_burst_is_possible(trace, seed->place))
		for (unsigned i = 0; i < tries && !wrong; i++)
			wrong = try_trace(seed, trace, out);
	hw_trace_destroy(trace);
	return wrong;
}

/* Leaves out consecutive operations as long as the same kind of mistake remains. */
static void shorten(const struct seed *seed, const char *wrong, bool *skip)
{
	FILE *null = fopen("/dev/null", "we");
	unsigned count = hw_burst_lines(&seed->burst);

	for (unsigned size = 4; null && size > 0; size--)
		for (unsigned i = 0; i < count; i++) {
			bool shorter[HW_BURST_SKIPS];

			memcpy(shorter, skip, sizeof(shorter));
			for (unsigned k = i; k < i + size && k < count; k++)
				shorter[k] = true;
			if (!memcmp(shorter, skip, sizeof(shorter)))
				continue;
			const char *now = try_without(seed, shorter, settings.tries, null);

			if (now && !strcmp(now, wrong))
				memcpy(skip, shorter, sizeof(shorter));
		}
	if (null)
		(void)fclose(null); /* nothing depends on it */
}

static void show(const struct seed *seed, uint64_t number, const char *wrong, const char *report)
{
	bool skip[HW_BURST_SKIPS] = { false };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	fprintf(out, "seed %llu, %s%s: %s\n", (unsigned long long)number, seed->place->name,
		seed->turning ? ", turning" : "", wrong);
	if (settings.minimises)
		shorten(seed, wrong, skip);
	hw_burst_print(&seed->burst, skip, out);
	const char *again = try_without(seed, skip, 3 * settings.tries, out);

	if (!again || strcmp(again, wrong))
		fprintf(out, "not seen again; the first time:\n%s", report);
	(void)fclose(out); /* memory */
	fprintf(stderr, "%s\n", text); /* print_error() would truncate it */
	free(text);
}

/* Returns 0, or -1 if the seed failed. */
static int run_seed(uint64_t number, const struct hw_place *place, bool turning)
{
	struct seed seed = { .place = place, .turning = turning };
	char *report = NULL;
	size_t size;
	FILE *out = open_memstream(&report, &size);
	int r = hw_burst_generate(number, settings.kinds, place, &seed.burst);
	const bool none[HW_BURST_SKIPS] = { false };

	if (!out || r)
		fail_msg("seed %llu: no burst: %s", (unsigned long long)number, strerror(-r));
	const char *wrong = try_without(&seed, none, 1, out);

	(void)fclose(out); /* memory */
	if (wrong)
		show(&seed, number, wrong, report);
	free(report);
	hw_burst_release(&seed.burst);
	return wrong ? -1 : 0;
}

/* The seeds alternate between the filesystems. */
static void run_seeds(bool turning)
{
	unsigned places, failed = 0;
	const struct hw_place *place = hw_scratch_places(&places);

	for (uint64_t i = settings.first; i < settings.first + settings.seeds; i++)
		failed += run_seed(i, &place[i % places], turning) < 0;
	if (failed)
		fail_msg("%u of %llu seeds failed", failed, (unsigned long long)settings.seeds);
}

/* Runs one trace `seeds` times, and prints the mistake of each run that fails. */
static int repeat_trace(void)
{
	struct hw_trace *trace;
	FILE *null = fopen("/dev/null", "we");
	unsigned places, failed = 0;
	const struct hw_place *place = hw_scratch_places(&places);

	if (!null || hw_trace_load(settings.trace, &trace))
		return 1;
	for (uint64_t i = 0; i < settings.seeds; i++) {
		const struct seed seed = { .place = &place[i % places], .turning = i / places % 2 };
		const char *wrong = try_trace(&seed, trace, failed ? null : stdout);

		if (wrong)
			printf("%s%s: %s\n", seed.place->name, seed.turning ? ", turning" : "",
			       wrong);
		failed += wrong != NULL;
	}
	printf("%u of %llu runs failed\n", failed, (unsigned long long)settings.seeds);
	hw_trace_destroy(trace);
	(void)fclose(null); /* nothing depends on it */
	return failed != 0;
}

static void bursts_are_reported_alike(void **state)
{
	(void)state;
	run_seeds(false);
}

static void bursts_are_reported_alike_while_the_loop_runs(void **state)
{
	(void)state;
	run_seeds(true);
}

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--first SEED] [--seeds COUNT] [--only KIND,KIND] [--without KIND,KIND] "
		"[--as-found] [--tries COUNT] [--ignore MISTAKE]... [--filter GLOB]\n"
		"       %s --trace FILE [--seeds RUNS] [--ignore MISTAKE]...\n  kinds:",
		program, program);
	for (unsigned i = 0; hw_burst_kind(i); i++)
		fprintf(stderr, " %s", hw_burst_kind(i));
	fputs("\n  mistakes:\n", stderr);
	for (unsigned i = 0; hw_judge_mistake(i); i++)
		fprintf(stderr, "    %u  %s\n", i, hw_judge_mistake(i));
	return 2;
}

static int read_option(int option)
{
	uint32_t kinds = 0;
	int r = 0;

	if (option == 'f')
		settings.first = strtoull(optarg, NULL, 10);
	else if (option == 's')
		settings.seeds = strtoull(optarg, NULL, 10);
	else if (option == 't')
		settings.tries = (unsigned)strtoul(optarg, NULL, 10);
	else if (option == 'a')
		settings.minimises = false;
	else if (option == 'i')
		settings.ignored |= UINT32_C(1) << (strtoul(optarg, NULL, 10) % 32);
	else if (option == 'T')
		settings.trace = optarg;
	else if (option == 'F')
		cmocka_set_test_filter(optarg);
	else if (option == 'o' || option == 'w')
		r = hw_burst_kinds(optarg, &kinds);
	else
		r = -EINVAL;
	if (option == 'o')
		settings.kinds = kinds;
	if (option == 'w')
		settings.kinds &= ~kinds;
	return r;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "first", required_argument, NULL, 'f' },
		{ "seeds", required_argument, NULL, 's' },
		{ "only", required_argument, NULL, 'o' },
		{ "without", required_argument, NULL, 'w' },
		{ "as-found", no_argument, NULL, 'a' },
		{ "trace", required_argument, NULL, 'T' },
		{ "ignore", required_argument, NULL, 'i' },
		{ "tries", required_argument, NULL, 't' },
		{ "filter", required_argument, NULL, 'F' },
		{ 0 },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts_are_reported_alike),
		cmocka_unit_test(bursts_are_reported_alike_while_the_loop_runs),
	};
	int option;

	while ((option = getopt_long(argc, argv, "f:s:o:w:at:i:T:F:", options, NULL)) >= 0)
		if (read_option(option))
			return usage(argv[0]);
	if (settings.trace)
		return repeat_trace();
	return cmocka_run_group_tests_name("bursts", tests, NULL, NULL);
}
