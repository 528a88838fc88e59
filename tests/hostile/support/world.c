/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include "program.h"
#include "tests/common/needs.h"
#include "tests/common/scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATHS 4u
#define PATH_ROOM 8192u

void world_need_nobody(const char *dir)
{
	const char *const paths[] = { HOSTWATCH, HW_BUILD_DIR "/plugins/polling.so", dir, NULL };

	HW_NEED(hw_lacks_nobody(paths));
}

void world_need_mounts(void)
{
	HW_NEED(hw_lacks_mounts());
}

char *world_scratch(void)
{
	unsigned count;
	char *path = hw_scratch_create(hw_scratch_places(&count)->path);

	assert_non_null(path);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

const char *world_path(const char *dir, const char *format, ...)
{
	static char paths[PATHS][PATH_ROOM];
	static unsigned next;
	char *path = paths[next++ % PATHS];
	int len = snprintf(path, PATH_ROOM, "%s/", dir);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(path + len, PATH_ROOM - (size_t)len, format,
			ap); /* tests use short names */
	va_end(ap);
	return path;
}

void world_mkdir(const char *path)
{
	if (mkdir(path, 0755))
		fail_msg("%s: %s", path, strerror(errno));
}

void world_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

void world_mount_tmpfs(const char *path, unsigned long bytes)
{
	char options[64] = "mode=0755";

	if (bytes)
		(void)snprintf(options, sizeof(options), "mode=0755,size=%lu", bytes);
	if (mount("tmpfs", path, "tmpfs", 0, options))
		fail_msg("tmpfs on %s: %s", path, strerror(errno));
}

void world_bind(const char *from, const char *to)
{
	if (mount(from, to, NULL, MS_BIND, NULL))
		fail_msg("%s on %s: %s", from, to, strerror(errno));
}

unsigned long world_read_limit(const char *path)
{
	unsigned long value = 0;
	FILE *file = fopen(path, "re");

	if (!file || fscanf(file, "%lu", &value) != 1)
		fail_msg("%s: %s", path, strerror(errno));
	(void)fclose(file); /* only read */
	return value;
}

bool world_write_limit(const char *path, unsigned long value)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return false;
	bool written = fprintf(file, "%lu\n", value) > 0;

	return fclose(file) == 0 && written;
}

void world_become_nobody(void *arg)
{
	(void)arg;
	if (hw_become_nobody())
		_exit(126);
	(void)prctl(PR_SET_PDEATHSIG, 9); /* setresuid(2) cleared it */
}

bool world_has_watcher(const char *name, const char *dir)
{
	struct program p;
	char *plain = strdup(world_path(dir, "plain"));

	assert_non_null(plain);
	world_mkdir(plain);
	PROGRAM_START(&p, NULL, NULL, HOSTWATCH, "watch", "--exit-after-idle", "1ms", "--watcher",
		      name, plain);
	bool has = program_end(&p, 0) == 3 && strstr(p.err.bytes, name) &&
		   strstr(p.err.bytes, "as requested");

	if (!has)
		print_message("%s: %s", name, p.err.bytes);
	program_free(&p);
	(void)rmdir(plain); /* if this fails, it is removed with the directory */
	free(plain);
	return has;
}
