/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds out who changed a name: fanotify reports the process, and the process connector whether it
 * belongs to the command. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN in the initial namespaces, for any
 * watcher. Loop thread only.
 */
#ifndef HW_WRITERS_H
#define HW_WRITERS_H

#include "family.h"

#define HW_WRITERS_MAX (1u << 20) /* names stored; at the limit, all are removed */

enum hw_writer {
	HW_WRITER_UNKNOWN,
	HW_WRITER_OWN, /* the command alone */
	HW_WRITER_OTHER, /* also, or only, another process */
};

struct hw_writers {
	struct hw_family family;
	const char *const *dirs; /* borrowed: their filesystems are marked */
	size_t dir_count;
	struct hw_io *io; /* owned */
	int group; /* owned: of fanotify */
	char *buffer; /* owned */
	struct hw_hashes names, before; /* names changed since hw_writers_turn(), and before it */
	bool active;
	bool lost; /* records were lost */
};

/* Returns 0, or -errno if the kernel does not provide the information. The caller owns dirs, which
 * must exist until hw_writers_free(). */
int hw_writers_init(struct hw_writers *writers, struct hw_loop *loop, const char *const *dirs,
		    size_t dir_count);
void hw_writers_free(struct hw_writers *writers);

/* Begins to listen, or begins a new period: later changes are kept separate from earlier ones. */
void hw_writers_turn(struct hw_writers *writers);
/* Removes the changes before hw_writers_turn(). */
void hw_writers_forget(struct hw_writers *writers);
/* Stops listening if no process of the command is left. */
void hw_writers_rest(struct hw_writers *writers);

/* Reads all queued records; call this before hw_writers_of(). */
void hw_writers_read(struct hw_writers *writers);
/* Returns the origin of the last changes of the name, a path as seen by this process. */
enum hw_writer hw_writers_of(const struct hw_writers *writers, const char *name);

#endif
