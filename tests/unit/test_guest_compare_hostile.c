/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The comparison with a host that shows anything, and with events at the worst time. */
#include "guest_scene.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

static void deliver_flags(struct scene *scene, uint16_t flags, const char *from, const char *path)
{
	const struct hw_guest_seen seen = state_of(scene, path);
	const struct hw_event event = { .struct_size = sizeof(event),
					.kind = HW_MOVE,
					.type = HW_TYPE_FILE,
					.flags = flags,
					.path = path,
					.from = from,
					.path_len = (uint32_t)strlen(path),
					.from_len = (uint32_t)strlen(from) };

	deliver_event(scene, &event, &seen);
}

static void forget(struct scene *scene)
{
	scene->len = 0;
	scene->reported[0] = '\0';
}

/* The entry that is known as part of a directory has the directory's name now. */
static void child_takes_the_name_of_its_directory(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p x z/y; echo 1 >x/f; echo 1 >x/g; echo 1 >z/y/f");
	WATCH(scene, "", "x", "z", "z/y");
	run(scene, "mv x/f t; rm -r x; mv t x");
	expect_rescan(scene, "delete x/f\ndelete x/g\ndelete x\ncreate x\nmodify x\n"
			     "close_write x\n");
	run(scene, "mv z/y t; rm -r z; mv t z");
	expect_rescan(scene, "delete z/y/f\ndelete z/y\ndelete z\ncreate z\n");
}

static void grandchild_takes_the_name_of_a_directory(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir -p x/y/z a; echo 1 >x/y/z/f");
	WATCH(scene, "", "x", "x/y", "x/y/z", "a");
	run(scene, "mv x/y/z t; rm -r x; mv t x; mv x/f a/f");
	rescan(scene, "");
	assert_non_null(strstr(scene->reported, "delete x\n"));
	assert_non_null(strstr(scene->reported, "create x\n"));
	forget(scene);
	list_watched(scene);
	work(scene, true);
	expect_rescan(scene, "");
}

/* What was in a directory that was replaced by a file is elsewhere now. */
static void content_of_a_replaced_directory_is_found(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir x x/d; echo 1 >x/f; echo 1 >x/d/f; echo new >n");
	WATCH(scene, "", "x", "x/d");
	run(scene, "mv x/f y; mv x/d d; rmdir x; mv n x");
	rescan(scene, "");
	assert_non_null(strstr(scene->reported, "delete x\n"));
	expect_order(scene, "delete x\n", "n -> x\n");
	assert_null(strstr(scene->reported, "-> x (replaced)\n"));
	forget(scene);
	list_watched(scene);
	work(scene, true);
	expect_rescan(scene, "");
}

/* A name that cannot be examined is there. */
static void mount_that_does_not_answer_is_no_deletion(void **state)
{
	struct scene *scene = *state;
	char options[100];
	int fuse;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		print_message("skipped: a mount namespace requires CAP_SYS_ADMIN\n");
		skip();
	}
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0) {
		print_message("skipped: cannot open /dev/fuse: %s\n", strerror(errno));
		skip();
	}
	run(scene, "mkdir -p a/m a/d");
	WATCH(scene, "a", "a/d");
	(void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	assert_int_equal(mount("test", tempdir_path(scene->dir, "a/m"), "fuse", 0, options), 0);
	assert_int_equal(mount("test", tempdir_path(scene->dir, "a/d"), "tmpfs", 0, NULL), 0);
	assert_int_equal(close(fuse), 0);
	rescan(scene, "");
	assert_int_equal(umount(tempdir_path(scene->dir, "a/m")), 0);
	assert_int_equal(umount(tempdir_path(scene->dir, "a/d")), 0);
	expect(scene, "");
	expect_rescan(scene, "");
}

