/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model_private.h"
#include <hostwatch/plugin.h>

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* One side of an event, resolved: the directory, and the name in it. */
struct place {
	struct node *dir;
	struct node *node; /* NULL: the name does not exist */
	const char *name;
	size_t len;
};

struct reason {
	char *text;
	size_t size;
};

int hw_model_create(struct hw_model **ret)
{
	struct hw_model *model = calloc(1, sizeof(*model));

	if (!model)
		return -ENOMEM;
	model->root.type = HW_TYPE_DIR;
	*ret = model;
	return 0;
}

static void free_children(struct hw_model *model, struct node *dir)
{
	struct node *child, *next;

	HASH_ITER (hh, dir->children, child, next) {
		HASH_DEL(dir->children, child);
		free_children(model, child);
		free(child->name);
		free(child);
		model->entries--;
	}
}

void hw_model_destroy(struct hw_model *model)
{
	if (!model)
		return;
	free_children(model, &model->root);
	free(model);
}

void hw_model_look(struct hw_model *model, const char *root)
{
	model->look = root;
}

uint64_t hw_model_rescans(const struct hw_model *model)
{
	return model->rescans;
}

size_t hw_model_entries(const struct hw_model *model)
{
	return model->entries;
}

struct node *hw_model_child(const struct node *dir, const char *name, size_t len)
{
	struct node *found;

	HASH_FIND(hh, dir->children, name, len, found);
	return found;
}

static void attach(struct node *dir, struct node *node)
{
	node->parent = dir;
	HASH_ADD_KEYPTR(hh, dir->children, node->name, node->name_len, node);
}

static void detach(struct node *node)
{
	struct node *dir = node->parent;

	HASH_DEL(dir->children, node);
	node->parent = NULL;
}

static int set_name(struct node *node, const char *name, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, name, len);
	copy[len] = '\0';
	free(node->name);
	node->name = copy;
	node->name_len = (uint32_t)len;
	return 0;
}

struct node *hw_model_add(struct hw_model *model, struct node *dir, const char *name, size_t len,
			  uint8_t type)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node || set_name(node, name, len)) {
		free(node);
		return NULL;
	}
	node->type = type;
	attach(dir, node);
	model->entries++;
	return node;
}

static void drop(struct hw_model *model, struct node *node)
{
	detach(node);
	free_children(model, node);
	free(node->name);
	free(node);
	model->entries--;
}

static int refuse(const struct reason *why, const char *format, ...) HW_PRINTF(2, 3);
static int refuse(const struct reason *why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(why->text, why->size, format, ap); /* a truncated text is good enough */
	va_end(ap);
	return -EPROTO;
}

static bool is_bad_name(const char *name, size_t len)
{
	return !len || len > 255 || memchr(name, '\0', len) || (len == 1 && *name == '.') ||
	       (len == 2 && !memcmp(name, "..", 2));
}

/* Finds the directory that must contain the last name of the path. */
static int locate(struct hw_model *model, const char *path, size_t len, struct place *ret,
		  const struct reason *why)
{
	struct node *dir = &model->root;
	const char *slash;

	while ((slash = memchr(path, '/', len))) {
		size_t step = (size_t)(slash - path);

		dir = hw_model_child(dir, path, step);
		if (!dir || dir->type != HW_TYPE_DIR)
			return refuse(why, "its parent is not there");
		path += step + 1;
		len -= step + 1;
	}
	if (is_bad_name(path, len))
		return refuse(why, "a name that no directory can hold");
	*ret = (struct place){ dir, hw_model_child(dir, path, len), path, len };
	return 0;
}

static int expect(const struct place *place, const struct hw_event *event, const struct reason *why)
{
	if (!place->node)
		return refuse(why, "there is no such entry");
	if (place->node->type != event->type)
		return refuse(why, "the entry's type is %u", place->node->type);
	return 0;
}

static int apply_create(struct hw_model *model, const struct hw_event *event,
			const struct reason *why)
{
	struct place at;
	int r = locate(model, event->path, event->path_len, &at, why);

	if (r)
		return r;
	if (at.node)
		return refuse(why, "it is there already");
	struct node *node = hw_model_add(model, at.dir, at.name, at.len, event->type);
	if (!node)
		return -ENOMEM;
	/* A move from outside that replaces an entry may in fact be a new file. */
	node->created = event->kind == HW_CREATE || event->flags & HW_FLAG_REPLACED;
	hw_model_observe(model, node);
	hw_model_read(model, node);
	return 0;
}

static int apply_delete(struct hw_model *model, const struct hw_event *event,
			const struct reason *why)
{
	struct place at;
	int r = locate(model, event->path, event->path_len, &at, why);

	if (!r)
		r = expect(&at, event, why);
	if (r)
		return r;
	if (at.node->children)
		return refuse(why, "it still has children");
	drop(model, at.node);
	return 0;
}

/* For modify, attrib and close_write: the tree does not change, but a receiver reads the entry
 * again. */
static int apply_change(struct hw_model *model, const struct hw_event *event,
			const struct reason *why)
{
	struct place at;

	if (!event->path_len && event->kind == HW_ATTRIB && event->type == HW_TYPE_DIR)
		return 0;
	int r = locate(model, event->path, event->path_len, &at, why);
	if (!r)
		r = expect(&at, event, why);
	if (r)
		return r;
	hw_model_observe(model, at.node);
	if (event->kind != HW_ATTRIB || model->read_always)
		hw_model_read(model, at.node);
	if (event->kind == HW_MODIFY || (event->kind == HW_CLOSE_WRITE && !at.node->created)) {
		at.node->modified = true;
		at.node->modified_ino = at.node->data.known ? at.node->data.ino : 0;
	}
	return 0;
}

