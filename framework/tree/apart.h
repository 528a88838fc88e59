/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounts below the root of a share whose filesystem may stop answering. The thread of the share
 * leaves system calls about them to another thread. If a call does not return for a moment, the
 * share continues without its result, and until it returns, further calls about this mount fail at
 * once with -ETIMEDOUT: the error of a filesystem that cannot be read now.
 */
#ifndef HW_APART_H
#define HW_APART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct hw_apart;
struct hw_apart_ask;
struct hw_thread;

/* A zeroed structure is ready for use. */
struct hw_aparts {
	struct hw_apart *list; /* owned */
	uint32_t count;
	struct hw_apart_ask *asked; /* owned: the call that the share waits for; NULL: none */
	struct hw_apart_ask *silent; /* owned: calls that have not returned */
	struct hw_thread *spare; /* owned: for the next call; NULL: in use, or not made yet */
};

/* ---- for the loop ---- */

/* Ends calls that have returned, and makes the thread for the next call, if the share has a thread.
 * Call it while no work of the share rests. */
void hw_aparts_turn(struct hw_aparts *aparts, bool has_thread);
/* The thread of the share, if it had one, has ended, perhaps in a call that it waited for. Calls
 * that have not returned keep their memory and thread until they have, and hw_aparts_turn() or
 * hw_aparts_free() is called for any share. */
void hw_aparts_free(struct hw_aparts *aparts);
/* Returns the time since which the first of the mounts has not answered (CLOCK_MONOTONIC in ns),
 * and its path; 0: all of them answer. */
uint64_t hw_aparts_silent_since(const struct hw_aparts *aparts, const char **ret_path);
/* Returns whether any call of this process has not returned: then it should end without releasing
 * anything, as after hw_loop_drop(). */
bool hw_aparts_are_silent(void);

/* ---- for the share ---- */

/* Adds a mount (its STATX_MNT_ID, and its absolute, resolved path) to a list that no call uses yet.
 * -ENOMEM: the share waits for it. */
int hw_aparts_add(struct hw_aparts *aparts, uint64_t mount_id, const char *path);
/* Replaces the list by that of *now, which is taken over. Not while a call is waited for. */
void hw_aparts_replace(struct hw_aparts *aparts, struct hw_aparts *now);

/* Later calls on this thread, if it is that of a share, take these into account. */
void hw_aparts_use(struct hw_aparts *aparts);
/* Returns whether there are any for this thread. If not, the functions below only call what their
 * names say, between hw_away_begin() and hw_away_end(). */
bool hw_apart_any(void);

/* A call about a descriptor, or about a path below it. It must not use other data: the share may
 * have continued, and have closed the descriptor. `fd` is a duplicate. */
struct hw_apart_act {
	void (*fn)(int fd, const char *path, void *data);
	void (*drop)(void *data); /* releases the result if the share has continued; may be NULL */
	size_t size; /* of the data, which is copied */
};
/* `path` NULL or "": the descriptor itself; may be absolute if fd is AT_FDCWD. Returns 0, then data
 * has the result; -ETIMEDOUT, -ENOMEM or -EMFILE, then nothing was changed, and what the data owned
 * is released. */
int hw_apart_call(int fd, const char *path, const struct hw_apart_act *act, void *data);

/* On a thread that must not wait (cross.h), the result for a mount whose filesystem a server
 * provides is that of the kernel. */
int hw_apart_statx(int fd, const char *path, int flags, unsigned mask, struct statx *ret);
/* Returns f_type; -errno. */
int64_t hw_apart_type(int fd);
int hw_apart_openat(int fd, const char *path, int flags); /* O_PATH or a directory; O_CLOEXEC */

#endif
