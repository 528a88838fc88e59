/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One running plugin: its memory, its options, and the host's services as it sees them. Loop thread
 * only. */
#ifndef HW_INSTANCE_H
#define HW_INSTANCE_H

#include "loop.h"
#include "option.h"
#include <hostwatch/plugin.h>
#include <stdbool.h>

struct hw_watcher;
struct hw_sink;

/* What the core does when a watcher calls the services of the same name: plugin.h. */
struct hw_watcher_services {
	void (*hint)(struct hw_watcher *watcher, const struct hw_hint *hint);
	void (*lost)(struct hw_watcher *watcher, hw_token dir);
	int (*scan)(struct hw_watcher *watcher, hw_token dir);
	int (*lock)(struct hw_watcher *watcher, hw_token dir);
	int (*locate)(struct hw_watcher *watcher, const char *path, size_t len,
		      struct hw_location *ret);
};

/* The same for a sink. */
struct hw_sink_services {
	uint32_t (*share_count)(struct hw_sink *sink);
	int (*share_info)(struct hw_sink *sink, uint32_t share, struct hw_share_info *ret);
	int (*cursor_open)(struct hw_sink *sink, uint32_t share, uint64_t epoch, uint64_t after,
			   struct hw_cursor **ret);
	int (*cursor_next)(struct hw_sink *sink, struct hw_cursor *cursor, struct hw_event *ret);
	void (*cursor_done)(struct hw_sink *sink, struct hw_cursor *cursor, uint64_t seq);
	uint64_t (*cursor_seek)(struct hw_sink *sink, struct hw_cursor *cursor);
	void (*cursor_close)(struct hw_sink *sink, struct hw_cursor *cursor);
	int (*snapshot_open)(struct hw_sink *sink, uint32_t share, struct hw_snapshot **ret,
			     uint64_t *ret_seq);
	int (*snapshot_next)(struct hw_sink *sink, struct hw_snapshot *snapshot,
			     struct hw_event *ret);
	void (*snapshot_close)(struct hw_sink *sink, struct hw_snapshot *snapshot);
	void (*receiver)(struct hw_sink *sink, const struct hw_receiver *receiver);
	void (*address)(struct hw_sink *sink, const struct hw_sink_address *address);
};

#define HW_INPUTS_MAX 4u

enum hw_instance_state { HW_INSTANCE_NEW, HW_INSTANCE_OPEN, HW_INSTANCE_STARTED };

/* A call of fail() or fail_option(). keys and value as plugin.h has them, NULL from fail(); `text`
 * is the whole message. All are borrowed for the call. */
typedef void hw_reason_fn(void *arg, const char *keys, const char *value, const char *text);

/* Read by watcher.c and sink.c; made and changed by instance.c only. */
struct hw_instance {
	const struct hw_plugin *plugin; /* borrowed from the loader, which never unloads */
	void *self; /* owned: instance_size bytes */
	struct hw_loop *loop; /* borrowed */
	struct hw_watcher *watcher; /* borrowed, set before open; NULL in a sink */
	struct hw_sink *sink; /* borrowed, set before open; NULL in a watcher */
	const struct hw_watcher_services *watcher_services; /* static, with watcher */
	const struct hw_sink_services *sink_services; /* static, with sink */
	char *name; /* owned: the plugin's name, or the section's */
	char *strings; /* owned: what string options point to */
	enum hw_instance_state state;
	struct hw_io *inputs[HW_INPUTS_MAX]; /* borrowed: what it reads, the first ones */
	char reason[512]; /* the last fail() text, "" when none */
	hw_reason_fn *on_reason; /* called for each reason; NULL: only the last one counts */
	void *reason_arg; /* borrowed */
	bool complained; /* a breach of the contract was logged */
};

/* Makes an instance and parses defaults and settings into it. All mistakes are added to `errors` as
 * text lines (NULL: logged). -EINVAL when there was one, -ENOMEM. */
struct hw_errors;
int hw_instance_create(struct hw_loop *loop, const struct hw_plugin *plugin, const char *name,
		       const struct hw_setting *settings, size_t count, struct hw_errors *errors,
		       struct hw_instance **ret);
/* open() and start() of the plugin. On failure the reason is in instance->reason ("" only when the
 * plugin gave none). */
int hw_instance_open(struct hw_instance *instance);
int hw_instance_start(struct hw_instance *instance);
/* probe() of a watcher that was started: 0, -errno. The reason is then why not; after a success how
 * it would watch there, "" when it does not say. */
int hw_instance_probe(struct hw_instance *instance, int dirfd);
/* Logs, once for each instance, that the plugin broke the contract of plugin.h. */
void hw_instance_complain(struct hw_instance *instance, const char *format, ...) HW_PRINTF(2, 3);
/* stop() and close() as its state requires. The kernel objects that it held are free again. */
void hw_instance_close(struct hw_instance *instance);
/* stop(), close() as its state asks, then frees. NULL is fine. */
void hw_instance_destroy(struct hw_instance *instance);

#endif
