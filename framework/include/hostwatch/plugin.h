/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plugin ABI of hostwatch, major version 1. hostwatch-plugin(3) explains it with examples.
 *
 * A plugin is one shared object that exports one data symbol:
 *
 *	HW_PLUGIN_EXPORT const struct hw_plugin hw_plugin_1 = { HW_PLUGIN_HEADER(...), ... };
 *
 * The life cycle of an instance; a * marks a callback that may be NULL:
 *
 *	load -> options -> open* -> start* -> armed ... -> stop* -> close*
 *	                   |        |
 *	                   |        acquires kernel objects; the daemon drops privileges afterwards
 *	                   checks options against each other, touches no kernel object;
 *	                   `hostwatch check` ends here
 *
 * If open() fails, only close() is called. If start() fails, stop() and close() are called. Both
 * must accept an instance in any state; the host zeroes it before open().
 *
 * Threads: the host calls every callback on its loop thread. A callback must not block or start
 * threads. The host's services may be called from callbacks only. hint() may take long: the host
 * serves others meanwhile, and may call stats() of this instance before hint() returns, but no
 * other callback of it.
 *
 * Errors: functions return 0 or a count on success and a negative errno on failure. A message for
 * the user is passed to host->fail().
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

/*
 * Structures grow at their ends, and both sides may be older or newer than the other. Each
 * structure that crosses the border therefore begins with its size, which its owner sets. The host
 * reads and writes at most that many bytes of a structure of the plugin, and zeroes members that it
 * does not know. A plugin must not read or write members of a structure of the host beyond its
 * struct_size; a plugin that uses a member of a later minor version asks HW_HAS() first.
 */
#define HW_HAS(p, member)                                                                          \
	((p)->struct_size >= offsetof(__typeof__(*(p)), member) + sizeof((p)->member))

enum hw_plugin_kind {
	HW_PLUGIN_WATCHER = 1,
	HW_PLUGIN_SINK = 2,
};

/* ---- options ------------------------------------------------------------------------------- */

/* The types of options. The comments give the C type of the field that an option is written to. */
enum hw_option_type {
	HW_OPTION_BOOL = 1, /* uint32_t: yes/no, true/false, on/off, 1/0 */
	HW_OPTION_NUMBER = 2, /* uint64_t */
	HW_OPTION_DURATION = 3, /* uint64_t ns: 500us, 50ms, 1s, 2m; a bare number is in seconds */
	HW_OPTION_SIZE = 4, /* uint64_t bytes: 4096, 64K, 16M, 1G (powers of 1024) */
	HW_OPTION_STRING = 5, /* const char *, owned by the host, valid until close() */
	HW_OPTION_ENUM = 6, /* uint32_t: index into `choices` ("a|b|c") */
	HW_OPTION_LIST = 7, /* const char *: the key may be repeated; values are joined with '\n' */
};

#define HW_OPTION_REQUIRED 0x1u /* the key has no default and must be given */
/* In a STRING of a sink: the value is the name of a share that the sink serves. The key must be
 * given if the sink serves several shares. */
#define HW_OPTION_SHARE 0x2u
/* In a STRING or LIST of a sink: each value is an address that the sink occupies alone, and ends
 * with a port or a path. The host does not run two sinks with the same address at the same time. */
#define HW_OPTION_ADDRESS 0x4u

/* One configuration key. All strings are static. */
struct hw_option {
	uint32_t struct_size; /* sizeof(struct hw_option) */
	uint32_t type; /* enum hw_option_type */
	const char *key; /* lower case, [a-z_]+ */
	const char *value; /* the default, as written in the file; NULL: zero or NULL */
	const char *choices; /* HW_OPTION_ENUM: "a|b|c"; else NULL */
	const char *help; /* one sentence, no full stop */
	uint64_t min, max; /* NUMBER, DURATION, SIZE: the accepted range, in the field's unit */
	uint32_t offset; /* of the field in the instance */
	uint32_t flags; /* HW_OPTION_* */
};

/* The offset of a field. It does not compile unless the field has the given C type. */
#define HW_FIELD(T, field, ctype)                                                                  \
	((uint32_t)(offsetof(T, field) +                                                           \
		    0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((T *)0)->field),      \
								 ctype)                            \
					    ? 1                                                    \
					    : -1])))

