/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hostwatch.ko: what happened on the host becomes fsnotify events on a mount of this guest.
 *
 *	device.c	/dev/hostwatch
 *	frame.c		bytes to struct hw_told
 *	place.c		paths to dentries, below the bound mount
 *	caches.c	brings up to date what the kernel remembers
 *	watched.c	who wants to know
 *	apply.c		one event: which of the following
 *	entry.c		create, delete, modify, attrib, close_write
 *	move.c		moves
 *	rescan.c	rescans
 *	echo*.c		what programs of this guest did themselves
 */
#ifndef HOSTWATCH_MODULE_H
#define HOSTWATCH_MODULE_H

#include <hostwatch/event.h>
#include <hostwatch/guest.h>
#include <hostwatch/protocol.h>
#include <linux/atomic.h>
#include <linux/dcache.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* A checked event. Paths point into the frame and are not terminated. */
struct hw_told {
	u16 kind, type, flags;
	u32 from_len, path_len;
	const char *from, *path;
};

enum hw_counter {
	HW_TAKEN, /* frames that were taken */
	HW_REFUSED, /* and that were not */
	HW_TOLD, /* fsnotify was called */
	HW_IDLE, /* nobody watches there */
	HW_OWN, /* done by a program of this guest, which its kernel has told */
	HW_MISSED, /* somebody may watch there, but the path leads nowhere any more */
	HW_LOOKUPS, /* names that the server was asked for */
	HW_GETATTRS, /* attributes that the server was asked for */
	HW_COUNTERS,
};

/* One name in one directory. */
struct hw_place {
	struct dentry *dir; /* owned; NULL: no such place */
	struct qstr name; /* hashed for dir */
	char text[NAME_MAX + 1]; /* what name points to, terminated */
};

/* How long walks over all inodes have taken that no pause has made up for. */
struct hw_walk {
	u64 debt_ns, at_ns;
};

/* An open device. */
struct hw_file {
	struct mutex lock; /* everything below but the counters */
	struct list_head bound; /* of device.c, under a lock of its own */
	struct inode *device; /* borrowed: of the open file */
	struct vfsmount *mnt; /* owned: a private clone, which nobody else sees; NULL: not bound */
	struct hw_echo *echo; /* owned; NULL: not bound */
	bool gone; /* the mount was unmounted */
	bool ends_dirs, ends_others; /* of these, watched ones may have been deleted */
	bool ends_again; /* since the walk over them began */
	struct inode *ends_at; /* owned: the last that was looked at; NULL: from the first */
	struct hw_walk lost, ends;
	struct delayed_work ends_work;
	struct hw_place place, from; /* of the event in hand; here, as they do not fit a stack */
	atomic64_t counters[HW_COUNTERS];
	atomic64_t read_at; /* HW_TAKEN + HW_REFUSED when counters were read last */
	wait_queue_head_t wait;
};

static inline void hw_count(struct hw_file *f, enum hw_counter counter)
{
	atomic64_inc(&f->counters[counter]);
}

/* Bytes of the frame that `buf` begins with, by its header; all of them if that cannot be. */
size_t hw_frame_len(const void *buf, size_t len);

/* Event frame `buf`, all of it. 0 or -EBADMSG. */
int hw_frame_read(const void *buf, size_t len, struct hw_told *ret);

/*
 * Finds the directory that holds `path`, and the name. With `ask` the server is asked for what is
 * not cached, otherwise that is -EAGAIN. -ENOENT, -ENOTDIR (symbolic links are none), another
 * -errno of the server. Nothing to put on failure.
 */
int hw_place_find(struct hw_file *f, const char *path, u32 len, bool ask, struct hw_place *ret);
void hw_place_put(struct hw_place *place);

/* The dentry of the path itself, the root for the empty one. Owned. */
struct dentry *hw_path_find(struct hw_file *f, const char *path, u32 len, bool ask);

/* What the cache has for the name: owned, maybe negative; NULL. */
struct dentry *hw_place_cached(struct hw_place *place);

/* What the server has for it now; a cached entry that is another one is invalidated. Owned and
 * positive, or an error pointer, -ENOENT among them. */