/* Objects without a watched directory. */
static void object_that_cannot_be_opened_is_no_deletion(void **state)
{
	struct scene *scene = *state;
	struct rlimit old, few;
	int fds[64], count = 0;

	run(scene, "mkdir -p a/d; echo 1 >a/f; echo 1 >a/d/f");
	WATCH(scene, "a/f", "a/d");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){ .rlim_cur = 40, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		count++;
	assert_int_equal(errno, EMFILE);
	assert_int_equal(close(fds[--count]), 0); /* for the root */
	rescan(scene, "");
	while (count > 0)
		assert_int_equal(close(fds[--count]), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	expect(scene, "attrib a/f\nattrib a/d\n");
	/* the directory is read again */
	rescan(scene, "");
	expect_rescan(scene, "");
	run(scene, "echo 1 >a/d/g");
	expect_rescan(scene, "create a/d/g\nmodify a/d/g\nclose_write a/d/g\n");
}

static void path_that_is_too_long_is_no_deletion(void **state)
{
	struct scene *scene = *state;
	struct hw_guest_object object = { .ino = 12345, .mode = S_IFREG, .path_len = 4800 };
	char path[4801] = "";

	for (unsigned i = 0; i < 24; i++) {
		memset(path + (size_t)i * 200, 'd', 199);
		path[i * 200 + 199] = i < 23 ? '/' : 'd';
	}
	hw_compare_watched_begin(&scene->compare);
	hw_compare_watched(&scene->compare, &object, path);
	hw_compare_watched_end(&scene->compare);
	work(scene, true);
	rescan(scene, "");
	assert_null(strstr(scene->reported, "delete"));
}

/* At each time during the comparison. */
static void exchange_with_a_replaced_entry(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a b; for f in x y; do echo 1 >a/$f; done; echo 1 >b/z");
	WATCH(scene, "a", "b");
	for (int at = 0; at < 24; at++) {
		int r = 1;

		run(scene, "echo 2 >a/.x; mv a/.x a/x; rm -f a/n; echo 3 >a/n");
		hw_compare_begin(&scene->compare, "", 0);
		for (int slice = 0; r > 0; slice++) {
			if (slice == at) {
				run(scene, "mv a/x t; mv b/z a/x; mv t b/z");
				deliver_flags(scene, HW_FLAG_EXCHANGE, "a/x", "b/z");
				run(scene, "mv a/n t; mv a/y a/n; mv t a/y");
				deliver_flags(scene, HW_FLAG_EXCHANGE, "a/n", "a/y");
			}
			r = hw_compare_work_some(&scene->compare, true, 1);
		}
		assert_int_equal(r, 0);
		work(scene, true);
		assert_null(strstr(scene->reported, "delete b/z"));
		assert_null(strstr(scene->reported, "create b/z"));
		rescan(scene, ""); /* what was not known is reported once more */
		forget(scene);
		expect_rescan(scene, "");
	}
}

/* Events that wait to be delivered are followed before those that depend on them. */
static void event_waits_for_those_before_it(void **state)
{
	struct scene *scene = *state;
	const struct hw_event create = { .kind = HW_CREATE, .path = "a/f", .path_len = 3 };
	const struct hw_event delete = { .kind = HW_DELETE, .path = "a/g", .path_len = 3 };
	const struct hw_event other = { .kind = HW_CREATE, .path = "a/h", .path_len = 3 };
	const struct hw_event move = {
		.kind = HW_MOVE, .path = "a/i", .from = "a/g", .path_len = 3, .from_len = 3
	};

	run(scene, "mkdir a; echo 1 >a/g");
	WATCH(scene, "a");
	assert_false(hw_compare_waits(&scene->compare, &create));
	run(scene, "echo 1 >a/f; rm a/g");
	hw_compare_begin(&scene->compare, "", 0);
	assert_true(hw_compare_waits(&scene->compare, &other));
	work(scene, true);
	assert_true(hw_compare_waits(&scene->compare, &create));
	assert_true(hw_compare_waits(&scene->compare, &delete));
	assert_true(hw_compare_waits(&scene->compare, &move));
	assert_false(hw_compare_waits(&scene->compare, &other));
	/* deleted and created again; created and deleted again */
	deliver(scene, HW_DELETE, NULL, "a/f");
	assert_false(hw_compare_waits(&scene->compare, &create));
	deliver(scene, HW_CREATE, NULL, "a/g");
	assert_false(hw_compare_waits(&scene->compare, &delete));
}

/* The end of a list is not read. */
static void list_of_watched_objects_is_cut_off(void **state)
{
	struct scene *scene = *state;
	struct {
		struct hw_guest_object object;
		char path[8];
	} list[2] = { { { .mode = S_IFDIR, .path_len = 1 }, "a" },
		      { { .mode = S_IFDIR, .path_len = 3 }, "a/b" } };
	unsigned watched, examined;

	run(scene, "mkdir -p a/b");
	for (size_t len = 0; len <= sizeof(list); len++) {
		void *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, list, len);
		hw_compare_watched_all(&scene->compare, copy, len);
		free(copy);
		hw_compare_count(&scene->compare, &watched, &examined);
		assert_int_equal(watched, len / sizeof(list[0]));
	}
	list[0].object.path_len = HW_GUEST_NO_PATH - 1;
	hw_compare_watched_all(&scene->compare, list, sizeof(list));
	hw_compare_count(&scene->compare, &watched, &examined);
	assert_int_equal(watched, 0);
}

