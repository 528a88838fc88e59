/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cost of names of one inode, and of chains of renames, must be proportional to their number,
 * which other programs choose: twice as many take no more than two and a half times the CPU time.
 *
 * usage: numbers [COUNT [WORKLOAD]]: compares COUNT with twice as many
 */
#include "tests/common/rig.h"
#include "tests/common/sanitized.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(HW_SANITIZED_THREADS)
#define FEW 400u /* a sanitizer makes each step more expensive */
#elif defined(HW_SANITIZED_MEMORY)
#define FEW 800u
#else
#define FEW 2000u /* twice as many fit into the queue of inotify, with three records each */
#endif
#define MANY 5u /* where each of them costs little */
#define SLACK_NS (100 * HW_MS) /* constant costs, and cache use by other programs */
#define SCATTER 7919u /* a prime */
#define TRIES 3u
#define SETTLE_NS (20 * HW_MS)

static unsigned few = FEW;
static const char *only; /* NULL: all workloads */
static char name_a[PATH_MAX], name_b[PATH_MAX];

static const char *path(char *buf, const char *root, const char *prefix, unsigned number)
{
	(void)snprintf(buf, PATH_MAX, "%s/%s%06u", root, prefix, number);
	return buf;
}

static void make_file(const char *at)
{
	int fd = open(at, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void make_files(const char *root, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		make_file(path(name_a, root, "f", i));
}

static void make_dirs(const char *root, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(mkdir(path(name_a, root, "f", i), 0700), 0);
}

static void make_links(const char *root, unsigned count)
{
	make_file(path(name_a, root, "f", 0));
	for (unsigned i = 1; i < count; i++)
		assert_int_equal(link(name_a, path(name_b, root, "f", i)), 0);
}

static void nothing(const char *root, unsigned count)
{
	(void)root;
	(void)count;
}

static void links_in_a_new_dir(const char *root, unsigned count)
{
	char dir[PATH_MAX];

	(void)snprintf(dir, sizeof(dir), "%s/new", root);
	assert_int_equal(mkdir(dir, 0700), 0);
	make_links(dir, count);
}

static void unlink_all(const char *root, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(unlink(path(name_a, root, "f", i)), 0);
}

/* Neither in the order in which they were made nor in its reverse. */
static void unlink_scattered(const char *root, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(unlink(path(name_a, root, "f", i * SCATTER % count)), 0);
}

static void replace_all(const char *root, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		make_file(path(name_a, root, "t", 0));
		assert_int_equal(rename(name_a, path(name_b, root, "f", i)), 0);
	}
}

static void write_and_unlink_half(const char *root, unsigned count)
{
	int fd = open(path(name_a, root, "f", 0), O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(fd >= 0);
	for (unsigned i = 1; i < count; i += 2) {
		assert_int_equal(write(fd, "x", 1), 1);
		assert_int_equal(unlink(path(name_a, root, "f", i)), 0);
	}
	close(fd);
}

static void move(const char *root, const char *from, unsigned i, const char *to, unsigned j)
{
	assert_int_equal(rename(path(name_a, root, from, i), path(name_b, root, to, j)), 0);
}

/* Renames f1 -> f0, f2 -> f1 ... f0 -> the last name. */
static void ring(const char *root, unsigned count)
{
	move(root, "f", 0, "t", 0);
	for (unsigned i = 1; i < count; i++)
		move(root, "f", i, "f", i - 1);
	move(root, "t", 0, "f", count - 1);
}

static void ring_backwards(const char *root, unsigned count)
{
	move(root, "f", count - 1, "t", 0);
	for (unsigned i = count - 1; i > 0; i--)
		move(root, "f", i - 1, "f", i);
	move(root, "t", 0, "f", 0);
}

static void chain(const char *root, unsigned count)
{
	for (unsigned i = count; i > 0; i--)
		move(root, "f", i - 1, "f", i);
}

static void swap_pairs(const char *root, unsigned count)
{
	for (unsigned i = 0; i + 1 < count; i += 2) {
		move(root, "f", i, "t", 0);
		move(root, "f", i + 1, "f", i);
		move(root, "t", 0, "f", i + 1);
	}
}

static const struct workload {
	const char *name;
	void (*before)(const char *root, unsigned count);
	void (*during)(const char *root, unsigned count);
	unsigned times; /* as many are compared */
} workloads[] = {
	{ "links", nothing, make_links, 1 },
	{ "links in a new directory", nothing, links_in_a_new_dir, 1 },
	{ "unlinked", make_links, unlink_all, MANY },
	{ "unlinked in scattered order", make_links, unlink_scattered, MANY },
	{ "links replaced", make_links, replace_all, 1 },
	{ "written and half unlinked", make_links, write_and_unlink_half, 1 },
	{ "ring", make_files, ring, 1 },
	{ "ring backwards", make_files, ring_backwards, 1 },
	{ "chain", make_files, chain, 1 },
	{ "swapped pairs", make_files, swap_pairs, 1 },
	{ "ring of directories", make_dirs, ring, 1 },
	{ "swapped pairs of directories", make_dirs, swap_pairs, 1 },
};

static uint64_t processor_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Measures the CPU time that the share needs for one workload. -EOPNOTSUPP: the watcher cannot work
 * here. */
static int cost(const struct workload *workload, struct hw_rig_config config, unsigned count,
		uint64_t *ret_ns)
{
	unsigned places;
	const struct hw_place *place = hw_scratch_places(&places);
	char *root = hw_scratch_create(place[places - 1].path);
	struct hw_model *model;
	struct hw_rig *rig;
	const char *why = "";

	assert_non_null(root);
	config.root = root;
	workload->before(root, count);
	int r = hw_rig_start(&config, &rig, &why);

	if (r == -EOPNOTSUPP) {
		print_message("%s: %s\n", config.backend, why);
		hw_scratch_remove(root);
		return r;
	}
	assert_int_equal(r, 0);
	assert_int_equal(hw_model_create(&model), 0);
	assert_int_equal(hw_rig_snapshot(rig, model), 0);
	workload->during(root, count);
	uint64_t begun = processor_ns();

	assert_int_equal(hw_rig_flush(rig), 0);
	assert_int_equal(hw_rig_unwatched(rig), 0);
	*ret_ns = processor_ns() - begun;
	hw_stream_check(rig, model, root);
	hw_rig_stop(rig);
	hw_model_destroy(model);
	hw_scratch_remove(root);
	return 0;
}

/* Other programs can make a run slower, never faster, so the caller retries. */
static bool is_in_proportion(const struct workload *workload, const struct hw_rig_config *config,
			     int *ret)
{
	unsigned count = workload->times * few;
	uint64_t once, twice;

	*ret = cost(workload, *config, count, &once);
	if (*ret == 0)
		*ret = cost(workload, *config, 2 * count, &twice);
	if (*ret < 0)
		return false;
	print_message("%s: %u: %u ms, %u: %u ms\n", workload->name, count, (unsigned)(once / HW_MS),
		      2 * count, (unsigned)(twice / HW_MS));
	return twice <= once * 5 / 2 + SLACK_NS;
}

static void check_workloads(const char *backend, uint64_t settle_ns)
{
	const struct hw_rig_config config = { .backend = backend, .settle_ns = settle_ns };

	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		bool good = only && strcmp(only, workloads[i].name) != 0;
		int r = 0;

		for (unsigned try = 0; try < TRIES && !good && r == 0; try++)
			good = is_in_proportion(&workloads[i], &config, &r);
		if (r == -EOPNOTSUPP)
			skip();
		if (!good)
			fail_msg("%s under %s: twice as many cost more than 2.5 times as much",
				 workloads[i].name, backend);
	}
}

static void numbers_cost_in_proportion(void **state)
{
	check_workloads(*state, 0);
}

static void numbers_cost_in_proportion_under_settle(void **state)
{
	check_workloads(*state, SETTLE_NS);
}

#define TESTS_OF(backend)                                                                          \
	{ "numbers/" backend, numbers_cost_in_proportion, NULL, NULL,                              \
	  (void *)(uintptr_t)(backend) },                                                          \
	{                                                                                          \
		"numbers/settle/" backend, numbers_cost_in_proportion_under_settle, NULL, NULL,    \
			(void *)(uintptr_t)(backend)                                               \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TESTS_OF("inotify"),
		TESTS_OF("fanotify"),
		TESTS_OF("fanotify-inode"),
		TESTS_OF("polling"),
	};

	if (argc > 1)
		few = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		only = argv[2];
	return cmocka_run_group_tests_name("numbers", tests, NULL, NULL);
}
