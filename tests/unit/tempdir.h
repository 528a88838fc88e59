/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A temporary directory with files for one test. For unit tests that do not need a watcher. */
#ifndef HW_TESTS_TEMPDIR_H
#define HW_TESTS_TEMPDIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline char *tempdir_create(void)
{
	const char *parent = getenv("TMPDIR");
	char *path = NULL;

	assert_true(asprintf(&path, "%s/hostwatch-test-XXXXXX", parent ? parent : "/tmp") > 0);
	assert_non_null(mkdtemp(path));
	return path;
}

static inline int tempdir_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void tempdir_remove(char *path)
{
	assert_int_equal(nftw(path, tempdir_unlink, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(path);
}

/* Returns the path of a name in the directory, in a static buffer. */
static inline const char *tempdir_path(const char *dir, const char *name)
{
	static char path[512];

	assert_true(snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path));
	return path;
}

static inline void tempdir_write(const char *dir, const char *name, const void *bytes, size_t len)
{
	FILE *file = fopen(tempdir_path(dir, name), "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* Copies a file into the directory under a new name. */
static inline void tempdir_copy(const char *from, const char *dir, const char *name, size_t max)
{
	char *bytes = malloc(max);
	FILE *file = fopen(from, "re");
	size_t len;

	assert_non_null(bytes);
	assert_non_null(file);
	len = fread(bytes, 1, max, file);
	assert_int_equal(fclose(file), 0);
	tempdir_write(dir, name, bytes, len);
	free(bytes);
}

#endif
