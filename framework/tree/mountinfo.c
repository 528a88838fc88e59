/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mountinfo.h"

#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel writes space, tab, newline and backslash as \ooo. */
static char *unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in;) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
		    in[3] >= '0' && in[3] <= '7') {
			*out++ = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
			in += 4;
		} else {
			*out++ = *in++;
		}
	}
	*out = '\0';
	return text;
}

/* "36 35 98:0 /root /mount/point options optional... - type source superoptions", split in place */
static bool parse_line(char *line, struct hw_mount *ret)
{
	char *path = NULL, *word, *end;

	ret->id = strtoull(line, &end, 10);
	for (int i = 0; i < 5; i++) {
		path = strsep(&line, " ");
		if (!path)
			return false;
	}
	while ((word = strsep(&line, " ")) && strcmp(word, "-") != 0)
		;
	ret->path = unescape(path);
	ret->type = strsep(&line, " ");
	(void)strsep(&line, " "); /* the source */
	ret->options = line ? line : "";
	return word && ret->type;
}

static bool is_overlay(const struct hw_mount *mount)
{
	return strcmp(mount->type, "overlay") == 0;
}

static void free_mount(struct hw_mount *mount)
{
	free(mount->path);
	free(mount->type);
	free(mount->options);
}

/* Returns false if memory is short; `ret` has a part of it then. */
static bool copy_mount(const struct hw_mount *mount, struct hw_mount *ret)
{
	*ret = (struct hw_mount){ mount->id, strdup(mount->path), strdup(mount->type), NULL };
	if (is_overlay(mount))
		ret->options = strdup(mount->options);
	return ret->path && ret->type && (ret->options || !is_overlay(mount));
}

static int add_mount(struct hw_mountinfo *mounts, const struct hw_mount *mount)
{
	struct hw_mount *list;

	if (mounts->count == HW_MOUNTINFO_MAX)
		return -E2BIG;
	list = reallocarray(mounts->list, mounts->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	mounts->list = list;
	list += mounts->count;
	if (!copy_mount(mount, list)) {
		free_mount(list);
		return -ENOMEM;
	}
	mounts->count++;
	return 0;
}

int hw_mountinfo_read(struct hw_mountinfo *mounts)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	struct hw_mount mount;
	char *line = NULL;
	size_t room = 0;
	int r = 0;

	if (!file)
		return -errno;
	while (r == 0 && getline(&line, &room, file) > 0) {
		if (parse_line(line, &mount))
			r = add_mount(mounts, &mount);
	}
	free(line);
	(void)fclose(file); /* read only */
	return r;
}

void hw_mountinfo_free(struct hw_mountinfo *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		free_mount(&mounts->list[i]);
	free(mounts->list);
}

/* Returns whether path is dir or below it. */
bool hw_mountinfo_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return true;
	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* ---- those that may hang ---- */

#define STACK_MAX 2u /* FILESYSTEM_MAX_STACK_DEPTH (include/linux/fs.h): overlays on overlays */

static bool may_hang(const struct hw_mountinfo *mounts, const struct hw_mount *mount,
		     unsigned depth);

/* Returns whether the type of any of the filesystems says that it may hang, as hw_remote_any()
 * does. */
static bool any_may_hang(const struct hw_mountinfo *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (hw_remote_may_hang(mounts->list[i].type))
			return true;
	return false;
}

/* Returns whether the filesystem that this path leads to may hang; also if one that is hidden
 * there may. If the path is relative to an unknown directory, it may lead to each of them. */
static bool path_may_hang(const struct hw_mountinfo *mounts, const char *path, unsigned depth)
{
	const struct hw_mount *end = mounts->list + mounts->count;
	bool may = path[0] != '/' && any_may_hang(mounts);
	size_t longest = 0;

	for (const struct hw_mount *mount = mounts->list; mount < end; mount++)
		if (strlen(mount->path) > longest && hw_mountinfo_is_below(path, mount->path))
			longest = strlen(mount->path);
	for (const struct hw_mount *mount = mounts->list; mount < end && !may; mount++)
		may = strlen(mount->path) == longest && hw_mountinfo_is_below(path, mount->path) &&
		      may_hang(mounts, mount, depth);
	return may;
}

/* Takes the first layer of "one:two"; overlayfs writes colons in names as "\:". */
static char *next_layer(char **layers)
{
	char *in = *layers, *out = in, *layer = in;

	while (*in && *in != ':') {
		if (in[0] == '\\' && in[1])
			in++;
		*out++ = *in++;
	}
	*layers = *in ? in + 1 : NULL;
	*out = '\0';
	return layer;
}

/* Returns the layers that an option names, NULL if it names none. */
static char *layers_of(char *option)
{
	static const char *const names[] = { "lowerdir=", "lowerdir+=", "datadir+=", "upperdir=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(option, names[i], strlen(names[i])) == 0)
			return unescape(option + strlen(names[i]));
	return NULL;
}

/* "lowerdir=one:two,upperdir=three": mountinfo writes commas in names as \054. */
static bool layer_may_hang(const struct hw_mountinfo *mounts, char *options, unsigned depth)
{
	char *option, *layers, *layer;
	bool may = false;

	while (!may && (option = strsep(&options, ",\n"))) {
		layers = layers_of(option);
		while (!may && layers) {
			layer = next_layer(&layers);
			may = *layer && path_may_hang(mounts, layer, depth);
		}
	}
	return may;
}

static bool may_hang(const struct hw_mountinfo *mounts, const struct hw_mount *mount,
		     unsigned depth)
{
	char *options;
	bool may;

	if (!is_overlay(mount) || depth > STACK_MAX)
		return hw_remote_may_hang(mount->type);
	options = strdup(mount->options);
	may = !options || layer_may_hang(mounts, options, depth + 1);
	free(options);
	return may;
}

bool hw_mountinfo_may_hang(const struct hw_mountinfo *mounts, const struct hw_mount *mount)
{
	return may_hang(mounts, mount, 0);
}
