/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The soak: two hosts, one of which is killed again and again, under random writers and failures
 * for as long as --seconds says. After each round, the models of all subscribers equal the disk.
 * At the end, the daemon that lasted has as much memory and as many descriptors as at first.
 */
#include "soak.h"

#include "tests/common/needs.h"
#include "tests/common/scratch.h"
#include "tests/common/scribble.h"

#include <getopt.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND_NS INT64_C(1000000000)
#define HOSTS 2u
#define GROWTH_KB 4096u
#define GROWTH_FDS 16u
#define MEASURED_NS (120 * SECOND_NS) /* a shorter run says nothing about growth */

static double seconds = 15;
static unsigned long long seed = 1;

static void pump(struct soak_host *hosts, int64_t until)
{
	while (hw_clock_monotonic_ns() < until)
		for (unsigned h = 0; h < HOSTS; h++)
			for (unsigned i = 0; i < SOAK_SHARES; i++)
				for (unsigned k = 0; k + 1 < SOAK_READERS; k++)
					soak_reader_pump(&hosts[h].shares[i].readers[k], 2);
}

static void print_counts(const struct soak_counts *counts, const struct soak_host *lasting,
			 int64_t begin)
{
	print_message("%.0f s: %" PRIu64 " events received, %" PRIu64 " barriers, %" PRIu64
		      " entries compared\n",
		      (double)(hw_clock_monotonic_ns() - begin) / 1e9, counts->events,
		      counts->barriers, counts->compared);
	for (unsigned i = 0; i < SOAK_FAULTS; i++)
		print_message("  %s: %" PRIu64 "\n", soak_fault_names[i], counts->faults[i]);
	print_message("  places lost behind a journal of 1 MiB: %" PRIu64
		      ", with a state that was not kept on a full disk: %" PRIu64
		      ", otherwise: 0\n",
		      counts->rescans, counts->epochs);
	print_message("  memory of the daemon that lasted, without journals: %u KB at first, "
		      "%u KB at the end; descriptors: %u, %u\n",
		      lasting->first_kb, lasting->last_kb, lasting->first_fds, lasting->last_fds);
}

static void run(struct soak_host *hosts, uint64_t *random, struct soak_counts *counts)
{
	int64_t begin = hw_clock_monotonic_ns(), length = (int64_t)(seconds * 1e9);
	int64_t printed = begin;

	while (hw_clock_monotonic_ns() < begin + length) {
		bool first = hw_clock_monotonic_ns() < begin + length / 3;

		for (unsigned i = 1 + hw_pick(random, 3); i--;) {
			pump(hosts,
			     hw_clock_monotonic_ns() + hw_pick(random, 400) * (SECOND_NS / 1000));
			soak_inject(&hosts[hw_pick(random, HOSTS)]);
		}
		for (unsigned h = 0; h < HOSTS; h++)
			soak_check(&hosts[h], first);
		if (hw_clock_monotonic_ns() > printed + 60 * SECOND_NS) {
			printed = hw_clock_monotonic_ns();
			print_counts(counts, &hosts[1], begin);
		}
	}
	print_counts(counts, &hosts[1], begin);
	if (length < MEASURED_NS)
		return;
	assert_true(hosts[1].last_kb <= hosts[1].first_kb + GROWTH_KB);
	assert_true(hosts[1].last_fds <= hosts[1].first_fds + GROWTH_FDS);
}

static void nothing_is_lost(void **state)
{
	struct soak_counts counts = { 0 };
	struct soak_host hosts[HOSTS] = { { .lasts = false }, { .lasts = true } };
	uint64_t random = seed;
	unsigned places;

	(void)state;
	HW_NEED(hw_lacks_mounts());
	if (geteuid() != 0) {
		print_message("fanotify needs root\n");
		skip();
	}
	for (unsigned h = 0; h < HOSTS; h++) {
		hosts[h].random = &random;
		hosts[h].counts = &counts;
		soak_host_init(&hosts[h], hw_scratch_places(&places)->path);
	}
	run(hosts, &random, &counts);
	for (unsigned h = 0; h < HOSTS; h++) {
		for (unsigned i = 0; i < SOAK_SHARES; i++)
			soak_writer_end(&hosts[h].shares[i]);
		soak_host_end(&hosts[h]);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "hours", required_argument, NULL, 'h' },
		{ "seed", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_lost) };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seconds = strtod(optarg, NULL);
		else if (option == 'h')
			seconds = strtod(optarg, NULL) * 3600;
		else if (option == 'r')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	return cmocka_run_group_tests_name("soak", tests, NULL, NULL);
}
