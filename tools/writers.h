/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who changed a name: fanotify says which process, the process connector whether it belongs to the
 * command. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN in the initial namespaces, whichever watcher is
 * used. Loop thread only.
 */
#ifndef HW_WRITERS_H
#define HW_WRITERS_H

#include "family.h"

#define HW_WRITERS_MAX (1u << 20) /* names remembered; then all are forgotten */

enum hw_writer {
	HW_WRITER_UNKNOWN,
	HW_WRITER_OWN, /* the command alone */
	HW_WRITER_OTHER, /* also, or only, somebody else */
};

struct hw_writers {
	struct hw_family family;
	const char *const *dirs; /* borrowed: their filesystems are marked */
	size_t dir_count;
	struct hw_io *io; /* owned */
	int group; /* owned: of fanotify */
	char *buffer; /* owned */
	struct hw_hashes names, before; /* since hw_writers_turn(); before that */
	bool active;
	bool lost; /* records were */
};

/* -errno: the kernel does not say. dirs stay the caller's until hw_writers_free(). */
int hw_writers_init(struct hw_writers *writers, struct hw_loop *loop, const char *const *dirs,
		    size_t dir_count);
void hw_writers_free(struct hw_writers *writers);

/* Begins to listen, or starts a new page: changes from here on are told apart from those before. */
void hw_writers_turn(struct hw_writers *writers);
/* Forgets the changes before hw_writers_turn(). */
void hw_writers_forget(struct hw_writers *writers);
/* Stops to listen if no process of the command is left. */
void hw_writers_rest(struct hw_writers *writers);

/* Reads all that the kernel has: before one or more hw_writers_of(). */
void hw_writers_read(struct hw_writers *writers);
/* Who changed the name: a path for this process. */
enum hw_writer hw_writers_of(const struct hw_writers *writers, const char *name);

#endif
