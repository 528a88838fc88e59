/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What programs know outlives the agent: the next one reports what differs. */
#include "guest/agent/known_file.h"
#include "guest_scene.h"

static const uint64_t here = 7, there = 8; /* devices */

static void file_of(const struct scene *scene, char path[600])
{
	(void)snprintf(path, 600, "%s.known", scene->dir);
}

static void anew(struct scene *scene, size_t max_bytes)
{
	hw_compare_free(&scene->compare);
	assert_int_equal(hw_compare_init(&scene->compare, max_bytes, &ops, scene), 0);
}

static void keep(const struct scene *scene)
{
	char path[600];

	file_of(scene, path);
	assert_int_equal(hw_known_write(&scene->compare.known, here, path), 0);
}

static int load(struct scene *scene)
{
	char path[600];

	file_of(scene, path);
	anew(scene, 64u << 20);
	return hw_known_read(&scene->compare.known, here, path);
}

/* The agent ends, and the next one begins. */
static void restart(struct scene *scene)
{
	char path[600];

	keep(scene);
	assert_int_equal(load(scene), 0);
	file_of(scene, path);
	assert_int_equal(access(path, F_OK), -1);
}

static void each_kind_of_change_is_reported(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p a/in b; for f in m d r t k; do echo 1 >a/$f; echo 1 >a/in/$f; done; "
		   "echo 1 >b/alone; echo 1 >b/other");
	WATCH(scene, "a", "b/alone");
	restart(scene);
	run(scene, "echo new >a/c; echo 2 >>a/m; rm a/d; mv a/r a/s; chmod 600 a/t; echo 2 "
		   ">>a/in/m; echo 2 >>b/alone; echo 2 >>b/other");
	list_watched(scene);
	assert_true(hw_compare_covers(&scene->compare, "", 0));
	expect_rescan(scene, "create a/c\nmodify a/c\nclose_write a/c\n"
			     "modify a/m\nclose_write a/m\n"
			     "delete a/d\nmove a/r -> a/s\nattrib a/t\n"
			     "modify b/alone\nclose_write b/alone\n");
}

static void directories_are_followed(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p a/b/c d; echo 1 >a/b/c/f");
	WATCH(scene, "", "a", "a/b", "a/b/c", "d");
	restart(scene);
	restart(scene);
	list_watched(scene);
	run(scene, "mv a/b d/e; echo 1 >d/e/c/g; mkdir -p a/b");
	scene->watched[2] = "d/e";
	scene->watched[3] = "d/e/c";
	rescan(scene, "");
	expect(scene, "move a/b -> d/e\ncreate a/b\n"
		      "create d/e/c/g\nmodify d/e/c/g\nclose_write d/e/c/g\n");
}

static void events_are_followed_after_a_restart(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a; echo 1 >a/f; echo 1 >a/g");
	WATCH(scene, "a");
	restart(scene);
	run(scene, "echo 2 >>a/f; rm a/g");
	deliver(scene, HW_MODIFY, NULL, "a/f");
	deliver(scene, HW_DELETE, NULL, "a/g");
	scene->len = 0;
	scene->reported[0] = '\0';
	list_watched(scene);
	expect_rescan(scene, "");
}

/* What is watched since has no state that could be compared. */
static void new_watches_are_not_covered(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a b; echo 1 >a/f; echo 1 >b/f");
	WATCH(scene, "a");
	restart(scene);
	run(scene, "echo 2 >>a/f; echo 2 >>b/f");
	scene->watched[1] = "b";
	list_watched(scene);
	assert_true(hw_compare_covers(&scene->compare, "a", 1));
	assert_false(hw_compare_covers(&scene->compare, "", 0));
	expect_rescan(scene, "modify a/f\nclose_write a/f\n");
}

static void an_object_that_was_not_examined_is_not_covered(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a; echo 1 >a/f");
	scene->watched[0] = "a";
	list_watched(scene);
	restart(scene);
	list_watched(scene);
	assert_false(hw_compare_covers(&scene->compare, "", 0));
}

