/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The comparison, with random changes before, between and after its slices. */
#include "guest_scene.h"

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
	bool exchanges; /* files exchange their names */
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
			late.flags = program->exchanges && pick(program, 2) ? HW_FLAG_EXCHANGE
									    : HW_FLAG_REPLACED;
		assert_int_equal(renameat2(root, late.path, root, other,
					   late.flags & HW_FLAG_EXCHANGE ? RENAME_EXCHANGE : 0),
				 0);
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

static void random_exchanges_end_as_the_disk(void **state)
{
	struct program program = { .scene = *state, .exchanges = true };

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(random_histories_end_as_the_disk),
		TEST(random_exchanges_end_as_the_disk),
		TEST(random_moves_of_a_directory_end_as_the_disk),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
