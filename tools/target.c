/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define QUOTED_MAX 300u

static const char *quoted(char buf[QUOTED_MAX], const char *text)
{
	return hw_quote(buf, QUOTED_MAX, text, strlen(text));
}

static void free_target(struct hw_target *target)
{
	free(target->dir);
	free(target->real);
	free(target->prefix);
	hw_words_free(&target->files);
}

void hw_targets_free(struct hw_targets *targets)
{
	for (size_t i = 0; i < targets->count; i++)
		free_target(&targets->items[i]);
	free(targets->items);
	*targets = (struct hw_targets){ 0 };
}

/* ---- one operand ---- */

/* Returns the length without trailing slashes. */
static size_t length_of(const char *operand)
{
	size_t len = strlen(operand);

	while (len > 1 && operand[len - 1] == '/')
		len--;
	return len;
}

static int fill_directory(struct hw_target *target, const char *operand)
{
	size_t len = length_of(operand);

	target->dir = strndup(operand, len);
	target->prefix = calloc(1, len + 2);
	if (!target->dir || !target->prefix)
		return -ENOMEM;
	memcpy(target->prefix, operand, len);
	if (operand[len - 1] != '/')
		target->prefix[len] = '/';
	return 0;
}

static int add_file(struct hw_target *target, const char *name)
{
	const char **items = reallocarray(target->files.items, target->files.count + 1,
					  sizeof(*target->files.items));

	if (!items)
		return -ENOMEM;
	items[target->files.count++] = name;
	target->files.items = items;
	return 0;
}

static int fill_file(struct hw_target *target, const char *operand)
{
	const char *slash = strrchr(operand, '/');
	size_t len = slash ? (size_t)(slash - operand) : 0;

	target->is_file = true;
	target->prefix = strndup(operand, slash ? len + 1 : 0);
	if (slash)
		target->dir = strndup(operand, len ? len : 1);
	else
		target->dir = strdup(".");
	if (!target->dir || !target->prefix)
		return -ENOMEM;
	return add_file(target, slash ? slash + 1 : operand);
}

/* Also stores its canonical path, to find it under another name. */
static int identify(struct hw_target *target)
{
	struct stat st;

	target->real = realpath(target->dir, NULL);
	if (!target->real || stat(target->real, &st) < 0)
		return -errno;
	target->dev = st.st_dev;
	target->ino = st.st_ino;
	return 0;
}

static int fill_target(struct hw_target *target, const char *operand, bool is_dir)
{
	int r;

	target->given = operand;
	r = is_dir ? fill_directory(target, operand) : fill_file(target, operand);
	return r == 0 ? identify(target) : r;
}

/* An empty operand, a symbolic link to a file, and a device have their own messages. */
static int examine(const struct hw_command_line *line, const char *operand, bool *ret_is_dir)
{
	char buf[QUOTED_MAX];
	struct stat st, link;

	if (!*operand)
		return hw_args_mistake(line, "%s is empty", line->operand);
	if (stat(operand, &st) < 0 || lstat(operand, &link) < 0)
		return hw_args_failure(line, "%s: %s", quoted(buf, operand), strerror(errno));
	*ret_is_dir = S_ISDIR(st.st_mode);
	if (*ret_is_dir)
		return -1;
	if (!S_ISREG(st.st_mode))
		return hw_args_failure(line,
				       "%s: not a directory or regular file: watch the "
				       "directory that holds it",
				       quoted(buf, operand));
	if (S_ISLNK(link.st_mode))
		return hw_args_failure(line, "%s: a symbolic link to a file: watch the file itself",
				       quoted(buf, operand));
	return -1;
}

/* ---- all operands ---- */

