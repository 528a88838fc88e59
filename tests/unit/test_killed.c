/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes that an examination has shown, and whose records were not read when the share was killed.
 * tests/stress/killed.c kills processes at random moments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/puppet.h"
#include "tests/unit/support/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEADLINE_NS (60 * INT64_C(1000000000))

/* ---- changes of f, whose other name is g ---- */

typedef void change_fn(struct hw_scene *f);

static void append(struct hw_scene *f)
{
	hw_scene_write(f->fd, "f", "more");
}

static void overwrite(struct hw_scene *f)
{
	int fd = openat(f->fd, "f", O_WRONLY | O_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, "T", 1, 0), 1);
	const struct timespec times[2] = { st.st_atim, st.st_mtim };

	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(close(fd), 0);
}

static void set_attribute(struct hw_scene *f)
{
	int fd = openat(f->fd, "f", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fsetxattr(fd, "trusted.t", "x", 1, 0), 0);
	assert_int_equal(close(fd), 0);
}

static void nothing(struct hw_scene *f)
{
	(void)f;
}

static void remove_link(struct hw_scene *f)
{
	assert_int_equal(unlinkat(f->fd, "g", 0), 0);
}

static void add_link(struct hw_scene *f)
{
	assert_int_equal(linkat(f->fd, "f", f->fd, "k", 0), 0);
}

static void overwrite_and_remove_link(struct hw_scene *f)
{
	overwrite(f);
	remove_link(f);
}

static void overwrite_and_add_link(struct hw_scene *f)
{
	overwrite(f);
	add_link(f);
}

static void rename_it(struct hw_scene *f)
{
	hw_scene_move(f->fd, "f", f->fd, "h");
}

struct unread_case {
	change_fn *change; /* seen, but its record is not read */
	change_fn *meanwhile; /* after the share was killed */
	const char *expected; /* events */
	bool single; /* g does not exist */
};

static const struct unread_case cases[] = {
	{ append, nothing, "modify f; close_write f; ", true },
	{ overwrite, nothing, "attrib file f; ", true },
	{ set_attribute, nothing, "attrib file f; ", true },
	{ append, nothing, "modify f; modify g; close_write f; close_write g; ", false },
	{ append, remove_link, "delete file g; modify f; close_write f; ", false },
	{ overwrite, remove_link, "delete file g; attrib file f; ", false },
	{ set_attribute, rename_it, "move file f -> h; attrib file g; attrib file h; ", false },
	{ set_attribute, rename_it, "move file f -> h; attrib file h; ", true },
	{ nothing, rename_it, "move file f -> h; ", true },
	{ nothing, overwrite, "attrib file f; attrib file g; ", false },
	{ nothing, overwrite_and_remove_link, "delete file g; attrib file f; ", false },
	{ nothing, overwrite_and_add_link,
	  "create file k; attrib file f; attrib file g; attrib file k; ", false },
};

/* ---- a share that is killed ---- */

static bool start(struct hw_scene *f, const char *backend)
{
	char state[PATH_MAX + 8];
	const struct hw_rig_config config = { .backend = backend, .state_dir = state };

	(void)snprintf(state, sizeof(state), "%s/state", f->path);
	return hw_scene_start_with(f, &config);
}

static void await_state(struct hw_scene *f)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;

	while (!hw_rig_share(f->rig)->keep.on || hw_rig_share(f->rig)->keep.writer) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(f->rig, 10);
	}
}

/* Ends the share. If it is killed, what is in the files of its state is all that is left. Returns
 * its last event. */
static uint64_t end(struct hw_scene *f, bool killed)
{
	struct hw_share *share = hw_rig_share(f->rig);
	uint64_t last;

	assert_int_equal(hw_share_publish(share), 0);
	last = hw_share_seq(share);
	if (killed)
		share->keep.on = share->keep.usable = false;
	hw_rig_stop(f->rig);
	f->rig = NULL;
	hw_model_destroy(f->model);
	f->model = NULL;
	return last;
}

