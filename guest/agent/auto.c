/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inject = auto: the injector that reports the most events of those that work for the mount. */
#include "inject.h"
#include "log.h"
#include "mountinfo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	const struct hw_inject_ops *ops;
	bool needs_at;
} kinds[] = {
	{ "module", &hw_inject_module, false },
	{ "replay", &hw_inject_replay, true },
	{ "touch", &hw_inject_touch, false },
};

static int open_auto(const struct hw_mount *mount, struct hw_inject **ret,
		     char why[HW_INJECT_WHY_MAX])
{
	struct hw_mountinfo info;
	int r = hw_mountinfo_get(mount->path, &info);

	if (r < 0) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "waiting for the mount: %s", strerror(-r));
		return -EAGAIN;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].needs_at && !mount->at) {
			hw_info("[mount %s] not inject = %s: at is not set", mount->name,
				kinds[i].name);
			continue;
		}
		r = kinds[i].ops->open(mount, ret, why);
		if (r == 0) {
			hw_info("[mount %s] inject = auto takes %s", mount->name, kinds[i].name);
			return 0;
		}
		hw_info("[mount %s] not inject = %s: %s", mount->name, kinds[i].name, why);
	}
	return r;
}

const struct hw_inject_ops hw_inject_auto = { .open = open_auto };
