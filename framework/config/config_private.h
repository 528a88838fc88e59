/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the parts of config.c: config (the file), config_plugin ([watcher] and [sink]),
 * config_sink (the shares that a sink serves), config_share ([share]). */
#ifndef HW_CONFIG_PRIVATE_H
#define HW_CONFIG_PRIVATE_H

#include "config.h"

#define HW_CONFIG_QUOTED_MAX 256u
#define HW_CONFIG_SEPARATORS ", \t" /* of list items */

enum { KIND_GLOBAL, KIND_SHARE, KIND_WATCHER, KIND_SINK, KIND_END };

/* One file that is being checked. All pointers are borrowed. */
struct hw_config_checker {
	struct hw_config *config;
	struct hw_loader *loader;
	struct hw_errors *errors;
	const char *section; /* "[share x]": section of the settings being applied */
	const struct hw_setting *settings; /* the settings whose lines are in `lines` */
	const unsigned *lines;
	unsigned line; /* line of the section */
	int error; /* an error that ends the check */
};

/* Adds "FILE:LINE: text" to the errors. */
void hw_config_mistake(struct hw_config_checker *checker, unsigned line, const char *format, ...)
	HW_PRINTF(3, 4);
/* As hw_option_apply(), but reports mistakes with their lines. */
int hw_config_apply(struct hw_config_checker *checker, const struct hw_option_table *table,
		    void *self, const struct hw_setting *settings, const unsigned *lines,
		    size_t count, char **ret_strings);
/* Returns the first value of a key, NULL if it is not set, and its line or that of the section. */
const char *hw_config_value_of(const struct hw_ini_section *section, const char *key);
unsigned hw_config_line_of(const struct hw_ini_section *section, const char *key);

/* Removes the invalid settings of a section, so that open() can be called. Returns 0 or -ENOMEM. */
int hw_config_leave_right_settings(struct hw_config_plugin *plugin);
/* Messages of open() about this key (static, or borrowed as settings are) will be discarded.
 * Returns 0 or -ENOMEM. */
int hw_config_unknown(struct hw_config_plugin *plugin, const char *key);
bool hw_config_is_unknown(const struct hw_config_plugin *plugin, const char *key);

/* Each function reads one section. Mistakes are reported; failures are stored in checker->error. */
void hw_config_read_plugin(struct hw_config_checker *checker, const struct hw_ini_section *section,
			   size_t kind);
void hw_config_read_share(struct hw_config_checker *checker, const struct hw_ini_section *section);
/* Call after all sections were read: checks that the shares that the sink serves exist. */
void hw_config_check_sink(struct hw_config_checker *checker, struct hw_config_plugin *sink);

/* Gets the watcher with this name, and creates it if it has no section. `optional`: it is a
 * candidate of auto, which may be missing without an error. -EINVAL, -ENOENT: was reported;
 * -ENOMEM. */
int hw_config_get_watcher(struct hw_config_checker *checker, const char *name, unsigned line,
			  bool optional, size_t *ret);

#endif
