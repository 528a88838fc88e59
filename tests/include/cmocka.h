/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmocka 1.1 and 2 alike: every test that includes <cmocka.h> gets this file, which includes the
 * installed one. Macros of cmocka 2 that are named like members of our structures are removed;
 * assertions that it deprecates go to their successors. */
#ifndef HW_TESTS_CMOCKA_H
#define HW_TESTS_CMOCKA_H

#include_next <cmocka.h>

/* hw_plugin has a member stop(). cmocka's stop() ends a test; ours end by failing or skipping. */
#undef stop

#ifdef assert_int_in_range
#undef assert_in_range
#define assert_in_range(value, least, most)                                                        \
	assert_int_in_range((intmax_t)(value), (intmax_t)(least), (intmax_t)(most))
#endif

#endif
