/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plugin at work behind the real core for a moment. A watcher gets a share of a few directories
 * in which things happen; a sink gets a share of its own whose events are made up.
 */
#ifndef HW_SCENE_H
#define HW_SCENE_H

#include "kit.h"
#include "share.h"
#include "sink.h"

/* ---- one run of everything ---- */

/*
 * Starts, lets things happen, compares what was told with what is there, stops. 0; 1 when the
 * plugin refused to start; -errno after a line when it misbehaved.
 */
int hw_scene_run(struct hw_kit *kit);

/* Descriptors of this process. */
unsigned hw_scene_fds(void);

/* ---- a sink and a share that tells whatever is asked for ---- */

struct hw_scene {
	struct hw_loop *loop; /* owned */
	struct hw_share *share; /* owned */
	struct hw_sink *sink; /* owned */
	char *root; /* owned: the share's directory */
};

/* Makes them, the sink neither opened nor started, with `extra` as in hw_kit_instance(). -errno
 * after a line. hw_scene_fini() in any case. */
int hw_scene_init(struct hw_scene *scene, const struct hw_kit *kit, const struct hw_setting *extra);
void hw_scene_fini(struct hw_scene *scene);
/* Until the share's last event is `count` later than now; the sink is told on the way. `each` (may
 * be NULL) is called in every turn. -ETIMEDOUT. */
typedef void hw_scene_fn(void *arg);
int hw_scene_feed(struct hw_scene *scene, unsigned count, hw_scene_fn *each, void *arg);
/* Turns until done(arg) or the time is over; whether it is done. */
typedef bool hw_scene_done_fn(void *arg);
bool hw_scene_turn(struct hw_scene *scene, uint64_t timeout_ns, hw_scene_done_fn *done, void *arg);

#endif
