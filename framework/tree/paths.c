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

/* Two entries, of which the deeper one is replaced by its ancestor at the depth of the other. */
struct level {
	uint32_t a, b;
	int by_depth; /* that of a minus that of b */
	uint32_t below; /* the child of a or b on the path down to the deeper one; 0: none */
};

static struct level level_of(const struct hw_tree *tree, uint32_t a, uint32_t b)
{
	unsigned da = depth_of(tree, a), db = depth_of(tree, b);
	struct level level = { .a = a, .b = b, .by_depth = (int)da - (int)db };

	for (; da > db; da--) {
		level.below = level.a;
		level.a = hw_tree_entry(tree, level.a)->parent;
	}
	for (; db > da; db--) {
		level.below = level.b;
		level.b = hw_tree_entry(tree, level.b)->parent;
	}
	return level;
}

/* Compares two entries of the same depth. */
static int compare_level(const struct hw_tree *tree, uint32_t a, uint32_t b)
{
	while (hw_tree_entry(tree, a)->parent != hw_tree_entry(tree, b)->parent) {
		a = hw_tree_entry(tree, a)->parent;
		b = hw_tree_entry(tree, b)->parent;
	}
	return compare_names(tree, a, b);
}

int hw_tree_compare(const struct hw_tree *tree, uint32_t a, uint32_t b)
{
	struct level level = level_of(tree, a, b);

	return level.a == level.b ? level.by_depth : compare_level(tree, level.a, level.b);
}

static int compare_bytes(const char *a, size_t len_a, const char *b, size_t len_b)
{
	int c = memcmp(a, b, len_a < len_b ? len_a : len_b);

	return c ? c : (len_a > len_b) - (len_a < len_b);
}

/* Compares a name in a directory with its entry `below`, and with all that is below that. */
static int compare_with_entry(const struct hw_tree *tree, const char *name, size_t len,
			      uint32_t below)
{
	int c = compare_bytes(name, len, hw_tree_name(tree, below),
			      hw_tree_entry(tree, below)->name_len);

	return c ? c : -1;
}

int hw_tree_compare_places(const struct hw_tree *tree, uint32_t dir_a, const char *name_a,
			   size_t len_a, uint32_t dir_b, const char *name_b, size_t len_b)
{
	struct level level;

	if (dir_a == dir_b)
		return compare_bytes(name_a, len_a, name_b, len_b);
	level = level_of(tree, dir_a, dir_b);
	if (level.a != level.b)
		return compare_level(tree, level.a, level.b);
	return level.by_depth < 0 ? compare_with_entry(tree, name_a, len_a, level.below)
				  : -compare_with_entry(tree, name_b, len_b, level.below);
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
