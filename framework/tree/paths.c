/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names, paths and their order. */
#include "sort.h"
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *hw_tree_name(const struct hw_tree *tree, uint32_t id)
{
	const struct hw_entry *e = hw_tree_entry(tree, id);

	return e->name_len ? hw_names_get(&tree->names, e->name_ref) : "";
}

bool hw_tree_is_below(const struct hw_tree *tree, uint32_t id, uint32_t dir)
{
	while (id && id != dir)
		id = hw_tree_entry(tree, id)->parent;
	return id != 0;
}

char *hw_tree_path(const struct hw_tree *tree, uint32_t id, char *buf, size_t size, size_t *ret_len)
{
	char *p = buf + size;

	for (; id != HW_ROOT; id = hw_tree_entry(tree, id)->parent) {
		const struct hw_entry *e = hw_tree_entry(tree, id);

		if ((size_t)(p - buf) < e->name_len + 1u)
			return NULL;
		if (p != buf + size)
			*--p = '/';
		p -= e->name_len;
		hw_name_copy(p, hw_names_get(&tree->names, e->name_ref), e->name_len);
	}
	*ret_len = (size_t)(buf + size - p);
	return p;
}

static int compare_names(const struct hw_tree *tree, uint32_t a, uint32_t b)
{
	const struct hw_entry *x = hw_tree_entry(tree, a), *y = hw_tree_entry(tree, b);
	size_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(hw_tree_name(tree, a), hw_tree_name(tree, b), len);

	return c ? c : (int)x->name_len - (int)y->name_len;
}

static unsigned depth_of(const struct hw_tree *tree, uint32_t id)
{
	unsigned depth = 0;

	for (; id != HW_ROOT; id = hw_tree_entry(tree, id)->parent)
		depth++;
	return depth;
}

int hw_tree_compare(const struct hw_tree *tree, uint32_t a, uint32_t b)
{
	unsigned da = depth_of(tree, a), db = depth_of(tree, b);
	int by_depth = (int)da - (int)db;

	for (; da > db; da--)
		a = hw_tree_entry(tree, a)->parent;
	for (; db > da; db--)
		b = hw_tree_entry(tree, b)->parent;
	if (a == b)
		return by_depth;
	while (hw_tree_entry(tree, a)->parent != hw_tree_entry(tree, b)->parent) {
		a = hw_tree_entry(tree, a)->parent;
		b = hw_tree_entry(tree, b)->parent;
	}
	return compare_names(tree, a, b);
}

static int compare_bytes(const char *a, size_t len_a, const char *b, size_t len_b)
{
	int c = memcmp(a, b, len_a < len_b ? len_a : len_b);

	return c ? c : (len_a > len_b) - (len_a < len_b);
}

/* Returns the child of `dir` on the path down to `below`; 0 if `below` is not below `dir`. */
static uint32_t step_towards(const struct hw_tree *tree, uint32_t dir, uint32_t below)
{
	while (below && hw_tree_entry(tree, below)->parent != dir)
		below = hw_tree_entry(tree, below)->parent;
	return below;
}

int hw_tree_compare_places(const struct hw_tree *tree, uint32_t dir_a, const char *name_a,
			   size_t len_a, uint32_t dir_b, const char *name_b, size_t len_b)
{
	uint32_t step;
	int c;

	if (dir_a == dir_b)
		return compare_bytes(name_a, len_a, name_b, len_b);
	step = step_towards(tree, dir_a, dir_b);
	if (step) {
		c = compare_bytes(name_a, len_a, hw_tree_name(tree, step),
				  hw_tree_entry(tree, step)->name_len);
		return c ? c : -1;
	}
	step = step_towards(tree, dir_b, dir_a);
	if (step) {
		c = compare_bytes(hw_tree_name(tree, step), hw_tree_entry(tree, step)->name_len,
				  name_b, len_b);
		return c ? c : 1;
	}
	return hw_tree_compare(tree, dir_a, dir_b);
}

static int compare_siblings(const void *a, const void *b, void *tree)
{
	return compare_names(tree, *(const uint32_t *)a, *(const uint32_t *)b);
}

int hw_tree_children(const struct hw_tree *tree, uint32_t dir, uint32_t **ret_ids)
{
	size_t count = 0, i = 0;

	for (uint32_t c = hw_tree_entry(tree, dir)->dir.first_child; c;
	     c = hw_tree_entry(tree, c)->next_sibling)
		count++;
	uint32_t *ids = malloc((count + 1) * sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	for (uint32_t c = hw_tree_entry(tree, dir)->dir.first_child; c;
	     c = hw_tree_entry(tree, c)->next_sibling)
		ids[i++] = c;
	/* hw_sort() passes the context on unchanged. */
	hw_sort(ids, count, sizeof(*ids),
		&(struct hw_sort){ compare_siblings, (void *)(uintptr_t)tree, tree->work });
	*ret_ids = ids;
	return (int)count;
}
