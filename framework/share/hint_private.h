/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between hint.c and hint_data.c: one hint, the name that it is about, and the entries there. */
#ifndef HW_HINT_PRIVATE_H
#define HW_HINT_PRIVATE_H

#include "share_private.h"

struct hw_hint_at {
	struct hw_share *share;
	const struct hw_hint *hint;
	bool ordered; /* the watcher reports everything, in order */
	uint32_t dir;
	const char *name;
	size_t len;
	uint32_t id; /* in the tree, 0 */
	bool present; /* on the disk */
	bool refused; /* the disk does not say; tried again later */
	struct hw_stat stat; /* when present */
};

/* Looks at the name. */
void hw_hint_look(struct hw_hint_at *at);
/* The entry of the tree is what was seen. */
bool hw_hint_is_same(const struct hw_hint_at *at);
/* The watcher neither reports everything in order nor names the inode: it says where to look. */
bool hw_hint_is_vague(const struct hw_hint_at *at);
/* The inode that the hint is about, from its file handle; 0: not known. */
uint64_t hw_hint_ino(const struct hw_hint *hint);
/* inotify(7) names a file that was opened with O_TMPFILE by its inode: "#N". 0: no such name. */
uint64_t hw_hint_numbered_inode(const char *name, size_t len);
/* Is it about an attribute of this directory, or only about what is in it? */
bool hw_hint_is_attrib_of_dir(const struct hw_entry *e, const struct hw_stat *stat);
/* What the hint says about data and attributes. They belong to the inode that was changed, which
 * may have another name than the hint's. */
void hw_hint_data(struct hw_hint_at *at);
/* The same of an inode whose name the hint says is gone. */
void hw_hint_data_of_gone(struct hw_hint_at *at);
/* A file came and went before it was examined, and was written: if it was one more name of a file
 * of the share, that file changed. */
void hw_hint_data_lost(struct hw_share *share, uint32_t dir);

#endif