static void a_comparison_that_is_not_finished_is_not_kept(void **state)
{
	struct scene *scene = *state;
	char path[600];

	run(scene, "mkdir a; echo 1 >a/f; echo 1 >a/g");
	WATCH(scene, "a");
	run(scene, "rm a/f; echo 2 >>a/g");
	hw_compare_begin(&scene->compare, "", 0);
	while (hw_list_empty(&scene->compare.known.pending[HW_PENDING_DATA]))
		assert_int_equal(hw_compare_work_some(&scene->compare, true, 1), 1);
	file_of(scene, path);
	assert_int_equal(hw_known_write(&scene->compare.known, here, path), -EBUSY);
	assert_int_equal(access(path, F_OK), -1);
	work(scene, true);
}

static void another_mount_is_not_compared(void **state)
{
	struct scene *scene = *state;
	char path[600];

	run(scene, "mkdir a; echo 1 >a/f");
	WATCH(scene, "a");
	keep(scene);
	anew(scene, 64u << 20);
	file_of(scene, path);
	assert_int_equal(hw_known_read(&scene->compare.known, there, path), -ESTALE);
	assert_int_equal(load(scene), -ENOENT);
}

static void memory_has_a_limit(void **state)
{
	struct scene *scene = *state;
	char path[600];

	run(scene, "mkdir a; for i in 1 2 3 4 5 6 7 8 9; do echo 1 >a/$i; done");
	WATCH(scene, "a");
	size_t bytes = scene->compare.known.bytes;

	file_of(scene, path);
	keep(scene);
	anew(scene, bytes - 1);
	assert_int_equal(hw_known_read(&scene->compare.known, here, path), -ENOMEM);
	anew(scene, 64u << 20);
	list_watched(scene);
	work(scene, true);
	keep(scene);
	anew(scene, bytes);
	assert_int_equal(hw_known_read(&scene->compare.known, here, path), 0);
	assert_int_equal(scene->compare.known.bytes, bytes);
}

/* A file that ends early, or of which one byte is another one. */
static void wrong_files_are_refused(void **state)
{
	struct scene *scene = *state;
	char path[600];
	static char good[65536];

	run(scene, "mkdir -p a/b; echo 1 >a/f; echo 1 >a/b/g");
	WATCH(scene, "a", "a/b");
	file_of(scene, path);
	keep(scene);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, good, sizeof(good));

	assert_true(len > 0);
	(void)close(fd);
	for (ssize_t i = 0; i < 2 * len; i++) {
		size_t size = i < len ? (size_t)i : (size_t)len;
		char byte = good[i % len];

		good[i % len] = (char)(byte ^ (i < len ? 0 : 0x55));
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		assert_int_equal(write(fd, good, size), size);
		(void)close(fd);
		good[i % len] = byte;
		int r = load(scene);

		assert_true(i < len ? r == -EBADMSG || r == -ESTALE || r == -EEXIST : r <= 0);
	}
}

static void a_file_of_another_program_is_left(void **state)
{
	struct scene *scene = *state;
	char path[600], text[16] = "";
	FILE *file;

	run(scene, "mkdir a");
	WATCH(scene, "a");
	file_of(scene, path);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs("precious", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(hw_known_write(&scene->compare.known, here, path), -EEXIST);
	assert_int_equal(load(scene), -EEXIST);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	(void)fclose(file);
	(void)unlink(path);
	assert_string_equal(text, "precious");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_kind_of_change_is_reported),
		TEST(directories_are_followed),
		TEST(events_are_followed_after_a_restart),
		TEST(new_watches_are_not_covered),
		TEST(an_object_that_was_not_examined_is_not_covered),
		TEST(a_comparison_that_is_not_finished_is_not_kept),
		TEST(another_mount_is_not_compared),
		TEST(memory_has_a_limit),
		TEST(wrong_files_are_refused),
		TEST(a_file_of_another_program_is_left),
	};

	return cmocka_run_group_tests_name("guest_compare_kept", tests, NULL, NULL);
}