static bool is_below(const struct node *node, const struct node *dir)
{
	while (node && node != dir)
		node = node->parent;
	return node != NULL;
}

static int swap(struct hw_model *model, struct place *from, struct place *to,
		const struct reason *why)
{
	struct node *a = from->node, *b = to->node;

	if (!a || !b)
		return refuse(why, "an exchange needs both names");
	if (is_below(from->dir, b) || is_below(to->dir, a))
		return refuse(why, "a directory into itself");
	detach(a);
	detach(b);
	int r = set_name(a, to->name, to->len);
	if (!r)
		r = set_name(b, from->name, from->len);
	attach(to->dir, a);
	attach(from->dir, b);
	hw_model_observe_below(model, a);
	hw_model_observe_below(model, b);
	hw_model_read_strangers(model, a);
	hw_model_read_strangers(model, b);
	return r;
}

/* Checks that `to` does not exist, or that the event reports it as replaced. */
static int make_room(struct hw_model *model, const struct hw_event *event, struct place *to,
		     const struct reason *why)
{
	if (to->node && event->flags != HW_FLAG_REPLACED)
		return refuse(why, "the target is there, but not called replaced");
	if (!to->node && event->flags)
		return refuse(why, "there is nothing to replace");
	if (to->node && to->node->children)
		return refuse(why, "the replaced directory still has children");
	if (to->node)
		drop(model, to->node);
	to->node = NULL;
	return 0;
}

static int move_inside(struct hw_model *model, const struct hw_event *event, struct place *from,
		       struct place *to, const struct reason *why)
{
	int r = expect(from, event, why);

	if (r)
		return r;
	if (event->flags == HW_FLAG_EXCHANGE)
		return swap(model, from, to, why);
	if (from->node == to->node)
		return refuse(why, "a move onto itself");
	if (is_below(to->dir, from->node))
		return refuse(why, "a directory into itself");
	r = make_room(model, event, to, why);
	if (r)
		return r;
	detach(from->node);
	r = set_name(from->node, to->name, to->len);
	attach(to->dir, from->node);
	hw_model_observe_below(model, from->node);
	hw_model_read_strangers(model, from->node);
	return r;
}

static int apply_move(struct hw_model *model, const struct hw_event *event,
		      const struct reason *why)
{
	struct place from = { 0 }, to = { 0 };
	int r = 0;

	if (!event->from && !event->path)
		return refuse(why, "neither from nor to");
	if (event->from)
		r = locate(model, event->from, event->from_len, &from, why);
	if (!r && event->path)
		r = locate(model, event->path, event->path_len, &to, why);
	if (r)
		return r;
	if (event->from && event->path)
		return move_inside(model, event, &from, &to, why);
	if (event->path) {
		r = make_room(model, event, &to, why);
		return r ? r : apply_create(model, event, why);
	}
	r = expect(&from, event, why);
	if (!r && event->flags)
		r = refuse(why, "what leaves replaces nothing");
	if (!r)
		drop(model, from.node);
	return r;
}

static int count_rescan(struct hw_model *model, const struct hw_event *event,
			const struct reason *why)
{
	if (event->type != HW_TYPE_NONE)
		return refuse(why, "a rescan has no type");
	model->rescans++;
	return 0;
}

typedef int apply_fn(struct hw_model *model, const struct hw_event *event,
		     const struct reason *why);

static apply_fn *const appliers[HW_KIND_END] = {
	[HW_CREATE] = apply_create, [HW_DELETE] = apply_delete, [HW_MOVE] = apply_move,
	[HW_MODIFY] = apply_change, [HW_ATTRIB] = apply_change, [HW_CLOSE_WRITE] = apply_change,
	[HW_RESCAN] = count_rescan,
};

static int check_form(const struct hw_event *event, const struct reason *why)
{
	bool typed = event->kind != HW_RESCAN;

	if (event->kind >= HW_KIND_END || !appliers[event->kind])
		return refuse(why, "kind %u does not exist", event->kind);
	if (event->type >= HW_TYPE_END || (typed && !event->type))
		return refuse(why, "type %u does not exist", event->type);
	if ((event->kind == HW_MODIFY || event->kind == HW_CLOSE_WRITE) &&
	    event->type != HW_TYPE_FILE)
		return refuse(why, "only files have data, the type is %u", event->type);
	if (event->kind != HW_MOVE && (event->flags || event->from || !event->path))
		return refuse(why, "fields that belong to a move");
	if (event->flags & ~HW_FLAG_ALL || event->flags == HW_FLAG_ALL)
		return refuse(why, "flags %u do not exist", event->flags);
	if (event->path_len > HW_PATH_MAX || event->from_len > HW_PATH_MAX)
		return refuse(why, "a path too long to be told");
	return 0;
}

void hw_model_skip(struct hw_model *model)
{
	model->seq = 0;
}

int hw_model_apply(struct hw_model *model, const struct hw_event *event, char *why, size_t why_size)
{
	const struct reason reason = { why, why_size };
	int r = check_form(event, &reason);

	if (r)
		return r;
	if (event->seq && model->seq && event->seq != model->seq + 1)
		return refuse(&reason, "a gap: sequence number %llu after %llu",
			      (unsigned long long)event->seq, (unsigned long long)model->seq);
	if (event->seq)
		model->seq = event->seq;
	return appliers[event->kind](model, event, &reason);
}
