/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plugin ABI of hostwatch, major version 1. hostwatch-plugin(3) explains it with examples.
 *
 * A plugin is one shared object that exports one data symbol:
 *
 *	HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { HW_PLUGIN_HEADER(...), ... };
 *
 * Lifecycle of an instance; a * marks a callback that may be NULL:
 *
 *	load -> options -> open* -> start* -> armed ... -> stop* -> close*
 *	                   |        |
 *	                   |        acquires kernel objects; after it the daemon drops rights
 *	                   cross-checks options, touches no kernel object; `hostwatch check` ends
 *here
 *
 * After a failed open() only close() is called; after a failed start(), stop() and close(). Both
 *must cope with an instance in any state, since the host zeroes it before open().
 *
 * Threads: every callback of an instance runs on the host's loop thread. None may block, none may
 * start threads. The host's services may be called from callbacks only.
 *
 * Errors: 0 or a count on success, a negative errno on failure; text goes through host->fail().
 */
#ifndef HOSTWATCH_PLUGIN_H
#define HOSTWATCH_PLUGIN_H

#include <hostwatch/event.h>
#include <stddef.h>
#include <stdint.h>

#define HW_PLUGIN_MAGIC UINT64_C(0x31676c7077747368) /* "hstwplg1", little-endian */
#define HW_ABI_MAJOR 1
#define HW_ABI_MINOR 0
#define HW_PLUGIN_SYMBOL "hw_plugin_1"
#define HW_PLUGIN_EXPORT __attribute__((visibility("default")))
#define HW_PRINTF(f, a) __attribute__((format(printf, f, a)))

enum hw_plugin_kind {
	HW_PLUGIN_WATCHER = 1,
	HW_PLUGIN_SINK = 2,
};

/* ---- options ------------------------------------------------------------------------------- */

/* The C type of the field that an option is written into stands behind each. */
enum hw_option_type {
	HW_OPTION_BOOL = 1, /* uint32_t: yes/no, true/false, on/off, 1/0 */
	HW_OPTION_NUMBER = 2, /* uint64_t */
	HW_OPTION_DURATION =
		3, /* uint64_t nanoseconds: 50ms, 1s, 2m, 500us; a bare number is refused */
	HW_OPTION_SIZE = 4, /* uint64_t bytes: 4096, 64K, 16M, 1G (powers of 1024) */
	HW_OPTION_STRING = 5, /* const char *, owned by the host, valid until close() */
	HW_OPTION_ENUM = 6, /* uint32_t: index into `choices` ("a|b|c") */
	HW_OPTION_LIST =
		7, /* const char *: the key may stand several times; values joined with '\n' */
};

#define HW_OPTION_REQUIRED 0x1u /* no default: the key must be given */
#define HW_OPTION_SHARE                                                                            \
	0x2u /* STRING of a sink: a share that it serves; must be given when it serves several */

/* One configuration key. All strings are static. */
struct hw_option {
	const char *key; /* lower case, [a-z_]+ */
	const char *value; /* the default, written as in the file; NULL: zero or NULL */
	const char *choices; /* HW_OPTION_ENUM: "a|b|c"; else NULL */
	const char *help; /* one sentence, no full stop */
	uint64_t min, max; /* NUMBER, DURATION, SIZE: the accepted range, in the field's unit */
	uint32_t type; /* enum hw_option_type */
	uint32_t offset; /* of the field in the instance */
	uint32_t flags; /* HW_OPTION_REQUIRED, HW_OPTION_SHARE */
	uint32_t reserved; /* 0 */
};

/* The offset of a field, which does not compile unless the field has the C type given. */
#define HW_FIELD(T, field, ctype)                                                                  \
	((uint32_t)(offsetof(T, field) +                                                           \
		    0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((T *)0)->field),      \
								 ctype)                            \
					    ? 1                                                    \
					    : -1])))

#define HW_OPT_BOOL(k, T, f, def, h)                                                               \
	{                                                                                          \
		.key = (k), .value = (def), .help = (h), .max = 1, .type = HW_OPTION_BOOL,         \
		.offset = HW_FIELD(T, f, uint32_t)                                                 \
	}
#define HW_OPT_NUMBER(k, T, f, def, lo, hi, h)                                                     \
	{                                                                                          \
		.key = (k), .value = (def), .help = (h), .min = (lo), .max = (hi),                 \
		.type = HW_OPTION_NUMBER, .offset = HW_FIELD(T, f, uint64_t)                       \
	}
#define HW_OPT_DURATION(k, T, f, def, lo_ns, hi_ns, h)                                             \
	{                                                                                          \
		.key = (k), .value = (def), .help = (h), .min = (lo_ns), .max = (hi_ns),           \
		.type = HW_OPTION_DURATION, .offset = HW_FIELD(T, f, uint64_t)                     \
	}
