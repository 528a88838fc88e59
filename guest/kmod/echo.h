/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records changes by programs of this guest, and matches host events with them.
 *
 *	echo.c		the notification group
 *	echo_names.c	changes of names
 *	echo_states.c	data and attributes after each change
 */
#ifndef HOSTWATCH_ECHO_H
#define HOSTWATCH_ECHO_H

#include "hostwatch.h"

#include "compat.h"
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#define HW_ECHO_EXPIRES (30 * HZ) /* the host has reported the change before that */

/* Beyond these limits, the oldest record is replaced before it expires, and counted
 * (HW_FORGOTTEN). */
#define HW_ECHO_MAX 262144u /* names, and as many states */
#define HW_NAMES_SAME 4096u /* names that are the same */
#define HW_STATES_KEPT 4096u /* these do not expire */
#define HW_ECHO_BITS 14 /* of hash tables */
#define HW_SEEN 4u /* recorded states of one inode, the newest ones */

struct hw_own_name {
	struct hlist_node node; /* sorted, the newest first */
	struct list_head order; /* sorted, the oldest first */
	u32 mask; /* one of HW_NAME_MASK; 0: the inode with this name was changed */
	bool answered; /* was matched with a host event */
	struct hw_object dir;
	u64 inode; /* inode number; 0: unknown */
	const struct task_struct *task; /* for comparison only */
	u64 serial;
	unsigned long at; /* jiffies; of the last match */
	u32 depth; /* number of records about the name, including replaced ones */
	u32 hash, len;
	char text[]; /* the name; empty: `dir` was created */
};

struct hw_names {
	spinlock_t lock; /* protects all members and records; innermost */
	u64 serial; /* serial of the next record */
	u64 telling; /* value of serial when the current host event arrived */
	unsigned int count, max;
	atomic64_t *forgotten; /* borrowed: HW_FORGOTTEN */
	struct list_head order; /* all records */
	struct delayed_work expire;
	struct hlist_head buckets[1 << HW_ECHO_BITS];
};

/* A state of an inode, as the server returned it. */
struct hw_seen {
	u64 serial; /* 0: unused */
	s64 ctime_ns, mtime_ns;
	loff_t size;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

struct hw_state {
	struct hlist_node node;
	struct list_head order; /* sorted by the last local change, the oldest first */
	u64 inode;
	unsigned long at; /* jiffies of the last local change */
	unsigned int asking; /* number of programs that wait for the server's answer */
	struct hw_seen seen[HW_SEEN]; /* sorted, the newest first */
};

struct hw_states {
	spinlock_t lock; /* protects all members and records; innermost, also in that of names */
	wait_queue_head_t answered;
	u64 serial; /* serial of the next state, starting at 1 */
	unsigned int count, max;
	atomic64_t *forgotten; /* borrowed: HW_FORGOTTEN */
	struct list_head order; /* all records */
	struct hlist_head buckets[1 << HW_ECHO_BITS];
};

struct hw_echo {
	struct fsnotify_mark mark;
	struct completion unused; /* the mark is not used any more */
	struct fsnotify_group *group; /* owned */
	struct workqueue_struct *asks; /* owned: for the requests of the handler */
	struct vfsmount *mnt; /* borrowed from the open device, which frees this struct first */
	struct task_struct *teller; /* the task that is raising a host event now; for comparison
				     * only */
	struct hw_names names;
	struct hw_states states;
};

/* Limit for names and for states. */
unsigned int hw_echo_max(void);

void hw_names_init(struct hw_names *names, atomic64_t *forgotten);
void hw_names_finish(struct hw_names *names);
void hw_states_init(struct hw_states *states, atomic64_t *forgotten);
void hw_states_finish(struct hw_states *states);

/* Records that a program changed the name, or the inode with this name. */
void hw_note_name(struct hw_names *names, u32 mask, struct inode *dir, const struct qstr *name,
		  struct inode *inode);
void hw_note_changed(struct hw_names *names, struct dentry *dentry);
bool hw_is_changed(struct hw_names *names, struct inode *dir, const struct qstr *name);

/* Records that a program changed data or attributes. The records of an older inode with the same
 * number are not used for a new inode. */
void hw_note_state(struct hw_echo *e, struct dentry *dentry);
void hw_note_new(struct hw_echo *e, struct dentry *dentry);
/* Records that a name of the inode changed, which changes its ctime. `all`: also record the state
 * if none is known. */
void hw_note_moved(struct hw_echo *e, struct inode *inode, bool all);

/* Returns whether a state of the inode is recorded. */
bool hw_is_known(struct hw_states *states, u64 inode);

/* A local change and its local event happen under this lock. The host's event for it may arrive
 * before them. Only a signal that kills the caller ends this early. */
static inline void hw_wait_for_changes(struct inode *inode)
{
	if (down_read_killable(&inode->i_rwsem) == 0)
		inode_unlock_shared(inode);
}

#endif
