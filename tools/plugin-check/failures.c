/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes each failure occur once, in every place: each service of the host, each allocation. */
#include "alloc.h"
#include "guard.h"
#include "scene.h"
#include "tap.h"

#include <stdio.h>

#define PLACES_MAX 3000u

static void arm_call(uint64_t n)
{
	hw_alloc_fail(0);
	hw_guard_fail_call(n);
}

static void arm_alloc(uint64_t n)
{
	hw_guard_fail_call(0);
	hw_alloc_fail(n);
}

/* The kind of failure, and whether the n-th one was reached. */
struct failure {
	const char *what;
	void (*arm)(uint64_t n);
	uint64_t (*count)(void);
};

static const struct failure call_failure = { "service call", arm_call, hw_guard_calls };
static const struct failure alloc_failure = { "allocation", arm_alloc, hw_alloc_calls };

static enum hw_kit_verdict check_one(struct hw_kit *kit, const struct failure *failure, uint64_t n)
{
	unsigned fds = hw_scene_fds();
	int64_t live = hw_alloc_live();
	const char *name;

	failure->arm(n);
	int r = hw_scene_run(kit);
	name = hw_guard_failed_call();
	if (r < 0)
		return hw_kit_fail("when %s %llu failed%s%s", failure->what, (unsigned long long)n,
				   name ? ": " : "", name ? name : "");
	if (hw_scene_fds() > fds)
		return hw_kit_fail("%u descriptors are left when %s %llu failed",
				   hw_scene_fds() - fds, failure->what, (unsigned long long)n);
	if (hw_alloc_live() > live)
		return hw_kit_fail("%lld blocks of memory are left when %s %llu failed",
				   (long long)(hw_alloc_live() - live), failure->what,
				   (unsigned long long)n);
	return HW_KIT_PASS;
}

static enum hw_kit_verdict check_every(struct hw_kit *kit, const void *arg)
{
	const struct failure *failure = arg;
	unsigned failed = 0;

	failure->arm(0);
	for (unsigned i = 0; i < 2; i++) { /* the first run creates the objects that are made once
					    * and kept */
		int r = hw_scene_run(kit);

		if (r > 0) {
			printf("the plugin does not start here\n");
			return HW_KIT_SKIP;
		}
		if (r < 0)
			return hw_kit_fail("the plugin fails although nothing was made to fail");
	}
	for (uint64_t n = 1; n <= PLACES_MAX; n++) {
		failed += check_one(kit, failure, n) != HW_KIT_PASS;
		if (failure->count() < n || failed > 3)
			break;
	}
	return failed ? HW_KIT_FAIL : HW_KIT_PASS;
}

void hw_check_failures(struct hw_kit *kit)
{
	const char *name = "failure of every allocation";

	(void)hw_tap_run(kit, "failure of every service of the host", check_every, &call_failure);
	if (hw_alloc_available())
		(void)hw_tap_run(kit, name, check_every, &alloc_failure);
	else
		hw_tap_skip(name, "the sanitizer has its own malloc()");
}
