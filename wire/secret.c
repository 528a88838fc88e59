/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hostwatch/auth.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(int error, const char *why, const char **ret_why)
{
	*ret_why = why;
	return error;
}

static int check(const struct stat *st, const char **ret_why)
{
	if (!S_ISREG(st->st_mode))
		return refuse(-EINVAL, "not a regular file", ret_why);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return refuse(
			-EINVAL,
			"the file belongs to another user, who knows the secret; make root its "
			"owner",
			ret_why);
	if (st->st_mode & 077)
		return refuse(-EINVAL,
			      "other users or a group may use the file; run chmod 600 on it",
			      ret_why);
	if (st->st_size < HW_SECRET_MIN || st->st_size > HW_SECRET_MAX)
		return refuse(-EINVAL,
			      "a secret has 32 to 4096 bytes; head -c 32 /dev/urandom makes one",
			      ret_why);
	return 0;
}

/* Opens the file that was checked, which need not have its name any more. */
static int open_checked(const char *path, struct stat *ret, const char **ret_why)
{
	int path_fd = open(path, O_PATH | O_CLOEXEC), fd = -1, r = 0;
	char link[40];

	*ret_why = NULL;
	if (path_fd < 0 || fstat(path_fd, ret) < 0)
		r = -errno;
	else
		r = check(ret, ret_why);
	if (r == 0) {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
		fd = open(link, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	if (path_fd >= 0)
		(void)close(path_fd); /* nothing was read from it */
	if (r < 0 && !*ret_why)
		*ret_why = strerror(-r);
	return r < 0 ? r : fd;
}

int hw_secret_read(const char *path, struct hw_secret **ret, const char **ret_why)
{
	struct hw_secret *secret;
	struct stat st;
	ssize_t n;
	int fd;

	if (sodium_init() < 0)
		return refuse(-EIO, "libsodium cannot get random numbers", ret_why);
	fd = open_checked(path, &st, ret_why);
	if (fd < 0)
		return fd;
	secret = malloc(sizeof(*secret) + (size_t)st.st_size);
	n = secret ? read(fd, secret->bytes, (size_t)st.st_size) : 0;
	(void)close(fd); /* only read from */
	if (!secret)
		return refuse(-ENOMEM, strerror(ENOMEM), ret_why);
	secret->len = (size_t)st.st_size;
	if (n != st.st_size) {
		hw_secret_free(secret);
		return refuse(-EIO, "the file changed while it was read", ret_why);
	}
	*ret = secret;
	return 0;
}

void hw_secret_free(struct hw_secret *secret)
{
	if (!secret)
		return;
	sodium_memzero(secret, sizeof(*secret) + secret->len);
	free(secret);
}