static bool is_same(const struct hw_target *a, const struct hw_target *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* Returns whether b, or its directory, is the directory a or below it. */
static bool contains(const struct hw_target *a, const struct hw_target *b)
{
	size_t len = strlen(a->real);

	if (a->is_file)
		return false;
	if (is_same(a, b) || len == 1)
		return true;
	return strncmp(a->real, b->real, len) == 0 && b->real[len] == '/';
}

static int check_overlap(const struct hw_targets *targets, const struct hw_target *target,
			 const struct hw_command_line *line)
{
	char inner[QUOTED_MAX], outer[QUOTED_MAX];

	for (size_t i = 0; i < targets->count; i++) {
		const struct hw_target *other = &targets->items[i];
		bool is_outer = contains(target, other);

		if (!is_outer && !contains(other, target))
			continue;
		if (is_same(target, other) && !target->is_file && !other->is_file)
			return hw_args_mistake(line, "%s and %s are the same directory: give one",
					       quoted(outer, other->given),
					       quoted(inner, target->given));
		return hw_args_mistake(
			line,
			"%s is in %s, which is watched with everything below it: leave it out",
			quoted(inner, is_outer ? other->given : target->given),
			quoted(outer, is_outer ? target->given : other->given));
	}
	return -1;
}

/* Finds the target for files of the same directory. */
static struct hw_target *find_group(const struct hw_targets *targets,
				    const struct hw_target *target)
{
	for (size_t i = 0; i < targets->count; i++) {
		if (targets->items[i].is_file && is_same(&targets->items[i], target))
			return &targets->items[i];
	}
	return NULL;
}

static int add_target(struct hw_targets *targets, const struct hw_target *target)
{
	struct hw_target *items =
		reallocarray(targets->items, targets->count + 1, sizeof(*targets->items));

	if (!items)
		return -ENOMEM;
	items[targets->count++] = *target;
	targets->items = items;
	return 0;
}

/* Takes over the contents of target, or frees them. */
static int take_target(struct hw_targets *targets, const struct hw_command_line *line,
		       struct hw_target *target)
{
	struct hw_target *group = target->is_file ? find_group(targets, target) : NULL;
	int status = -1, r = 0;

	if (group) {
		r = add_file(group, target->files.items[0]);
		free_target(target);
		return r < 0 ? hw_args_failure(line, "out of memory") : -1;
	}
	status = check_overlap(targets, target, line);
	if (status < 0 && add_target(targets, target) < 0)
		status = hw_args_failure(line, "out of memory");
	if (status >= 0)
		free_target(target);
	return status;
}

int hw_targets_find(struct hw_targets *targets, const struct hw_command_line *line, char **operands,
		    int count)
{
	int status = -1;

	for (int i = 0; i < count && status < 0; i++) {
		struct hw_target target = { 0 };
		char buf[QUOTED_MAX];
		bool is_dir = false;
		int r;

		status = examine(line, operands[i], &is_dir);
		if (status >= 0)
			break;
		r = fill_target(&target, operands[i], is_dir);
		if (r == 0) {
			status = take_target(targets, line, &target);
			continue;
		}
		free_target(&target);
		status = hw_args_failure(line, "%s: %s", quoted(buf, operands[i]), strerror(-r));
	}
	return status;
}

/* ---- paths and patterns ---- */

int hw_target_show(const struct hw_target *target, struct hw_buf *to, const char *path, size_t len)
{
	size_t before = to->len;
	int r;

	if (!len)
		return hw_buf_append(to, target->dir, strlen(target->dir));
	r = hw_buf_append(to, target->prefix, strlen(target->prefix));
	if (r == 0)
		r = hw_buf_append(to, path, len);
	if (r < 0)
		to->len = before;
	return r;
}

/* Writes "!/name", with special characters escaped; `to` has room for twice the name. Returns its
 * end. */
static char *put_name(char *to, const char *name)
{
	*to++ = '!';
	*to++ = '/';
	for (; *name; name++) {
		if (strchr("*?[\\", *name))
			*to++ = '\\';
		*to++ = *name;
	}
	*to++ = '\0';
	return to;
}

const char **hw_target_excludes(const struct hw_target *target, const char *const *more,
				size_t count, size_t *ret_count)
{
	size_t files = target->files.count, room = files + count + 1, bytes = sizeof("/*"), n = 0;
	const char **list;
	char *text;

	for (size_t i = 0; i < files; i++)
		bytes += 2 * strlen(target->files.items[i]) + sizeof("!/");
	list = malloc(room * sizeof(*list) + bytes);
	if (!list)
		return NULL;
	text = (char *)(list + room);
	if (files) {
		list[n++] = text;
		text = stpcpy(text, "/*") + 1;
	}
	for (size_t i = 0; i < files; i++) {
		list[n++] = text;
		text = put_name(text, target->files.items[i]);
	}
	for (size_t i = 0; i < count; i++)
		list[n++] = more[i];
	*ret_count = n;
	return list;
}
