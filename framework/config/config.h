/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's configuration, as described in hostwatch.conf(5): read, checked and resolved to
 * plugins. Loop thread only. */
#ifndef HW_CONFIG_H
#define HW_CONFIG_H

#include "errors.h"
#include "inifile.h"
#include "loader.h"
#include "option.h"
#include <stdbool.h>

#define HW_CONFIG_WATCHERS_MAX 8u /* watchers of one share */
#define HW_CONFIG_EXCLUDES_MAX 4096u

/* [watcher NAME], [sink NAME], or a watcher that a share names and that has no section. */
struct hw_config_plugin {
	const char *name; /* borrowed from the section or the module */
	const struct hw_module *module; /* borrowed from the loader; NULL: it could not be loaded */
	unsigned line; /* 0: it has no section */
	bool opens; /* open() can be called with the settings */
	struct hw_setting *settings; /* owned array of borrowed strings: the plugin's own keys; if
				      * the section has mistakes, only the valid ones */
	unsigned *lines; /* owned: line of each setting */
	size_t count;
	const char **unknown; /* owned array of borrowed keys: their checks may depend on omitted
			       * settings */
	size_t unknown_count;
	const char *shares; /* of a sink: borrowed, NULL for all shares */
	unsigned shares_line;
};

struct hw_config_share {
	/* written by the option table */
	const char *path;
	const char *watcher;
	const char *exclude; /* patterns, one per line; NULL: no patterns */
	uint64_t interval_ns, settle_ns, settle_max_ns, journal_bytes;
	uint32_t pseudo; /* yes or no */

	const char *name; /* borrowed from the section */
	const char *interval; /* borrowed: as written in the file; NULL: invalid */
	unsigned line, path_line, watcher_line, interval_line, settle_max_line, exclude_line;
	char *strings; /* owned */
	char *exclude_text; /* owned: the memory of excludes */
	const char **excludes; /* owned array */
	size_t exclude_count;
	bool automatic; /* watcher = auto */
	size_t watchers[HW_CONFIG_WATCHERS_MAX]; /* indices into config->watchers, best first */
	size_t watcher_count;
};

struct hw_config {
	/* written by the option table */
	const char *plugin_path; /* NULL: not set */
	const char *control; /* path; NULL: the default of this user; "": none */
	const char *user; /* NULL: the default */
	const char *state_dir; /* NULL: the default; "": none */
	const char *state_log_dir; /* NULL: the default */
	uint32_t landlock; /* confine the daemon */
	uint32_t log_level; /* enum hw_log_level */

	char *file; /* owned */
	char *strings; /* owned */
	struct hw_ini ini;
	struct hw_config_share *shares; /* owned */
	size_t share_count;
	struct hw_config_plugin *watchers; /* owned */
	size_t watcher_count;
	struct hw_config_plugin *sinks; /* owned */
	size_t sink_count;
};

/* The tables of [hostwatch] and [share NAME], for help. */
extern const struct hw_option_table hw_config_global_options;
extern const struct hw_option_table hw_config_share_options;

/*
 * Reads and checks a file, and loads the plugins that it names (adding the loader's default
 * directories, with plugin_path). Adds mistakes to `errors` as "FILE:LINE: text". If there are
 * mistakes, returns 0 and the valid part, which must not be used but can be checked further.
 * -ENOENT and the like if the file cannot be opened; -ENOMEM.
 */
int hw_config_read(const char *file, struct hw_loader *loader, struct hw_errors *errors,
		   struct hw_config **ret);
void hw_config_free(struct hw_config *config); /* NULL is allowed */

/* Gets the settings of a share's n-th watcher: those of its section, and the share's interval if
 * the plugin has that key and the section does not set it. settings must have room for count + 1.
 * Returns their number. */
size_t hw_config_watcher_settings(const struct hw_config_share *share,
				  const struct hw_config_plugin *watcher,
				  struct hw_setting *settings);

/* Returns whether a message of fail_option() about these keys and this value (NULL: no value) is
 * reliable: open() received the configured values of all these keys. `share`: the share that a
 * watcher was opened for, NULL for a sink. */
bool hw_config_knows(const struct hw_config_plugin *plugin, const struct hw_config_share *share,
		     const char *keys, const char *value);
/* Returns the line of the first of these keys, or of the setting with this value if `value` is not
 * NULL. 0: the section does not set the key. */
unsigned hw_config_setting_line(const struct hw_config_plugin *plugin, const char *keys,
				const char *value);

/* Returns whether this sink serves the share. */
bool hw_config_sink_serves(const struct hw_config_plugin *sink, const char *share);

/* Gets the watcher called NAME, with or without a section; -ENOENT if no share uses it and no
 * section describes it. */
int hw_config_find_watcher(const struct hw_config *config, const char *name, size_t *ret);

#endif
