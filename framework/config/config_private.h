/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of config.c share: config (the file), config_plugin ([watcher] and [sink]),
 * config_sink (which shares a sink serves), config_share ([share]). */
#ifndef HW_CONFIG_PRIVATE_H
#define HW_CONFIG_PRIVATE_H

#include "config.h"

#define HW_CONFIG_QUOTED_MAX 256u
#define HW_CONFIG_SEPARATORS ", \t" /* of lists */

enum { KIND_GLOBAL, KIND_SHARE, KIND_WATCHER, KIND_SINK, KIND_END };

/* One file being checked. Everything is borrowed. */
struct hw_config_checker {
	struct hw_config *config;
	struct hw_loader *loader;
	struct hw_errors *errors;
	const char *section; /* "[share x]": of the settings being applied */
	const struct hw_setting *settings; /* the array that `lines` belongs to */
	const unsigned *lines;
	unsigned line; /* of the section */
	int error; /* that ends it all */
};

/* Adds "FILE:LINE: text" to the errors. */
void hw_config_mistake(struct hw_config_checker *checker, unsigned line, const char *format, ...)
	HW_PRINTF(3, 4);
/* hw_option_apply() that tells mistakes with their lines. */
int hw_config_apply(struct hw_config_checker *checker, const struct hw_option_table *table,
		    void *self, const struct hw_setting *settings, const unsigned *lines,
		    size_t count, char **ret_strings);
/* The first value of a key, NULL when it is not there; its line, or that of the section. */
const char *hw_config_value_of(const struct hw_ini_section *section, const char *key);
unsigned hw_config_line_of(const struct hw_ini_section *section, const char *key);

/* Leaves the settings of a section with mistakes that are right, so that open() can be called.
 * -ENOMEM. */
int hw_config_leave_right_settings(struct hw_config_plugin *plugin);
/* What open() says of this key (static, or borrowed as settings are) is not told. -ENOMEM. */
int hw_config_doubt(struct hw_config_plugin *plugin, const char *key);
bool hw_config_is_doubted(const struct hw_config_plugin *plugin, const char *key);

/* Read one section each. What is wrong is told; what goes wrong is in checker->error. */
void hw_config_read_plugin(struct hw_config_checker *checker, const struct hw_ini_section *section,
			   size_t kind);
void hw_config_read_share(struct hw_config_checker *checker, const struct hw_ini_section *section);
/* After all sections: does it serve shares that exist? */
void hw_config_check_sink(struct hw_config_checker *checker, struct hw_config_plugin *sink);

/* The watcher of this name, made when no section describes it. `optional`: one of auto, which may
 * be missing untold. -EINVAL, -ENOENT: told; -ENOMEM. */
int hw_config_get_watcher(struct hw_config_checker *checker, const char *name, unsigned line,
			  bool optional, size_t *ret);

#endif
