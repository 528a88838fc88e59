/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One plugin file: is it safe to load, is its header sound, what does it offer. Loop thread only.
 */
#ifndef HW_MODULE_H
#define HW_MODULE_H

#include "errors.h"
#include <hostwatch/plugin.h>

/*
 * A loaded plugin. `plugin` and its options are copies in the form that this host knows: members
 * that an older plugin does not have are zero, and callbacks that it leaves out do nothing, so none
 * is NULL. The object is never unloaded: leak reports and late callbacks keep their symbols.
 */
struct hw_module {
	struct hw_plugin plugin;
	struct hw_option *options; /* owned: plugin.option_count of them */
	const struct hw_option **table; /* owned: plugin.options, pointers to them */
	char *path; /* owned, resolved */
};

/*
 * Loads the file at `path`. As root it and its directory must belong to root and be writable by
 * root only. A mistake is added to `errors` with the path and what to do. -EPERM: not trusted;
 * -ENOEXEC: not a plugin, or of another ABI; -EINVAL: its tables are not sound; -ENOENT and the
 * like; -ENOMEM.
 */
int hw_module_load(const char *path, struct hw_errors *errors, struct hw_module **ret);
/* Frees the copy. Its instances must be gone. NULL is fine. */
void hw_module_free(struct hw_module *module);

/* "watcher" or "sink". */
const char *hw_plugin_kind_name(uint32_t kind);

#endif
