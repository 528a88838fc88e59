/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rig.h"

#include "framework/share/retry_private.h"
#include "framework/share/share_private.h"
#include "log.h"
#include "scratch.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_NS (60 * INT64_C(1000000000))
#define NEVER_NS (3600 * HW_SEC)
#define NEVER_TEXT "1h"

const char *const hw_rig_backends[HW_RIG_BACKENDS] = { "inotify", "fanotify", "fanotify-inode",
						       "polling" };

/* A plugin with an option that is tested as a separate watcher. */
static const struct variant {
	const char *backend, *plugin;
	struct hw_setting setting;
} variants[] = {
	{ "fanotify-inode", "fanotify", { "mark", "inode" } },
};

struct hw_rig {
	struct hw_loop *loop; /* owned */
	struct hw_share *share; /* owned */
	struct hw_journal_cursor cursor;
	bool flushed;
};

static const struct hw_plugin *load(const char *name)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/plugins/%s.so", hw_build_dir(), name);
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* stays loaded: other rigs use it */
	const struct hw_plugin *plugin = so ? dlsym(so, HW_PLUGIN_SYMBOL) : NULL;

	if (!plugin)
		fprintf(stderr, "%s\n", dlerror());
	return plugin;
}

static const struct variant *find_variant(const char *backend)
{
	for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++)
		if (!strcmp(variants[i].backend, backend))
			return &variants[i];
	return NULL;
}

static struct hw_rig_plugin choose(const struct hw_rig_config *config)
{
	const struct variant *variant = find_variant(config->backend);

	if (config->plugin)
		return *config->plugin;
	if (variant)
		return (struct hw_rig_plugin){ load(variant->plugin), &variant->setting, 1 };
	return (struct hw_rig_plugin){ load(config->backend), NULL, 0 };
}

/* If the watcher has an interval option, it is set to the interval of the share. */
static size_t collect(const struct hw_rig_plugin *chosen, const char *interval,
		      struct hw_setting *settings)
{
	size_t count = 0;

	for (size_t i = 0; i < chosen->count && i < HW_RIG_SETTINGS_MAX; i++)
		if (strcmp(chosen->settings[i].key, "interval"))
			settings[count++] = chosen->settings[i];
	for (uint32_t i = 0; i < chosen->plugin->option_count; i++)
		if (!strcmp(chosen->plugin->options[i]->key, "interval"))
			settings[count++] = (struct hw_setting){ "interval", interval };
	return count;
}

static int create_instance(struct hw_rig *rig, const struct hw_rig_config *config,
			   struct hw_instance **ret)
{
	const struct hw_rig_plugin chosen = choose(config);
	struct hw_setting settings[HW_RIG_SETTINGS_MAX + 1];
	char interval[32] = NEVER_TEXT;

	if (!chosen.plugin)
		return -ELIBACC;
	if (config->interval_ns)
		(void)snprintf(interval, sizeof(interval), "%lluus",
			       (unsigned long long)config->interval_ns / 1000);
	return hw_instance_create(rig->loop, chosen.plugin, config->backend, settings,
				  collect(&chosen, interval, settings), NULL, ret);
}

static int add_watcher(struct hw_rig *rig, const struct hw_rig_config *config)
{
	struct hw_instance *instance;
	int r = create_instance(rig, config, &instance);

	return r ? r : hw_share_add_watcher(rig->share, instance);
}

static int create_share(struct hw_rig *rig, const struct hw_rig_config *config)
{
	const struct hw_share_config share = {
		.name = "test",
		.path = config->root,
		.excludes = config->excludes,
		.exclude_count = config->exclude_count,
		.interval_ns = config->interval_ns ? config->interval_ns : NEVER_NS,
		.settle_ns = config->settle_ns,
		.settle_max_ns = config->settle_ns ? NEVER_NS : 0,
		.journal_bytes = config->journal_bytes ? config->journal_bytes : (uint64_t)64 << 20,
		.state_dir = config->state_dir,
		.state_log_dir = config->state_log_dir ? config->state_log_dir : config->state_dir,
		.explicit_watcher = true,
	};
	int r = hw_loop_create(&rig->loop);

	if (!r)
		r = hw_share_create(rig->loop, &share, &rig->share);
	return r ? r : add_watcher(rig, config);
}

static int wait_online(struct hw_rig *rig)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;

	while (hw_share_state(rig->share) != HW_SHARE_ONLINE) {
		if (hw_clock_monotonic_ns() > deadline)
			return -ETIMEDOUT;
		hw_loop_turn(rig->loop, 100);
	}
	return hw_share_cursor_init(rig->share, hw_share_seq(rig->share), &rig->cursor);
}

