/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watch descriptors and the directories they stand for, both ways. Open addressing, nothing is
 * allocated per event. 16 bytes a slot, at most 7/8 of the slots used: 21 bytes a directory at
 * 100,000, 37 just after it has grown.
 */
#ifndef HW_INOTIFY_WATCHES_H
#define HW_INOTIFY_WATCHES_H

#include <hostwatch/plugin.h>
#include <stdint.h>

/* All zero is an empty table. */
struct hw_watches {
	hw_token *tokens; /* owned: of wds[] in the same slot */
	int32_t *wds; /* owned: 0 marks a free slot; the kernel's numbers start at 1 */
	int32_t *index; /* owned: wds placed by the hash of their token */
	uint32_t capacity; /* a power of two, or 0 */
	uint32_t count;
};

void hw_watches_finish(struct hw_watches *watches);

/* -ENOMEM, and nothing has changed. Replaces what stood for wd; token must not be in the table. */
int hw_watches_add(struct hw_watches *watches, int wd, hw_token token);

/* HW_NO_DIR when wd is not known. */
hw_token hw_watches_token(const struct hw_watches *watches, int wd);

/* 0 when token is not known. */
int hw_watches_wd(const struct hw_watches *watches, hw_token token);

/* An unknown wd is fine. */
void hw_watches_remove(struct hw_watches *watches, int wd);

#endif