/* Continues with the state, and compares the events after this one with a text. */
static void expect_after(struct hw_scene *f, const char *backend, uint64_t last, const char *text)
{
	struct hw_event event = { .struct_size = sizeof(event) };
	struct hw_journal_cursor cursor;
	char got[400] = "";

	assert_true(start(f, backend));
	assert_true(hw_rig_share(f->rig)->keep.loaded);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(hw_share_cursor_init(hw_rig_share(f->rig), last, &cursor), 0);
	while (hw_share_cursor_next(hw_rig_share(f->rig), &cursor, &event) == 1) {
		char *one = hw_notation_text(&event);

		assert_true(strlen(got) + strlen(one) + 3 < sizeof(got));
		(void)strcat(strcat(got, one), "; ");
		free(one);
	}
	assert_string_equal(got, text);
}

/* As the examination that belongs to an earlier record does. */
static void examine(struct hw_scene *f)
{
	struct hw_share *share = hw_rig_share(f->rig);

	hw_history_stale(share, hw_tree_find(&share->tree, HW_ROOT, "f", 1));
	hw_refresh(share);
}

static bool prepare(struct hw_scene *f, const char *backend, bool single)
{
	hw_scene_prepare_on_disk(f);
	hw_scene_make_dir(f->top, "state");
	hw_scene_write(f->fd, "f", "text");
	if (!single)
		assert_int_equal(linkat(f->fd, "f", f->fd, "g", 0), 0);
	if (!start(f, backend))
		return false;
	await_state(f);
	return true;
}

static void play(const struct unread_case *c, const char *backend, bool killed)
{
	struct hw_scene f;

	if (prepare(&f, backend, c->single)) {
		c->change(&f);
		examine(&f);
		uint64_t last = end(&f, killed);

		c->meanwhile(&f);
		expect_after(&f, backend, last, c->expected);
	}
	hw_scene_finish(&f);
}

static void play_all(bool killed)
{
	for (size_t i = 0; i < HW_RIG_BACKENDS * sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(hw_rig_backends[i % HW_RIG_BACKENDS], "polling") != 0)
			play(&cases[i / HW_RIG_BACKENDS], hw_rig_backends[i % HW_RIG_BACKENDS],
			     killed);
}

static void a_change_is_reported_whose_record_was_not_read(void **state)
{
	(void)state;
	play_all(true);
}

static void it_is_also_reported_after_a_clean_stop(void **state)
{
	(void)state;
	play_all(false);
}

/* Other programs may keep the queue of fanotify from being empty. */
static void await_read(struct hw_scene *f)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;

	while (hw_rig_share(f->rig)->keep.unread_ns) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(f->rig, 10);
	}
}

static void a_change_is_reported_once_whose_record_was_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		if (prepare(&f, hw_rig_backends[i], false)) {
			append(&f);
			set_attribute(&f);
			assert_int_equal(hw_rig_flush(f.rig), 0);
			await_read(&f);
			expect_after(&f, hw_rig_backends[i], end(&f, true), "");
		}
		hw_scene_finish(&f);
	}
}

/* ---- a queue that is not empty ---- */

/* The log says whether records are unread, although no other change follows. */
static void the_log_says_when_all_records_were_read(void **state)
{
	char path[PATH_MAX + 8];
	struct hw_scene f;

	(void)state;
	hw_scene_prepare(&f);
	hw_scene_make_dir(f.top, "state");
	hw_scene_write(f.fd, "f", "text");
	(void)snprintf(path, sizeof(path), "%s/state", f.path);
	hw_puppet.endless = true;
	hw_puppet.state_dir = path;
	hw_puppet_start(&f, HW_PLUGIN_ORDERED, 0);
	await_state(&f);
	hw_puppet.backlog = 1000000;
	hw_rig_turn(f.rig, 0); /* the mark that was set before is reached */
	append(&f);
	hw_puppet_hint(&f, HW_HINT_MODIFIED, "", "f");
	hw_rig_turn(f.rig, 0);
	assert_true(hw_rig_share(f.rig)->keep.unread_ns);
	hw_puppet.handed += hw_puppet.backlog;
	hw_puppet.backlog = 0;
	await_read(&f);
	hw_scene_expect(&f, "modify f");
	hw_scene_finish(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_reported_whose_record_was_not_read),
		cmocka_unit_test(it_is_also_reported_after_a_clean_stop),
		cmocka_unit_test(a_change_is_reported_once_whose_record_was_read),
		cmocka_unit_test(the_log_says_when_all_records_were_read),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("killed", tests, NULL, NULL);
}
