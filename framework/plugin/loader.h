/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds and loads plugins. Loop thread only. */
#ifndef HW_LOADER_H
#define HW_LOADER_H

#include "errors.h"
#include "module.h"
#include <stddef.h>

/* Searched first; ignored in a set-user-id program. */
#define HW_PLUGIN_PATH_ENV "HOSTWATCH_PLUGIN_PATH"

#define HW_LOADER_DIRS_MAX 64u /* directories searched */
#define HW_LOADER_MODULES_MAX 256u /* plugins loaded */

struct hw_loader;

/* Creates a loader without directories. Returns 0 or -ENOMEM. */
int hw_loader_create(struct hw_loader **ret);
/* Instances of its plugins must have been destroyed. The objects stay loaded. Accepts NULL. */
void hw_loader_destroy(struct hw_loader *loader);

/* Appends directories, separated by colons; a directory that is already present keeps its place.
 * NULL or "" adds none. Returns -ENOMEM or -E2BIG on failure. */
int hw_loader_add_path(struct hw_loader *loader, const char *path);
/* Adds the default directories: the environment's path, then `configured` (may be NULL), then
 * plugins/ and sinks/ next to the executable (a build tree), or else the installed directories. */
int hw_loader_add_defaults(struct hw_loader *loader, const char *configured);

/*
 * Returns the plugin of this kind (0: any) and name, or at this path if `name` contains a slash,
 * and loads it if necessary. The module is borrowed until hw_loader_destroy(). Adds mistakes to
 * `errors` (NULL: logs them). Returns -ENOENT, or as hw_module_load().
 */
int hw_loader_load(struct hw_loader *loader, uint32_t kind, const char *name,
		   struct hw_errors *errors, const struct hw_module **ret);

/* Loads all plugins in the directories. Adds invalid files to `errors`. Returns 0 or -ENOMEM. */
int hw_loader_load_all(struct hw_loader *loader, struct hw_errors *errors);

/* Returns a loaded module, in the order of loading; NULL after the last one. */
const struct hw_module *hw_loader_get(const struct hw_loader *loader, size_t index);
/* Returns a searched directory; NULL after the last one. */
const char *hw_loader_dir(const struct hw_loader *loader, size_t index);

#endif
