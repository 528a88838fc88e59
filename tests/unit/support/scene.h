/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A scratch directory, a share in it, and a replica that follows the reported events. Errors fail
 * the test. */
#ifndef HW_TESTS_SCENE_H
#define HW_TESTS_SCENE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct hw_model;
struct hw_rig;
struct hw_rig_config;

/* Not to be copied: the model has the address of `root`. */
struct hw_scene {
	char *path; /* of the scratch directory: "root" is shared, "outside" is not */
	char root[PATH_MAX];
	int top, fd; /* fd: of root */
	struct hw_rig *rig;
	struct hw_model *model;
};

void hw_scene_prepare(struct hw_scene *f); /* on tmpfs, if available */
void hw_scene_prepare_on_disk(struct hw_scene *f);
/* Returns false, after printing the reason, if this watcher cannot work here. */
bool hw_scene_start(struct hw_scene *f, const char *backend, uint64_t settle_ns);
bool hw_scene_start_with(struct hw_scene *f,
			 const struct hw_rig_config *config); /* sets `root` itself */
void hw_scene_finish(struct hw_scene *f);

/* Waits for the next event, compares it with the text (notation: tests/conformance/README.md), and
 * replays it. */
void hw_scene_expect(struct hw_scene *f, const char *text);
void hw_scene_follow_to(struct hw_scene *f, const char *text); /* replays all events up to this one
								*/
void hw_scene_expect_no_more(struct hw_scene *f); /* no unread events after a barrier */
void hw_scene_replay(struct hw_scene *f); /* replays all unread events */
void hw_scene_check(struct hw_scene *f); /* the replica equals the disk after a barrier */

void hw_scene_write(int dir, const char *name, const char *text); /* appends */
void hw_scene_move(int from_dir, const char *from, int to_dir, const char *to);
void hw_scene_make_dir(int dir, const char *name);

/* Runs the scene with each watcher, with and without settling. */
typedef void hw_scene_fn(struct hw_scene *f);
void hw_scene_nothing(struct hw_scene *f);
void hw_scene_play(hw_scene_fn *before, hw_scene_fn *scene, unsigned rounds);

#endif
