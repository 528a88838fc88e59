/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Typed options: text from files and command lines into the fields that an option table names. */
#ifndef HW_OPTION_H
#define HW_OPTION_H

#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <stddef.h>

#define HW_OPTION_TEXT_MAX 512u /* bytes of a mistake's text */

/* One "key = value". */
struct hw_setting {
	const char *key; /* borrowed */
	const char *value; /* borrowed */
};

/* A table as hw_plugin carries it. Both are borrowed. */
struct hw_option_table {
	const struct hw_option *const *options;
	size_t count;
};

/*
 * Reads one value. BOOL, NUMBER, DURATION (ns), SIZE (bytes) and ENUM (index) go to *ret; for
 * STRING and LIST it is not touched. -EINVAL, with what is accepted in `why`: `"10" is not a
 * duration (like 50ms, 1s or 2m)`.
 */
int hw_option_parse(const struct hw_option *option, const char *value, uint64_t *ret,
		    char why[HW_OPTION_TEXT_MAX]);

/* "duration", "one of a, b": for help. Writes to buf, returns it. */
const char *hw_option_describe(const struct hw_option *option, char *buf, size_t size);
/* A number of the option's unit as it is written in the file: 50ms, 16M, yes. Writes to buf,
 * returns it. */
const char *hw_option_format(const struct hw_option *option, uint64_t number, char *buf,
			     size_t size);

const struct hw_option *hw_option_find(const struct hw_option_table *table, const char *key);
/* The key that was meant, NULL when none is near. */
const char *hw_option_suggest(const struct hw_option_table *table, const char *key);

/* Is the table sound for an instance of this size: keys, types, offsets, ranges, defaults? -EINVAL
 * and why. */
int hw_option_check_table(const struct hw_option_table *table, size_t instance_size,
			  char why[HW_OPTION_TEXT_MAX]);

/* Called for each mistake; `setting` is the one at fault, NULL when a required one is missing. The
 * text names the key. */
typedef void hw_option_mistake_fn(void *arg, const struct hw_setting *setting, const char *text);

/*
 * Writes defaults, then settings, into the fields of self, which is zeroed and sound for the table.
 * What string and list fields point to goes to *ret_strings, to be freed after self. -EINVAL after
 * all mistakes were told, -ENOMEM.
 */
int hw_option_apply(const struct hw_option_table *table, void *self,
		    const struct hw_setting *settings, size_t count, hw_option_mistake_fn *mistake,
		    void *arg, char **ret_strings);

#endif
