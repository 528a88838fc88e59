/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of mounts when memory is short: it has whole mounts only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apart.h"
#include "mountinfo.h"
#include "mounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned calls, failing; /* of strdup(); 0: none fails */

char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy;

	if (++calls == failing) {
		errno = ENOMEM;
		return NULL;
	}
	copy = malloc(size);
	return copy ? memcpy(copy, text, size) : NULL;
}

static void fail_at(unsigned n)
{
	calls = 0;
	failing = n;
}

static void mounts_are_whole_if_memory_is_short(void **state)
{
	unsigned n = 0;
	int r;

	(void)state;
	do {
		struct hw_mountinfo mounts = { 0 };

		fail_at(++n);
		r = hw_mountinfo_read(&mounts);
		assert_int_equal(r, calls < n ? 0 : -ENOMEM);
		for (size_t i = 0; i < mounts.count; i++) {
			assert_non_null(mounts.list[i].path);
			assert_non_null(mounts.list[i].type);
		}
		hw_mountinfo_free(&mounts);
	} while (r < 0);
	assert_true(n > 2); /* there is a mount */
	fail_at(0);
}

static void a_share_waits_if_memory_is_short(void **state)
{
	struct hw_aparts aparts = { 0 };
	unsigned n = 0;

	(void)state;
	do {
		fail_at(++n);
		assert_true(hw_mounts_find_aparts("/proc", &aparts) || calls < n);
	} while (calls >= n);
	assert_true(n > 2); /* as above */
	fail_at(0);
	hw_aparts_free(&aparts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mounts_are_whole_if_memory_is_short),
		cmocka_unit_test(a_share_waits_if_memory_is_short),
	};

	return cmocka_run_group_tests_name("mountinfo", tests, NULL, NULL);
}
