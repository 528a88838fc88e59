/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One plugin file: checks that it is safe to load, checks its header, and loads it. Loop thread
 * only. */
#ifndef HW_MODULE_H
#define HW_MODULE_H

#include "errors.h"
#include <hostwatch/plugin.h>

/*
 * A loaded plugin. `plugin` and its options are copies in the form of this host's version: members
 * that an older plugin lacks are zero, and missing callbacks are replaced by empty functions, so
 * none is NULL. The object is never unloaded, so that leak reports and late callbacks keep their
 * symbols.
 */
struct hw_module {
	struct hw_plugin plugin;
	struct hw_option *options; /* owned: plugin.option_count of them */
	const struct hw_option **table; /* owned: plugin.options, pointers to them */
	char *path; /* owned, resolved */
};

/*
 * Loads the file at `path`. With privileges, nobody but root and the user of this process may be
 * able to choose what it is: see trusted.h. Adds a mistake to `errors`, with the path and the
 * remedy. -EPERM: not trusted; -ENOEXEC: not a plugin, or of another ABI; -EINVAL: its tables are
 * invalid; -ENOENT and the like; -ENOMEM.
 */
int hw_module_load(const char *path, struct hw_errors *errors, struct hw_module **ret);
/* Frees the copy. Its instances must have been destroyed. Accepts NULL. */
void hw_module_free(struct hw_module *module);

/* Returns "watcher" or "sink". */
const char *hw_plugin_kind_name(uint32_t kind);

#endif
