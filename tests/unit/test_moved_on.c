/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What came to a name has moved on, into a directory that is new, before any record is read. The
 * listing of that directory finds it ahead of the records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/common/model.h"
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"
#include "tests/unit/support/scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Under fanotify, records identify what they are about. Under inotify, a directory that has moved
 * on cannot be known again. */
struct moved_on {
	const char *name;
	void (*run)(const struct hw_scene *f);
	const char *inotify, *fanotify;
};

static void exchange(int dir, const char *a, const char *b)
{
	assert_int_equal(renameat2(dir, a, dir, b, RENAME_EXCHANGE), 0);
}

static void file_arrives_then_new_dir(const struct hw_scene *f)
{
	hw_scene_move(f->top, "outside/p/old", f->fd, "f");
	hw_scene_make_dir(f->fd, "d");
	hw_scene_move(f->fd, "f", f->fd, "d/f");
}

static void new_dir_then_file_arrives(const struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "d");
	hw_scene_move(f->top, "outside/p/old", f->fd, "f");
	hw_scene_move(f->fd, "f", f->fd, "d/f");
}

static void dir_arrives_then_new_dir(const struct hw_scene *f)
{
	hw_scene_move(f->top, "outside/p", f->fd, "p");
	hw_scene_make_dir(f->fd, "d");
	hw_scene_move(f->fd, "p", f->fd, "d/q");
}

static void new_dir_then_dir_arrives(const struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "d");
	hw_scene_move(f->top, "outside/p", f->fd, "p");
	hw_scene_move(f->fd, "p", f->fd, "d/q");
}

static void dir_arrives_and_is_exchanged(const struct hw_scene *f)
{
	hw_scene_move(f->top, "outside/p", f->fd, "p");
	hw_scene_make_dir(f->fd, "d");
	exchange(f->fd, "p", "d");
}

static void new_dir_is_exchanged(const struct hw_scene *f)
{
	hw_scene_make_dir(f->fd, "d");
	hw_scene_move(f->top, "outside/p", f->fd, "p");
	exchange(f->fd, "p", "d");
}

static void new_file_then_new_dir(const struct hw_scene *f)
{
	hw_scene_write(f->fd, "f", "new");
	hw_scene_make_dir(f->fd, "d");
	hw_scene_move(f->fd, "f", f->fd, "d/f");
}

/* Its record says that it was created, and nothing else. */
static void empty_file_then_new_dir(const struct hw_scene *f)
{
	assert_int_equal(mknodat(f->fd, "f", S_IFREG | 0600, 0), 0);
	hw_scene_make_dir(f->fd, "d");
	hw_scene_move(f->fd, "f", f->fd, "d/f");
}

static const struct moved_on cases[] = {
	{ "a file, into a new directory", file_arrives_then_new_dir,
	  "move file -> f\n"
	  "create dir d\n"
	  "move file -> d/f\n"
	  "delete file f\n",
	  "move file -> f\n"
	  "create dir d\n"
	  "move file f -> d/f\n" },
	{ "a file, into a directory that was new before", new_dir_then_file_arrives,
	  "create dir d\n"
	  "move file -> d/f\n"
	  "move file -> f\n"
	  "delete file f\n",
	  "create dir d\n"
	  "move file -> d/f\n" },
	{ "a directory, into a new one", dir_arrives_then_new_dir,
	  "move dir -> p\n"
	  "create dir d\n"
	  "move dir -> d/q\n"
	  "create file d/q/old\n"
	  "delete dir p\n",
	  "move dir -> p\n"
	  "create dir d\n"
	  "move dir p -> d/q\n"
	  "create file d/q/old\n" },
	{ "a directory, into one that was new before", new_dir_then_dir_arrives,
	  "create dir d\n"
	  "move dir -> d/q\n"
	  "create file d/q/old\n"
	  "move dir -> p\n"
	  "delete dir p\n",
	  "create dir d\n"
	  "move dir -> d/q\n"
	  "create file d/q/old\n" },
	{ "a directory, exchanged with a new one", dir_arrives_and_is_exchanged,
	  "move dir -> p\n"
	  "create dir d\n"
	  "create file d/old\n"
	  "move dir d <-> p (exchange)\n"
	  "move dir d <-> p (exchange)\n",
	  "move dir -> p\n"
	  "create dir d\n"
	  "move dir d <-> p (exchange)\n"
	  "create file d/old\n" },
	{ "a directory, exchanged with one that was new before", new_dir_is_exchanged,
	  "create dir d\n"
	  "create file d/old\n"
	  "create dir p\n"
	  "move dir d <-> p (exchange)\n"
	  "move dir d <-> p (exchange)\n",
	  "create dir d\n"
	  "move dir -> p\n"
	  "move dir d <-> p (exchange)\n"
	  "create file d/old\n" },
	{ "a new file, into a new directory", new_file_then_new_dir,
	  "create file f\n"
	  "modify f\n"
	  "close_write f\n"
	  "create dir d\n"
	  "create file d/f\n"
	  "delete file f\n"
	  "modify d/f\n"
	  "close_write d/f\n",
	  "create file f\n"
	  "modify f\n"
	  "close_write f\n"
	  "create dir d\n"
	  "move file f -> d/f\n" },
	{ "an empty file, into a new directory", empty_file_then_new_dir,
	  "create file f\n"
	  "create dir d\n"
	  "create file d/f\n"
	  "delete file f\n"
	  "close_write d/f\n",
	  "create file f\n"
	  "create dir d\n"
	  "move file f -> d/f\n"
	  "close_write d/f\n" },
};

static char *text_of_events(struct hw_scene *f)
{
	struct hw_event event;
	char *text = NULL, why[200];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(hw_rig_flush(f->rig), 0);
	while (hw_rig_next(f->rig, &event) == 1) {
		char *line = hw_notation_text(&event);

		(void)fprintf(out, "%s\n", line);
		free(line);
		assert_int_equal(hw_model_apply(f->model, &event, why, sizeof(why)), 0);
	}
	assert_int_equal(fclose(out), 0);
	return text;
}

static void run_one(const struct moved_on *moved_on, const char *backend, const char *expected)
{
	struct hw_scene f;

	hw_scene_prepare(&f);
	hw_scene_make_dir(f.top, "outside/p");
	hw_scene_write(f.top, "outside/p/old", "old");
	hw_clock_tick();
	if (hw_scene_start(&f, backend, 0)) {
		hw_clock_tick();
		moved_on->run(&f);
		char *text = text_of_events(&f);

		if (strcmp(text, expected) != 0)
			print_error("%s, %s\n%s", backend, moved_on->name, text);
		assert_string_equal(text, expected);
		free(text);
		hw_scene_check(&f);
	}
	hw_scene_finish(&f);
}

static void what_moved_on_is_reported_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run_one(&cases[i], "inotify", cases[i].inotify);
		run_one(&cases[i], "fanotify", cases[i].fanotify);
		run_one(&cases[i], "fanotify-inode", cases[i].fanotify);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_moved_on_is_reported_once),
	};

	return cmocka_run_group_tests_name("moved on", tests, NULL, NULL);
}