#define HW_OPTION_HEAD(option_type, k, T, f, ctype, h)                                             \
	.struct_size = sizeof(struct hw_option), .type = (option_type), .key = (k), .help = (h),   \
	.offset = HW_FIELD(T, f, ctype)
#define HW_OPT_BOOL(k, T, f, def, h)                                                               \
	{                                                                                          \
		HW_OPTION_HEAD(HW_OPTION_BOOL, k, T, f, uint32_t, h), .value = (def), .max = 1     \
	}
#define HW_OPT_NUMBER(k, T, f, def, lo, hi, h)                                                     \
	{                                                                                          \
		HW_OPTION_HEAD(HW_OPTION_NUMBER, k, T, f, uint64_t, h), .value = (def),            \
									.min = (lo), .max = (hi)   \
	}
#define HW_OPT_DURATION(k, T, f, def, lo_ns, hi_ns, h)                                             \
	{                                                                                          \
		HW_OPTION_HEAD(HW_OPTION_DURATION, k, T, f, uint64_t, h),                          \
			.value = (def), .min = (lo_ns), .max = (hi_ns)                             \
	}
#define HW_OPT_SIZE(k, T, f, def, lo, hi, h)                                                       \
	{                                                                                          \
		HW_OPTION_HEAD(HW_OPTION_SIZE, k, T, f, uint64_t, h), .value = (def), .min = (lo), \
								      .max = (hi)                  \
	}
/* With flags: HW_OPTION_*. A required key has no default. */
#define HW_OPT_STRING_FLAGS(k, T, f, def, bits, h)                                                 \
	{                                                                                          \
		HW_OPTION_HEAD(HW_OPTION_STRING, k, T, f, const char *, h), .value = (def),        \
									    .flags = (bits)        \
	}
#define HW_OPT_STRING(k, T, f, def, h) HW_OPT_STRING_FLAGS(k, T, f, def, 0, h)
#define HW_OPT_ENUM(k, T, f, def, list, h)                                                         \
	{                                                                                          \
		HW_OPTION_HEAD(HW_OPTION_ENUM, k, T, f, uint32_t, h), .value = (def),              \
								      .choices = (list)            \
	}
#define HW_OPT_LIST_FLAGS(k, T, f, bits, h)                                                        \
	{                                                                                          \
		HW_OPTION_HEAD(HW_OPTION_LIST, k, T, f, const char *, h), .flags = (bits)          \
	}
#define HW_OPT_LIST(k, T, f, h) HW_OPT_LIST_FLAGS(k, T, f, 0, h)

#define HW_MS UINT64_C(1000000)
#define HW_SEC UINT64_C(1000000000)

/* ---- hints of a watcher -------------------------------------------------------------------- */

/* Identifies a directory of the share. It is assigned by the host, opaque, never 0 and never
 * reused. */
typedef uint64_t hw_token;
/* In a move: outside the share. In lost() and scan(): the whole share. */
#define HW_NO_DIR ((hw_token)0)

/* hostwatch-plugin(3), BELIEF, describes for each bit how far the host relies on it. */
#define HW_HINT_CREATED 0x01u
#define HW_HINT_DELETED 0x02u
#define HW_HINT_MODIFIED 0x04u
#define HW_HINT_ATTRIB 0x08u
#define HW_HINT_CLOSE_WRITE 0x10u
#define HW_HINT_MOVED 0x20u /* dir/name was renamed to to_dir/to_name; no other bit may be set */
#define HW_HINT_GONE 0x40u /* `dir` itself was deleted, moved or unmounted; no name */
/* Something about this name may have changed. The host examines it and decides. For watchers that
 * do not know more; any other bits are ignored. */
#define HW_HINT_LOOK 0x80u
/* With CREATED: what was created has been deleted again, in this hint or in one that follows, so
 * the host does not look for it. */
#define HW_HINT_BRIEF 0x100u

/*
 * A report about one name in one directory. Several bits may be set if the kernel merged several
 * changes. Names are borrowed for the call: 1 to 255 bytes, no NUL, no slash; "." is the directory
 * itself. A hint need not be up to date. The host logs the first invalid hint of an instance, and
 * ignores invalid hints.
 */
