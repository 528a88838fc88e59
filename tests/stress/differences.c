/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Very many differences in one comparison, after changes that nobody read and under polling: no
 * iteration of the loop takes long, so `hostwatch status` is answered all the time, and the stream
 * ends at what is on disk.
 *
 * usage: differences [FILES]
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

#ifdef HW_SANITIZED
#define FILES 10000u /* a sanitizer makes each step dearer */
#define LONGEST_NS (250 * HW_MS)
#else
#define FILES 30000u
#define LONGEST_NS (50 * HW_MS)
#endif
#define TRIES 3u
#define DEADLINE_NS (120 * INT64_C(1000000000))

static unsigned files = FILES;

/* ---- workloads ---- */

static char name_a[PATH_MAX], name_b[PATH_MAX];

static const char *path(char *buf, const char *root, const char *prefix, unsigned number)
{
	assert_true(snprintf(buf, PATH_MAX, "%s/%s%06u", root, prefix, number) < PATH_MAX);
	return buf;
}

static void write_one(const char *at, int flags)
{
	int fd = open(at, O_WRONLY | O_CLOEXEC | flags, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void nothing(const char *root)
{
	(void)root;
}

static void make_files(const char *root)
{
	for (unsigned i = 0; i < files; i++)
		write_one(path(name_a, root, "f", i), O_CREAT);
}

static void append_to_all(const char *root)
{
	for (unsigned i = 0; i < files; i++)
		write_one(path(name_a, root, "f", i), O_APPEND);
}

static void unlink_all(const char *root)
{
	for (unsigned i = 0; i < files; i++)
		assert_int_equal(unlink(path(name_a, root, "f", i)), 0);
}

static void rename_all(const char *root)
{
	for (unsigned i = 0; i < files; i++)
		assert_int_equal(rename(path(name_a, root, "f", i),
					path(name_b, root, "g", files - i)),
				 0);
}

/* Directories with 100 files each, which are in one directory. */
static void make_directories(const char *root)
{
	(void)snprintf(name_b, sizeof(name_b), "%s/all", root);
	assert_int_equal(mkdir(name_b, 0700), 0);
	for (unsigned i = 0; i < files; i++) {
		char dir[PATH_MAX];

		path(dir, name_b, "d", i / 100);
		if (i % 100 == 0)
			assert_int_equal(mkdir(dir, 0700), 0);
		write_one(path(name_a, dir, "f", i), O_CREAT);
	}
}

static void move_out(const char *root)
{
	(void)snprintf(name_a, sizeof(name_a), "%s/all", root);
	(void)snprintf(name_b, sizeof(name_b), "%s/../outside", root);
	assert_int_equal(rename(name_a, name_b), 0);
}

static void make_outside(const char *root)
{
	make_directories(root);
	move_out(root);
}

static void move_in(const char *root)
{
	(void)snprintf(name_a, sizeof(name_a), "%s/all", root);
	(void)snprintf(name_b, sizeof(name_b), "%s/../outside", root);
	assert_int_equal(rename(name_b, name_a), 0);
}

static void make_links(const char *root)
{
	write_one(path(name_a, root, "f", 0), O_CREAT);
	for (unsigned i = 1; i < files / 3; i++)
		assert_int_equal(link(name_a, path(name_b, root, "f", i)), 0);
}

static void change_links(const char *root)
{
	write_one(path(name_a, root, "f", 0), O_APPEND);
}

static const struct workload {
	const char *name;
	void (*before)(const char *root);
	void (*during)(const char *root);
} workloads[] = {
	{ "new files", nothing, make_files },
	{ "changed files", make_files, append_to_all },
	{ "removed files", make_files, unlink_all },
	{ "renamed files", make_files, rename_all },
	{ "files moved out", make_directories, move_out },
	{ "files moved in", make_outside, move_in },
	{ "links", nothing, make_links },
	{ "changed links", make_links, change_links },
};

/* ---- the longest iteration ---- */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	assert_int_equal(clock_gettime(clock, &now), 0);
	return (uint64_t)now.tv_sec * HW_SEC + (uint64_t)now.tv_nsec;
}

/* Of time and of processor the smaller one: other programs prolong the first, threads that list
 * directories meanwhile the second. */
static uint64_t turn(struct hw_rig *rig)
{
	uint64_t time = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	hw_rig_turn(rig, 0);
	time = clock_ns(CLOCK_MONOTONIC) - time;
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	return time < cpu ? time : cpu;
}

static void note_end(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	bool *ended = arg;

	(void)share;
	(void)error;
	(void)seq;
	*ended = true;
}

static uint64_t longest_turn(struct hw_rig *rig)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	uint64_t longest = 0;
	bool ended = false;

	assert_int_equal(hw_share_flush(hw_rig_share(rig), note_end, &ended), 0);
	while (!ended) {
		uint64_t took = turn(rig);

		if (getenv("HW_TEST_VERBOSE") && took > 10 * HW_MS)
			print_message("%u.%u ms\n", (unsigned)(took / HW_MS),
				      (unsigned)(took / (HW_MS / 10) % 10));
		longest = took > longest ? took : longest;
		assert_true(hw_clock_monotonic_ns() < deadline);
	}
	return longest;
}

