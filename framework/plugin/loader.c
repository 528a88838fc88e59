/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loader.h"
#include "log.h"
#include "suggest.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUOTED_MAX 256u
#define SUFFIX ".so"
#define FILES_MAX 1024u /* files examined in one directory */

struct hw_loader {
	char *dirs[HW_LOADER_DIRS_MAX]; /* owned */
	size_t dir_count;
	struct hw_module *modules[HW_LOADER_MODULES_MAX]; /* owned */
	size_t module_count;
};

int hw_loader_create(struct hw_loader **ret)
{
	struct hw_loader *loader = calloc(1, sizeof(*loader));

	if (!loader)
		return -ENOMEM;
	*ret = loader;
	return 0;
}

void hw_loader_destroy(struct hw_loader *loader)
{
	if (!loader)
		return;
	for (size_t i = 0; i < loader->module_count; i++)
		hw_module_free(loader->modules[i]);
	for (size_t i = 0; i < loader->dir_count; i++)
		free(loader->dirs[i]);
	free(loader);
}

/* ---- directories ---- */

static int add_dir(struct hw_loader *loader, const char *dir, size_t len)
{
	char *copy;

	if (len == 0)
		return 0;
	for (size_t i = 0; i < loader->dir_count; i++) {
		if (strlen(loader->dirs[i]) == len && memcmp(loader->dirs[i], dir, len) == 0)
			return 0;
	}
	if (loader->dir_count == HW_LOADER_DIRS_MAX)
		return -E2BIG;
	copy = strndup(dir, len);
	if (!copy)
		return -ENOMEM;
	loader->dirs[loader->dir_count++] = copy;
	return 0;
}

int hw_loader_add_path(struct hw_loader *loader, const char *path)
{
	while (path && *path) {
		size_t len = strcspn(path, ":");
		int r = add_dir(loader, path, len);

		if (r < 0)
			return r;
		path += len;
		path += *path == ':';
	}
	return 0;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Returns 1 if the executable is in a build tree, whose folders were then added. */
static int add_build_tree(struct hw_loader *loader)
{
	static const char *const names[] = { "plugins", "sinks" };
	char exe[4096], *slash;
	int found = 0, r = 0;
	ssize_t len;

	len = readlink("/proc/self/exe", exe, sizeof(exe));
	if (len <= 0 || (size_t)len >= sizeof(exe) - sizeof("/plugins"))
		return 0; /* /proc is missing, or the path is too long: only the installed
			   * directories remain */
	exe[len] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return 0;
	for (size_t i = 0; i < 2 && r == 0; i++) {
		memcpy(slash + 1, names[i], strlen(names[i]) + 1);
		if (!is_directory(exe))
			continue;
		r = add_dir(loader, exe, strlen(exe));
		found = 1;
	}
	return r < 0 ? r : found;
}

int hw_loader_add_defaults(struct hw_loader *loader, const char *configured)
{
	int r;

	r = hw_loader_add_path(loader, secure_getenv(HW_PLUGIN_PATH_ENV));
	if (r == 0)
		r = hw_loader_add_path(loader, configured);
	if (r == 0)
		r = add_build_tree(loader);
	if (r != 0)
		return r < 0 ? r : 0;
	r = hw_loader_add_path(loader, HW_PLUGINDIR);
	if (r == 0)
		r = hw_loader_add_path(loader, HW_SINKDIR);
	return r;
}

/* ---- loading ---- */

static const struct hw_module *find_path(const struct hw_loader *loader, const char *path)
{
	for (size_t i = 0; i < loader->module_count; i++) {
		if (strcmp(loader->modules[i]->path, path) == 0)
			return loader->modules[i];
	}
	return NULL;
}

static int load_path(struct hw_loader *loader, const char *path, struct hw_errors *errors,
		     const struct hw_module **ret)
{
	struct hw_module *module;
	char *resolved = realpath(path, NULL);
	const struct hw_module *loaded = resolved ? find_path(loader, resolved) : NULL;
	int r;

	free(resolved);
	if (loaded) {
		*ret = loaded;
		return 0;
	}
	if (loader->module_count == HW_LOADER_MODULES_MAX) {
		hw_errors_add(errors, "more than %u plugins are loaded", HW_LOADER_MODULES_MAX);
		return -E2BIG;
	}
	r = hw_module_load(path, errors, &module);
	if (r < 0)
		return r;
	loader->modules[loader->module_count++] = module;
	*ret = module;
	return 0;
}

/* The name of a file must match the name of its plugin, so that a name in a configuration is
 * unambiguous. */
static int load_named(struct hw_loader *loader, const char *dir, const char *name,
		      struct hw_errors *errors, const struct hw_module **ret)
{
	const struct hw_module *module;
	char *path, quoted[QUOTED_MAX];
	int r;

	if (asprintf(&path, "%s/%s" SUFFIX, dir, name) < 0)
		return -ENOMEM;
	r = access(path, F_OK) < 0 ? -errno : 0;
	if (r == -ENOENT || r == -ENOTDIR) {
		free(path);
		return -ENOENT;
	}
	if (r < 0)
		hw_errors_add(errors, "%s: %s; can this user enter its directories?",
			      hw_quote(quoted, sizeof(quoted), path, strlen(path)), strerror(-r));
	else
		r = load_path(loader, path, errors, &module);
	if (r == 0 && strcmp(module->plugin.name, name) != 0) {
		hw_errors_add(errors, "%s: the name in the plugin is %s; rename the file to match",
			      hw_quote(quoted, sizeof(quoted), path, strlen(path)),
			      module->plugin.name);
		r = -EINVAL;
	}
	free(path);
	if (r == 0)
		*ret = module;
	return r;
}

static bool is_plugin_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len > 0 && len <= 31 && name[len] == '\0';
}

