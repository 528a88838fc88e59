/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Formats numbers for people. Each function writes to buf and returns it. Any thread. */
#ifndef HW_HUMAN_H
#define HW_HUMAN_H

#include <stdint.h>

#define HW_HUMAN_MAX 32u

/* 512B, 1.5K, 16M: powers of 1024. */
const char *hw_human_bytes(char buf[HW_HUMAN_MAX], uint64_t bytes);
/* 999999, then 1.00M, 12.3M, 4.56G: powers of 1000. */
const char *hw_human_count(char buf[HW_HUMAN_MAX], uint64_t count);
/* All digits, in groups of three: 12 034. */
const char *hw_human_digits(char buf[HW_HUMAN_MAX], uint64_t count);
/* 850us, 12ms, 1.5s, 4m10s, 3h02m. */
const char *hw_human_duration(char buf[HW_HUMAN_MAX], uint64_t ns);

#endif
