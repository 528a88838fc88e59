/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "logs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static off_t size_of(const char *dir, const char *name, const char *suffix)
{
	char path[700];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%.500s/%s.%s", dir, name, suffix);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

int hw_logs_note(struct hw_logs *logs, const char *log_dir)
{
	DIR *stream = opendir(log_dir);
	const struct dirent *entry;

	if (!stream)
		return -errno;
	logs->count = 0;
	while ((entry = readdir(stream)) && logs->count < HW_LOGS_MAX) {
		const char *dot = strrchr(entry->d_name, '.');
		char *name = logs->names[logs->count];

		if (!dot || strcmp(dot, ".log") != 0)
			continue;
		(void)snprintf(name, sizeof(logs->names[0]), "%.*s", (int)(dot - entry->d_name),
			       entry->d_name);
		logs->sizes[logs->count++] = size_of(log_dir, name, "log");
	}
	(void)closedir(stream);
	return 0;
}

bool hw_logs_are_copied(const struct hw_logs *logs, const char *log_dir, const char *state_dir)
{
	for (unsigned i = 0; i < logs->count; i++)
		if (size_of(log_dir, logs->names[i], "log") >= 0 &&
		    size_of(state_dir, logs->names[i], "copy") < logs->sizes[i])
			return false;
	return true;
}