static const char *kind_word(uint32_t kind)
{
	return kind ? hw_plugin_kind_name(kind) : "plugin";
}

static int tell_missing(struct hw_loader *loader, uint32_t kind, const char *name,
			struct hw_errors *errors)
{
	const char *known[HW_LOADER_MODULES_MAX], *meant;
	char quoted[QUOTED_MAX], dirs[512] = "";
	struct hw_errors ignored = { 0 };
	size_t count = 0, used = 0;

	(void)hw_loader_load_all(loader, &ignored); /* for the suggestion only */
	hw_errors_free(&ignored);
	for (size_t i = 0; i < loader->module_count; i++) {
		if (!kind || loader->modules[i]->plugin.kind == kind)
			known[count++] = loader->modules[i]->plugin.name;
	}
	meant = hw_suggest(name, known, count);
	if (strchr(name, '.') && access(name, F_OK) == 0) {
		/* never the plain path, because the current directory may belong to another user */
		hw_quote(quoted, sizeof(quoted), name, strlen(name));
		hw_errors_add(errors, "no %s %s; a path has a slash, did you mean \"./%.*s?",
			      kind_word(kind), quoted, (int)(strlen(quoted) - 1), quoted + 1);
		return -ENOENT;
	}
	for (size_t i = 0; i < loader->dir_count && used < sizeof(dirs); i++)
		used += (size_t)snprintf(dirs + used, sizeof(dirs) - used, "%s%s", i ? ", " : "",
					 hw_quote(quoted, sizeof(quoted), loader->dirs[i],
						  strlen(loader->dirs[i])));
	hw_quote(quoted, sizeof(quoted), name, strlen(name));
	if (meant)
		hw_errors_add(errors, "no %s named %s, did you mean \"%s\"?", kind_word(kind),
			      quoted, meant);
	else
		hw_errors_add(errors, "no %s named %s in %s", kind_word(kind), quoted,
			      *dirs ? dirs : "the plugin directories");
	return -ENOENT;
}

static int check_kind(const struct hw_module *module, uint32_t kind, const char *name,
		      struct hw_errors *errors)
{
	char quoted[QUOTED_MAX];

	if (!kind || module->plugin.kind == kind)
		return 0;
	hw_errors_add(errors, "plugin %s is a %s, not a %s",
		      hw_quote(quoted, sizeof(quoted), name, strlen(name)),
		      hw_plugin_kind_name(module->plugin.kind), hw_plugin_kind_name(kind));
	return -EINVAL;
}

int hw_loader_load(struct hw_loader *loader, uint32_t kind, const char *name,
		   struct hw_errors *errors, const struct hw_module **ret)
{
	const struct hw_module *module = NULL;
	int r = -ENOENT;

	if (strchr(name, '/')) {
		r = load_path(loader, name, errors, &module);
	} else if (is_plugin_name(name)) {
		/* A watcher and a sink may share a name: if the kind differs, continue the search.
		 * */
		for (size_t i = 0; i < loader->dir_count && r == -ENOENT; i++) {
			r = load_named(loader, loader->dirs[i], name, errors, &module);
			if (r == 0 && kind && module->plugin.kind != kind)
				r = -ENOENT;
		}
		if (r == -ENOENT && module)
			r = 0; /* reports what the plugin is instead */
	}
	if (r == -ENOENT && !strchr(name, '/'))
		return tell_missing(loader, kind, name, errors);
	if (r == 0)
		r = check_kind(module, kind, name, errors);
	if (r == 0)
		*ret = module;
	return r;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_object(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > strlen(SUFFIX) && entry->d_name[0] != '.' &&
	       strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) == 0;
}

static int load_dir(struct hw_loader *loader, const char *dir, struct hw_errors *errors)
{
	struct dirent **entries;
	int count, r = 0;

	count = scandir(dir, &entries, is_object, by_name);
	if (count < 0)
		return errno == ENOMEM ? -ENOMEM : 0; /* a missing directory has no plugins */
	for (int i = 0; i < count; i++) {
		const struct hw_module *module;
		char *path;

		if (i < (int)FILES_MAX && r == 0) {
			r = asprintf(&path, "%s/%s", dir, entries[i]->d_name) < 0 ? -ENOMEM : 0;
			if (r == 0) {
				(void)load_path(loader, path, errors, &module); /* in errors */
				free(path);
			}
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

int hw_loader_load_all(struct hw_loader *loader, struct hw_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < loader->dir_count && r == 0; i++)
		r = load_dir(loader, loader->dirs[i], errors);
	return r;
}

const struct hw_module *hw_loader_get(const struct hw_loader *loader, size_t index)
{
	return index < loader->module_count ? loader->modules[index] : NULL;
}

const char *hw_loader_dir(const struct hw_loader *loader, size_t index)
{
	return index < loader->dir_count ? loader->dirs[index] : NULL;
}
