/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "framework/share/share_private.h"
#include "tests/common/model.h"
#include "tests/common/notation.h"
#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_NS (60 * INT64_C(1000000000))

static void prepare_at(struct hw_scene *f, const char *place)
{
	*f = (struct hw_scene){ .path = hw_scratch_create(place) };
	assert_non_null(f->path);
	(void)snprintf(f->root, sizeof(f->root), "%s/root", f->path);
	f->top = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->top >= 0);
	assert_int_equal(mkdirat(f->top, "root", 0755), 0);
	assert_int_equal(mkdirat(f->top, "outside", 0755), 0);
	f->fd = openat(f->top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
}

void hw_scene_prepare(struct hw_scene *f)
{
	unsigned count;
	const struct hw_place *places = hw_scratch_places(&count);

	prepare_at(f, places[count - 1].path);
}

void hw_scene_prepare_on_disk(struct hw_scene *f)
{
	unsigned count;

	prepare_at(f, hw_scratch_places(&count)->path);
}

bool hw_scene_start(struct hw_scene *f, const char *backend, uint64_t settle_ns)
{
	const struct hw_rig_config config = { .backend = backend, .settle_ns = settle_ns };

	return hw_scene_start_with(f, &config);
}

bool hw_scene_start_with(struct hw_scene *f, const struct hw_rig_config *config)
{
	struct hw_rig_config here = *config;
	const char *why = "";
	int r;

	here.root = f->root;
	hw_clock_tick();
	r = hw_rig_start(&here, &f->rig, &why);
	if (r == -EOPNOTSUPP) {
		print_message("%s: %s\n", config->backend, why);
		return false;
	}
	assert_int_equal(r, 0);
	assert_int_equal(hw_model_create(&f->model), 0);
	hw_model_look(f->model, f->root);
	assert_int_equal(hw_rig_snapshot(f->rig, f->model), 0);
	hw_clock_tick();
	return true;
}

void hw_scene_finish(struct hw_scene *f)
{
	hw_rig_stop(f->rig);
	hw_model_destroy(f->model);
	assert_int_equal(close(f->fd), 0);
	assert_int_equal(close(f->top), 0);
	hw_scratch_remove(f->path);
}

static void follow(struct hw_scene *f, const struct hw_event *event)
{
	char why[256];

	if (hw_model_apply(f->model, event, why, sizeof(why)))
		fail_msg("event %llu, kind %u, %.*s -> %.*s: %s", (unsigned long long)event->seq,
			 event->kind, (int)event->from_len, event->from ? event->from : "",
			 (int)event->path_len, event->path ? event->path : "", why);
}

/* Waits for the next event and replays it. Returns its text, which the caller frees. */
static char *next_event(struct hw_scene *f, int64_t deadline)
{
	struct hw_event event;
	int r;

	while (!(r = hw_rig_next(f->rig, &event))) {
		assert_true(hw_clock_monotonic_ns() < deadline);
		hw_rig_turn(f->rig, 10);
	}
	assert_int_equal(r, 1);
	follow(f, &event);
	return hw_notation_text(&event);
}

void hw_scene_expect(struct hw_scene *f, const char *text)
{
	char *got = next_event(f, hw_clock_monotonic_ns() + DEADLINE_NS);

	assert_string_equal(got, text);
	free(got);
}

void hw_scene_follow_to(struct hw_scene *f, const char *text)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	bool found = false;

	while (!found) {
		char *got = next_event(f, deadline);

		found = strcmp(got, text) == 0;
		free(got);
	}
}

void hw_scene_expect_no_more(struct hw_scene *f)
{
	struct hw_event event;

	assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(hw_rig_next(f->rig, &event), 0);
}

void hw_scene_replay(struct hw_scene *f)
{
	struct hw_event event;
	int r;

	while ((r = hw_rig_next(f->rig, &event)) == 1)
		follow(f, &event);
	assert_int_equal(r, 0);
}

void hw_scene_check(struct hw_scene *f)
{
	struct hw_model *truth;

	assert_int_equal(hw_rig_flush(f->rig), 0);
	assert_int_equal(hw_rig_unwatched(f->rig), 0);
	hw_scene_replay(f);
	assert_int_equal(hw_model_create(&truth), 0);
	assert_int_equal(hw_model_load(truth, f->root), 0);
	assert_int_equal(hw_model_compare(f->model, truth, stderr), 0);
	assert_int_equal(hw_model_check_beliefs(f->model, stderr), 0);
	hw_model_destroy(truth);
}

void hw_scene_write(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_true(write(fd, text, strlen(text)) > 0);
	assert_int_equal(close(fd), 0);
}

void hw_scene_move(int from_dir, const char *from, int to_dir, const char *to)
{
	assert_int_equal(renameat(from_dir, from, to_dir, to), 0);
}

void hw_scene_make_dir(int dir, const char *name)
{
	assert_int_equal(mkdirat(dir, name, 0755), 0);
}

void hw_scene_nothing(struct hw_scene *f)
{
	(void)f;
}

void hw_scene_play(hw_scene_fn *before, hw_scene_fn *scene, unsigned rounds)
{
	for (unsigned i = 0; i < 2 * HW_RIG_BACKENDS; i++) {
		struct hw_scene f;

		hw_scene_prepare(&f);
		before(&f);
		if (hw_scene_start(&f, hw_rig_backends[i / 2], i % 2 ? 3600 * HW_SEC : 0)) {
			for (unsigned round = 0; round < rounds; round++) {
				scene(&f);
				hw_scene_check(&f);
			}
			assert_int_equal(hw_model_rescans(f.model), 0);
		}
		hw_scene_finish(&f);
	}
}