#define HW_OPT_SIZE(k, T, f, def, lo, hi, h)                                                       \
	{                                                                                          \
		.key = (k), .value = (def), .help = (h), .min = (lo), .max = (hi),                 \
		.type = HW_OPTION_SIZE, .offset = HW_FIELD(T, f, uint64_t)                         \
	}
#define HW_OPT_STRING(k, T, f, def, h)                                                             \
	{                                                                                          \
		.key = (k), .value = (def), .help = (h), .type = HW_OPTION_STRING,                 \
		.offset = HW_FIELD(T, f, const char *)                                             \
	}
#define HW_OPT_ENUM(k, T, f, def, list, h)                                                         \
	{                                                                                          \
		.key = (k), .value = (def), .choices = (list), .help = (h),                        \
		.type = HW_OPTION_ENUM, .offset = HW_FIELD(T, f, uint32_t)                         \
	}
#define HW_OPT_LIST(k, T, f, h)                                                                    \
	{                                                                                          \
		.key = (k), .help = (h), .type = HW_OPTION_LIST,                                   \
		.offset = HW_FIELD(T, f, const char *)                                             \
	}

#define HW_MS UINT64_C(1000000)
#define HW_SEC UINT64_C(1000000000)

/* ---- what a watcher tells ------------------------------------------------------------------ */

/* Names a directory of the share to a watcher. Made by the host, opaque, never 0, never used twice.
 */
typedef uint64_t hw_token;
#define HW_NO_DIR                                                                                  \
	((hw_token)0) /* in a move: outside the share. In lost() and scan(): the whole share */

#define HW_HINT_CREATED 0x01u
#define HW_HINT_DELETED 0x02u
#define HW_HINT_MODIFIED 0x04u
#define HW_HINT_ATTRIB 0x08u
#define HW_HINT_CLOSE_WRITE 0x10u
#define HW_HINT_MOVED 0x20u /* dir/name is where from, to_dir/to_name where to; alone in `what` */
#define HW_HINT_GONE 0x40u /* `dir` itself was deleted, moved or unmounted; no name */

/*
 * What the kernel said about one name in one directory. Several bits may be set when the kernel
 * merged several changes. Names are borrowed for the call: 1 to 255 bytes, no NUL, no slash. A
 * watcher need not know whether what it tells is still true: the host looks and decides.
 */
struct hw_hint {
	uint32_t struct_size; /* sizeof(struct hw_hint) */
	uint32_t what; /* HW_HINT_* */
	hw_token dir; /* HW_NO_DIR only in a move from outside */
	hw_token to_dir; /* of a move: HW_NO_DIR when it left */
	const char *name;
	const char *to_name; /* of a move */
	uint32_t name_len;
	uint32_t to_name_len;
	uint32_t
		type; /* HW_TYPE_DIR, HW_TYPE_FILE for anything else, HW_TYPE_NONE when not known */
	int32_t pid; /* who did it, 0 when not known; never leaves the host */
	/* The entry's file handle as name_to_handle_at(2) gives it, where the kernel tells it: what
	 * an inode that lost this name goes through is then not told of the one that has it now.
	 * handle_len 0: not known. */
	const void *handle;
	uint32_t handle_len;
	int32_t handle_type;
};

/* Counters of a watcher, for `hostwatch status`. */
struct hw_watcher_stats {
	uint32_t struct_size;
	uint32_t reserved;
	uint64_t watches; /* kernel objects held: watches or marks */
	uint64_t kernel_events; /* records read from the kernel */
	uint64_t overflows; /* times the kernel said it lost events */
};

/* What one scan asked for by scan() found. */
struct hw_scan_result {
	uint32_t struct_size;
	uint32_t reserved;
	uint64_t entries; /* entries looked at */
	uint64_t changes; /* events that came of it */
	uint64_t elapsed_ns; /* wall time from scan() to the end */
};

/* ---- what a sink sees ---------------------------------------------------------------------- */

enum hw_share_state {
	HW_SHARE_ARMING = 0,
	HW_SHARE_ONLINE = 1,
	HW_SHARE_OFFLINE = 2, /* its root is gone; it is watched for */
};

/* One share as a sink may see it. `name` is borrowed, NUL-terminated, valid until the sink's
 * close(). */
struct hw_share_info {
	uint32_t struct_size;
	uint32_t state; /* enum hw_share_state */
	const char *name;
	uint64_t epoch; /* random, not 0; another one means another history */
	uint64_t seq; /* of the last event, 0 before the first */
};

/* One receiver of a sink, for `hostwatch status`. */
struct hw_receiver {
	uint32_t struct_size;
	uint32_t reserved;
	const char *name; /* printable: who it is */
	const char *share; /* "" for several */
	uint64_t seq; /* the last event handed to it */
	uint64_t dropped; /* times it fell off the journal and was told rescan */
};