struct hw_hint {
	uint32_t struct_size; /* sizeof(struct hw_hint) */
	uint32_t what; /* HW_HINT_* */
	hw_token dir; /* HW_NO_DIR only in a move from outside the share */
	hw_token to_dir; /* in a move; HW_NO_DIR if the entry left the share */
	const char *name;
	const char *to_name; /* in a move */
	uint32_t name_len;
	uint32_t to_name_len;
	uint32_t type; /* HW_TYPE_DIR, HW_TYPE_FILE for any other type, HW_TYPE_NONE: not known */
	int32_t pid; /* the process that made the change, 0 if not known; never leaves the host */
	/* The entry's file handle, in the form of name_to_handle_at(2), if the kernel reports one.
	 * With it the host can distinguish a change of an unlinked inode from a change of a new
	 * file with the same name. handle_len is 0 if it is not known. */
	const void *handle;
	uint32_t handle_len;
	int32_t handle_type;
};

/* Where an entry is, for a watcher that receives paths. */
struct hw_location {
	uint32_t struct_size;
	uint32_t name_len;
	hw_token dir;
	const char *name; /* points into the path that was given, or is static */
};

/* Counters of a watcher, for `hostwatch status`. */
struct hw_watcher_stats {
	uint32_t struct_size;
	uint32_t reserved;
	uint64_t watches; /* kernel objects in use: watches or marks */
	uint64_t kernel_events; /* records read from the kernel */
	uint64_t overflows; /* how often the kernel reported that it lost records */
};

/* The result of a scan that scan() requested. */
struct hw_scan_result {
	uint32_t struct_size;
	uint32_t reserved;
	uint64_t entries; /* entries examined */
	uint64_t changes; /* events reported */
	uint64_t elapsed_ns; /* time from the call of scan() to the end of the scan */
	uint64_t cpu_ns; /* CPU time of the scan, of all threads */
};

/* The cost of watching one filesystem of a share, for `hostwatch explain`. The host sets the fields
 * of the first group; the others are zero when cost() is called. */
struct hw_watcher_cost {
	uint32_t struct_size;
	uint32_t reserved;
	uint64_t scan_ns; /* time to examine every entry of the filesystem once */
	/* Kernel objects that are needed. */
	uint64_t per_filesystem;
	uint64_t per_directory;
	const char *objects; /* their name in the plural: "watches"; NULL: needs none. Static */
	/* Their limit for all programs of this user and the sysctl(8) that sets it; 0 and NULL: no
	 * limit, or it is not known. */
	uint64_t limit;
	const char *limit_name; /* static */
	/* The beginnings of the lines in /proc/PID/fdinfo/FD that represent such objects, separated
	 * by "|" (for example, "inotify wd:"). NULL: they cannot be counted. Static. */
	const char *fdinfo;
	/* From the start of one scan to the start of the next; 0: the watcher does not scan. */
	uint64_t period_ns;
	uint64_t idle_period_ns; /* after a long time without changes */
	uint64_t cpu_ns; /* set by the host, like scan_ns: CPU time of such a scan */
};

/* ---- shares and receivers of a sink -------------------------------------------------------- */

enum hw_share_state {
	HW_SHARE_ARMING = 0,
	HW_SHARE_ONLINE = 1,
	HW_SHARE_OFFLINE = 2, /* its root is gone; the host waits until it is back */
};

/* Information about a share for a sink. `name` is borrowed, NUL-terminated, and valid until the
 * sink's close(). */
struct hw_share_info {
	uint32_t struct_size;
	uint32_t state; /* enum hw_share_state */
	const char *name;
	uint64_t epoch; /* random, not 0; a new history has a new epoch */
	uint64_t seq; /* sequence number of the last event, 0 before the first event */
};

/* A share found by find_share(). */
struct hw_found_share {
	uint32_t struct_size;
	uint32_t share; /* its number */
	uint32_t root_len; /* bytes of the path up to the end of the share's root */
	/* Not 0: a filesystem of the share is provided by a server. System calls about it may never
	 * return, and the mode of a file does not say who may read it. */
	uint32_t may_hang;
};

