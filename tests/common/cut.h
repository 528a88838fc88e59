/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Losses of power for one directory: at a chosen write(2) the whole process group is killed, and
 * the directory then has what fsync(2) has made durable, and of the rest a random part. A program
 * that calls these functions gets write() and fsync() of cut.c.
 */
#ifndef HW_TESTS_CUT_H
#define HW_TESTS_CUT_H

#include <stdint.h>

/* Everything in the directory is durable. `aside`: an empty directory, for copies. */
void hw_cut_begin(const char *dir, const char *aside);
void hw_cut_end(void);
/* The process group that comes to this write to a file of the directory is killed within it; 0:
 * none. */
void hw_cut_arm(unsigned write);
/* The power was lost. No process uses the directory. */
void hw_cut_apply(uint64_t random);

#endif
