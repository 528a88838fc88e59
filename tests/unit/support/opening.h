/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes the disk whenever the share is about to open something. A program that is linked with
 * this replaces openat(2), and openat2(2) as syscall(2) calls it. */
#ifndef HW_TESTS_OPENING_H
#define HW_TESTS_OPENING_H

/* From now on, fn is called before each open by the calling thread, except while fn runs; NULL: no
 * longer. */
typedef void hw_opening_fn(const char *path);
void hw_opening_call(hw_opening_fn *fn);

#endif