struct hw_cursor; /* a place in a share's journal; owned by the sink that opened it */
struct hw_snapshot; /* the tree at one moment; owned by the sink that opened it */
struct hw_io; /* a file descriptor the host watches for the plugin */
struct hw_timer;

/* ---- services of the host ------------------------------------------------------------------ */

enum hw_log_level { HW_LOG_ERROR = 0, HW_LOG_WARNING = 1, HW_LOG_INFO = 2, HW_LOG_DEBUG = 3 };

#define HW_IO_READ 0x1u
#define HW_IO_WRITE 0x2u
#define HW_IO_HANGUP 0x4u /* reported only: the peer closed or the descriptor failed */

/*
 * Called when the descriptor is ready. Handles at most `budget` records and returns how many it
 * handled; a full budget tells the host that input floods, and it waits up to 1 ms before the next
 * call, so that the kernel can queue a batch.
 */
typedef int hw_io_fn(void *self, struct hw_io *io, uint32_t events, uint32_t budget);
typedef void hw_timer_fn(void *self, struct hw_timer *timer);

/*
 * The host's side. `ctx` is the second argument of open() and the first of every service. Pointers
 * beyond struct_size are absent. Services of the other plugin kind return -ENOSYS (or do nothing).
 */
struct hw_host {
	uint32_t struct_size;
	uint16_t abi_major, abi_minor;

	/* One line for the log; text from outside must be escaped by the caller. */
	void (*log)(void *ctx, uint32_t level, const char *format, ...) HW_PRINTF(3, 4);
	/* Keeps the text as the reason of the failure that the callback is about to return; returns
	 * -|error|. An open() that finds several things wrong may call it for each: `hostwatch
	 * check` tells them all, with the line of the setting whose key the text begins with. A
	 * probe() that succeeds may say how it would watch there, with error 0. */
	int (*fail)(void *ctx, int error, const char *format, ...) HW_PRINTF(3, 4);
	/* CLOCK_MONOTONIC, as of this turn of the loop. */
	uint64_t (*now_ns)(void *ctx);
	/* Watches fd, which stays the plugin's and must be removed before it is closed. `arg` is
	 * passed to fn as self. Events HW_IO_READ | HW_IO_WRITE, 0 to rest. Returns 0, -ENOMEM,
	 * -EINVAL, -EEXIST. */
	int (*io_add)(void *ctx, int fd, uint32_t events, hw_io_fn *fn, void *arg,
		      struct hw_io **ret);
	void (*io_set)(void *ctx, struct hw_io *io, uint32_t events);
	void (*io_del)(void *ctx, struct hw_io *io); /* NULL is fine; no callback comes after it */
	/* A timer that is not set. timer_set: fires once after delay_ns (1 ms steps, rounded up); 0
	 * disarms. */
	int (*timer_add)(void *ctx, hw_timer_fn *fn, void *arg, struct hw_timer **ret);
	void (*timer_set)(void *ctx, struct hw_timer *timer, uint64_t delay_ns);
	void (*timer_del)(void *ctx, struct hw_timer *timer);

	/* -- watchers -- */
	/* Something happened. May call watch_dir() and forget_dir() of the same instance before it
	 * returns. A hint with a bad name or a token that was forgotten is ignored. */
	void (*hint)(void *ctx, const struct hw_hint *hint);
	/* The kernel lost events in this directory, or HW_NO_DIR: anywhere. The host compares with
	 * the disk. */
	void (*lost)(void *ctx, hw_token dir);
	/* Compare this directory and all below it (HW_NO_DIR: the whole share) with the disk. One
	 * scan at a time: -EBUSY while one runs. scanned() follows. */
	int (*scan)(void *ctx, hw_token dir);