/* -EOPNOTSUPP: the watcher cannot work here. */
static int measure(const struct workload *workload, struct hw_rig_config config, uint64_t *ret_ns)
{
	unsigned places;
	const struct hw_place *place = hw_scratch_places(&places);
	char *scratch = hw_scratch_create(place[places - 1].path);
	char root[PATH_MAX];
	struct hw_model *model;
	struct hw_rig *rig;
	const char *why = "";

	assert_non_null(scratch);
	(void)snprintf(root, sizeof(root), "%s/share", scratch);
	assert_int_equal(mkdir(root, 0700), 0);
	config.root = root;
	config.journal_bytes = (uint64_t)256 << 20;
	workload->before(root);
	hw_clock_tick();
	int r = hw_rig_start(&config, &rig, &why);

	if (r == -EOPNOTSUPP) {
		print_message("%s: %s\n", config.backend, why);
		hw_scratch_remove(scratch);
		return r;
	}
	assert_int_equal(r, 0);
	assert_int_equal(hw_model_create(&model), 0);
	assert_int_equal(hw_rig_snapshot(rig, model), 0);
	workload->during(root);
	hw_clock_tick();
	*ret_ns = longest_turn(rig);
	hw_stream_check(rig, model, root);
	hw_rig_stop(rig);
	hw_model_destroy(model);
	hw_scratch_remove(scratch);
	return 0;
}

/* Other programs can make an iteration longer, never shorter. */
static void no_iteration_is_long(void **state)
{
	const struct hw_rig_config config = { .backend = *state };

	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		uint64_t longest = UINT64_MAX;

		for (unsigned try = 0; try < TRIES && longest > LONGEST_NS; try++) {
			int r = measure(&workloads[i], config, &longest);

			if (r == -EOPNOTSUPP)
				skip();
			print_message("%s: %u %s: longest iteration %u ms\n", config.backend, files,
				      workloads[i].name, (unsigned)(longest / HW_MS));
		}
		if (longest > LONGEST_NS)
			fail_msg("%s under %s: an iteration took too long", workloads[i].name,
				 config.backend);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		{ "differences/inotify", no_iteration_is_long, NULL, NULL,
		  (void *)(uintptr_t) "inotify" },
		{ "differences/fanotify", no_iteration_is_long, NULL, NULL,
		  (void *)(uintptr_t) "fanotify" },
		{ "differences/fanotify-inode", no_iteration_is_long, NULL, NULL,
		  (void *)(uintptr_t) "fanotify-inode" },
		{ "differences/polling", no_iteration_is_long, NULL, NULL,
		  (void *)(uintptr_t) "polling" },
	};

	if (argc > 1)
		files = (unsigned)strtoul(argv[1], NULL, 10);
	return cmocka_run_group_tests_name("differences", tests, NULL, NULL);
}
