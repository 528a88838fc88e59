/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe.h"
#include "inject.h"
#include "log.h"
#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The events that programs receive, by the kind of injection; NULL: no event. */
static const struct {
	const char *event;
	const char *module;
	const char *touch;
} rows[] = {
	{ "create", "IN_CREATE, FAN_CREATE", NULL },
	{ "delete", "IN_DELETE, IN_DELETE_SELF, FAN_DELETE", NULL },
	{ "move", "IN_MOVED_FROM, IN_MOVED_TO, IN_MOVE_SELF, FAN_RENAME",
	  "IN_MODIFY of a file's new name" },
	{ "modify", "IN_MODIFY, FAN_MODIFY", "IN_MODIFY, FAN_MODIFY" },
	{ "attrib", "IN_ATTRIB, FAN_ATTRIB", NULL },
	{ "close_write", "IN_CLOSE_WRITE, FAN_CLOSE_WRITE", NULL },
	{ "rescan", "IN_ATTRIB of watched directories", NULL },
};

/* Only a remote filesystem can change without this kernel's knowledge. */
static bool is_remote(const char *type)
{
	static const char *const types[] = { "virtiofs", "9p",   "nfs", "nfs4",  "cifs",
					     "smb3",     "ceph", "afs", "vboxsf" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return strncmp(type, "fuse", 4) == 0;
}

static const char *quote_text(char *buf, size_t size, const char *text)
{
	return hw_quote(buf, size, text, strlen(text));
}

static void print_mount(const char *path, const struct hw_mountinfo *info)
{
	char quoted[4 * HW_MOUNT_TEXT_MAX + 16];
	struct utsname uts;

	printf("mount       %s%s\n", quote_text(quoted, sizeof(quoted), path),
	       info->is_root ? "" : " (not a mount point)");
	printf("filesystem  %s", quote_text(quoted, sizeof(quoted), info->type));
	printf(" from %s, %s%s\n", quote_text(quoted, sizeof(quoted), info->source),
	       info->read_only ? "read-only" : "writable",
	       is_remote(info->type) ? "" : "; not a filesystem that another machine can change");
	if (uname(&uts) == 0)
		printf("kernel      %s %s\n", uts.sysname, uts.release);
}

static bool probe_module(const char *path)
{
	char why[HW_INJECT_WHY_MAX] = "";
	int fd = -1;
	int r = hw_module_bind(path, &fd, why);

	if (r == 0)
		(void)close(fd); /* opened as a test only */
	printf("module      %s%s\n", r == 0 ? "yes" : "no: ", why);
	return r == 0;
}

static bool probe_touch(const char *path, const struct hw_mountinfo *info)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH,
	};
	const char *why = NULL;
	int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = root < 0 ? -1 : (int)syscall(SYS_openat2, root, ".", &how, sizeof(how));

	if (info->read_only)
		why = "the mount is read-only";
	else if (fd < 0)
		why = strerror(errno);
	if (fd >= 0)
		(void)close(fd); /* O_PATH */
	if (root >= 0)
		(void)close(root); /* the same */
	printf("touch       %s%s\n", why ? "no: " : "yes, for files that this user may change",
	       why ? why : "");
	return !why;
}

static bool probe_replay(void)
{
	char why[HW_INJECT_WHY_MAX] = "";
	bool works = hw_replay_works(why);

	printf("replay      %s%s\n", works ? "yes, at another mount point" : "no: ", why);
	return works;
}

/* What programs receive with the best injector of inject = auto. */
static void print_events(bool module, bool replay, bool touch)
{
	printf("\ninject = auto takes %s. Events that programs here receive with it:\n",
	       module   ? "module"
	       : replay ? "replay, if at = DIRECTORY is set"
	       : touch  ? "touch"
			: "nothing");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *told = module || replay ? rows[i].module : touch ? rows[i].touch : NULL;

		printf("  %-11s %s\n", rows[i].event, told ? told : "nothing");
	}
	if (!module && replay)
		printf("Without at = DIRECTORY it takes %s. With the kernel module programs need "
		       "no "
		       "other directory: modprobe hostwatch\n",
		       touch ? "touch, which reports modify only" : "nothing");
	else if (!module)
		printf("The kernel module delivers all of them: modprobe hostwatch\n");
}

int hw_probe(const char *path)
{
	struct hw_mountinfo info;
	int r = hw_mountinfo_get(path, &info);
	char quoted[300];
	bool module, replay, touch;

	if (r < 0) {
		hw_error("%s: %s", quote_text(quoted, sizeof(quoted), path), strerror(-r));
		return 1;
	}
	print_mount(path, &info);
	module = probe_module(path);
	replay = probe_replay();
	touch = probe_touch(path, &info);
	print_events(module, replay, touch);
	return 0;
}
