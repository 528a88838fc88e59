/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scene.h"

#include "core.h"
#include "feeder.h"
#include "guard.h"
#include "log.h"
#include "receivers.h"

#include "tests/common/rig.h"
#include "tests/common/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_NS (30 * HW_SEC)
#define SCENE_EVENTS 40u
#define HEARD_NS (500 * HW_MS)
#define TURN_MS 5u

unsigned hw_scene_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		(void)closedir(dir); /* read only */
	return count;
}

static int touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int r = fd < 0 || write(fd, "x", 1) != 1 ? -errno : 0;

	if (fd >= 0)
		(void)close(fd); /* write errors were already detected */
	return r;
}

static bool makes(int failed)
{
	if (failed)
		printf("cannot prepare: %s\n", strerror(errno));
	return !failed;
}

/* ---- a watcher ---- */

/* Below the current directory, "w". */
static bool prepare(void)
{
	return makes(mkdir("w", 0755) || mkdir("w/a", 0755) || mkdir("w/a/b", 0755) ||
		     mkdir("w/away", 0755) || touch("w/a/b/old") || touch("w/gone"));
}

static bool happen(void)
{
	return makes(touch("w/new") || mkdir("w/dir", 0755) || touch("w/dir/inside") ||
		     rename("w/a/b/old", "w/a/moved") || rename("w/away", "w/a/away") ||
		     unlink("w/gone") || chmod("w/a/moved", 0600));
}

static int replay(struct hw_rig *rig, struct hw_model *model)
{
	char why[160] = "";
	struct hw_event event;
	int r;

	while ((r = hw_rig_next(rig, &event)) > 0) {
		r = hw_model_apply(model, &event, why, sizeof(why));
		if (r < 0) {
			printf("inconsistent events: %s\n", why);
			return r;
		}
	}
	return r;
}

static int compare(const struct hw_model *told)
{
	struct hw_model *truth;
	int r = hw_model_create(&truth);

	if (r < 0)
		return r;
	r = hw_model_load(truth, "w");
	if (r == 0 && hw_model_compare(told, truth, stdout)) {
		printf("the reported events do not match the disk\n");
		r = -EPROTO;
	}
	hw_model_destroy(truth);
	return r;
}

static int watch_things(const struct hw_kit *kit, struct hw_rig *rig)
{
	struct hw_model *model;
	int r = hw_model_create(&model);

	if (r < 0)
		return r;
	r = hw_rig_snapshot(rig, model);
	if (r == 0)
		r = happen() ? hw_rig_flush(rig) : -EIO;
	if (r < 0)
		printf("%s\n", r == -ETIMEDOUT ? "a flush did not end" : strerror(-r));
	if (r == 0)
		r = replay(rig, model);
	/* If watch_dir() failed for a directory, the host reports that changes there are not
	 * detected. */
	if (r == 0 && !kit->elsewhere && !hw_guard_gave_up())
		r = compare(model);
	hw_model_destroy(model);
	return r;
}

static int run_watcher(struct hw_kit *kit)
{
	const struct hw_rig_plugin plugin = { kit->plugin, kit->settings, kit->count };
	const struct hw_rig_config config = {
		.backend = kit->plugin->name,
		.plugin = &plugin,
		.root = "w",
	};
	struct hw_rig *rig = NULL;
	const char *why;
	int r = prepare() ? hw_rig_start(&config, &rig, &why) : -EIO;

	if (r == -EOPNOTSUPP) {
		r = 1;
	} else if (r < 0) {
		printf("start: %s\n", strerror(-r));
	} else {
		r = watch_things(kit, rig);
		hw_rig_stop(rig);
	}
	(void)hw_scratch_remove_at(AT_FDCWD, "w"); /* the scratch directory is also removed later */
	return r;
}

/* ---- a sink ---- */

static int make_share(struct hw_scene *scene)
{
	const struct hw_share_config config = {
		.name = "share",
		.path = scene->root,
		.interval_ns = 3600 * HW_SEC,
		.journal_bytes = (uint64_t)16 << 20,
		.explicit_watcher = true,
	};
	struct hw_instance *feeder;
	int r = hw_loop_create(&scene->loop);

	if (r == 0)
		r = hw_share_create(scene->loop, &config, &scene->share);
	if (r == 0)
		r = hw_instance_create(scene->loop, &hw_feeder, "feeder", NULL, 0, NULL, &feeder);
	if (r == 0)
		r = hw_share_add_watcher(scene->share, feeder);
	return r == 0 ? hw_share_start(scene->share) : r;
}

static int make_root(struct hw_scene *scene)
{
	char path[32];

	scene->root = hw_scratch_create(".");
	if (!scene->root || chdir(scene->root) < 0)
		return -EIO;
	for (unsigned i = 0; i < HW_FEEDER_FILES; i++) {
		(void)snprintf(path, sizeof(path), "f%u", i);
		if (touch(path) < 0)
			return -EIO;
	}
	return chdir("..") < 0 ? -errno : 0;
}

