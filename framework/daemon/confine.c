/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "confine.h"
#include "defaults.h"
#include "instance.h"
#include "log.h"
#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the oldest headers that hostwatch is built with. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (UINT64_C(1) << 15)
#endif

#define ABI_REFER 2 /* the version that can permit renaming between directories */
#define ABI_TRUNCATE 3
#define ABI_IOCTL_DEV 5

/* Everything but reading. */
#define DENIED                                                                                     \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                          \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                              \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                              \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                            \
	 LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

/* What hw_listen() and hw_listening_close() do: a socket is removed in a directory beside it. */
#define FOR_SOCKETS                                                                                \
	(LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE |                           \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER)

/* Files of a state are written beside the old ones, renamed and removed. */
#define FOR_STATES                                                                                 \
	(LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_WRITE_FILE |                             \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE)

static uint64_t denied_of(long abi)
{
	uint64_t denied = DENIED;

	if (abi >= ABI_TRUNCATE)
		denied |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= ABI_IOCTL_DEV)
		denied |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	return denied;
}

static int try_dir(void *arg)
{
	int fd = open(arg, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : close(fd);
}

/* The directory of a state whose filesystem does not answer stays forbidden. */
static bool answers(const char *path)
{
	return hw_remote_call(try_dir, (void *)(uintptr_t)path) != -ETIMEDOUT;
}

static int permit(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access };
	int r = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOMEM || errno == EMFILE || errno == ENFILE ? -errno : 0;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		r = -errno;
	(void)close(rule.parent_fd); /* the rule keeps the directory */
	return r;
}

static int restrict_self(int ruleset, uint64_t denied, const struct hw_confine_to *to)
{
	int r = permit(ruleset, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE);

	for (size_t i = 0; i < to->socket_count && r == 0; i++)
		r = permit(ruleset, to->sockets[i], FOR_SOCKETS);
	for (size_t i = 0; i < to->state_count && r == 0; i++)
		r = !answers(to->states[i])
			    ? 0
			    : permit(ruleset, to->states[i],
				     (FOR_STATES | LANDLOCK_ACCESS_FS_TRUNCATE) & denied);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	return r;
}

int hw_confine(const struct hw_confine_to *to)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = { .handled_access_fs = denied_of(abi) };
	int ruleset, r;

	if (abi < ABI_REFER)
		return -EOPNOTSUPP; /* also if it is switched off, or filtered in a container */
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -errno;
	r = restrict_self(ruleset, attr.handled_access_fs, to);
	(void)close(ruleset); /* it is in force, or useless */
	return r;
}

/* ---- the daemon ---- */

struct places {
	char **items; /* owned */
	size_t count;
};

static void free_places(struct places *places)
{
	for (size_t i = 0; i < places->count; i++)
		free(places->items[i]);
	free(places->items);
}

static int add_place(struct places *places, const char *path, size_t len)
{
	char **items = reallocarray(places->items, places->count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	places->items = items;
	items[places->count] = strndup(path, len);
	return items[places->count] ? (places->count++, 0) : -ENOMEM;
}

/* Adds the directory of an absolute path. Relative ones are below the default directory. */
static int add_parent(struct places *places, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (path[0] != '/')
		return 0;
	return add_place(places, path, slash == path ? 1 : (size_t)(slash - path));
}

static int add_sink(struct places *places, const struct hw_config_plugin *sink)
{
	const struct hw_plugin *plugin = &sink->module->plugin;
	const struct hw_option_table table = { plugin->options, plugin->option_count };
	int r = 0;

	for (size_t i = 0; i < sink->count && r == 0; i++) {
		const struct hw_option *option = hw_option_find(&table, sink->settings[i].key);
		const char *colon = strchr(sink->settings[i].value, ':');

		if (option && (option->flags & HW_OPTION_ADDRESS) && colon)
			r = add_parent(places, colon + 1);
	}
	return r;
}

static int find_places(const struct hw_config *config, struct places *places)
{
	char dir[HW_DEFAULT_PATH_MAX];
	int r = 0;

	if (hw_default_runtime_dir(dir) == 0)
		r = add_place(places, dir, strlen(dir));
	if (r == 0 && config->control)
		r = add_parent(places, config->control);
	for (size_t i = 0; i < config->sink_count && r == 0; i++)
		r = add_sink(places, &config->sinks[i]);
	return r;
}

static int find_states(const struct hw_config *config, struct places *places)
{
	char dir[HW_DEFAULT_PATH_MAX], log_dir[HW_DEFAULT_PATH_MAX];
	int r;

	if (hw_default_state_dir(config->state_dir, dir) < 0 ||
	    hw_default_log_dir(config->state_log_dir, dir, log_dir) < 0)
		return 0;
	r = add_place(places, dir, strlen(dir));
	return r < 0 ? r : add_place(places, log_dir, strlen(log_dir));
}

int hw_confine_daemon(const struct hw_config *config)
{
	struct places places = { 0 }, states = { 0 };
	int r = find_places(config, &places);

	if (r == 0)
		r = find_states(config, &states);
	/* Landlock requires it. Privileges are dropped already. */
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0)
		r = hw_confine(&(struct hw_confine_to){
			.sockets = (const char *const *)places.items,
			.socket_count = places.count,
			.states = (const char *const *)states.items,
			.state_count = states.count,
		});
	free_places(&places);
	free_places(&states);
	if (r != -EOPNOTSUPP)
		return r < 0 ? r : 1;
	hw_debug("not confined: the kernel has no Landlock, or it is older than Linux 5.19");
	return 0;
}
