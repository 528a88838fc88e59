/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The comparison reports each kind of difference, once. */
#include "guest_scene.h"

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
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
