/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Typed options: parses text from files and command lines into the fields that an option table
 * names. */
#ifndef HW_OPTION_H
#define HW_OPTION_H

#include <hostwatch/plugin.h>
#include <stdbool.h>
#include <stddef.h>

#define HW_OPTION_TEXT_MAX 512u /* bytes of the text of a mistake */

/* One "key = value". */
struct hw_setting {
	const char *key; /* borrowed */
	const char *value; /* borrowed */
};

/* An option table, as in struct hw_plugin. Both pointers are borrowed. */
struct hw_option_table {
	const struct hw_option *const *options;
	size_t count;
};

/*
 * Parses one value. BOOL, NUMBER, DURATION (ns), SIZE (bytes) and ENUM (index) are stored in *ret;
 * STRING and LIST leave it unchanged. Returns -EINVAL for an invalid value, with the accepted form
 * in `why`: `"10" is not a duration (like 50ms, 1s or 2m)`.
 */
int hw_option_parse(const struct hw_option *option, const char *value, uint64_t *ret,
		    char why[HW_OPTION_TEXT_MAX]);

/* Writes the description of an option's type for help, such as "duration" or "one of a, b". Returns
 * buf. */
const char *hw_option_describe(const struct hw_option *option, char *buf, size_t size);
/* Writes a number of the option's unit as in a configuration file: 50ms, 16M, yes. Returns buf. */
const char *hw_option_format(const struct hw_option *option, uint64_t number, char *buf,
			     size_t size);

const struct hw_option *hw_option_find(const struct hw_option_table *table, const char *key);
/* Returns the key that was probably meant, NULL if no key is similar. */
const char *hw_option_suggest(const struct hw_option_table *table, const char *key);

/* Checks that the table is valid for an instance of this size: keys, types, offsets, ranges,
 * defaults. Returns -EINVAL and the reason if it is not. */
int hw_option_check_table(const struct hw_option_table *table, size_t instance_size,
			  char why[HW_OPTION_TEXT_MAX]);

/* Called for each mistake. `setting` is the invalid one, NULL if a required one is missing. The
 * text names the key. */
typedef void hw_option_mistake_fn(void *arg, const struct hw_setting *setting, const char *text);

/*
 * Writes defaults, then settings, into the fields of self, which must be zeroed; the table must be
 * valid. *ret_strings owns the memory of string and list fields, to be freed after self. Returns
 * -EINVAL after all mistakes were reported, or -ENOMEM.
 */
int hw_option_apply(const struct hw_option_table *table, void *self,
		    const struct hw_setting *settings, size_t count, hw_option_mistake_fn *mistake,
		    void *arg, char **ret_strings);

#endif
