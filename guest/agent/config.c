/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "inifile.h"
#include "log.h"
#include "option.h"
#include "suggest.h"

#include <errno.h>
#include <hostwatch/frame.h>
#include <stdlib.h>
#include <string.h>

#define QUOTED_MAX 300u

static const struct hw_option *const guest_options[] = {
	&(const struct hw_option)
		HW_OPT_STRING("state", struct hw_guest_config, state, HW_GUEST_STATE,
			      "File that stores the last event of each mount; empty for none"),
	&(const struct hw_option)HW_OPT_ENUM("log_level", struct hw_guest_config, log_level, "info",
					     "error|warning|info|debug",
					     "Most verbose level that is logged"),
};
static const struct hw_option_table guest_table = {
	guest_options,
	sizeof(guest_options) / sizeof(guest_options[0]),
};

static const struct hw_option *const mount_options[] = {
	&(const struct hw_option)HW_OPT_STRING("path", struct hw_mount, path, NULL,
					       "Path where the share is mounted"),
	&(const struct hw_option)HW_OPT_STRING(
		"at", struct hw_mount, at, NULL,
		"With inject = replay or auto: the directory that programs use in place of path"),
	&(const struct hw_option)HW_OPT_STRING("share", struct hw_mount, share, NULL,
					       "Name of the share on the host"),
	&(const struct hw_option)HW_OPT_STRING("channel", struct hw_mount, channel_text, NULL,
					       "Channel to the host"),
	&(const struct hw_option)
		HW_OPT_STRING("secret", struct hw_mount, secret_path, NULL,
			      "File with the secret that secret = names in the sink of the host"),
	&(const struct hw_option)HW_OPT_BOOL(
		"any_port", struct hw_mount, any_port, "no",
		"With vsock-listen: accept any source port of the host, not only those below 1024"),
	&(const struct hw_option)HW_OPT_ENUM("inject", struct hw_mount, inject, "module",
					     "module|touch|print|replay|auto",
					     "How events are delivered to programs in the guest"),
	&(const struct hw_option)HW_OPT_NUMBER(
		"notify_code", struct hw_mount, notify_code, "26743", HW_FRAME_CODE_MIN,
		HW_FRAME_CODE_MAX, "Notify code of the frames; must equal notify_code on the host"),
	&(const struct hw_option)HW_OPT_SIZE(
		"compare_memory", struct hw_mount, compare_memory, "64M", 0, UINT64_C(16) << 30,
		"Memory for the state of watched files, which is compared after a rescan; 0: none"),
};
static const struct hw_option_table mount_table = {
	mount_options,
	sizeof(mount_options) / sizeof(mount_options[0]),
};

struct reader {
	const char *file; /* as shown in messages */
	const struct hw_ini *ini;
	const struct hw_ini_section *section;
	struct hw_errors *errors;
	struct hw_guest_config *config;
	bool any_path;
	bool guest_seen;
	int error;
};

static void mistake(struct reader *reader, unsigned line, const char *text)
{
	hw_errors_add(reader->errors, "%s:%u: %s", reader->file, line, text);
	if (reader->error == 0)
		reader->error = -EINVAL;
}

static void option_mistake(void *arg, const struct hw_setting *setting, const char *text)
{
	struct reader *reader = arg;
	const struct hw_ini_section *section = reader->section;

	mistake(reader, setting ? section->lines[setting - section->settings] : section->line,
		text);
}

static unsigned line_of(const struct hw_ini_section *section, const char *key)
{
	for (size_t i = 0; i < section->count; i++)
		if (strcmp(section->settings[i].key, key) == 0)
			return section->lines[i];
	return section->line;
}

/* ---- one mount ---- */

static const char required[] = "required, but not set";

static const char *fault_of_path(const struct hw_mount *mount, bool any_path)
{
	if (!mount->path)
		return any_path || mount->inject == HW_INJECT_PRINT ? NULL : required;
	return mount->path[0] == '/' ? NULL : "must be an absolute path";
}

static const char *fault_of_at(const struct hw_mount *mount)
{
	if (mount->inject != HW_INJECT_REPLAY && mount->inject != HW_INJECT_AUTO)
		return mount->at ? "only inject = replay and auto mount something there" : NULL;
	if (!mount->at)
		return mount->inject == HW_INJECT_AUTO
			       ? NULL
			       : "required with inject = replay: the directory that programs use";
	if (mount->at[0] != '/')
		return "must be an absolute path";
	return mount->path && strcmp(mount->path, mount->at) == 0
		       ? "must not be the mount of the share itself"
		       : NULL;
}

