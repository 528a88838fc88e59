/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where plugins are found, and those that were. Loop thread only. */
#ifndef HW_LOADER_H
#define HW_LOADER_H

#include "errors.h"
#include "module.h"
#include <stddef.h>

/* Searched before all else; ignored in a set-user-id program. */
#define HW_PLUGIN_PATH_ENV "HOSTWATCH_PLUGIN_PATH"

#define HW_LOADER_DIRS_MAX 64u /* directories searched */
#define HW_LOADER_MODULES_MAX 256u /* plugins loaded */

struct hw_loader;

/* A loader that searches nowhere yet. -ENOMEM. */
int hw_loader_create(struct hw_loader **ret);
/* Instances of its plugins must be gone. The objects stay loaded. NULL is fine. */
void hw_loader_destroy(struct hw_loader *loader);

/* Adds directories, separated by colons, behind those that are there; one that is there stays where
 * it is. NULL or
 * "" adds none.
 * -ENOMEM, -E2BIG. */
int hw_loader_add_path(struct hw_loader *loader, const char *path);
/* Adds where plugins are by default: the environment's path, then `configured` (may be NULL), then
 * plugins/ and sinks/ next to the executable (a build tree), or else the installed directories. */
int hw_loader_add_defaults(struct hw_loader *loader, const char *configured);

/*
 * The plugin of this kind (0: of any) and name, or at this path when there is a slash in it. Loads
 * it when that has not happened yet. The module is borrowed until hw_loader_destroy(). Mistakes are
 * added to `errors` (NULL: logged). -ENOENT, and what hw_module_load() returns.
 */
int hw_loader_load(struct hw_loader *loader, uint32_t kind, const char *name,
		   struct hw_errors *errors, const struct hw_module **ret);

/* Loads whatever is in the directories. Files that are no sound plugins are added to `errors`.
 * -ENOMEM. */
int hw_loader_load_all(struct hw_loader *loader, struct hw_errors *errors);

/* Loaded so far, in the order of loading; NULL behind the last one. */
const struct hw_module *hw_loader_get(const struct hw_loader *loader, size_t index);
/* Directories searched; NULL behind the last one. */
const char *hw_loader_dir(const struct hw_loader *loader, size_t index);

#endif
