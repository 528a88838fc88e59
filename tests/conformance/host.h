/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HW_TESTS_HOST_H
#define HW_TESTS_HOST_H

/* Properties of a watcher that a trace cannot express. cmocka test functions; the state is the name
 * of a backend. */
void watching_leaves_no_trace_on_files(void **state);
void overlapping_shares_are_both_told(void **state);

#endif