/* One receiver of a sink, for `hostwatch status`. */
struct hw_receiver {
	uint32_t struct_size;
	uint32_t reserved;
	const char *name; /* printable name of the receiver */
	const char *share; /* "" for several */
	uint64_t seq; /* the last event that was sent to it */
	uint64_t dropped; /* how often its cursor was overtaken by the journal and it was sent
			   * rescan */
	/* Events that were not sent to it because the journal no longer had them, as far as their
	 * sequence numbers are known. The host adds those that the sink has not detected yet. */
	uint64_t lost;
};

/* One address of a sink, for `hostwatch status`. */
struct hw_sink_address {
	uint32_t struct_size;
	uint32_t reserved; /* 0 */
	const char *option; /* the option that gave it: "listen" */
	const char *address; /* printable, as in the option: "unix:/run/x" */
	const char *state; /* a few printable words: "no guest"; may be "" */
};

struct hw_cursor; /* a position in a share's journal; owned by the sink that opened it */
struct hw_snapshot; /* the tree at one time; owned by the sink that opened it */
struct hw_io; /* a file descriptor that the host watches for the plugin */
struct hw_timer;

/* ---- services of the host ------------------------------------------------------------------ */

enum hw_log_level { HW_LOG_ERROR = 0, HW_LOG_WARNING = 1, HW_LOG_INFO = 2, HW_LOG_DEBUG = 3 };

#define HW_IO_READ 0x1u
#define HW_IO_WRITE 0x2u
#define HW_IO_HANGUP 0x4u /* always reported: the peer closed or the descriptor failed */

/*
 * Called when the descriptor is ready. Must handle at most `budget` records and return how many it
 * handled. If it handled `budget` records, the host may wait up to 1 ms before the next call, so
 * that the kernel can queue a batch.
 */
typedef int hw_io_fn(void *self, struct hw_io *io, uint32_t events, uint32_t budget);
typedef void hw_timer_fn(void *self, struct hw_timer *timer);

/*
 * The services of the host. `ctx` is an argument of open() and the first argument of every service.
 * Pointers beyond struct_size do not exist. Services for the other kind of plugin return -ENOSYS or
 * do nothing.
 */
struct hw_host {
	uint32_t struct_size;
	uint16_t abi_major, abi_minor;

	/* Writes one line to the log. The caller must escape text that comes from outside. */
	void (*log)(void *ctx, uint32_t level, const char *format, ...) HW_PRINTF(3, 4);
	/* Stores the message as the reason of the failure that the callback is about to return.
	 * Returns -|error|. A probe() that succeeds may call it with error 0, to describe how the
	 * watcher would watch the directory. */
	int (*fail)(void *ctx, int error, const char *format, ...) HW_PRINTF(3, 4);
	/* Stores the message as a mistake in the settings, and returns as fail() does. `keys` names
	 * the options that it is about, separated by commas: the first is the one to correct, whose
	 * line `hostwatch check` prints. `value` is the value at fault, for example one of a LIST;
	 * NULL: none in particular. The host puts "KEY = VALUE: " or "KEY: " before the message.
	 * open() may call it once for each mistake; all of them are printed, except those about a
	 * key whose value the host has found invalid itself. */
	int (*fail_option)(void *ctx, const char *keys, const char *value, int error,
			   const char *format, ...) HW_PRINTF(5, 6);
	/* Returns the time of CLOCK_MONOTONIC at the time of the call. */
	uint64_t (*now_ns)(void *ctx);
	/* Watches fd, which still belongs to the plugin. Call io_del before closing it. `arg` is
	 * passed to fn as self. `events` is HW_IO_READ | HW_IO_WRITE, or 0 to pause. Returns 0,
	 * -ENOMEM, -EINVAL, -EEXIST. */
	int (*io_add)(void *ctx, int fd, uint32_t events, hw_io_fn *fn, void *arg,
		      struct hw_io **ret);
	void (*io_set)(void *ctx, struct hw_io *io, uint32_t events);
	void (*io_del)(void *ctx, struct hw_io *io); /* NULL is allowed; fn is not called again */
	/* Creates a timer that is not armed. After timer_set it expires once after delay_ns, which
	 * is rounded up to 1 ms; a delay of 0 disarms it. */
	int (*timer_add)(void *ctx, hw_timer_fn *fn, void *arg, struct hw_timer **ret);
	void (*timer_set)(void *ctx, struct hw_timer *timer, uint64_t delay_ns);
	void (*timer_del)(void *ctx, struct hw_timer *timer);