/* Whatever arrives when nothing more can be stored. */
static void events_without_memory(void **state)
{
	struct scene *scene = *state;
	const size_t max_bytes = scene->compare.known.max_bytes;

	run(scene, "mkdir a b; for i in 1 2 3; do echo 1 >a/$i; echo 1 >b/$i; done");
	for (int kind = 0; kind < 6; kind++) {
		scene->compare.known.max_bytes = max_bytes;
		scene->watched[0] = "a";
		scene->watched[1] = "b";
		list_watched(scene);
		rescan(scene, "");
		scene->compare.known.max_bytes = scene->compare.known.bytes;
		if (kind == 0)
			deliver(scene, HW_MOVE, "a/1", "a/4");
		else if (kind == 1)
			deliver(scene, HW_MOVE, "a/1", "b/4");
		else if (kind == 2)
			deliver_flags(scene, HW_FLAG_EXCHANGE, "a/1", "a/4");
		else if (kind == 3)
			deliver_flags(scene, HW_FLAG_EXCHANGE, "a/4", "b/4");
		else if (kind == 4)
			deliver(scene, HW_CREATE, NULL, "a/4");
		else
			run(scene, "mv a/1 a/5; echo 1 >a/6; mv a/6 a/2; rm -r b; mv a/5 b; "
				   "mkdir c; mv a/3 c/3");
		rescan(scene, "");
		assert_true(scene->compare.known.bytes <= scene->compare.known.max_bytes);
		forget(scene);
	}
	scene->compare.known.max_bytes = max_bytes;
	list_watched(scene);
	rescan(scene, "");
	list_watched(scene);
	work(scene, true);
	rescan(scene, "");
	forget(scene);
	expect_rescan(scene, "");
}

static void watches_that_end_during_a_comparison_free_memory(void **state)
{
	struct scene *scene = *state;
	size_t before = scene->compare.known.bytes;

	run(scene, "mkdir a x; echo 1 >a/f");
	for (int at = 1; at < 12; at++) {
		run(scene, "mkdir -p a/d; echo 1 >a/d/f");
		WATCH(scene, "", "a", "a/d", "a/f");
		run(scene, "rm -r a/d; echo 1 >a/d; echo 2 >a/.f; mv a/.f a/f");
		hw_compare_begin(&scene->compare, "", 0);
		for (int slice = 0; slice < at; slice++)
			(void)hw_compare_work_some(&scene->compare, true, 1);
		scene->watched[0] = NULL;
		list_watched(scene);
		work(scene, true);
		assert_int_equal(scene->compare.known.bytes, before);
		forget(scene);
		run(scene, "rm a/d");
	}
}

static void names_are_bytes(void **state)
{
	struct scene *scene = *state;

	run(scene,
	    "mkdir a; touch -d @5 a/\"$(printf 'one\\nline')\" a/\"$(printf '\\377\\200')\"");
	WATCH(scene, "a");
	run(scene, "rm a/\"$(printf '\\377\\200')\"; mv a/one* a/\"$(printf ' \\033[2J')\"");
	expect_rescan(scene, "delete a/\377\200\nmove a/one\nline -> a/ \033[2J\n");
}

static void names_of_one_file_are_compared_each(void **state)
{
	struct scene *scene = *state;

	run(scene, "mkdir a b; echo 1 >a/f; ln a/f a/g; echo 1 >a/h");
	WATCH(scene, "a", "b");
	run(scene, "ln a/f b/f; rm a/h");
	expect_rescan(scene, "create b/f\nmodify b/f\nclose_write b/f\ndelete a/h\n");
	run(scene, "echo 2 >>a/f; rm a/g");
	expect_rescan(scene, "delete a/g\nmodify a/f\nclose_write a/f\nmodify b/f\n"
			     "close_write b/f\n");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(child_takes_the_name_of_its_directory),
		TEST(grandchild_takes_the_name_of_a_directory),
		TEST(content_of_a_replaced_directory_is_found),
		TEST(mount_that_does_not_answer_is_no_deletion),
		TEST(object_that_cannot_be_opened_is_no_deletion),
		TEST(path_that_is_too_long_is_no_deletion),
		TEST(exchange_with_a_replaced_entry),
		TEST(event_waits_for_those_before_it),
		TEST(list_of_watched_objects_is_cut_off),
		TEST(watches_that_end_during_a_comparison_free_memory),
		TEST(events_without_memory),
		TEST(names_are_bytes),
		TEST(names_of_one_file_are_compared_each),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