static const char *fault_of_secret(struct hw_mount *mount)
{
	const struct channel *channel = &mount->channel;
	const char *why;

	if (!mount->secret_path)
		return !channel->is_virtio && channel->address.transport == HW_TRANSPORT_TCP &&
				       (channel->listen ||
					hw_sockaddr_is_remote(&channel->address.to.any))
			       ? "required for tcp-listen and for tcp to another machine: without "
				 "it, any program could send events"
			       : NULL;
	mount->channel.any_peer = true;
	return hw_secret_read(mount->secret_path, &mount->secret, &why) < 0 ? why : NULL;
}

/* Returns the mistake and its key; NULL if there is no mistake. */
static const char *fault_of_mount(struct hw_mount *mount, bool any_path, const char **ret_key)
{
	const char *why = NULL;

	*ret_key = "path";
	why = fault_of_path(mount, any_path);
	if (why)
		return why;
	*ret_key = "at";
	why = fault_of_at(mount);
	if (why)
		return why;
	*ret_key = "share";
	if (mount->share && strlen(mount->share) > HW_FRAME_SHARE_MAX)
		return "longer than 255 bytes";
	*ret_key = "channel";
	if (!mount->channel_text)
		return required;
	if (hw_channel_parse(mount->channel_text, &mount->channel, &why) < 0)
		return why;
	mount->channel.any_port = mount->any_port != 0;
	*ret_key = "secret";
	return fault_of_secret(mount);
}

