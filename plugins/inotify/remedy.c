/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remedy.h"

#include <errno.h>
#include <string.h>

const struct hw_limit hw_remedy_watches = {
	"inotify watch",
	"user.max_inotify_watches",
	"fs.inotify.max_user_watches",
};
static const struct hw_limit instances = {
	"inotify instance",
	"user.max_inotify_instances",
	"fs.inotify.max_user_instances",
};

int hw_remedy_instance(const struct hw_host *host, void *ctx, int error)
{
	if (error == -EMFILE)
		return hw_limit_fail_open(host, ctx, &instances);
	return host->fail(ctx, error, "inotify_init1: %s", strerror(-error));
}

int hw_remedy_watch(const struct hw_host *host, void *ctx, int error)
{
	switch (-error) {
	case ENOSPC:
		return hw_limit_fail(host, ctx, &hw_remedy_watches);
	case EACCES:
		return host->fail(ctx, error, "a watch needs read permission on the directory");
	case EEXIST:
		return host->fail(
			ctx, error,
			"the directory is already watched under another path (bind mount)");
	case ENOENT:
		return host->fail(ctx, error,
				  "the directory no longer exists, or /proc is not mounted");
	default:
		return host->fail(ctx, error, "inotify_add_watch: %s", strerror(-error));
	}
}
