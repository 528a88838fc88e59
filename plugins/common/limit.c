/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define PATH_BYTES 100u /* "/proc/sys/" and the name of a sysctl */

/* Returns UINT64_MAX if the sysctl cannot be read. */
static uint64_t read_sysctl(const char *name)
{
	char path[PATH_BYTES], text[32];
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/sys/%s", name); /* always fits */
	for (char *at = path; *at; at++)
		if (*at == '.')
			*at = '/';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return UINT64_MAX;
	got = read(fd, text, sizeof(text) - 1);
	(void)close(fd); /* opened read-only: nothing can be lost */
	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? strtoull(text, NULL, 10) : UINT64_MAX;
}

uint64_t hw_limit_read(const struct hw_limit *limit, const char **ret_name)
{
	uint64_t own = read_sysctl(limit->own), global = read_sysctl(limit->global);

	*ret_name = own < global ? limit->own : limit->global;
	return own < global ? own : global;
}

uint64_t hw_limit_cost(const struct hw_limit *limit, const char **ret_name)
{
	uint64_t value = hw_limit_read(limit, ret_name);

	return value == UINT64_MAX ? 0 : value;
}

static uint64_t more_than(uint64_t value)
{
	return value < 64 ? 128 : value * 2;
}

int hw_limit_fail(const struct hw_host *host, void *ctx, const struct hw_limit *limit)
{
	const char *name;
	uint64_t value = hw_limit_read(limit, &name);

	return host->fail(ctx, -ENOSPC,
			  "%s limit reached; raise %s, now %" PRIu64
			  " for all programs of this user (sysctl %s=%" PRIu64 ")",
			  limit->object, name, value, name, more_than(value));
}

int hw_limit_fail_open(const struct hw_host *host, void *ctx, const struct hw_limit *limit)
{
	struct rlimit files = { 0 };
	const char *name;
	uint64_t value = hw_limit_read(limit, &name);

	(void)getrlimit(RLIMIT_NOFILE, &files); /* cannot fail with these arguments */
	return host->fail(ctx, -EMFILE,
			  "%s limit reached; raise %s, now %" PRIu64 " (sysctl %s=%" PRIu64
			  "), or the limit of open files, now %ju (ulimit -n)",
			  limit->object, name, value, name, more_than(value),
			  (uintmax_t)files.rlim_cur);
}
