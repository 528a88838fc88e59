/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the plugin in the real core for a short time. A watcher gets a share with a few directories
 * that are changed; a sink gets a share with generated events. */
#ifndef HW_SCENE_H
#define HW_SCENE_H

#include "kit.h"
#include "share.h"
#include "sink.h"

/* ---- a complete run ---- */

/* Starts, makes changes, compares the reported entries with the disk, stops. Returns 0; 1 if the
 * plugin refused to start; -errno after printing an error. */
int hw_scene_run(struct hw_kit *kit);

/* Returns the number of descriptors of this process. */
unsigned hw_scene_fds(void);

/* ---- a sink and a share that reports events on request ---- */

struct hw_scene {
	struct hw_loop *loop; /* owned */
	struct hw_share *share; /* owned */
	struct hw_sink *sink; /* owned */
	char *root; /* owned: directory of the share */
};

/* Creates them without opening or starting the sink; `extra` as in hw_kit_instance(). Returns
 * -errno after printing an error. Call hw_scene_fini() in any case. */
int hw_scene_init(struct hw_scene *scene, const struct hw_kit *kit, const struct hw_setting *extra);
void hw_scene_fini(struct hw_scene *scene);
/* Runs until the share's last event is `count` later than now, and notifies the sink. Calls `each`
 * (may be NULL) in every iteration. Returns 0 or -ETIMEDOUT. */
typedef void hw_scene_fn(void *arg);
int hw_scene_feed(struct hw_scene *scene, unsigned count, hw_scene_fn *each, void *arg);
/* Runs until done(arg) is true or the time is over. Returns whether it is true. */
typedef bool hw_scene_done_fn(void *arg);
bool hw_scene_turn(struct hw_scene *scene, uint64_t timeout_ns, hw_scene_done_fn *done, void *arg);

#endif
