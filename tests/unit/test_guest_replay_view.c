/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The limits of what the server of inject = replay remembers. */
#include "guest/replay/negative.h"
#include "guest/replay/own.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void begin(struct hw_view *view)
{
	int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(hw_view_init(view, fd, 1024), 0);
}

/* Changes of this guest that the host never reports, as in an excluded directory. */
static void changes_that_are_never_reported_are_limited(void **state)
{
	struct hw_view view;
	struct hw_node *reported;
	char name[16];

	(void)state;
	begin(&view);
	for (unsigned i = 0; i < HW_OWN_NAMES_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		for (unsigned n = 0; n < (i % 1000 ? 1 : 100); n++)
			hw_own_name(&view, &view.root, name, NULL, NULL);
	}
	assert_int_equal(hw_own_count(&view), HW_OWN_NAMES_MAX);
	assert_false(hw_own_reported(&view, &view.root, "n0", &reported));
	assert_false(hw_own_reported(&view, &view.root, "n9", &reported));
	assert_true(hw_own_reported(&view, &view.root, "n10", &reported));
	hw_own_free(&view);
	assert_int_equal(hw_own_count(&view), 0);
	hw_view_free(&view);
}

static void absent_names_are_limited(void **state)
{
	struct hw_view view;
	char name[16];

	(void)state;
	begin(&view);
	for (unsigned i = 0; i < HW_NEGATIVES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		assert_true(hw_negative_note(&view, &view.root, name));
	}
	assert_true(hw_negative_note(&view, &view.root, "n5"));
	assert_false(hw_negative_note(&view, &view.root, "another"));
	hw_negative_drop(&view, &view.root, "n5");
	assert_true(hw_negative_note(&view, &view.root, "another"));
	hw_negative_forget(&view, &view.root);
	assert_null(view.negatives);
	hw_view_free(&view);
}

/* A name that a program looked up before it appeared. */
static void a_name_that_appears_is_not_absent(void **state)
{
	struct hw_view view;
	struct hw_node *node = hw_node_ghost(S_IFREG | 0644);

	(void)state;
	begin(&view);
	assert_non_null(node);
	hw_node_hold(node);
	assert_true(hw_negative_note(&view, &view.root, "name"));
	assert_int_equal(hw_view_set(&view, &view.root, "name", node), 0);
	assert_null(view.negatives);
	hw_node_put(&view, node);
	assert_null(hw_view_find(&view, &view.root, "name"));
	hw_view_free(&view);
}

/* The host has appended before the state after the write was taken. */
static void a_size_that_no_write_left_is_of_the_host(void **state)
{
	static const char text[] = "a\nhost\n";
	FILE *file = tmpfile();
	struct hw_view view;
	struct hw_node *node;
	struct stat st;
	char link[32];
	int fd;

	(void)state;
	begin(&view);
	assert_non_null(file);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fileno(file));
	fd = open(link, O_PATH | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	node = hw_node_get(&view, fd, &st);
	assert_non_null(node);
	hw_node_hold(node);
	hw_own_attributes(&view, node);
	assert_true(hw_own_state_is(&view, node));

	hw_own_write(&view, node);
	assert_int_equal(write(fileno(file), text, strlen(text)), strlen(text));
	assert_int_equal(fstat(fileno(file), &st), 0);
	hw_own_wrote(node, &st, 2, node->own.writes);
	assert_false(hw_own_state_is(&view, node));

	hw_own_write(&view, node);
	hw_own_wrote(node, &st, 2, node->own.writes);
	assert_true(hw_own_state_is(&view, node));
	(void)fclose(file); /* of the test */
	hw_view_free(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_that_are_never_reported_are_limited),
		cmocka_unit_test(absent_names_are_limited),
		cmocka_unit_test(a_name_that_appears_is_not_absent),
		cmocka_unit_test(a_size_that_no_write_left_is_of_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