	/* -- watchers -- */
	/* Passes a hint to the host, which may call watch_dir() and forget_dir() of the same
	 * instance before it returns. The host ignores a hint with an invalid name or a forgotten
	 * token. */
	void (*hint)(void *ctx, const struct hw_hint *hint);
	/* Reports that the kernel lost records about this directory (HW_NO_DIR: about any
	 * directory). The host scans. */
	void (*lost)(void *ctx, hw_token dir);
	/* Lists this directory and all directories below it (HW_NO_DIR: the whole share), compares
	 * them with the tree and reports the differences. If the host cannot begin now, it queues
	 * the scan. One scan of a watcher runs and one waits: a call while one waits joins it;
	 * if the directories differ, the whole share is scanned. The host calls scanned() once for
	 * each scan that ends, never before scan() returns. Returns 0, or -ENOENT if the token is
	 * unknown; a request for the whole share cannot fail. */
	int (*scan)(void *ctx, hw_token dir);
	/* Finds the directory of an entry by path: relative to the root of the share, or an
	 * absolute path of the host below it. Symbolic links are not followed. Returns 1 if `dir`
	 * is the directory that contains the entry and `name` its last component ("." for the root
	 * of the share). Returns 0 if the host does not know a directory on the way: `dir` is the
	 * deepest one that it knows, and `name` the component in it; if the watcher gives
	 * HW_HINT_LOOK about that, the host finds what is below. -EXDEV if the path is outside of
	 * the share, -EINVAL for a path with "..", a NUL or a name of more than 255 bytes, -EAGAIN
	 * while the share is offline. */
	int (*locate)(void *ctx, const char *path, uint32_t len, struct hw_location *ret);

	/* -- sinks -- */
	/* The shares that this sink serves have the numbers 0 to share_count() - 1. The count does
	 * not change. */
	uint32_t (*share_count)(void *ctx);
	int (*share_info)(void *ctx, uint32_t share, struct hw_share_info *ret); /* -ENOENT */
	/* Opens a cursor at the event that follows event `after` of `epoch`. If epoch is 0, the
	 * cursor is after the newest event. -ESTALE if the journal does not hold the events that
	 * follow `after`. */
	int (*cursor_open)(void *ctx, uint32_t share, uint64_t epoch, uint64_t after,
			   struct hw_cursor **ret);
	/* Returns 1 and the next event, whose memory is valid until the next call. Returns 0 if
	 * there are no more events; ready() will be called. Returns -ESTALE if the journal has
	 * overwritten events that the cursor has not read; the sink must then send rescan to the
	 * receiver and call cursor_seek(). */
	int (*cursor_next)(void *ctx, struct hw_cursor *cursor, struct hw_event *ret);
	/* Acknowledges that the receiver has all events up to `seq`, which cursor_next() must have
	 * returned before. */
	void (*cursor_done)(void *ctx, struct hw_cursor *cursor, uint64_t seq);
	/* Moves the cursor after the newest event and returns the sequence number of that event. */
	uint64_t (*cursor_seek)(void *ctx, struct hw_cursor *cursor);
	void (*cursor_close)(void *ctx, struct hw_cursor *cursor); /* NULL is allowed */
	/* Opens the whole tree as create events, parents first, in path order, in its state after
	 * event *ret_seq. -EAGAIN while the share is arming or offline, -ENOMEM. */
	int (*snapshot_open)(void *ctx, uint32_t share, struct hw_snapshot **ret,
			     uint64_t *ret_seq);
	/* Returns 1 and the next event, or 0 at the end. */
	int (*snapshot_next)(void *ctx, struct hw_snapshot *snapshot, struct hw_event *ret);
	void (*snapshot_close)(void *ctx, struct hw_snapshot *snapshot); /* NULL is allowed */
	/* Called from status(): adds one receiver to the output of `hostwatch status`. */
	void (*receiver)(void *ctx, const struct hw_receiver *receiver);
	/* Returns the file descriptor that the service manager passed under this name
	 * (sd_listen_fds_with_names(3)). It is borrowed; the plugin must dup(2) it to keep it.
	 * -ENOENT if there is none. */
	int (*activation_fd)(void *ctx, const char *name);
	/* Called from status(): one address where the sink listens, connects or writes. */
	void (*address)(void *ctx, const struct hw_sink_address *address);
	/* Returns the directory for sockets, to which relative paths of sockets refer:
	 * /run/hostwatch for root, $XDG_RUNTIME_DIR/hostwatch for other users. If `make` is not 0,
	 * the directory is created if it does not exist; open() must pass 0. The path is valid
	 * until close(). -ENOENT if XDG_RUNTIME_DIR is not set, -EPERM if other users can change
	 * the directory, or the error of creating it. */
	int (*runtime_dir)(void *ctx, uint32_t make, const char **ret);
	/* -- watchers -- */
	/* Takes and releases the lock of a watched directory, so that the records of all operations
	 * on its names that have begun are in the kernel's queue when it returns. For a watcher
	 * that reads a rename as two records, which the kernel queues while it holds the locks of
	 * both directories. Returns 0. -ENOENT, -ESTALE: the directory is not where the host
	 * expects it. -EOPNOTSUPP: on this filesystem it would take long. Other errors as open(2).
	 * */
	int (*lock)(void *ctx, hw_token dir);

