/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is taken down of what programs of this guest do, and what answers for the host's words.
 *
 *	echo.c		the group that is told by the kernel
 *	echo_names.c	changes of names
 *	echo_states.c	data and attributes as they were left
 */
#ifndef HOSTWATCH_ECHO_H
#define HOSTWATCH_ECHO_H

#include "hostwatch.h"

#include "compat.h"
#include <linux/jiffies.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#define HW_ECHO_EXPIRES (30 * HZ) /* the host has spoken by then */

#define HW_NAMES 4096u /* changes of names; the oldest is forgotten */
#define HW_NAME_BITS 10
#define HW_STATES 4096u /* inodes; the same */
#define HW_STATE_BITS 10
#define HW_SEEN 4u /* states of one inode, the newest ones */

struct hw_own_name {
	struct hlist_node node; /* the newest is first */
	u32 mask; /* of HW_NAME_MASK; 0: what has the name was changed */
	bool answered; /* for a word of the host */
	u32 name; /* hash */
	u64 dir, inode; /* numbers; inode 0: not known */
	const struct task_struct *task; /* only compared */
	u64 serial;
	unsigned long at; /* jiffies; of the last answer */
};

struct hw_names {
	spinlock_t lock;
	u64 serial; /* of the next one */
	u64 telling; /* of the next one when the event in hand came */
	struct hlist_head buckets[1 << HW_NAME_BITS];
	struct hw_own_name names[HW_NAMES];
};

/* What the server said of an inode. */
struct hw_seen {
	u64 serial; /* 0: nothing */
	s64 ctime_ns, mtime_ns;
	loff_t size;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

struct hw_state {
	struct hlist_node node;
	u64 inode;
	unsigned long at; /* jiffies of the last change here */
	unsigned int asking; /* programs that wait for what the server says */
	struct hw_seen seen[HW_SEEN]; /* the newest is first */
};

struct hw_states {
	spinlock_t lock;
	wait_queue_head_t answered;
	u64 serial; /* of the next one that is seen, from 1 */
	unsigned int next; /* of states, to be used */
	struct hlist_head buckets[1 << HW_STATE_BITS];
	struct hw_state states[HW_STATES];
};

struct hw_echo {
	struct fsnotify_mark mark; /* owns this struct */
	struct fsnotify_group *group; /* owned */
	struct vfsmount *mnt; /* borrowed from the open device, which ends us first */
	struct task_struct *teller; /* who tells events of the host just now; only compared */
	struct hw_names names;
	struct hw_states states;
};

void hw_names_init(struct hw_names *names);
void hw_states_init(struct hw_states *states);

/* A program has changed the name; or what has the name. */
void hw_note_name(struct hw_names *names, u32 mask, struct inode *dir, const struct qstr *name,
		  struct inode *inode);
void hw_note_changed(struct hw_names *names, struct dentry *dentry);
bool hw_is_changed(struct hw_names *names, struct inode *dir, const struct qstr *name);

/* A program has changed data or attributes. A new inode has nothing in common with an older one of
 * its number. */
void hw_note_state(struct hw_echo *e, struct dentry *dentry);
void hw_note_new(struct hw_echo *e, struct dentry *dentry);
/* A name of it alone, which moves its time of change; `all`: what is not known of it is taken down
 * as well. */
void hw_note_moved(struct hw_echo *e, struct inode *inode, bool all);

/* Whether something was taken down of it. */
bool hw_is_known(struct hw_states *states, u64 inode);

/* What a program changes, and its kernel's word of it, are under this lock: the host's word of it
 * may be here before. */
static inline void hw_wait_for_changes(struct inode *inode)
{
	inode_lock_shared(inode);
	inode_unlock_shared(inode);
}

#endif
