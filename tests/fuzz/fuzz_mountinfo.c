/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of mounts: any text in the place of /proc/self/mountinfo. Reported mounts must be below
 * the directory; a path that is escaped as the kernel does it must be read back. */
#include "framework/tree/apart.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static FILE *open_input(const char *path, const char *mode);
static int stat_input(int dir, const char *path, int flags, unsigned mask, struct statx *ret);
#define fopen open_input
#define hw_apart_statx(dir, path, flags, mask, ret) stat_input(dir, path, flags, mask, ret)
#include "framework/tree/mountinfo.c"
#include "framework/tree/mounts.c"
#undef hw_apart_statx
#undef fopen

#define DIR "/usr"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *input;
static size_t input_len;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static FILE *open_input(const char *path, const char *mode)
{
	(void)path;
	(void)mode;
	return fmemopen(input, input_len ? input_len : 1, "r");
}

/* Some mounts hide others. */
static int stat_input(int dir, const char *path, int flags, unsigned mask, struct statx *ret)
{
	(void)dir;
	(void)flags;
	ret->stx_mask = mask;
	ret->stx_mnt_id = strlen(path) % 4;
	ret->stx_mode = strlen(path) % 3 ? S_IFREG : S_IFDIR;
	return strlen(path) % 5 == 4 ? -1 : 0;
}

struct walked {
	size_t count;
	char last[PATH_MAX];
};

static int check_mount(void *arg, uint64_t id, const char *path, const char *type)
{
	struct walked *walked = arg;

	(void)id;
	require(path && type);
	require(walked->count++ == 0 ? strcmp(path, DIR) == 0 : hw_mountinfo_is_below(path, DIR));
	(void)snprintf(walked->last, sizeof(walked->last), "%s", path);
	return 0;
}

static void note_change(void *arg, const char *path)
{
	require(*path != '\0');
	++*(size_t *)arg;
}

static void check_text(void)
{
	struct walked walked = { .count = 0 };
	struct hw_mount_watch watch;
	size_t changes = 0;

	require(hw_mounts_walk(DIR, check_mount, &walked) == 0);
	require(walked.count >= 1);
	hw_mount_watch_init(&watch, NULL);
	hw_mount_watch_begin(&watch, DIR);
	require(watch.count <= walked.count);
	hw_mount_watch_each_file(&watch, note_change, &changes);
	require(changes <= watch.count);
	hw_mount_watch_end(&watch);
}

/* Writes a line with this path below DIR, which is escaped. Returns its length. */
static size_t put_line(char *line, const uint8_t *path, size_t len)
{
	size_t at = (size_t)sprintf(line, "%zu 1 0:1 / " DIR "/", (sizeof(DIR) + len) % 4);

	for (size_t i = 0; i < len; i++) {
		if (strchr(" \t\n\\", path[i]))
			at += (size_t)sprintf(line + at, "\\%03o", path[i]);
		else
			line[at++] = (char)path[i];
	}
	return at + (size_t)sprintf(line + at, " rw shared:1 - tmpfs none rw\n");
}

static void check_round_trip(const uint8_t *data, size_t size)
{
	struct walked walked = { .count = 0 };
	char expected[1024];
	size_t len = 0;

	while (len < size && len < 900 && data[len])
		len++;
	if (!len || (sizeof(DIR) + len) % 5 == 4)
		return; /* not visible */
	input = malloc(4 * len + 100);
	require(input);
	input_len = put_line(input, data, len);
	(void)snprintf(expected, sizeof(expected), DIR "/%.*s", (int)len, (const char *)data);
	require(hw_mounts_walk(DIR, check_mount, &walked) == 0);
	require(walked.count == 2 && strcmp(walked.last, expected) == 0);
	free(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = malloc(size + 1);
	require(input);
	memcpy(input, data, size);
	input[size] = '\0';
	input_len = size;
	check_text();
	free(input);
	check_round_trip(data, size);
	return 0;
}