	/* -- sinks -- */
	/* Starts a barrier: synced() is called once the journal has every change of the share that
	 * was made before this call. One barrier may be pending for each share and sink. Returns 0;
	 * -ENOENT, -ENOMEM; -EBUSY: one is pending; -ENOSYS: the plugin has no synced(). */
	int (*sync)(void *ctx, uint32_t share);
	/* Finds the share whose root is this directory of the host or above it, by comparing the
	 * text of an absolute path without ".", ".." and symbolic links: the entry need not exist.
	 * The share with the deepest root is returned if there are several; one that excludes the
	 * directory does not count. -ENOENT; -EINVAL. */
	int (*find_share)(void *ctx, const char *path, uint32_t len, struct hw_found_share *ret);
	/* Returns how many events of the share's epoch follow event `after`, whether the journal
	 * still holds them or not. Not the difference of two sequence numbers: no events have the
	 * numbers that were skipped after a loss of power. 0 for an unknown share. */
	uint64_t (*count_after)(void *ctx, uint32_t share, uint64_t after);
};

/* ---- the plugin ---------------------------------------------------------------------------- */

/* Hints arrive in the order of the changes, and no hint was merged into an older one, so the last
 * hint about a name is correct. Without this flag the host examines the entry of every hint. */
#define HW_PLUGIN_ORDERED 0x1u
/* The watcher only requests scans, and gives no hints except HW_HINT_LOOK. The host then stores the
 * data that it needs to tell a deleted entry from one that was moved out of the share. */
#define HW_PLUGIN_SCANS 0x2u

/* Only `handed` is needed. To count a long queue takes time: FIONREAD of fanotify walks it
 * (fanotify_ioctl() in fs/notify/fanotify/fanotify_user.c). */
#define HW_POSITION_HANDED 0x1u

/* The position of a watcher in the kernel's queue. Both numbers count the same unit, for example
 * bytes or records, which the watcher chooses. */
struct hw_queue_position {
	uint32_t struct_size;
	uint32_t flags; /* set by the host: HW_POSITION_*; a watcher may ignore them */
	uint64_t handed; /* passed to the host by hint() or lost(); never decreases */
	uint64_t queued; /* not passed on yet: read and waiting here, or still in the kernel */
};

