/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "place.h"
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

static void free_place(struct hw_place *place)
{
	free(place->dir);
	free(place->real);
	free(place->prefix);
	hw_words_free(&place->files);
}

void hw_places_free(struct hw_places *places)
{
	for (size_t i = 0; i < places->count; i++)
		free_place(&places->items[i]);
	free(places->items);
	*places = (struct hw_places){ 0 };
}

/* ---- one operand ---- */

/* Without the slashes at its end. */
static size_t length_of(const char *operand)
{
	size_t len = strlen(operand);

	while (len > 1 && operand[len - 1] == '/')
		len--;
	return len;
}

static int fill_directory(struct hw_place *place, const char *operand)
{
	size_t len = length_of(operand);

	place->dir = strndup(operand, len);
	place->prefix = calloc(1, len + 2);
	if (!place->dir || !place->prefix)
		return -ENOMEM;
	memcpy(place->prefix, operand, len);
	if (operand[len - 1] != '/')
		place->prefix[len] = '/';
	return 0;
}

static int add_file(struct hw_place *place, const char *name)
{
	const char **items = reallocarray(place->files.items, place->files.count + 1,
					  sizeof(*place->files.items));

	if (!items)
		return -ENOMEM;
	items[place->files.count++] = name;
	place->files.items = items;
	return 0;
}

static int fill_file(struct hw_place *place, const char *operand)
{
	const char *slash = strrchr(operand, '/');
	size_t len = slash ? (size_t)(slash - operand) : 0;

	place->is_file = true;
	place->prefix = strndup(operand, slash ? len + 1 : 0);
	if (slash)
		place->dir = strndup(operand, len ? len : 1);
	else
		place->dir = strdup(".");
	if (!place->dir || !place->prefix)
		return -ENOMEM;
	return add_file(place, slash ? slash + 1 : operand);
}

/* Also where it is, to find it under another name. */
static int identify(struct hw_place *place)
{
	struct stat st;

	place->real = realpath(place->dir, NULL);
	if (!place->real || stat(place->real, &st) < 0)
		return -errno;
	place->dev = st.st_dev;
	place->ino = st.st_ino;
	return 0;
}

static int fill_place(struct hw_place *place, const char *operand, bool is_dir)
{
	int r;

	place->given = operand;
	r = is_dir ? fill_directory(place, operand) : fill_file(place, operand);
	return r == 0 ? identify(place) : r;
}

/* An empty operand, a symbolic link to a file and a device have a message of their own. */
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

/* ---- all of them ---- */

static bool is_same(const struct hw_place *a, const struct hw_place *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* Whether b, or its directory, is the directory a or lies below it. */
static bool contains(const struct hw_place *a, const struct hw_place *b)
{
	size_t len = strlen(a->real);

	if (a->is_file)
		return false;
	if (is_same(a, b) || len == 1)
		return true;
	return strncmp(a->real, b->real, len) == 0 && b->real[len] == '/';
}

static int check_overlap(const struct hw_places *places, const struct hw_place *place,
			 const struct hw_command_line *line)
{
	char inner[QUOTED_MAX], outer[QUOTED_MAX];

	for (size_t i = 0; i < places->count; i++) {
		const struct hw_place *other = &places->items[i];
		bool is_outer = contains(place, other);

		if (!is_outer && !contains(other, place))
			continue;
		if (is_same(place, other) && !place->is_file && !other->is_file)
			return hw_args_mistake(line, "%s and %s are the same directory: give one",
					       quoted(outer, other->given),
					       quoted(inner, place->given));
		return hw_args_mistake(
			line,
			"%s is in %s, which is watched with everything below it: leave it out",
			quoted(inner, is_outer ? other->given : place->given),
			quoted(outer, is_outer ? place->given : other->given));
	}
	return -1;
}

/* Files that are watched in the same directory. */
static struct hw_place *find_group(const struct hw_places *places, const struct hw_place *place)
{
	for (size_t i = 0; i < places->count; i++) {
		if (places->items[i].is_file && is_same(&places->items[i], place))
			return &places->items[i];
	}
	return NULL;
}

static int add_place(struct hw_places *places, const struct hw_place *place)
{
	struct hw_place *items =
		reallocarray(places->items, places->count + 1, sizeof(*places->items));

	if (!items)
		return -ENOMEM;
	items[places->count++] = *place;
	places->items = items;
	return 0;
}

/* Takes what is in place, or frees it. */
static int take_place(struct hw_places *places, const struct hw_command_line *line,
		      struct hw_place *place)
{
	struct hw_place *group = place->is_file ? find_group(places, place) : NULL;
	int status = -1, r = 0;

	if (group) {
		r = add_file(group, place->files.items[0]);
		free_place(place);
		return r < 0 ? hw_args_failure(line, "out of memory") : -1;
	}
	status = check_overlap(places, place, line);
	if (status < 0 && add_place(places, place) < 0)
		status = hw_args_failure(line, "out of memory");
	if (status >= 0)
		free_place(place);
	return status;
}

int hw_places_find(struct hw_places *places, const struct hw_command_line *line, char **operands,
		   int count)
{
	int status = -1;

	for (int i = 0; i < count && status < 0; i++) {
		struct hw_place place = { 0 };
		char buf[QUOTED_MAX];
		bool is_dir;
		int r;

		status = examine(line, operands[i], &is_dir);
		if (status >= 0)
			break;
		r = fill_place(&place, operands[i], is_dir);
		if (r == 0) {
			status = take_place(places, line, &place);
			continue;
		}
		free_place(&place);
		status = hw_args_failure(line, "%s: %s", quoted(buf, operands[i]), strerror(-r));
	}
	return status;
}

/* ---- paths and patterns ---- */

int hw_place_show(const struct hw_place *place, struct hw_buf *to, const char *path, size_t len)
{
	size_t before = to->len;
	int r;

	if (!len)
		return hw_buf_append(to, place->dir, strlen(place->dir));
	r = hw_buf_append(to, place->prefix, strlen(place->prefix));
	if (r == 0)
		r = hw_buf_append(to, path, len);
	if (r < 0)
		to->len = before;
	return r;
}

/* "!/name", its bytes taken as they are; `to` has room for twice the name. Returns its end. */
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

const char **hw_place_excludes(const struct hw_place *place, const char *const *more, size_t count,
			       size_t *ret_count)
{
	size_t files = place->files.count, room = files + count + 1, bytes = sizeof("/*"), n = 0;
	const char **list;
	char *text;

	for (size_t i = 0; i < files; i++)
		bytes += 2 * strlen(place->files.items[i]) + sizeof("!/");
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
		text = put_name(text, place->files.items[i]);
	}
	for (size_t i = 0; i < count; i++)
		list[n++] = more[i];
	*ret_count = n;
	return list;
}