int hw_rig_start(const struct hw_rig_config *config, struct hw_rig **ret, const char **why)
{
	struct hw_rig *rig = calloc(1, sizeof(*rig));

	if (!rig)
		return -ENOMEM;
	hw_log_set_level(getenv("HW_TEST_VERBOSE") ? HW_LOG_DEBUG : HW_LOG_ERROR);
	int r = create_share(rig, config);
	if (!r)
		r = hw_share_start(rig->share);
	if (r == -ENODEV) {
		*why = "this watcher cannot start here: it needs rights or a kernel that are not "
		       "there";
		r = -EOPNOTSUPP;
	}
	if (!r)
		r = wait_online(rig);
	if (r) {
		hw_rig_stop(rig);
		return r;
	}
	*ret = rig;
	return 0;
}

void hw_rig_stop(struct hw_rig *rig)
{
	if (!rig)
		return;
	hw_share_destroy(rig->share);
	hw_loop_destroy(rig->loop);
	free(rig);
}

static void note_flushed(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	bool *flushed = arg;

	(void)share;
	(void)error; /* the wait is over in any case */
	(void)seq;
	*flushed = true;
}

int hw_rig_flush(struct hw_rig *rig)
{
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;

	rig->flushed = false;
	int r = hw_share_flush(rig->share, note_flushed, &rig->flushed);
	while (!r && !rig->flushed) {
		if (hw_clock_monotonic_ns() > deadline)
			return -ETIMEDOUT;
		hw_loop_turn(rig->loop, 100);
	}
	return r;
}

void hw_rig_turn(struct hw_rig *rig, unsigned timeout_ms)
{
	hw_loop_turn(rig->loop, timeout_ms);
}

int hw_rig_next(struct hw_rig *rig, struct hw_event *ret)
{
	*ret = (struct hw_event){ .struct_size = sizeof(*ret) };
	return hw_share_cursor_next(rig->share, &rig->cursor, ret);
}

struct hw_share *hw_rig_share(struct hw_rig *rig)
{
	(void)hw_share_finish_work(rig->share); /* no filesystem hangs here */
	return rig->share;
}

static void note_switched(void *arg, struct hw_share *share, const struct hw_switch_result *result)
{
	int *outcome = arg;

	(void)share;
	*outcome = result->error;
}

int hw_rig_switch(struct hw_rig *rig, const char *backend)
{
	const struct hw_rig_config config = { .backend = backend };
	int64_t deadline = hw_clock_monotonic_ns() + DEADLINE_NS;
	struct hw_instance *instance;
	int outcome = 1;
	int r = create_instance(rig, &config, &instance);

	if (r)
		return r;
	r = hw_share_switch(hw_rig_share(rig), &(struct hw_switch){
						       .instances = &instance,
						       .count = 1,
						       .done = note_switched,
						       .arg = &outcome,
					       });
	if (r < 0) {
		hw_instance_destroy(instance);
		return r;
	}
	while (outcome > 0) {
		if (hw_clock_monotonic_ns() > deadline)
			return -ETIMEDOUT;
		hw_loop_turn(rig->loop, 100);
	}
	return outcome;
}

static bool is_unwatched(const struct hw_share *share, uint32_t dir)
{
	const struct hw_tree *tree = &share->tree;
	const struct hw_entry *e = hw_tree_entry(tree, dir);
	const struct hw_retry *retry = &share->retry;

	if (e->type != HW_TYPE_DIR || e->watcher != HW_WATCHER_NONE ||
	    e->flags & (HW_ENTRY_LOOP | HW_ENTRY_TRANSIENT) || retry->left_out ||
	    hw_retry_find(retry, hw_tree_token(tree, dir), NULL, 0) < retry->count)
		return false;
	for (uint32_t id = dir; id; id = hw_tree_entry(tree, id)->parent)
		if (hw_tree_entry(tree, id)->flags & HW_ENTRY_LOCKED)
			return false;
	return true;
}

unsigned hw_rig_unwatched(struct hw_rig *rig)
{
	const struct hw_share *share = hw_rig_share(rig);
	unsigned count = 0;

	if (share->state != HW_SHARE_ONLINE)
		return 0;
	for (uint32_t id = HW_ROOT; id < share->tree.used; id++)
		count += is_unwatched(share, id);
	return count;
}

static int add_entry(void *arg, const struct hw_event *event)
{
	struct hw_model *model = arg;
	char why[128] = "";
	int r = hw_model_apply(model, event, why, sizeof(why));

	if (r)
		fprintf(stderr, "the share's own tree cannot be replayed: %s\n", why);
	return r;
}

int hw_rig_snapshot(struct hw_rig *rig, struct hw_model *model)
{
	return hw_share_entries(rig->share, add_entry, model);
}
