/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "batch.h"
#include "hashes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POINTER_BYTES sizeof(char *) /* the kernel also counts pointers */

/* ---- adding ---- */

void hw_batch_init(struct hw_batch *batch)
{
	*batch = (struct hw_batch){
		.lines = HW_BUF_GROWING(HW_BATCH_MAX),
		.names = HW_BUF_GROWING(HW_BATCH_MAX),
	};
}

void hw_batch_clear(struct hw_batch *batch)
{
	batch->count = 0;
	batch->lines.len = batch->names.len = 0;
	batch->overflow = false;
}

void hw_batch_free(struct hw_batch *batch)
{
	free(batch->changes);
	hw_buf_free(&batch->lines);
	hw_buf_free(&batch->names);
}

bool hw_batch_is_empty(const struct hw_batch *batch)
{
	return !batch->count && !batch->overflow;
}

const char *hw_batch_name(const struct hw_batch *batch, size_t offset)
{
	return offset == SIZE_MAX ? NULL : batch->names.data + offset;
}

void hw_batch_overflow(struct hw_batch *batch)
{
	hw_batch_clear(batch);
	batch->overflow = true;
}

static int add_name(struct hw_batch *batch, const struct hw_target *target, const char *path,
		    size_t len, size_t *ret)
{
	int r;

	*ret = SIZE_MAX;
	if (!path)
		return 0;
	*ret = batch->names.len;
	r = hw_target_show(target, &batch->names, path, len);
	return r == 0 ? hw_buf_append(&batch->names, "", 1) : r;
}

static int push(struct hw_batch *batch, const struct hw_change *change)
{
	if (batch->count == batch->room) {
		size_t room = batch->room ? batch->room * 2 : 16;
		struct hw_change *changes =
			reallocarray(batch->changes, room, sizeof(*batch->changes));

		if (!changes)
			return -ENOMEM;
		batch->changes = changes;
		batch->room = room;
	}
	batch->changes[batch->count++] = *change;
	return 0;
}

void hw_batch_add(struct hw_batch *batch, const struct hw_target *target, const char *share,
		  const struct hw_event *event)
{
	struct hw_change change = {
		.line = batch->lines.len,
		.kind = event->kind,
		.flags = event->flags,
	};
	int r = 0;

	if (batch->overflow)
		return;
	r = add_name(batch, target, event->path, event->path_len, &change.path);
	if (r == 0)
		r = add_name(batch, target, event->from, event->from_len, &change.from);
	if (r == 0)
		r = hw_json_put_event(&batch->lines, share, event);
	change.line_len = batch->lines.len - change.line;
	if (r == 0)
		r = push(batch, &change);
	if (r < 0)
		hw_batch_overflow(batch);
}

static int copy_name(struct hw_batch *batch, const struct hw_batch *from, size_t *offset)
{
	const char *name = hw_batch_name(from, *offset);

	if (!name)
		return 0;
	*offset = batch->names.len;
	return hw_buf_append(&batch->names, name, strlen(name) + 1);
}

void hw_batch_add_from(struct hw_batch *batch, const struct hw_batch *from, size_t index)
{
	struct hw_change change = from->changes[index];
	int r;

	if (batch->overflow)
		return;
	r = copy_name(batch, from, &change.path);
	if (r == 0)
		r = copy_name(batch, from, &change.from);
	if (r == 0) {
		size_t at = batch->lines.len;

		r = hw_buf_append(&batch->lines, from->lines.data + change.line, change.line_len);
		change.line = at;
	}
	if (r == 0)
		r = push(batch, &change);
	if (r < 0)
		hw_batch_overflow(batch);
}

/* ---- taking ---- */

/* A hash set of names. */
struct name_set {
	const char **slots; /* owned; NULL: empty */
	size_t room; /* a power of two, more than twice the names */
};

static int make_set(struct name_set *set, size_t names)
{
	set->room = 16;
	while (set->room < 2 * names + 1)
		set->room *= 2;
	set->slots = calloc(set->room, sizeof(*set->slots));
	return set->slots ? 0 : -ENOMEM;
}

/* Returns the slot of the name, or the empty slot to use for it. */
static const char **find_slot(const struct name_set *set, const char *name)
{
	size_t at = (size_t)hw_hash_bytes(name, strlen(name), 0) & (set->room - 1);

	while (set->slots[at] && strcmp(set->slots[at], name) != 0)
		at = (at + 1) & (set->room - 1);
	return &set->slots[at];
}

/* The names for a command line, without duplicates. */
struct name_list {
	const char **items; /* owned; strings borrowed */
	size_t count, bytes; /* bytes: total of strings and pointers */
	struct name_set set;
};

static bool has_name(const struct name_list *list, const char *name)
{
	return !name || *find_slot(&list->set, name);
}

static size_t size_of_name(const char *name)
{
	return strlen(name) + 1 + POINTER_BYTES;
}

