/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree_check.h"

#include <stdlib.h>

#define REPORT_MAX 10u

struct check {
	struct hw_share *share;
	const ino_t *linked;
	size_t linked_count;
	FILE *out;
	size_t wrong;
};

static bool is_linked(const struct check *c, const struct hw_entry *e)
{
	for (size_t i = 0; i < c->linked_count; i++)
		if (c->linked[i] == e->ino)
			return true;
	return false;
}

static const char *what_differs(const struct check *c, const struct hw_entry *e,
				const struct hw_stat *stat)
{
	if (!hw_tree_is_same(e, stat))
		return "is another inode";
	if (e->type == HW_TYPE_DIR && e->watcher == HW_WATCHER_NONE)
		return "is not watched";
	if (e->type == HW_TYPE_DIR && !(e->flags & HW_ENTRY_LISTED))
		return "was not listed";
	if (e->type == HW_TYPE_FILE && e->flags & HW_ENTRY_DIRTY)
		return "is not told to be finished";
	if (is_linked(c, e))
		return NULL;
	if (e->attr != stat->attr)
		return "has another mode or owner";
	if (e->type == HW_TYPE_FILE && (e->size != stat->size || e->mtime_ns != stat->mtime_ns))
		return "has other data";
	return NULL;
}

static void check_entry(struct check *c, uint32_t id)
{
	struct hw_tree *tree = &c->share->tree;
	const struct hw_entry *e = hw_tree_entry(tree, id);
	struct hw_stat stat;
	char quoted[512];
	const char *what = "is not there";

	if (hw_disk_stat(&c->share->disk, e->parent, hw_tree_name(tree, id), e->name_len, &stat) ==
	    0)
		what = what_differs(c, e, &stat);
	if (what && c->wrong++ < REPORT_MAX) {
		size_t len;
		const char *path = hw_tree_path(tree, id, c->share->history.path_a,
						sizeof(c->share->history.path_a), &len);

		fprintf(c->out, "  %s, inode %ju, %s\n",
			hw_quote(quoted, sizeof(quoted), path ? path : "", path ? len : 0),
			(uintmax_t)e->ino, what);
	}
}

static void check_dir(struct check *c, uint32_t dir)
{
	uint32_t *ids;
	int count = hw_tree_children(&c->share->tree, dir, &ids);

	for (int i = 0; i < count; i++) {
		check_entry(c, ids[i]);
		if (hw_tree_entry(&c->share->tree, ids[i])->type == HW_TYPE_DIR)
			check_dir(c, ids[i]);
	}
	if (count >= 0)
		free(ids);
}

size_t hw_tree_check(struct hw_share *share, const ino_t *linked, size_t linked_count, FILE *out)
{
	struct check c = {
		.share = share, .linked = linked, .linked_count = linked_count, .out = out
	};

	check_dir(&c, HW_ROOT);
	return c.wrong;
}
