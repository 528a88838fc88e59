/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Supports cmocka 1.1 and 2: every test that includes <cmocka.h> gets this file, which includes the
 * installed one. It removes macros of cmocka 2 that have the names of members of our structures,
 * and maps assertions that cmocka 2 deprecates to their successors. */
#ifndef HW_TESTS_CMOCKA_H
#define HW_TESTS_CMOCKA_H

#include_next <cmocka.h>

/* hw_plugin has a member stop(). The stop() of cmocka ends a test; our tests end by failing or
 * skipping. */
#undef stop

#ifdef assert_int_in_range
#undef assert_in_range
#define assert_in_range(value, least, most)                                                        \
	assert_int_in_range((intmax_t)(value), (intmax_t)(least), (intmax_t)(most))
#endif

#endif