static void push_name(struct name_list *list, const char *name)
{
	list->items[list->count++] = name;
	list->bytes += size_of_name(name);
}

static void add_to_list(struct name_list *list, const char *name)
{
	if (has_name(list, name))
		return;
	*find_slot(&list->set, name) = name;
	push_name(list, name);
}

static bool is_braces(const char *word)
{
	return strcmp(word, "{}") == 0;
}

/* Returns how often the names occur in the command; *ret_words: the bytes of its other words. */
static size_t measure(char *const *command, size_t *ret_words, size_t *ret_bytes)
{
	size_t braces = 0, words = 0, bytes = 0;

	for (; command[words]; words++) {
		if (is_braces(command[words]))
			braces++;
		else
			bytes += strlen(command[words]) + 1 + POINTER_BYTES;
	}
	*ret_words = words;
	*ret_bytes = bytes;
	return braces;
}

/* Returns whether there is room for the names of a change, except those already in the list. */
static bool has_room(const struct name_list *list, const char *path, const char *from, size_t max)
{
	size_t more = has_name(list, path) ? 0 : size_of_name(path);

	more += has_name(list, from) ? 0 : size_of_name(from);
	return !list->count || list->bytes + more <= max;
}

/* Fills the list with the names of the oldest changes. Takes all changes of these names; the others
 * stay. */
static int take_changes(struct hw_batch *batch, struct name_list *list, size_t max,
			struct hw_buf *lines)
{
	size_t kept = 0;
	bool full = false;
	int r = 0;

	for (size_t i = 0; i < batch->count; i++) {
		struct hw_change change = batch->changes[i];
		const char *path = hw_batch_name(batch, change.path),
			   *from = hw_batch_name(batch, change.from);

		full = full || !has_room(list, path, from, max);
		if (!full) {
			add_to_list(list, path);
			add_to_list(list, from);
		}
		if (!has_name(list, path) || !has_name(list, from))
			batch->changes[kept++] = change;
		else if (r == 0)
			r = hw_buf_append(lines, batch->lines.data + change.line, change.line_len);
	}
	batch->count = kept;
	return r;
}

static int make_list(struct name_list *list, size_t names)
{
	list->items = malloc((names + 1) * sizeof(*list->items));
	return list->items ? make_set(&list->set, names) : -ENOMEM;
}

static int list_all(struct name_list *list, char *const *all)
{
	size_t count = 0;
	int r;

	while (all[count])
		count++;
	r = make_list(list, count);
	for (size_t i = 0; i < count && r == 0; i++)
		push_name(list, all[i]);
	return r;
}

static int list_changes(struct hw_batch *batch, struct name_list *list, size_t max,
			struct hw_buf *lines)
{
	int r = make_list(list, 2 * batch->count);

	return r == 0 ? take_changes(batch, list, max, lines) : r;
}

static char *put_word(char *to, const char *word, char ***at)
{
	*(*at)++ = to;
	return stpcpy(to, word) + 1;
}

/* Creates argv, which ends with NULL, and its strings in one block. */
static char **make_argv(char *const *command, const struct name_list *list)
{
	size_t words, bytes, braces = measure(command, &words, &bytes);
	size_t count = words - braces + braces * list->count;
	char **argv = malloc((count + 1) * sizeof(*argv) + bytes + braces * list->bytes), **at;
	char *text;

	if (!argv)
		return NULL;
	at = argv;
	text = (char *)(argv + count + 1);
	for (; *command; command++) {
		for (size_t i = 0; is_braces(*command) && i < list->count; i++)
			text = put_word(text, list->items[i], &at);
		if (!is_braces(*command))
			text = put_word(text, *command, &at);
	}
	*at = NULL;
	return argv;
}

int hw_batch_take(struct hw_batch *batch, char *const *command, char *const *all, size_t max_bytes,
		  struct hw_batch_command *ret)
{
	struct name_list list = { 0 };
	size_t words, bytes, braces = measure(command, &words, &bytes);
	size_t room = SIZE_MAX;
	int r;

	if (braces)
		room = max_bytes > bytes ? (max_bytes - bytes) / braces : 0;
	*ret = (struct hw_batch_command){ .lines = HW_BUF_GROWING(HW_BATCH_MAX) };
	if (batch->count)
		r = list_changes(batch, &list, room, &ret->lines);
	else
		r = list_all(&list, all);
	if (r == 0) {
		ret->argv = make_argv(command, &list);
		r = ret->argv ? 0 : -ENOMEM;
	}
	free(list.items);
	free(list.set.slots);
	if (!batch->count)
		hw_batch_clear(batch);
	return r;
}

void hw_batch_command_free(struct hw_batch_command *command)
{
	free(command->argv);
	hw_buf_free(&command->lines);
	*command = (struct hw_batch_command){ 0 };
}
