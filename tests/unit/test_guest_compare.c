/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's comparison of watched files with the disk, on real directories. The test decides what
 * is watched and which events are delivered. */
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

static int send_line(void *arg, const struct hw_event *event)
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

static int open_root(void *arg)
{
	const struct scene *scene = arg;
	int fd = open(scene->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static const struct hw_compare_ops ops = { .send = send_line, .open_root = open_root };

/* ---- the disk ---- */

static void run(const struct scene *scene, const char *command)
{
	char *text = NULL;

	assert_true(asprintf(&text, "cd %s && { %s; }", scene->dir, command) > 0);
	assert_int_equal(system(text), 0); /* NOLINT(cert-env33-c): the test's own commands */
	free(text);
}

static struct hw_guest_seen state_of(const struct scene *scene, const char *path)
{
	struct hw_guest_seen seen = { 0 };
	int root = open_root((void *)(uintptr_t)scene);

	if (hw_compare_look_below(root, path, &seen) < 0)
		seen.ino = 0;
	assert_int_equal(close(root), 0);
	return seen;
}

/* ---- watches, events, comparisons ---- */

static void list_watched(struct scene *scene)
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
static void work(struct scene *scene, bool may_list)
{
	int r, slices = 0;

	while ((r = hw_compare_work(&scene->compare, may_list)) > 0)
		assert_true(slices++ < 100000);
	assert_int_equal(r, 0);
}

static void watch(struct scene *scene, const char *const *paths)
{
	for (size_t i = 0; paths[i]; i++)
		scene->watched[i] = paths[i];
	list_watched(scene);
	work(scene, true);
	assert_true(hw_compare_covers(&scene->compare, "", 0));
}
#define WATCH(scene, ...) watch(scene, (const char *const[]){ __VA_ARGS__, NULL })

/* Like the module: it knows the directory from its cache, or asks the server for it. */
static bool has_directory(const struct scene *scene, const struct hw_event *event)
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

static void deliver_event(struct scene *scene, const struct hw_event *event,
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

static void deliver(struct scene *scene, uint8_t kind, const char *from, const char *path)
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

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sorted(const char *text)
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
static void expect(struct scene *scene, const char *lines)
{
	char *wanted = sorted(lines), *got = sorted(scene->reported);

	assert_string_equal(got, wanted);
	free(wanted);
	free(got);
	scene->len = 0;
	scene->reported[0] = '\0';
}

static void expect_order(struct scene *scene, const char *before, const char *after)
{
	const char *a = strstr(scene->reported, before), *b = strstr(scene->reported, after);

	if (!a || !b || a > b)
		fail_msg("no %s before %s in:\n%s", before, after, scene->reported);
}

static void rescan(struct scene *scene, const char *path)
{
	hw_compare_begin(&scene->compare, path, (uint32_t)strlen(path));
	work(scene, true);
	assert_false(scene->compare.active);
}

static void expect_rescan(struct scene *scene, const char *lines)
{
	rescan(scene, "");
	expect(scene, lines);
	/* it is known now */
	list_watched(scene);
	rescan(scene, "");
	expect(scene, "");
}

/* ---- a program that watches the whole tree ---- */

#define PATHS_MAX 600u

/* Knows the names that it was notified of, and when it was last notified of each file. */
struct program {
	struct scene *scene;
	char *paths[PATHS_MAX]; /* owned */
	unsigned notified[PATHS_MAX];
	size_t count;
	struct {
		uint64_t ino;
		unsigned at;
	} changed[PATHS_MAX]; /* files on the disk */
	size_t changed_count;
	unsigned now; /* number of the current change */
	bool lists; /* has listed that directory */
	bool has_dir; /* files are also in a directory that moves */
	unsigned seed;
};

static unsigned pick(struct program *program, unsigned n)
{
	program->seed = program->seed * 1103515245u + 12345u;
	return (program->seed >> 16) % n;
}

/* Returns its index, or -1. */
static int find_path(const struct program *program, const char *path)
{
	for (size_t i = 0; i < program->count; i++)
		if (strcmp(program->paths[i], path) == 0)
			return (int)i;
	return -1;
}

static void set_notified(struct program *program, const char *path)
{
	int i = find_path(program, path);

	if (i >= 0)
		program->notified[i] = program->now;
}

static void add_path(struct program *program, const char *path);

/* A directory that appears is watched and listed, like by programs that watch whole trees. If it
 * has moved on, that is done when its move is reported. */
static void list_dir(struct program *program, const char *path)
{
	char child[20];

	if (program->lists || state_of(program->scene, path).ino == 0)
		return;
	program->lists = true;
	for (unsigned i = 0; i < 3; i++) {
		(void)snprintf(child, sizeof(child), "%s/%u", path, i);
		if (state_of(program->scene, child).ino)
			add_path(program, child);
	}
}

static bool is_dir(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && strcmp(name, "/dir") == 0;
}

static bool knows_directory(const struct program *program, const char *path)
{
	const char *child = strstr(path, "/dir/");
	char dir[20];

	if (!child)
		return true;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(child - path + 4), path);
	return find_path(program, dir) >= 0;
}

static void add_path(struct program *program, const char *path)
{
	if (find_path(program, path) >= 0) {
		if (!strstr(path, "/dir"))
			fail_msg("%s appears, which is there", path);
		set_notified(program, path); /* it was listed */
		return;
	}
	if (!knows_directory(program, path))
		return; /* it is listed later */
	assert_true(program->count < PATHS_MAX);
	program->notified[program->count] = program->now;
	program->paths[program->count] = strdup(path);
	assert_non_null(program->paths[program->count++]);
	if (is_dir(path))
		list_dir(program, path);
}

static bool is_at_or_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static void drop_path(struct program *program, const char *path, bool tree)
{
	if (is_dir(path))
		program->lists = false;
	for (size_t i = program->count; i-- > 0;) {
		if (!is_at_or_below(program->paths[i], path))
			continue;
		if (!tree && strcmp(program->paths[i], path) != 0)
			fail_msg("%s disappears before %s", path, program->paths[i]);
		free(program->paths[i]);
		program->paths[i] = program->paths[--program->count];
		program->notified[i] = program->notified[program->count];
	}
}

static void rename_path(struct program *program, const char *from, const char *to)
{
	char *text = NULL;

	/* its disappearance was found first, or its appearance was missed */
	if (find_path(program, from) < 0) {
		program->lists &= !is_dir(to);
		add_path(program, to);
	}
	if (!knows_directory(program, to)) {
		drop_path(program, from, true);
		return;
	}
	for (size_t i = 0; i < program->count; i++) {
		if (!is_at_or_below(program->paths[i], from))
			continue;
		assert_true(asprintf(&text, "%s%s", to, program->paths[i] + strlen(from)) > 0);
		free(program->paths[i]);
		program->paths[i] = text;
	}
	if (is_dir(to))
		list_dir(program, to);
}

static void set_changed(struct program *program, const char *path)
{
	program->changed[program->changed_count].ino = state_of(program->scene, path).ino;
	program->changed[program->changed_count++].at = program->now;
	assert_true(program->changed_count < PATHS_MAX);
}

static void follow_line(struct program *program, char *line)
{
	char *word = strchr(line, ' '), *to = strstr(line, "-> ");
	char *flag = strstr(line, " (");
	bool exchange = flag && strcmp(flag, " (exchange)") == 0;

	*word++ = '\0';
	if (flag)
		*flag = '\0';
	if (strcmp(line, "create") == 0) {
		add_path(program, word);
	} else if (strcmp(line, "delete") == 0) {
		/* the names in a directory that the comparison did not know are not reported */
		drop_path(program, word, strstr(word, "/dir"));
	} else if (strcmp(line, "move") == 0 && to) {
		int before = find_path(program, to + 3), now;
		unsigned notified = before >= 0 ? program->notified[before] : 0;

		to += 3;
		if (*to == '\0') {
			to[-4] = '\0';
			drop_path(program, word, true);
			return;
		}
		if (exchange)
			rename_path(program, to, "exchanged");
		else if (find_path(program, to) >= 0)
			drop_path(program, to, true);
		if (word < to - 3) {
			to[-4] = '\0';
			rename_path(program, word, to);
			if (exchange)
				rename_path(program, "exchanged", word);
			now = find_path(program, to);
			if (now >= 0 && notified > program->notified[now])
				program->notified[now] = notified;
		} else {
			add_path(program, to);
		}
	} else if (strcmp(line, "modify") == 0) {
		set_notified(program, word);
	}
}

static void follow_lines(struct program *program)
{
	struct scene *scene = program->scene;
	char *save = NULL;

	for (char *line = strtok_r(scene->reported, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		follow_line(program, line);
	scene->len = 0;
	scene->reported[0] = '\0';
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	scene->dir = tempdir_create();
	assert_int_equal(hw_compare_init(&scene->compare, 64u << 20, &ops, scene), 0);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	hw_compare_free(&scene->compare);
	assert_int_equal(scene->compare.known.bytes, 0);
	tempdir_remove(scene->dir);
	free(scene);
	return 0;
}

/* ---- tests ---- */

static void each_kind_of_change_is_reported(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a; for f in m d r t k; do echo 1 >a/$f; done");
	WATCH(scene, "a");
	run(scene, "echo new >a/c; : >a/empty; echo 2 >>a/m; rm a/d; mv a/r a/s; chmod 600 a/t");
	expect_rescan(scene, "create a/c\nmodify a/c\nclose_write a/c\n"
			     "create a/empty\nclose_write a/empty\n"
			     "modify a/m\nclose_write a/m\n"
			     "delete a/d\nmove a/r -> a/s\nattrib a/t\n");
}

static void nothing_is_reported_of_what_is_not_watched(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p a/in b; echo 1 >a/in/f; echo 1 >b/f");
	WATCH(scene, "a");
	run(scene, "echo 2 >>a/in/f; echo 1 >a/in/g; rm b/f; echo 1 >g");
	expect_rescan(scene, "");
	run(scene, "mkdir -p a/new/deep; echo 1 >a/new/deep/f");
	expect_rescan(scene, "create a/new\n");
}

static void delivered_events_are_no_difference(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a b; for f in m d r t; do echo 1 >a/$f; done");
	WATCH(scene, "a", "b");
	run(scene, "echo new >a/c");
	deliver(scene, HW_CREATE, NULL, "a/c");
	deliver(scene, HW_MODIFY, NULL, "a/c");
	run(scene, "echo 2 >>a/m");
	deliver(scene, HW_MODIFY, NULL, "a/m");
	run(scene, "rm a/d");
	deliver(scene, HW_DELETE, NULL, "a/d");
	run(scene, "mv a/r b/s");
	deliver(scene, HW_MOVE, "a/r", "b/s");
	run(scene, "chmod 600 a/t");
	deliver(scene, HW_ATTRIB, NULL, "a/t");
	scene->len = 0;
	scene->reported[0] = '\0';
	expect_rescan(scene, "");
}

/* An event notifies programs of what was on the disk before it, and of nothing later. */
static void change_after_a_delivered_event_is_reported(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a; echo 1 >a/m; echo 1 >a/t");
	WATCH(scene, "a");
	run(scene, "echo 2 >>a/m; chmod 600 a/t");
	deliver(scene, HW_MODIFY, NULL, "a/m");
	deliver(scene, HW_ATTRIB, NULL, "a/t");
	run(scene, "echo 3 >>a/m; echo 3 >>a/t");
	expect_rescan(scene, "modify a/m\nattrib a/t\nmodify a/m\nclose_write a/m\n"
			     "modify a/t\nclose_write a/t\n");
}

static void attrib_does_not_notify_of_data(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a; echo 1 >a/t; echo 1 >a/r");
	WATCH(scene, "a");
	run(scene, "chmod 600 a/t; echo 2 >>a/t; echo 2 >>a/r; mv a/r a/s");
	deliver(scene, HW_ATTRIB, NULL, "a/t");
	deliver(scene, HW_MOVE, "a/r", "a/s");
	expect_rescan(scene, "attrib a/t\nmove a/r -> a/s\nmodify a/t\nclose_write a/t\n"
			     "modify a/s\nclose_write a/s\n");
}

static void directory_keeps_its_names_when_it_moves(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p a/b/in c; for f in 1 2 3; do echo 1 >a/b/$f; echo 1 >a/b/in/$f; done");
	WATCH(scene, "", "a", "a/b", "a/b/in", "c");
	run(scene, "mv a/b c/d; rm c/d/1; echo 2 >>c/d/in/2; echo 1 >c/d/in/4");
	scene->watched[2] = "c/d";
	scene->watched[3] = "c/d/in";
	rescan(scene, "");
	expect_order(scene, "move a/b -> c/d", "delete c/d/1");
	expect(scene, "move a/b -> c/d\ndelete c/d/1\nmodify c/d/in/2\nclose_write c/d/in/2\n"
		      "create c/d/in/4\nmodify c/d/in/4\nclose_write c/d/in/4\n");
	list_watched(scene);
	expect_rescan(scene, "");
}

/* What was found may be gone when it is reported, and no event may follow. */
static void directory_that_moved_on_is_not_waited_for(void **state)
{
	struct scene *scene = *state;
	const struct hw_list *new = &scene->compare.known.pending[HW_PENDING_NEW];

	run(scene, "mkdir -p a/x b out; echo 1 >a/x/f");
	WATCH(scene, "a", "a/x", "b");
	run(scene, "mv a/x b/y");
	hw_compare_begin(&scene->compare, "", 0);
	while (hw_list_empty(new))
		assert_int_equal(hw_compare_work_some(&scene->compare, true, 1), 1);
	run(scene, "mv b/y out/y");
	work(scene, true);
	expect(scene, "delete a/x/f\ndelete a/x\n");
}

static void tree_is_deleted_children_first(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p a/b/in; echo 1 >a/b/f; echo 1 >a/b/in/f");
	WATCH(scene, "a", "a/b", "a/b/in");
	run(scene, "rm -r a/b");
	rescan(scene, "");
	expect_order(scene, "delete a/b/in/f", "delete a/b/in\n");
	expect_order(scene, "delete a/b/in\n", "delete a/b\n");
	expect_order(scene, "delete a/b/f", "delete a/b\n");
	expect(scene, "delete a/b/in/f\ndelete a/b/in\ndelete a/b/f\ndelete a/b\n");
	list_watched(scene);
	expect_rescan(scene, "");
	run(scene, "mkdir a/b");
	expect_rescan(scene, "create a/b\n");
}

static void what_left_a_deleted_directory_is_a_move(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p a/b c; echo 1 >a/b/f; echo 1 >a/b/g");
	WATCH(scene, "a", "a/b", "c");
	run(scene, "mv a/b/f c/f; rm -r a/b");
	rescan(scene, "");
	expect_order(scene, "move a/b/f -> c/f", "delete a/b\n");
	expect(scene, "move a/b/f -> c/f\ndelete a/b/g\ndelete a/b\n");
}

static void replaced_file_is_one_move(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a; echo 1 >a/f; echo 1 >a/g; echo 1 >a/h; echo 1 >keep; ln a/f link");
	WATCH(scene, "a");
	run(scene, "echo two >a/.t; mv a/.t a/f; mv a/g a/h");
	expect_rescan(scene, "move -> a/f (replaced)\nmove a/g -> a/h (replaced)\n");
	run(scene, "rm a/f; mkdir a/f");
	expect_rescan(scene, "delete a/f\ncreate a/f\n");
	run(scene, "rmdir a/f; echo 1 >a/f");
	expect_rescan(scene, "delete a/f\ncreate a/f\nmodify a/f\nclose_write a/f\n");
}

static void chain_of_renames_is_reported_in_order(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a; for f in 1 2 3; do echo $f$f >a/$f; done");
	WATCH(scene, "a");
	run(scene, "mv a/3 a/4; mv a/2 a/3; mv a/1 a/2");
	rescan(scene, "");
	assert_string_equal(scene->reported, "move a/3 -> a/4\nmove a/2 -> a/3\nmove a/1 -> a/2\n");
	scene->len = 0;
	scene->reported[0] = '\0';
	expect_rescan(scene, "");
}

static void rings_of_renames_are_survived(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a; for f in 1 2 3 x y; do echo $f$f >a/$f; done");
	WATCH(scene, "a");
	run(scene, "mv a/x a/t; mv a/y a/x; mv a/t a/y");
	rescan(scene, "");
	assert_true(strcmp(scene->reported, "move a/x -> a/y (exchange)\n") == 0 ||
		    strcmp(scene->reported, "move a/y -> a/x (exchange)\n") == 0);
	scene->len = 0;
	scene->reported[0] = '\0';
	run(scene, "mv a/1 a/t; mv a/2 a/1; mv a/3 a/2; mv a/t a/3");
	rescan(scene, "");
	/* one of the three is replaced, its name is then free, and in the end there is a new file
	 */
	assert_non_null(strstr(scene->reported, "(replaced)\nmove a/"));
	assert_non_null(strstr(scene->reported, "\ncreate a/"));
	assert_null(strstr(scene->reported, "delete"));
	scene->len = 0;
	scene->reported[0] = '\0';
	expect_rescan(scene, "");
}

/* Numbers of deleted inodes are used again by some filesystems. */
static void new_file_is_no_move_of_a_deleted_one(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a; echo 1 >a/f");
	WATCH(scene, "a");
	run(scene, "rm a/f; echo other >a/g");
	expect_rescan(scene, "delete a/f\ncreate a/g\nmodify a/g\nclose_write a/g\n");
}

static void watched_file_alone_is_compared(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p a/b; echo 1 >a/b/f; echo 1 >a/b/g; echo 1 >a/b/h");
	WATCH(scene, "a/b/f", "a/b/g", "a/b/h");
	run(scene, "echo 2 >>a/b/f; rm a/b/g; chmod 600 a/b/h; echo 1 >a/b/i");
	expect_rescan(scene, "modify a/b/f\nclose_write a/b/f\ndelete a/b/g\nattrib a/b/h\n");
}

static void rescan_of_a_directory_leaves_the_others(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p a/b c");
	WATCH(scene, "a", "a/b", "c");
	run(scene, "echo 1 >a/f; echo 1 >a/b/f; echo 1 >c/f");
	rescan(scene, "a/b");
	expect(scene, "create a/b/f\nmodify a/b/f\nclose_write a/b/f\n");
	rescan(scene, "no/such");
	expect(scene, "");
	rescan(scene, "a");
	expect(scene, "create a/f\nmodify a/f\nclose_write a/f\n");
	expect_rescan(scene, "create c/f\nmodify c/f\nclose_write c/f\n");
}

/* Events of the host about changes that the comparison found are dropped, later ones are not. */
static void host_does_not_repeat_what_was_compared(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a b; echo 1 >a/d; echo 1 >a/r");
	WATCH(scene, "a", "b");
	run(scene, "echo 1 >a/c; rm a/d; mv a/r b/s");
	rescan(scene, "");
	expect(scene, "create a/c\nmodify a/c\nclose_write a/c\ndelete a/d\nmove a/r -> b/s\n");
	deliver(scene, HW_CREATE, NULL, "a/c");
	deliver(scene, HW_DELETE, NULL, "a/d");
	deliver(scene, HW_MOVE, "a/r", "b/s");
	expect(scene, "");
	run(scene, "rm a/c b/s; echo 1 >a/d");
	deliver(scene, HW_DELETE, NULL, "a/c");
	deliver(scene, HW_DELETE, NULL, "b/s");
	deliver(scene, HW_CREATE, NULL, "a/d");
	expect(scene, "delete a/c\ndelete b/s\ncreate a/d\n");
	expect_rescan(scene, "");
}

/* Nor is another entry that comes to the same name, however late. */
static void move_onto_a_reported_name_is_no_repetition(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a out; echo 1 >a/g; echo 1 >out/f; echo 1 >out/g");
	WATCH(scene, "a");
	run(scene, "echo 1 >a/f; mv out/g a/g");
	rescan(scene, "");
	expect(scene, "create a/f\nmodify a/f\nclose_write a/f\nmove -> a/g (replaced)\n");
	deliver(scene, HW_MOVE, NULL, "a/g");
	expect(scene, "");
	run(scene, "mv out/f a/f");
	deliver(scene, HW_MOVE, NULL, "a/f");
	expect(scene, "move -> a/f\n");
	run(scene, "echo 2 >out/h; mv out/h a/g");
	deliver(scene, HW_MOVE, NULL, "a/g");
	expect(scene, "move -> a/g\n");
	expect_rescan(scene, "");
}

/* Between slices, events are delivered. */
static void events_during_a_comparison_are_neither_lost_nor_repeated(void **state)
{
	struct scene *scene = *state;
	int r, slice = 0;

	run(scene, "mkdir a; for i in $(seq 1000); do echo 1 >a/f$i; done");
	WATCH(scene, "a");
	run(scene, "rm a/f1 a/f1000; echo 1 >a/new; mv a/f2 a/g2");
	hw_compare_begin(&scene->compare, "", 0);
	while ((r = hw_compare_work(&scene->compare, true)) > 0) {
		if (slice++ != 1)
			continue;
		run(scene, "rm a/f999 a/f3; echo 1 >a/live; mv a/f4 a/g4; echo 2 >>a/f500");
		deliver(scene, HW_DELETE, NULL, "a/f999");
		deliver(scene, HW_DELETE, NULL, "a/f3");
		deliver(scene, HW_CREATE, NULL, "a/live");
		deliver(scene, HW_MOVE, "a/f4", "a/g4");
		deliver(scene, HW_MODIFY, NULL, "a/f500");
	}
	assert_int_equal(r, 0);
	assert_true(slice > 2);
	expect(scene, "delete a/f999\ndelete a/f3\ncreate a/live\nmove a/f4 -> a/g4\n"
		      "modify a/f500\ndelete a/f1\ndelete a/f1000\nmove a/f2 -> a/g2\n"
		      "create a/new\nmodify a/new\nclose_write a/new\n");
	expect_rescan(scene, "");
}

static void second_rescan_extends_the_first(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a b; for i in $(seq 600); do echo 1 >a/f$i; done");
	WATCH(scene, "a", "b");
	run(scene, "rm a/f1; echo 1 >b/f");
	hw_compare_begin(&scene->compare, "a", 1);
	assert_int_equal(hw_compare_work(&scene->compare, true), 1);
	run(scene, "rm a/f2");
	hw_compare_begin(&scene->compare, "", 0);
	work(scene, true);
	expect(scene, "delete a/f1\ndelete a/f2\ncreate b/f\nmodify b/f\nclose_write b/f\n");
	expect_rescan(scene, "");
}

static void new_watch_is_not_covered_until_it_is_listed(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p a/b c");
	WATCH(scene, "a");
	scene->watched[1] = "a/b";
	list_watched(scene);
	work(scene, false);
	assert_false(hw_compare_covers(&scene->compare, "", 0));
	assert_true(hw_compare_covers(&scene->compare, "c", 1));
	work(scene, true);
	list_watched(scene);
	work(scene, true);
	assert_true(hw_compare_covers(&scene->compare, "", 0));
	run(scene, "echo 1 >a/b/f");
	expect_rescan(scene, "create a/b/f\nmodify a/b/f\nclose_write a/b/f\n");
}

static void memory_is_bounded(void **state)
{
	struct scene *scene = *state;

	hw_compare_free(&scene->compare);
	assert_int_equal(hw_compare_init(&scene->compare, 20000, &ops, scene), 0);
	run(scene, "mkdir a b; for i in $(seq 200); do echo 1 >a/f$i; done; echo 1 >b/f");
	scene->watched[0] = "a";
	scene->watched[1] = "b";
	list_watched(scene);
	work(scene, true);
	assert_true(scene->compare.known.bytes <= 20000);
	assert_false(hw_compare_covers(&scene->compare, "", 0));
	run(scene, "rm a/f1 b/f");
	rescan(scene, "");
	expect(scene, "delete b/f\n");
}

static void watches_that_end_free_memory(void **state)
{
	struct scene *scene = *state;
	size_t before = scene->compare.known.bytes;

	run(scene, "mkdir -p a/b/c; echo 1 >a/f; echo 1 >a/b/f; echo 1 >a/b/c/f");
	WATCH(scene, "a", "a/b", "a/b/c", "a/f");
	scene->watched[0] = "a/b/c";
	scene->watched[1] = NULL;
	list_watched(scene);
	work(scene, true);
	run(scene, "rm a/f a/b/f a/b/c/f");
	expect_rescan(scene, "delete a/b/c/f\n");
	scene->watched[0] = NULL;
	list_watched(scene);
	assert_int_equal(scene->compare.known.bytes, before);
}

/* A watched object whose name is not cached is found by its number. */
static void watch_without_a_name_is_kept(void **state)
{
	struct scene *scene = *state;
	struct hw_guest_object object = { .mode = S_IFDIR, .path_len = HW_GUEST_NO_PATH };

	run(scene, "mkdir -p a/b");
	WATCH(scene, "a/b");
	object.ino = state_of(scene, "a/b").ino;
	hw_compare_watched_begin(&scene->compare);
	hw_compare_watched(&scene->compare, &object, NULL);
	hw_compare_watched_end(&scene->compare);
	assert_true(hw_compare_covers(&scene->compare, "", 0));
	run(scene, "echo 1 >a/b/f");
	rescan(scene, "");
	expect(scene, "create a/b/f\nmodify a/b/f\nclose_write a/b/f\n");
	object.ino++;
	hw_compare_watched_begin(&scene->compare);
	hw_compare_watched(&scene->compare, &object, NULL);
	hw_compare_watched_end(&scene->compare);
	assert_false(hw_compare_covers(&scene->compare, "", 0));
}

/* The host decides which names there are. */
static void links_are_not_followed(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p a/b out; echo 1 >out/f; ln -s ../out a/link; ln -s out link");
	WATCH(scene, "a", "a/b");
	run(scene, "rmdir a/b; ln -s ../out a/b; echo 2 >>out/f; rm a/link; ln -s ../a a/link");
	rescan(scene, "");
	assert_null(strstr(scene->reported, "/f"));
	expect(scene, "delete a/b\ncreate a/b\nmove -> a/link (replaced)\n");
}

static const char *const files[] = { "a/1", "a/2", "a/3", "b/1", "b/2", "a/c/1", "a/c/2", "d/1" };
#define FILES (sizeof(files) / sizeof(files[0]))

/* An event that the host sends later. */
struct late {
	uint8_t kind, type;
	uint16_t flags;
	char from[20], path[20];
};
#define LATE_MAX 64u

struct queue {
	struct late events[LATE_MAX];
	size_t count;
};

static void deliver_late_one(struct scene *scene, const struct late *late)
{
	const struct hw_guest_seen seen = state_of(scene, late->path);
	const struct hw_event event = { .struct_size = sizeof(event),
					.kind = late->kind,
					.type = late->type,
					.flags = late->flags,
					.path = late->path,
					.from = *late->from ? late->from : NULL,
					.path_len = (uint32_t)strlen(late->path),
					.from_len = (uint32_t)strlen(late->from) };

	deliver_event(scene, &event, &seen);
}

static void deliver_late(struct program *program, struct queue *queue, size_t max)
{
	size_t n = queue->count < max ? queue->count : max;

	for (size_t i = 0; i < n; i++)
		deliver_late_one(program->scene, &queue->events[i]);
	queue->count -= n;
	memmove(queue->events, queue->events + n, queue->count * sizeof(queue->events[0]));
	follow_lines(program);
}

/* Each state of a file has another size: two of them may have the same times. */
static void write_file(int root, const char *path, int flags, unsigned size)
{
	static const char text[997];
	int fd = openat(root, path, O_WRONLY | O_CLOEXEC | flags, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size % sizeof(text) + 1), size % sizeof(text) + 1);
	assert_int_equal(close(fd), 0);
}

static void put_late(struct queue *queue, const struct late *late)
{
	if (!queue)
		return; /* it is missed */
	queue->events[queue->count++] = *late;
	assert_true(queue->count < LATE_MAX);
}

/* A directory that is in one of these places. */
static const char *const places[] = { "a/dir", "b/dir", "d/dir" };
#define PLACES (sizeof(places) / sizeof(places[0]))

static const char *place_now(int root)
{
	for (size_t i = 0; i < PLACES; i++)
		if (faccessat(root, places[i], F_OK, 0) == 0)
			return places[i];
	return NULL;
}

/* Returns a file, in that directory if there is one. */
static void pick_file(struct program *program, int root, char path[20])
{
	const char *place = place_now(root);

	if (place && pick(program, 3) == 0)
		(void)snprintf(path, 20, "%s/%u", place, pick(program, 3));
	else
		(void)snprintf(path, 20, "%s", files[pick(program, FILES)]);
}

static bool move_directory(struct program *program, int root, struct queue *queue)
{
	struct late late = { .kind = HW_MOVE, .type = HW_TYPE_DIR };
	const char *from = place_now(root), *to = places[pick(program, PLACES)];

	if (!from || from == to || pick(program, 6))
		return false;
	strcpy(late.from, from);
	strcpy(late.path, to);
	assert_int_equal(renameat(root, from, root, to), 0);
	put_late(queue, &late);
	return true;
}

static void change_file(struct program *program, int root, struct queue *queue)
{
	struct late late = { .kind = HW_CREATE, .type = HW_TYPE_FILE };
	char other[20];

	pick_file(program, root, late.path);
	pick_file(program, root, other);
	if (faccessat(root, late.path, F_OK, 0) < 0) {
		write_file(root, late.path, O_CREAT | O_EXCL, program->now);
	} else if (pick(program, 3) == 0) {
		late.kind = HW_MODIFY;
		write_file(root, late.path, O_APPEND, program->now);
		set_changed(program, late.path);
	} else if (pick(program, 2) == 0 || strcmp(late.path, other) == 0) {
		late.kind = HW_DELETE;
		assert_int_equal(unlinkat(root, late.path, 0), 0);
	} else {
		late.kind = HW_MOVE;
		if (faccessat(root, other, F_OK, 0) == 0)
			late.flags = HW_FLAG_REPLACED;
		assert_int_equal(renameat(root, late.path, root, other), 0);
		strcpy(late.from, late.path);
		strcpy(late.path, other);
	}
	put_late(queue, &late);
}

/* One change. Its event is added to the queue; NULL: it is missed. */
static void change_one(struct program *program, struct queue *queue)
{
	int root = open_root(program->scene);

	program->now++;
	if (!move_directory(program, root, queue))
		change_file(program, root, queue);
	assert_int_equal(close(root), 0);
}

static void expect_path(struct program *program, const char *path)
{
	uint64_t ino = state_of(program->scene, path).ino;
	int known = find_path(program, path);

	if ((ino != 0) != (known >= 0))
		fail_msg("seed %u: %s is %s", program->seed, path,
			 ino ? "not known" : "not on the disk");
	for (size_t i = 0; ino && i < program->changed_count; i++)
		if (program->changed[i].ino == ino &&
		    program->changed[i].at > program->notified[known])
			fail_msg("seed %u: a change of %s was not reported", program->seed, path);
}

static void expect_disk(struct program *program)
{
	char path[20];

	for (size_t i = 0; i < FILES; i++)
		expect_path(program, files[i]);
	for (size_t i = 0; program->has_dir && i < PLACES; i++) {
		expect_path(program, places[i]);
		for (unsigned j = 0; j < 3; j++) {
			(void)snprintf(path, sizeof(path), "%s/%u", places[i], j);
			expect_path(program, path);
		}
	}
	program->changed_count = 0;
}

/* Changes are missed, a comparison begins, and further changes are made before, between and after
 * its slices, which their events follow sooner or later. */
static void one_history(struct program *program)
{
	struct scene *scene = program->scene;
	struct queue queue = { .count = 0 };
	int r = 1;

	for (unsigned i = pick(program, 12); i; i--)
		change_one(program, NULL);
	hw_compare_begin(&scene->compare, "", 0);
	while (r > 0) {
		if (pick(program, 2))
			change_one(program, &queue);
		if (pick(program, 2))
			deliver_late(program, &queue, pick(program, 3));
		r = hw_compare_work_some(&scene->compare, true, (int)pick(program, 4) + 1);
		follow_lines(program);
		if (pick(program, 40) == 0)
			hw_compare_begin(&scene->compare, "", 0);
	}
	assert_int_equal(r, 0);
	deliver_late(program, &queue, LATE_MAX);
	/* a directory that moved may be reached now */
	work(scene, true);
	follow_lines(program);
}

/* Watches the directories that the program knows now. */
static void watch_known(struct program *program)
{
	struct scene *scene = program->scene;

	scene->watched[5] = NULL;
	for (size_t i = 0; i < PLACES; i++)
		if (find_path(program, places[i]) >= 0)
			scene->watched[5] = places[i];
	list_watched(scene);
	work(scene, true);
}

static void random_histories(struct program *program, unsigned seeds)
{
	struct scene *scene = program->scene;

	for (unsigned seed = 1; seed <= seeds; seed++) {
		program->seed = seed;
		one_history(program);
		program->seed = seed;
		expect_disk(program);
		watch_known(program);
		/* a state that is not known may have been reported once more */
		rescan(scene, "");
		follow_lines(program);
		expect_disk(program);
		expect_rescan(scene, "");
	}
	while (program->count > 0)
		free(program->paths[--program->count]);
}

static void random_histories_end_as_the_disk(void **state)
{
	struct program program = { .scene = *state };

	run(*state, "mkdir -p a/c b d");
	WATCH(*state, "", "a", "b", "d", "a/c");
	random_histories(&program, 1000);
}

static void random_moves_of_a_directory_end_as_the_disk(void **state)
{
	struct program program = { .scene = *state, .has_dir = true };

	run(*state, "mkdir -p a/c b d a/dir");
	WATCH(*state, "", "a", "b", "d", "a/c", "a/dir");
	add_path(&program, "a/dir");
	random_histories(&program, 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(each_kind_of_change_is_reported),
		TEST(nothing_is_reported_of_what_is_not_watched),
		TEST(delivered_events_are_no_difference),
		TEST(change_after_a_delivered_event_is_reported),
		TEST(attrib_does_not_notify_of_data),
		TEST(directory_keeps_its_names_when_it_moves),
		TEST(directory_that_moved_on_is_not_waited_for),
		TEST(tree_is_deleted_children_first),
		TEST(what_left_a_deleted_directory_is_a_move),
		TEST(replaced_file_is_one_move),
		TEST(chain_of_renames_is_reported_in_order),
		TEST(rings_of_renames_are_survived),
		TEST(new_file_is_no_move_of_a_deleted_one),
		TEST(watched_file_alone_is_compared),
		TEST(rescan_of_a_directory_leaves_the_others),
		TEST(host_does_not_repeat_what_was_compared),
		TEST(move_onto_a_reported_name_is_no_repetition),
		TEST(events_during_a_comparison_are_neither_lost_nor_repeated),
		TEST(second_rescan_extends_the_first),
		TEST(new_watch_is_not_covered_until_it_is_listed),
		TEST(memory_is_bounded),
		TEST(watches_that_end_free_memory),
		TEST(watch_without_a_name_is_kept),
		TEST(links_are_not_followed),
		TEST(random_histories_end_as_the_disk),
		TEST(random_moves_of_a_directory_end_as_the_disk),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