struct hw_plugin {
	uint64_t magic; /* HW_PLUGIN_MAGIC */
	uint32_t struct_size; /* sizeof(struct hw_plugin) */
	uint16_t abi_major; /* HW_ABI_MAJOR; must be equal to that of the host */
	uint16_t abi_minor; /* HW_ABI_MINOR with which the plugin was built */
	uint32_t kind; /* enum hw_plugin_kind */
	uint32_t flags; /* HW_PLUGIN_* */
	uint32_t instance_size; /* the host allocates and zeroes an instance; at most 1 MiB */
	uint32_t option_count;
	uint64_t capabilities; /* 1 << CAP_*; kept after start() if the daemon runs as root */
	const char *name; /* [a-z0-9-]{1,31} */
	const char *version;
	const char *summary; /* one line */
	const struct hw_option *const *options; /* option_count pointers */

	/* Checks options against each other. Stores host and ctx, which are valid longer than the
	 * instance. */
	int (*open)(void *self, const struct hw_host *host, void *ctx);
	int (*start)(void *self);
	void (*stop)(void *self);
	void (*close)(void *self);

	/* -- watchers -- */
	/* Returns 0 if changes on this directory's filesystem can be detected, otherwise a negative
	 * errno with the reason in fail(). Called after start(). Has no side effects. dirfd was
	 * opened with O_PATH and is borrowed for the call. */
	int (*probe)(void *self, int dirfd);
	/* Starts to watch a directory. Called before the directory is listed, so that no change
	 * between the two is missed. dirfd was opened with O_PATH or with more access and is
	 * borrowed for the call. Return -ENOSPC or -EMFILE if no more watches are available, and
	 * -EOPNOTSUPP, -ENODEV, -EXDEV or -EEXIST if this directory cannot be watched: the host
	 * then gives it and all directories below it to the next watcher. Return -ENOENT if the
	 * directory is gone. */
	int (*watch_dir)(void *self, hw_token dir, int dirfd);
	/* Stops watching a directory, because it left the share or another watcher takes over. The
	 * watcher must not send a hint about it after this call. */
	void (*forget_dir)(void *self, hw_token dir);
	/* A barrier: passes on everything that the kernel has queued, at once and without waiting,
	 * and joins the halves of renames that are available. A watcher that scans calls scan().
	 * Returns 1 if it has called scan() or will call it, otherwise 0. */
	int (*flush)(void *self);
	/* A scan that this watcher requested has ended. */
	void (*scanned)(void *self, const struct hw_scan_result *result);
	void (*stats)(void *self, struct hw_watcher_stats *ret);

	/* -- sinks -- */
	/* The journal of this share has more events, or the state or epoch of the share changed.
	 * Called at the end of each loop iteration in which that happened, even if the sink has not
	 * fetched all earlier events. */
	void (*ready)(void *self, uint32_t share);
	/* Calls host->receiver() once for each receiver, host->address() once for each address. */
	void (*status)(void *self);
	/* The daemon is stopping. Sends as much as possible without waiting. Returns 1 while unsent
	 * bytes are left, and 0 when done. */
	int (*drain)(void *self);

	/* -- watchers -- */
	/* Reports the cost of watching the filesystem of this directory. Called after probe() has
	 * succeeded for the directory, possibly several times. Has no side effects. dirfd was
	 * opened with O_PATH and is borrowed for the call. */
	void (*cost)(void *self, int dirfd, struct hw_watcher_cost *cost);
	/* Reports the position. Every record that the kernel queued before this call lies before
	 * handed + queued, so the host knows that it has been passed on as soon as `handed` is at
	 * least that. Called often, also while hint() runs, and must be cheap. Returns 0, or a
	 * negative errno if the position is not known. NULL: the host calls flush() instead. */
	int (*position)(void *self, struct hw_queue_position *ret);

	/* -- sinks -- */
	/* The barrier that sync() started has ended: the journal has every change up to `seq`, the
	 * newest event at this time. Must not fetch events or open cursors and snapshots: it may
	 * use its io and timers for this. */
	void (*synced)(void *self, uint32_t share, uint64_t seq);
};

#define HW_PLUGIN_HEADER(plugin_kind, T)                                                           \
	.magic = HW_PLUGIN_MAGIC, .struct_size = sizeof(struct hw_plugin),                         \
	.abi_major = HW_ABI_MAJOR, .abi_minor = HW_ABI_MINOR, .kind = (plugin_kind),               \
	.instance_size = sizeof(T)

#endif
