/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names that the kernel keeps as absent. Their lookups were answered with that, and only an event
 * corrects it; when events are missed, they have to be known to be dropped. All functions need the
 * lock of the view.
 */
#ifndef REPLAY_NEGATIVE_H
#define REPLAY_NEGATIVE_H

#include "view.h"

/* More are not kept by the kernel either: each takes about 150 bytes. */
#define HW_NEGATIVES_MAX 65536u

struct hw_negative {
	UT_hash_handle hh; /* by key */
	struct hw_node *parent; /* which has it in its list */
	struct hw_negative *prev, *next;
	unsigned char key[]; /* the address of the parent, the name, NUL */
};

/* Returns whether the kernel may keep the name as absent. */
bool hw_negative_note(struct hw_view *view, struct hw_node *parent, const char *name);
/* The name is there. */
void hw_negative_drop(struct hw_view *view, const struct hw_node *parent, const char *name);
/* The kernel has forgotten the directory. */
void hw_negative_forget(struct hw_view *view, struct hw_node *parent);

static inline const char *hw_negative_name(const struct hw_negative *negative)
{
	return (const char *)negative->key + sizeof(void *);
}

#endif