static void check_mount(struct reader *reader, struct hw_mount *mount)
{
	const char *key;
	const char *why = fault_of_mount(mount, reader->any_path, &key);
	char text[QUOTED_MAX];

	if (!why)
		return;
	(void)snprintf(text, sizeof(text), "%s: %s", key, why);
	mistake(reader, line_of(reader->section, key), text);
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Returns the key of a setting that belongs to the channel and differs; NULL: none. */
static const char *differing(const struct hw_mount *a, const struct hw_mount *b)
{
	if (!is_same_text(a->share, b->share))
		return "share";
	if (!is_same_text(a->secret_path, b->secret_path))
		return "secret";
	if (a->any_port != b->any_port)
		return "any_port";
	return a->notify_code != b->notify_code ? "notify_code" : NULL;
}

/* Mounts with the same channel share its connection. */
static void join_channel(struct reader *reader, struct hw_mount *mount)
{
	struct hw_mount *first = reader->config->mounts;
	const char *key;
	char text[QUOTED_MAX];

	while (first != mount && (first->follows || !first->channel_text ||
				  strcmp(first->channel_text, mount->channel_text) != 0))
		first++;
	if (first == mount)
		return;
	key = differing(first, mount);
	if (key) {
		(void)snprintf(text, sizeof(text),
			       "%s: must be as in [mount %s], which has the same channel", key,
			       first->name);
		mistake(reader, line_of(reader->section, key), text);
		return;
	}
	while (first->next)
		first = first->next;
	first->next = mount;
	mount->follows = true;
}

static void apply(struct reader *reader, const struct hw_option_table *table, void *self,
		  char **ret_strings)
{
	int r = hw_option_apply(table, self, reader->section->settings, reader->section->count,
				option_mistake, reader, ret_strings);

	if (r == -ENOMEM)
		reader->error = r;
}

/* Returns false if an earlier section has the same name, which is a mistake. */
static bool is_first(struct reader *reader)
{
	const struct hw_ini_section *section = reader->section, *first = reader->ini->sections;
	char text[QUOTED_MAX];

	while (strcmp(first->kind, section->kind) != 0 || strcmp(first->name, section->name) != 0)
		first++;
	if (first == section)
		return true;
	(void)snprintf(text, sizeof(text), "duplicate section [%s%s%s], first defined on line %u",
		       section->kind, *section->name ? " " : "", section->name, first->line);
	mistake(reader, section->line, text);
	return false;
}

static void read_mount(struct reader *reader)
{
	struct hw_guest_config *config = reader->config;
	const struct hw_ini_section *section = reader->section;
	struct hw_mount *mount = &config->mounts[config->count];
	int before = reader->error;

	if (*section->name == '\0') {
		mistake(reader, section->line, "section [mount] needs a name: [mount NAME]");
		return;
	}
	if (!is_first(reader))
		return;
	if (config->count == HW_GUEST_MOUNTS_MAX) {
		mistake(reader, section->line, "more than 64 mounts");
		return;
	}
	config->names[config->count] = strdup(section->name);
	if (!config->names[config->count]) {
		reader->error = -ENOMEM;
		return;
	}
	mount->name = config->names[config->count];
	reader->error = 0;
	apply(reader, &mount_table, mount, &config->strings[config->count]);
	if (reader->error == 0)
		check_mount(reader, mount);
	if (reader->error == 0)
		join_channel(reader, mount);
	if (reader->error == 0)
		reader->error = before;
	config->count++;
}

/* ---- the file ---- */

static void unknown_section(struct reader *reader)
{
	static const char *const kinds[] = { "guest", "mount" };
	const char *kind = reader->section->kind;
	const char *meant = hw_suggest(kind, kinds, 2);
	char text[QUOTED_MAX];

	if (meant)
		(void)snprintf(text, sizeof(text), "unknown section [%s], did you mean [%s]?", kind,
			       meant);
	else
		(void)snprintf(text, sizeof(text),
			       "unknown section [%s]; expected [guest] or [mount NAME]", kind);
	mistake(reader, reader->section->line, text);
}

static void read_section(struct reader *reader)
{
	const struct hw_ini_section *section = reader->section;

	if (strcmp(section->kind, "mount") == 0) {
		read_mount(reader);
	} else if (strcmp(section->kind, "guest") != 0) {
		unknown_section(reader);
	} else if (*section->name != '\0') {
		mistake(reader, section->line, "section [guest] takes no name");
	} else if (is_first(reader)) {
		reader->guest_seen = true;
		apply(reader, &guest_table, reader->config,
		      &reader->config->strings[HW_GUEST_MOUNTS_MAX]);
	}
}

static int set_defaults(struct hw_guest_config *config)
{
	char *strings = NULL;
	int r = hw_option_apply(&guest_table, config, NULL, 0, NULL, NULL, &strings);

	config->strings[HW_GUEST_MOUNTS_MAX] = strings;
	return r;
}

int hw_guest_config_read(FILE *file, const char *name, bool any_path, struct hw_errors *errors,
			 struct hw_guest_config *ret)
{
	char quoted[QUOTED_MAX];
	struct hw_ini ini;
	struct reader reader = {
		.ini = &ini, .errors = errors, .config = ret, .any_path = any_path
	};
	int r;

	*ret = (struct hw_guest_config){ 0 };
	reader.file = hw_quote(quoted, sizeof(quoted), name, strlen(name));
	if (strlen(name) + 2 == strlen(quoted))
		reader.file = name; /* in this form, editors can jump to NAME:LINE */
	r = hw_ini_read(file, name, errors, &ini);
	for (size_t i = 0; i < ini.count && reader.error != -ENOMEM; i++) {
		reader.section = &ini.sections[i];
		read_section(&reader);
	}
	if (!reader.guest_seen && reader.error != -ENOMEM && set_defaults(ret) < 0)
		reader.error = -ENOMEM;
	if (r == 0 && reader.error == 0 && ret->count == 0) {
		hw_errors_add(errors, "%s: no [mount NAME] section: there is nothing to do",
			      reader.file);
		r = -EINVAL;
	}
	hw_ini_free(&ini);
	hw_errors_sort(errors);
	return reader.error < 0 ? reader.error : r;
}

int hw_guest_config_single(const struct hw_mount *mount, struct hw_guest_config *ret,
			   const char **ret_option, const char **ret_why)
{
	const char *key;

	*ret = (struct hw_guest_config){ .count = 1 };
	if (set_defaults(ret) < 0)
		return -ENOMEM;
	ret->mounts[0] = *mount;
	ret->mounts[0].name = "main";
	ret->mounts[0].compare_memory = HW_GUEST_COMPARE_MEMORY;
	*ret_why = fault_of_mount(&ret->mounts[0], false, &key);
	*ret_option = strcmp(key, "path") == 0 ? "mount" : key;
	return *ret_why ? -EINVAL : 0;
}

void hw_guest_config_free(struct hw_guest_config *config)
{
	for (size_t i = 0; i < HW_GUEST_MOUNTS_MAX; i++)
		hw_secret_free(config->mounts[i].secret);
	for (size_t i = 0; i <= HW_GUEST_MOUNTS_MAX; i++)
		free(config->strings[i]);
	for (size_t i = 0; i < HW_GUEST_MOUNTS_MAX; i++)
		free(config->names[i]);
	*config = (struct hw_guest_config){ 0 };
}