static bool is_online(void *arg)
{
	const struct hw_scene *scene = arg;

	return hw_share_state(scene->share) == HW_SHARE_ONLINE;
}

int hw_scene_init(struct hw_scene *scene, const struct hw_kit *kit, const struct hw_setting *extra)
{
	struct hw_instance *instance;
	int r;

	*scene = (struct hw_scene){ 0 };
	hw_log_set_level(kit->verbose ? HW_LOG_INFO : HW_LOG_ERROR);
	r = make_root(scene);
	if (r == 0)
		r = make_share(scene);
	if (r == 0 && !hw_scene_turn(scene, DEADLINE_NS, is_online, scene))
		r = -ETIMEDOUT;
	if (r == 0) {
		instance = hw_kit_instance(kit, scene->loop, extra);
		r = instance ? hw_sink_create(instance, &scene->share, 1, &scene->sink) : -EINVAL;
	}
	if (r < 0)
		printf("cannot prepare a share: %s\n", strerror(-r));
	return r;
}

void hw_scene_fini(struct hw_scene *scene)
{
	hw_sink_destroy(scene->sink);
	hw_share_destroy(scene->share);
	hw_loop_destroy(scene->loop);
	if (scene->root)
		hw_scratch_remove(scene->root);
	*scene = (struct hw_scene){ 0 };
}

bool hw_scene_turn(struct hw_scene *scene, uint64_t timeout_ns, hw_scene_done_fn *done, void *arg)
{
	int64_t deadline = hw_clock_monotonic_ns() + (int64_t)timeout_ns;

	while (!done(arg)) {
		if (hw_clock_monotonic_ns() > deadline)
			return false;
		hw_loop_turn(scene->loop, TURN_MS);
	}
	return true;
}

struct wait {
	struct hw_scene *scene;
	uint64_t seq;
	hw_scene_fn *each;
	void *arg;
};

static bool is_told(void *arg)
{
	const struct wait *wait = arg;

	if (wait->each)
		wait->each(wait->arg);
	return hw_share_seq(wait->scene->share) >= wait->seq;
}

int hw_scene_feed(struct hw_scene *scene, unsigned count, hw_scene_fn *each, void *arg)
{
	struct wait wait = { scene, hw_share_seq(scene->share) + count, each, arg };

	hw_feeder_tell(count);
	return hw_scene_turn(scene, DEADLINE_NS, is_told, &wait) ? 0 : -ETIMEDOUT;
}

/* A running sink with one receiver that reads. */
struct service {
	struct hw_scene scene;
	struct hw_receivers receivers;
};

static bool is_heard(void *arg)
{
	struct service *service = arg;

	hw_receivers_act(&service->receivers);
	return service->receivers.received > 0 || !service->receivers.path;
}

static bool is_drawn(void *arg)
{
	struct service *service = arg;

	hw_receivers_act(&service->receivers);
	return hw_guard_all_drawn(hw_share_seq(service->scene.share));
}

static void ignore_receiver(void *arg, const struct hw_sink_receiver_row *row)
{
	(void)arg, (void)row;
}

static void ignore_address(void *arg, const struct hw_sink_address *address)
{
	(void)arg, (void)address;
}

static const struct hw_sink_rows ignored_rows = { ignore_address, ignore_receiver, NULL };

static bool is_drained(void *arg)
{
	struct service *service = arg;
	const struct hw_instance *instance = hw_sink_instance(service->scene.sink);

	hw_receivers_act(&service->receivers);
	return instance->plugin->drain(instance->self) <= 0;
}

static int serve(struct service *service)
{
	struct hw_scene *scene = &service->scene;

	/* If a failure is injected, the receiver may get nothing, or be disconnected. */
	(void)hw_scene_turn(scene, HEARD_NS, is_heard, service);
	if (hw_scene_feed(scene, SCENE_EVENTS, hw_receivers_act, &service->receivers) < 0) {
		printf("the share makes no progress\n");
		return -ETIMEDOUT;
	}
	if (!hw_scene_turn(scene, DEADLINE_NS, is_drawn, service)) {
		printf("a cursor was not read to its end although no receiver was slow\n");
		return -ETIMEDOUT;
	}
	hw_sink_status(scene->sink, &ignored_rows);
	if (!hw_scene_turn(scene, HW_DRAIN_MAX_NS, is_drained, service)) {
		printf("drain() did not end although no receiver was slow\n");
		return -ETIMEDOUT;
	}
	return 0;
}

static int run_sink(struct hw_kit *kit)
{
	struct service service;
	int r = hw_scene_init(&service.scene, kit, NULL);

	hw_receivers_init(&service.receivers, kit, HW_READS, 1);
	if (r == 0)
		r = hw_sink_start(service.scene.sink) < 0 ? 1 : serve(&service);
	hw_receivers_fini(&service.receivers);
	hw_scene_fini(&service.scene);
	return r;
}

int hw_scene_run(struct hw_kit *kit)
{
	return kit->plugin->kind == HW_PLUGIN_SINK ? run_sink(kit) : run_watcher(kit);
}
