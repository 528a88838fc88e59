/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "human.h"

#include <hostwatch/plugin.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define EXACT_MAX UINT64_C(999999)

/* Divides by `base` until the number is short. Returns the index of the unit. */
static size_t scale(double *number, double base, double most, size_t units)
{
	size_t unit = 0;

	for (; *number >= most && unit + 1 < units; unit++)
		*number /= base;
	return unit;
}

const char *hw_human_bytes(char buf[HW_HUMAN_MAX], uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	double number = (double)bytes;
	size_t unit = scale(&number, 1024, 999.5, sizeof(units) - 1);

	(void)snprintf(buf, HW_HUMAN_MAX, unit && number < 99.95 ? "%.1f%c" : "%.0f%c", number,
		       units[unit]);
	return buf;
}

const char *hw_human_count(char buf[HW_HUMAN_MAX], uint64_t count)
{
	static const char units[] = "\0kMGTPE";
	double number = (double)count;
	size_t unit;

	if (count <= EXACT_MAX) {
		(void)snprintf(buf, HW_HUMAN_MAX, "%" PRIu64, count);
		return buf;
	}
	unit = scale(&number, 1000, 999.5, sizeof(units) - 1);
	(void)snprintf(buf, HW_HUMAN_MAX, "%.*f%c",
		       number < 9.995   ? 2
		       : number < 99.95 ? 1
					: 0,
		       number, units[unit]);
	return buf;
}

const char *hw_human_digits(char buf[HW_HUMAN_MAX], uint64_t count)
{
	char digits[HW_HUMAN_MAX], *out = buf;
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, count);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*out++ = ' ';
		*out++ = digits[i];
	}
	*out = '\0';
	return buf;
}

const char *hw_human_duration(char buf[HW_HUMAN_MAX], uint64_t ns)
{
	uint64_t seconds = ns / HW_SEC;

	if (ns < HW_MS)
		(void)snprintf(buf, HW_HUMAN_MAX, "%" PRIu64 "us", ns / 1000);
	else if (ns < HW_SEC)
		(void)snprintf(buf, HW_HUMAN_MAX, "%" PRIu64 "ms", ns / HW_MS);
	else if (seconds < 60)
		(void)snprintf(buf, HW_HUMAN_MAX, "%.1fs", (double)ns / (double)HW_SEC);
	else if (seconds < 3600)
		(void)snprintf(buf, HW_HUMAN_MAX, "%" PRIu64 "m%02us", seconds / 60,
			       (unsigned)(seconds % 60));
	else
		(void)snprintf(buf, HW_HUMAN_MAX, "%" PRIu64 "h%02um", seconds / 3600,
			       (unsigned)(seconds % 3600 / 60));
	return buf;
}
