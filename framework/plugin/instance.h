/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One running plugin: its memory, its options, and its view of the host's services. Loop thread
 * only. */
#ifndef HW_INSTANCE_H
#define HW_INSTANCE_H

#include "log.h"
#include "loop.h"
#include "option.h"
#include <hostwatch/plugin.h>
#include <stdbool.h>

struct hw_watcher;
struct hw_sink;

/* The core's implementation of the services of plugin.h that a watcher calls. */
struct hw_watcher_services {
	void (*hint)(struct hw_watcher *watcher, const struct hw_hint *hint);
	void (*lost)(struct hw_watcher *watcher, hw_token dir);
	int (*scan)(struct hw_watcher *watcher, hw_token dir);
	int (*lock)(struct hw_watcher *watcher, hw_token dir);
	int (*locate)(struct hw_watcher *watcher, const char *path, size_t len,
		      struct hw_location *ret);
};

/* The core's implementation of the services that a sink calls. */
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
	int (*sync)(struct hw_sink *sink, uint32_t share);
	int (*find_share)(struct hw_sink *sink, const char *path, size_t len,
			  struct hw_found_share *ret);
	uint64_t (*count_after)(struct hw_sink *sink, uint32_t share, uint64_t after);
};

#define HW_INPUTS_MAX 4u

enum hw_instance_state { HW_INSTANCE_NEW, HW_INSTANCE_OPEN, HW_INSTANCE_STARTED };

/* Receives a call of fail() or fail_option(). keys and value are as in plugin.h, NULL from fail();
 * `text` is the whole message. All are borrowed for the call. */
typedef void hw_reason_fn(void *arg, const char *keys, const char *value, const char *text);

/* Read by watcher.c and sink.c; created and changed by instance.c only. */
struct hw_instance {
	const struct hw_plugin *plugin; /* borrowed from the loader, which never unloads */
	void *self; /* owned: instance_size bytes */
	struct hw_loop *loop; /* borrowed */
	struct hw_watcher *watcher; /* borrowed, set before open; NULL in a sink */
	struct hw_sink *sink; /* borrowed, set before open; NULL in a watcher */
	const struct hw_watcher_services *watcher_services; /* static, with watcher */
	struct hw_slices *slices; /* borrowed, with watcher: its callbacks run as works of these */
	const struct hw_sink_services *sink_services; /* static, with sink */
	char *name; /* owned: the name of the plugin, or of the section */
	char *strings; /* owned: the strings of string options */
	enum hw_instance_state state;
	struct hw_io *inputs[HW_INPUTS_MAX]; /* borrowed: its first descriptors */
	char reason[512]; /* text of the last fail(), "" if there was none */
	hw_reason_fn *on_reason; /* called for each reason; NULL: only the last one is kept */
	void *reason_arg; /* borrowed */
	struct hw_log_limit limit; /* of a sink: its peers can cause lines */
	bool complained; /* a violation of the contract was logged */
};

/* Creates an instance and parses defaults and settings into it. Adds all mistakes to `errors` as
 * text lines (NULL: logs them). Returns -EINVAL if there was a mistake, or -ENOMEM. */
struct hw_errors;
int hw_instance_create(struct hw_loop *loop, const struct hw_plugin *plugin, const char *name,
		       const struct hw_setting *settings, size_t count, struct hw_errors *errors,
		       struct hw_instance **ret);
/* Calls open() and start() of the plugin. On failure, the reason is in instance->reason ("" only if
 * the plugin gave none). */
int hw_instance_open(struct hw_instance *instance);
int hw_instance_start(struct hw_instance *instance);
/* Calls probe() of a started watcher. Returns 0 or -errno. On failure, the reason is set; on
 * success, it is the description of how the watcher would watch, "" if there is none. */
int hw_instance_probe(struct hw_instance *instance, int dirfd);
/* Calls watch_dir(). Both calls may wait for the filesystem: see thread.h. */
int hw_instance_watch_dir(struct hw_instance *instance, hw_token dir, int dirfd);
/* Logs, once for each instance, that the plugin violated the contract of plugin.h. */
void hw_instance_complain(struct hw_instance *instance, const char *format, ...) HW_PRINTF(2, 3);
/* Calls stop() and close() as its state requires. This releases its kernel objects. */
void hw_instance_close(struct hw_instance *instance);
/* Calls stop() and close() as its state requires, then frees the instance. Accepts NULL. */
void hw_instance_destroy(struct hw_instance *instance);

#endif