	/* -- sinks -- */
	/* The shares this sink serves are 0 .. share_count() - 1; the number does not change. */
	uint32_t (*share_count)(void *ctx);
	int (*share_info)(void *ctx, uint32_t share, struct hw_share_info *ret); /* -ENOENT */
	/* A cursor behind event `after` of `epoch`; epoch 0: behind the newest event. -ESTALE: the
	 * journal no longer (or never) held what follows `after`. */
	int (*cursor_open)(void *ctx, uint32_t share, uint64_t epoch, uint64_t after,
			   struct hw_cursor **ret);
	/* 1 and the next event, 0 when there is none yet (ready() will be called), -ESTALE when the
	 * cursor fell off the journal: tell the receiver rescan, then cursor_seek(). Event memory
	 * is valid until the next call. */
	int (*cursor_next)(void *ctx, struct hw_cursor *cursor, struct hw_event *ret);
	/* The receiver has everything up to this event: counts as its lag in status. */
	void (*cursor_done)(void *ctx, struct hw_cursor *cursor, uint64_t seq);
	/* Moves behind the newest event and returns its sequence number. */
	uint64_t (*cursor_seek)(void *ctx, struct hw_cursor *cursor);
	void (*cursor_close)(void *ctx, struct hw_cursor *cursor); /* NULL is fine */
	/* The whole tree as create events, parents first, in path order, as it stood after event
	 * *ret_seq. -EAGAIN while the share is arming or offline, -ENOMEM. */
	int (*snapshot_open)(void *ctx, uint32_t share, struct hw_snapshot **ret,
			     uint64_t *ret_seq);
	int (*snapshot_next)(void *ctx, struct hw_snapshot *snapshot,
			     struct hw_event *ret); /* 1 or 0 at the end */
	void (*snapshot_close)(void *ctx, struct hw_snapshot *snapshot); /* NULL is fine */
	/* Called from status(): one row of `hostwatch status`. */
	void (*receiver)(void *ctx, const struct hw_receiver *receiver);
	/* A descriptor that the service manager passed in under this name
	 * (sd_listen_fds_with_names(3)): borrowed, the plugin dups it. -ENOENT. */
	int (*activation_fd)(void *ctx, const char *name);
};

/* ---- the plugin's side --------------------------------------------------------------------- */

/* Hints come in the order of the changes, none merged with an older one, so the last hint about a
 * name is the truth. Without it the host looks at the disk for every hint. */
#define HW_PLUGIN_ORDERED 0x1u
/* The watcher gives no hints and only asks for scans: the host keeps what it needs to tell a
 * deleted entry from one that moved out. */
#define HW_PLUGIN_SCANS 0x2u

struct hw_plugin {
	uint64_t magic; /* HW_PLUGIN_MAGIC */
	uint32_t struct_size; /* sizeof(struct hw_plugin) */
	uint16_t abi_major; /* HW_ABI_MAJOR: must equal the host's */
	uint16_t abi_minor; /* HW_ABI_MINOR it was built with */
	uint32_t kind; /* enum hw_plugin_kind */
	uint32_t flags; /* HW_PLUGIN_* */
	uint32_t instance_size; /* bytes the host allocates and zeroes for each instance, at most 1
				   MiB */
	uint32_t option_count;
	uint64_t capabilities; /* 1 << CAP_*: kept after start() when the daemon runs as root */
	const char *name; /* [a-z0-9-]{1,31} */
	const char *version;
	const char *summary; /* one line */
	const struct hw_option *const *options; /* option_count pointers */

	/* Checks options against each other. Keeps host and ctx, which outlive the instance. */
	int (*open)(void *self, const struct hw_host *host, void *ctx);
	int (*start)(void *self);
	void (*stop)(void *self);
	void (*close)(void *self);

	/* -- watchers -- */
	/* After start(): 0 when changes below this directory's filesystem can be seen, else a
	 * negative errno with the reason in fail(). dirfd is O_PATH, borrowed for the call. Leaves
	 * no trace. */
	int (*probe)(void *self, int dirfd);
	/* A directory belongs to the share; called before it is listed, so that no change is missed
	 * between. dirfd is O_PATH or better, borrowed for the call. -ENOSPC, -EMFILE: no more
	 * watches; -EOPNOTSUPP, -ENODEV, -EXDEV, -EEXIST: not here: the host gives this directory
	 * and all below it to the next watcher. -ENOENT: it is gone already. */
	int (*watch_dir)(void *self, hw_token dir, int dirfd);
	/* The directory left the share, or another watcher takes it: no hint about it after this
	 * call. */
	void (*forget_dir)(void *self, hw_token dir);
	/* A barrier: hands over, now, everything that the kernel has queued, waits for nothing and
	 * joins what can be joined; a watcher that scans asks for one. Returns 0, or 1 when it will
	 * call scan(). */
	int (*flush)(void *self);
	void (*scanned)(void *self, const struct hw_scan_result *result); /* the end of a scan() */
	void (*stats)(void *self, struct hw_watcher_stats *ret);

	/* -- sinks -- */
	/* The journal of this share has more, or the share's state or epoch changed: called after
	 * each turn of the loop in which that happened, also while the sink has not drawn
	 * everything. */
	void (*ready)(void *self, uint32_t share);
	/* Calls host->receiver() once for each receiver. */
	void (*status)(void *self);
	/* The daemon is stopping: sends what it can without waiting. Returns 1 while bytes are
	 * queued, 0 when done. */
	int (*drain)(void *self);
};

#define HW_PLUGIN_HEADER(plugin_kind, T)                                                           \
	.magic = HW_PLUGIN_MAGIC, .struct_size = sizeof(struct hw_plugin),                         \
	.abi_major = HW_ABI_MAJOR, .abi_minor = HW_ABI_MINOR, .kind = (plugin_kind),               \
	.instance_size = sizeof(T)

#endif