struct dentry *hw_place_ask(struct hw_file *f, struct hw_place *place);

/* Attributes, link count and size as the server has them now. */
int hw_refresh(struct hw_file *f, struct dentry *dentry);

/* The same of a directory whose entries changed, with the cached listing. */
void hw_refresh_dir(struct hw_file *f, struct dentry *dir);

/* Without asking anybody: the listing, data, or name will be asked for when needed. An entry in
 * use keeps its name, and is refreshed. */
void hw_forget_data(struct inode *inode);
void hw_forget_entry(struct hw_file *f, struct dentry *dentry, bool data);

/* Refreshes and says whether the entry's inode has no name left, and makes its link count say so.
 */
bool hw_is_deleted(struct hw_file *f, struct dentry *dentry);

static inline bool hw_in_use(struct dentry *dentry)
{
	return d_count(dentry) > 1; /* one is ours */
}

void hw_watched_init(struct hw_file *f); /* when the device is opened */

/* Marks on the object itself or on the whole file system; on the file system alone. */
bool hw_is_watched(struct inode *inode);
bool hw_sb_is_watched(struct super_block *sb);

/* Whether a watched inode may have no name in the cache: nothing but asking leads to it. */
bool hw_lost_watch(struct hw_file *f);

/* Of such inodes, those of this type that have no link on the host any more: their watchers are
 * told of the end, now or, where there are many, later. HW_TYPE_NONE: of any type. */
void hw_end_lost_watches(struct hw_file *f, u16 type);
void hw_forget_ends(struct hw_file *f); /* what is not told of them yet will not be */

/* The next inode, or watched one, behind `last`, whose reference is dropped; NULL at the end.
 * Owned. */
struct inode *hw_next_inode(struct super_block *sb, struct inode *last, bool watched);

/* Finds the place of an event that may concern a watcher: 0, or -errno and the event counted. */
int hw_event_place(struct hw_file *f, const char *path, u32 len, struct hw_place *ret);

/* What is taken down of this guest's own changes; these are bits of our own mark. */
#define HW_NAME_MASK (FS_CREATE | FS_DELETE | FS_MOVED_FROM | FS_MOVED_TO)
#define HW_STATE_MASK (FS_MODIFY | FS_ATTRIB | FS_CLOSE_WRITE)
#define HW_ECHO_MASK (HW_NAME_MASK | HW_STATE_MASK)

struct hw_echo *hw_echo_start(struct vfsmount *mnt);
void hw_echo_stop(struct hw_echo *echo); /* before the mount goes; NULL is fine */
void hw_echo_telling(struct hw_echo *echo, bool telling);

/* What the host says of one name. */
struct hw_word {
	u32 mask; /* one of HW_NAME_MASK */
	bool is_dir;
	struct hw_place *place;
	u64 inode; /* number of what has the name now, by the server; 0: nothing */
	u64 removed; /* of what lost it; 0: not known */
};

#define HW_WORDS 4u

/* Whether the last that a program here did to the name was to put something there: only then is the
 * server to be asked for what has a name that was removed. */
bool hw_echo_has_put(struct hw_echo *echo, struct hw_place *place);

/* Whether programs here did just that, all of it: each of their changes answers once. */
bool hw_echo_of_names(struct hw_echo *echo, const struct hw_word *words, unsigned int count);

/* Whether the data, or the attributes, are as a program here left them. `dir` is where the name
 * was found, NULL of the root. */
bool hw_echo_of_state(struct hw_echo *echo, struct inode *dir, struct dentry *dentry, bool data);

/* Whether a program here changed what had that name, and put another inode there, or none: 0. */
bool hw_echo_of_gone(struct hw_echo *echo, struct hw_place *place, u64 inode);

void hw_apply(struct hw_file *f, const struct hw_told *told);
void hw_apply_create(struct hw_file *f, const struct hw_told *told);
void hw_apply_delete(struct hw_file *f, const struct hw_told *told);
void hw_apply_change(struct hw_file *f, const struct hw_told *told);
void hw_apply_move(struct hw_file *f, const struct hw_told *told);
void hw_apply_rescan(struct hw_file *f, const struct hw_told *told);

#endif
