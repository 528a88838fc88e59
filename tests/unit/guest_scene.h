/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The agent's comparison of watched files with the disk, on real directories. The test decides what
 * is watched and which events are delivered. Header only; functions may remain unused.
 */
#ifndef HW_TESTS_GUEST_SCENE_H
#define HW_TESTS_GUEST_SCENE_H

#include "guest/agent/compare.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tempdir.h"

#define WATCHED_MAX 16u

struct scene {
	struct hw_compare compare;
	char *dir;
	const char *watched[WATCHED_MAX];
	char reported[65536];
	size_t len;
};

static const char *const kinds[] = { "",       "create", "delete",      "move",
				     "modify", "attrib", "close_write", "rescan" };

static inline int send_line(void *arg, const struct hw_event *event)
{
	struct scene *scene = arg;
	char *at = scene->reported + scene->len;
	size_t room = sizeof(scene->reported) - scene->len;
	int n = snprintf(at, room, "%s%s%.*s%s%.*s%s\n", kinds[event->kind], event->from ? " " : "",
			 (int)event->from_len, event->from ? event->from : "",
			 event->kind == HW_MOVE ? " -> " : " ", (int)event->path_len,
			 event->path ? event->path : "",
			 event->flags & HW_FLAG_REPLACED   ? " (replaced)"
			 : event->flags & HW_FLAG_EXCHANGE ? " (exchange)"
							   : "");

	assert_true(n > 0 && (size_t)n < room);
	scene->len += (size_t)n;
	return 0;
}

static inline int open_root(void *arg)
{
	const struct scene *scene = arg;
	int fd = open(scene->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static const struct hw_compare_ops ops = { .send = send_line, .open_root = open_root };

/* ---- the disk ---- */

static inline void run(const struct scene *scene, const char *command)
{
	char *text = NULL;

	assert_true(asprintf(&text, "cd %s && { %s; }", scene->dir, command) > 0);
	assert_int_equal(system(text), 0); /* NOLINT(cert-env33-c): the test's own commands */
	free(text);
}

static inline struct hw_guest_seen state_of(const struct scene *scene, const char *path)
{
	struct hw_guest_seen seen = { 0 };
	int root = open_root((void *)(uintptr_t)scene);

	if (hw_compare_look_below(root, path, &seen) < 0)
		seen.ino = 0;
	assert_int_equal(close(root), 0);
	return seen;
}

/* ---- watches, events, comparisons ---- */

static inline void list_watched(struct scene *scene)
{
	hw_compare_watched_begin(&scene->compare);
	for (size_t i = 0; i < WATCHED_MAX && scene->watched[i]; i++) {
		const struct hw_guest_seen seen = state_of(scene, scene->watched[i]);
		const struct hw_guest_object object = { .ino = seen.ino,
							.mode = seen.mode,
							.path_len = (uint32_t)strlen(
								scene->watched[i]) };

		if (seen.ino)
			hw_compare_watched(&scene->compare, &object, scene->watched[i]);
	}
	hw_compare_watched_end(&scene->compare);
}

/* Until nothing is left to be done. */
static inline void work(struct scene *scene, bool may_list)
{
	int r, slices = 0;

	while ((r = hw_compare_work(&scene->compare, may_list)) > 0)
		assert_true(slices++ < 100000);
	assert_int_equal(r, 0);
}

static inline void watch(struct scene *scene, const char *const *paths)
{
	for (size_t i = 0; paths[i]; i++)
		scene->watched[i] = paths[i];
	list_watched(scene);
	work(scene, true);
	assert_true(hw_compare_covers(&scene->compare, "", 0));
}
#define WATCH(scene, ...) watch(scene, (const char *const[]){ __VA_ARGS__, NULL })

/* Like the module: it knows the directory from its cache, or asks the server for it. */
static inline bool has_directory(const struct scene *scene, const struct hw_event *event)
{
	char dir[256];
	const struct hw_known *known;
	const char *slash;

	(void)snprintf(dir, sizeof(dir), "%.*s", (int)event->path_len, event->path);
	slash = strrchr(dir, '/');
	dir[slash ? slash - dir : 0] = '\0';
	known = hw_known_find(&scene->compare.known, dir, (uint32_t)strlen(dir));
	return state_of(scene, dir).ino != 0 || (known && (known->flags & HW_KNOWN_LISTED));
}

static inline void deliver_event(struct scene *scene, const struct hw_event *event,
				 const struct hw_guest_seen *seen)
{
	struct hw_event reported = *event;

	if (hw_compare_event(&scene->compare, event) == 0)
		return;
	if (!has_directory(scene, event)) {
		reported.path = NULL;
		reported.path_len = 0;
	}
	if (reported.path || reported.from)
		(void)send_line(scene, &reported);
	hw_compare_follow(&scene->compare, event, seen);
}

static inline void deliver(struct scene *scene, uint8_t kind, const char *from, const char *path)
{
	const struct hw_guest_seen seen =
		path ? state_of(scene, path) : (struct hw_guest_seen){ 0 };
	const struct hw_event event = { .struct_size = sizeof(event),
					.kind = kind,
					.path = path,
					.from = from,
					.path_len = path ? (uint32_t)strlen(path) : 0,
					.from_len = from ? (uint32_t)strlen(from) : 0 };

	deliver_event(scene, &event, &seen);
}

static inline int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline char *sorted(const char *text)
{
	char *copy = strdup(text), *ret = calloc(1, strlen(text) + 1), *save = NULL;
	char *lines[2048];
	size_t count = 0;

	assert_true(copy && ret);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		lines[count++] = line;
	qsort(lines, count, sizeof(lines[0]), compare_lines);
	for (size_t i = 0; i < count; i++)
		strcat(strcat(ret, lines[i]), "\n");
	free(copy);
	return ret;
}

/* In any order. */
static inline void expect(struct scene *scene, const char *lines)
{
	char *wanted = sorted(lines), *got = sorted(scene->reported);

	assert_string_equal(got, wanted);
	free(wanted);
	free(got);
	scene->len = 0;
	scene->reported[0] = '\0';
}

static inline void expect_order(struct scene *scene, const char *before, const char *after)
{
	const char *a = strstr(scene->reported, before), *b = strstr(scene->reported, after);

	if (!a || !b || a > b)
		fail_msg("no %s before %s in:\n%s", before, after, scene->reported);
}

static inline void rescan(struct scene *scene, const char *path)
{
	hw_compare_begin(&scene->compare, path, (uint32_t)strlen(path));
	work(scene, true);
	assert_false(scene->compare.active);
}

static inline void expect_rescan(struct scene *scene, const char *lines)
{
	rescan(scene, "");
	expect(scene, lines);
	/* it is known now */
	list_watched(scene);
	rescan(scene, "");
	expect(scene, "");
}

static inline int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	scene->dir = tempdir_create();
	assert_int_equal(hw_compare_init(&scene->compare, 64u << 20, &ops, scene), 0);
	*state = scene;
	return 0;
}

static inline int teardown(void **state)
{
	struct scene *scene = *state;

	hw_compare_free(&scene->compare);
	assert_int_equal(scene->compare.known.bytes, 0);
	tempdir_remove(scene->dir);
	free(scene);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
