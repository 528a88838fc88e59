/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inject = replay: the same operations on an ordinary directory and on the lower directory of a
 * replaying mount, with the events that a host sends. Watches on both have to report the same.
 */
#include "tests/common/needs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <hostwatch/frame.h>
#include <hostwatch/replay.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 20000
#define SEEN_MAX 16384u
#define STEPS_MAX 16u

/* What is there, and watched, at the start of each case. */
static const char *const directories[] = { "d", "d/n", "e" };
static const char *const files[] = { "f", "g", "d/x", "d/n/y", "e/z" };

struct side {
	char base[64];
	int inotify;
	char seen[SEEN_MAX];
};

struct rig {
	char top[32];
	struct side plain, mount; /* `mount.base` is the mount, the host's directory is `lower` */
	char lower[64];
	int events; /* to the server */
	pid_t server;
	uint64_t seq;
};

/* ---- operations of a host ---- */

enum look {
	AT_ONCE, /* each change is reported before the next one */
	LATE, /* all changes are reported when the last one is over */
	PEEK, /* a program looks at everything before that */
	OWN, /* a program makes the changes through the mount, and the host reports them */
};

struct step {
	enum hw_kind kind;
	enum hw_type type;
	const char *path, *from;
	uint16_t flags;
};

struct scenario {
	const char *name;
	struct step steps[STEPS_MAX];
};

static void path_in(char ret[256], const char *base, const char *name)
{
	(void)snprintf(ret, 256, "%s/%s", base, name);
}

static void outside_of(char ret[256], const char *base, const char *name)
{
	const char *slash = strrchr(name, '/');

	(void)snprintf(ret, 256, "%s-outside-%s", base, slash ? slash + 1 : name);
}

/* Another entry whose name is "socket" is one. */
static mode_t mode_for(const char *path, enum hw_type type)
{
	if (type != HW_TYPE_OTHER)
		return S_IFREG | 0644;
	return strcmp(strrchr(path, '/'), "/socket") == 0 ? S_IFSOCK | 0644 : S_IFIFO | 0644;
}

static void create(const char *path, enum hw_type type)
{
	int r = type == HW_TYPE_DIR       ? mkdir(path, 0755)
		: type == HW_TYPE_SYMLINK ? symlink("x", path)
					  : mknod(path, mode_for(path, type), 0);

	assert_int_equal(r, 0);
}

static void move(const char *base, const struct step *step)
{
	char from[256], to[256];

	outside_of(from, base, step->path ? step->path : "");
	outside_of(to, base, step->from ? step->from : "");
	if (step->from)
		path_in(from, base, step->from);
	else
		create(from, step->type);
	if (step->path)
		path_in(to, base, step->path);
	assert_int_equal(renameat2(AT_FDCWD, from, AT_FDCWD, to,
				   step->flags & HW_FLAG_EXCHANGE ? RENAME_EXCHANGE : 0),
			 0);
}

static void open_and_close(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
}

static void lengthen(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size + 1), 0);
}

static void operate(const char *base, const struct step *step)
{
	char path[256];

	path_in(path, base, step->path ? step->path : "");
	switch (step->kind) {
	case HW_CREATE:
		create(path, step->type);
		break;
	case HW_DELETE:
		assert_int_equal(remove(path), 0);
		break;
	case HW_MOVE:
		move(base, step);
		break;
	case HW_MODIFY:
		lengthen(path);
		break;
	case HW_ATTRIB:
		assert_int_equal(chmod(path, 0700), 0);
		break;
	case HW_CLOSE_WRITE:
		open_and_close(path);
		break;
	default:
		fail();
	}
}

static void send_event(struct rig *rig, const struct step *step)
{
	const struct hw_event event = {
		.struct_size = sizeof(event),
		.kind = (uint8_t)step->kind,
		.type = (uint8_t)step->type,
		.flags = step->flags,
		.seq = ++rig->seq,
		.path = step->path,
		.from = step->from,
		.path_len = step->path ? (uint32_t)strlen(step->path) : 0,
		.from_len = step->from ? (uint32_t)strlen(step->from) : 0,
	};
	unsigned char bytes[1024];
	struct pollfd pollfd = { .fd = rig->events, .events = POLLIN };
	int32_t answer = -1;
	int n = hw_frame_encode_event(bytes, sizeof(bytes), HW_FUSE_NOTIFY_FSNOTIFY, &event);

	assert_true(n > 0);
	assert_int_equal(send(rig->events, bytes, (size_t)n, MSG_NOSIGNAL), n);
	assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
	assert_int_equal(recv(rig->events, &answer, sizeof(answer), 0), sizeof(answer));
	if (answer)
		fail_msg("the event of %s: %s", step->path ? step->path : step->from,
			 strerror(answer));
}

/* ---- what programs see ---- */

struct text {
	char *at;
	size_t room;
};

static const struct {
	uint32_t bit;
	const char *word;
} words[] = {
	{ IN_CREATE, "CREATE" },
	{ IN_DELETE, "DELETE" },
	{ IN_MOVED_FROM, "MOVED_FROM" },
	{ IN_MOVED_TO, "MOVED_TO" },
	{ IN_MODIFY, "MODIFY" },
	{ IN_ATTRIB, "ATTRIB" },
	{ IN_CLOSE_WRITE, "CLOSE_WRITE" },
	{ IN_MOVE_SELF, "MOVE_SELF" },
	{ IN_DELETE_SELF, "DELETE_SELF" },
	{ IN_IGNORED, "IGNORED" },
	{ IN_Q_OVERFLOW, "Q_OVERFLOW" },
	{ IN_UNMOUNT, "UNMOUNT" },
	{ IN_ISDIR, "ISDIR" },
};

/* Cookies are numbered as they appear. */
static unsigned number_of(uint32_t cookie, uint32_t known[64])
{
	unsigned i = 0;

	if (!cookie)
		return 0;
	while (known[i] && known[i] != cookie)
		i++;
	assert_true(i < 63);
	known[i] = cookie;
	return i + 1;
}

static void add_event(struct side *side, const struct inotify_event *event, uint32_t known[64])
{
	size_t len = strlen(side->seen);
	const size_t before = len;

	len += (size_t)snprintf(side->seen + len, SEEN_MAX - len, "%d", event->wd);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (event->mask & words[i].bit)
			len += (size_t)snprintf(side->seen + len, SEEN_MAX - len, " %s",
						words[i].word);
	len += (size_t)snprintf(side->seen + len, SEEN_MAX - len, " %s %u\n",
				event->len ? event->name : "-", number_of(event->cookie, known));
	assert_true(len > before && len < SEEN_MAX);
}

static void read_watches(struct side *side)
{
	static char buf[65536] __attribute__((aligned(8)));
	uint32_t known[64] = { 0 };
	ssize_t n;

	while ((n = read(side->inotify, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buf + at);

			add_event(side, event, known);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
}

static void watch(struct side *side, const char *name)
{
	const uint32_t mask = IN_CREATE | IN_DELETE | IN_MOVE | IN_MODIFY | IN_ATTRIB |
			      IN_CLOSE_WRITE | IN_MOVE_SELF | IN_DELETE_SELF;
	char path[256];

	path_in(path, side->base, name);
	assert_true(inotify_add_watch(side->inotify, path, mask) > 0);
}

static void watch_all(struct side *side)
{
	side->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	assert_true(side->inotify >= 0);
	side->seen[0] = '\0';
	watch(side, ".");
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		watch(side, directories[i]);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		watch(side, files[i]);
}

/* A program that looks at everything. */
static void look_at(const char *dir)
{
	DIR *listing = opendir(dir);
	const struct dirent *dirent;
	char path[512];
	struct stat st;

	if (!listing)
		return;
	while ((dirent = readdir(listing))) {
		if (strcmp(dirent->d_name, ".") == 0 || strcmp(dirent->d_name, "..") == 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, dirent->d_name);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			look_at(path);
	}
	(void)closedir(listing);
}

/* Below both directories there is the same. */
static void expect_same_tree(const char *want, const char *have)
{
	char command[600];

	(void)snprintf(command, sizeof(command),
		       "bash -c 'diff <(cd %s && find . -printf \"%%P %%y %%s %%n\\n\" | sort) "
		       "<(cd %s && find . -printf \"%%P %%y %%s %%n\\n\" | sort)'",
		       want, have);
	assert_int_equal(system(command), 0);
}

/* ---- the mount ---- */

static void make_tree(const char *base)
{
	char path[256];

	assert_int_equal(mkdir(base, 0755), 0);
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		path_in(path, base, directories[i]);
		create(path, HW_TYPE_DIR);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		path_in(path, base, files[i]);
		create(path, HW_TYPE_FILE);
	}
}

/* As an agent that is connected to a host, or is not any more. */
static void set_live(struct rig *rig, char byte)
{
	int32_t answer = -1;

	assert_int_equal(send(rig->events, &byte, 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(rig->events, &answer, sizeof(answer), 0), sizeof(answer));
	assert_int_equal(answer, 0);
}

static void start_server(struct rig *rig)
{
	struct pollfd pollfd = { .events = POLLIN };
	int32_t answer = -1;
	char number[16];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	rig->server = fork();
	assert_true(rig->server >= 0);
	if (rig->server == 0) {
		(void)snprintf(number, sizeof(number), "%d", dup(pair[1]));
		(void)execl(HW_BUILD_DIR "/hostwatch-guest-replay", "hostwatch-guest-replay",
			    rig->lower, rig->mount.base, number, NULL);
		_exit(127);
	}
	(void)close(pair[1]); /* the child's */
	rig->events = pollfd.fd = pair[0];
	assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
	assert_int_equal(recv(rig->events, &answer, sizeof(answer), 0), sizeof(answer));
	assert_int_equal(answer, 0);
	set_live(rig, HW_REPLAY_LIVE);
}

static void begin(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	(void)snprintf(rig->top, sizeof(rig->top), "/tmp/hwreplay-XXXXXX");
	assert_non_null(mkdtemp(rig->top));
	(void)snprintf(rig->plain.base, sizeof(rig->plain.base), "%s/plain", rig->top);
	(void)snprintf(rig->mount.base, sizeof(rig->mount.base), "%s/mount", rig->top);
	(void)snprintf(rig->lower, sizeof(rig->lower), "%s/lower", rig->top);
	make_tree(rig->plain.base);
	make_tree(rig->lower);
	assert_int_equal(mkdir(rig->mount.base, 0755), 0);
	start_server(rig);
	watch_all(&rig->plain);
	watch_all(&rig->mount);
}

/* The server has ended: nothing is mounted any more. */
static void forget(struct rig *rig)
{
	char command[64];

	(void)close(rig->plain.inotify); /* nothing to lose */
	(void)close(rig->mount.inotify);
	(void)close(rig->events);
	while (umount2(rig->mount.base, MNT_DETACH) == 0)
		;
	(void)snprintf(command, sizeof(command), "rm -rf --one-file-system %s", rig->top);
	assert_int_equal(system(command), 0);
}

static void end(struct rig *rig)
{
	int status;

	assert_int_equal(shutdown(rig->events, SHUT_RDWR), 0);
	assert_int_equal(waitpid(rig->server, &status, 0), rig->server);
	assert_int_equal(status, 0);
	forget(rig);
}

static void play(const struct scenario *scenario, enum look look)
{
	struct rig rig;

	begin(&rig);
	for (const struct step *step = scenario->steps; step->kind; step++) {
		operate(rig.plain.base, step);
		operate(look == OWN ? rig.mount.base : rig.lower, step);
		if (look == AT_ONCE)
			send_event(&rig, step);
	}
	if (look == PEEK)
		look_at(rig.mount.base);
	for (const struct step *step = scenario->steps; look != AT_ONCE && step->kind; step++) {
		send_event(&rig, step);
		look_at(rig.mount.base);
	}
	read_watches(&rig.plain);
	read_watches(&rig.mount);
	if (strcmp(rig.plain.seen, rig.mount.seen) != 0)
		fail_msg("%s: a local directory reports\n%s\nthe mount reports\n%s", scenario->name,
			 rig.plain.seen, rig.mount.seen);
	expect_same_tree(rig.plain.base, rig.mount.base);
	end(&rig);
}

/* ---- the cases ---- */

#define FILE_STEP(kind, ...)                                                                       \
	{                                                                                          \
		kind, HW_TYPE_FILE, __VA_ARGS__                                                    \
	}
#define DIR_STEP(kind, ...)                                                                        \
	{                                                                                          \
		kind, HW_TYPE_DIR, __VA_ARGS__                                                     \
	}

static const struct scenario scenarios[] = {
	{ "create of each type",
	  { FILE_STEP(HW_CREATE, "new", NULL, 0),
	    DIR_STEP(HW_CREATE, "newdir", NULL, 0),
	    { HW_CREATE, HW_TYPE_SYMLINK, "link", NULL, 0 },
	    { HW_CREATE, HW_TYPE_OTHER, "d/fifo", NULL, 0 },
	    { HW_CREATE, HW_TYPE_OTHER, "d/socket", NULL, 0 } } },
	{ "delete", { FILE_STEP(HW_DELETE, "f", NULL, 0), FILE_STEP(HW_DELETE, "d/x", NULL, 0) } },
	{ "rmdir",
	  { FILE_STEP(HW_DELETE, "d/n/y", NULL, 0), DIR_STEP(HW_DELETE, "d/n", NULL, 0),
	    FILE_STEP(HW_DELETE, "d/x", NULL, 0), DIR_STEP(HW_DELETE, "d", NULL, 0) } },
	{ "rename", { FILE_STEP(HW_MOVE, "h", "f", 0), FILE_STEP(HW_MOVE, "e/x", "d/x", 0) } },
	{ "rename over", { FILE_STEP(HW_MOVE, "g", "f", HW_FLAG_REPLACED) } },
	{ "rename of a directory",
	  { DIR_STEP(HW_MOVE, "e/n", "d/n", 0), FILE_STEP(HW_CREATE, "e/n/new", NULL, 0),
	    FILE_STEP(HW_DELETE, "e/n/y", NULL, 0) } },
	{ "exchange", { FILE_STEP(HW_MOVE, "g", "f", HW_FLAG_EXCHANGE) } },
	{ "move out", { FILE_STEP(HW_MOVE, NULL, "f", 0), DIR_STEP(HW_MOVE, NULL, "d/n", 0) } },
	{ "move in", { FILE_STEP(HW_MOVE, "new", NULL, 0), DIR_STEP(HW_MOVE, "d/new", NULL, 0) } },
	{ "move in over", { FILE_STEP(HW_MOVE, "f", NULL, HW_FLAG_REPLACED) } },
	{ "chain of renames",
	  { FILE_STEP(HW_MOVE, "h", "f", 0), FILE_STEP(HW_MOVE, "f", "g", 0),
	    FILE_STEP(HW_MOVE, "g", "h", 0) } },
	{ "created and deleted",
	  { FILE_STEP(HW_CREATE, "new", NULL, 0), FILE_STEP(HW_DELETE, "new", NULL, 0) } },
	{ "atomic save",
	  { FILE_STEP(HW_CREATE, "tmp", NULL, 0), FILE_STEP(HW_MODIFY, "tmp", NULL, 0),
	    FILE_STEP(HW_CLOSE_WRITE, "tmp", NULL, 0),
	    FILE_STEP(HW_MOVE, "f", "tmp", HW_FLAG_REPLACED) } },
	{ "modify, attrib",
	  { FILE_STEP(HW_MODIFY, "f", NULL, 0), FILE_STEP(HW_ATTRIB, "d/x", NULL, 0),
	    DIR_STEP(HW_ATTRIB, "d", NULL, 0) } },
	{ "attrib of a directory that gets an entry",
	  { DIR_STEP(HW_ATTRIB, "e", NULL, 0), FILE_STEP(HW_CREATE, "e/new", NULL, 0) } },
	{ "rename after an exchange",
	  { FILE_STEP(HW_MOVE, "g", "f", HW_FLAG_EXCHANGE), FILE_STEP(HW_MOVE, "h", "f", 0) } },
	{ "exchange with a directory, and back",
	  { FILE_STEP(HW_MOVE, "e", "f", HW_FLAG_EXCHANGE),
	    DIR_STEP(HW_MOVE, "e", "f", HW_FLAG_EXCHANGE), FILE_STEP(HW_DELETE, "f", NULL, 0) } },
	{ "close", { FILE_STEP(HW_CLOSE_WRITE, "g", NULL, 0) } },
	{ "a file becomes a directory",
	  { FILE_STEP(HW_DELETE, "f", NULL, 0), DIR_STEP(HW_CREATE, "f", NULL, 0),
	    FILE_STEP(HW_CREATE, "f/in", NULL, 0) } },
};

/* Mounting, without changing what others see. */
static const char *hw_lacks_fuse(void)
{
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return "/dev/fuse cannot be opened";
	return hw_lacks_mounts();
}

/* A program here cannot rename across the border of the mount, and the host does not learn of a
 * file that was opened and not written. */
static bool is_for_hosts(const struct scenario *scenario)
{
	if (scenario->steps[0].kind == HW_CLOSE_WRITE)
		return true;
	for (const struct step *step = scenario->steps; step->kind; step++)
		if (!step->path || (step->kind == HW_MOVE && !step->from))
			return true;
	return false;
}

static void play_all(enum look look)
{
	HW_NEED(hw_lacks_fuse());
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (look != OWN || !is_for_hosts(&scenarios[i]))
			play(&scenarios[i], look);
}

static void events_are_reported_as_on_a_local_directory(void **state)
{
	(void)state;
	play_all(AT_ONCE);
}

static void late_events_are_reported_as_on_a_local_directory(void **state)
{
	(void)state;
	play_all(LATE);
}

static void a_program_that_looks_first_receives_the_events(void **state)
{
	(void)state;
	play_all(PEEK);
}

static void changes_of_this_guest_are_not_reported_twice(void **state)
{
	(void)state;
	play_all(OWN);
}

/* A file that no program has looked up: only the watch of its directory gets the events. */
static void changes_of_a_file_that_was_renamed_since_are_reported(void **state)
{
	const struct step steps[] = {
		FILE_STEP(HW_MODIFY, "u", NULL, 0), FILE_STEP(HW_CLOSE_WRITE, "u", NULL, 0),
		FILE_STEP(HW_ATTRIB, "u", NULL, 0), FILE_STEP(HW_MOVE, "v", "u", 0),
		FILE_STEP(HW_MODIFY, "v", NULL, 0), FILE_STEP(HW_DELETE, "v", NULL, 0)
	};
	struct rig rig;

	(void)state;
	HW_NEED(hw_lacks_fuse());
	for (unsigned count = 4; count <= 6; count += 2) {
		const struct step new_file = FILE_STEP(HW_CREATE, "u", NULL, 0);

		begin(&rig);
		operate(rig.plain.base, &new_file);
		operate(rig.lower, &new_file);
		read_watches(&rig.plain);
		rig.plain.seen[0] = '\0';
		for (unsigned i = 0; i < count; i++) {
			operate(rig.plain.base, &steps[i]);
			operate(rig.lower, &steps[i]);
		}
		for (unsigned i = 0; i < count; i++) {
			send_event(&rig, &steps[i]);
			look_at(rig.mount.base);
		}
		read_watches(&rig.plain);
		read_watches(&rig.mount);
		assert_string_equal(rig.plain.seen, rig.mount.seen);
		expect_same_tree(rig.plain.base, rig.mount.base);
		end(&rig);
	}
}

/* ---- changes of this guest and of the host ---- */

/* The program is far ahead of the host. */
static void a_name_that_a_program_uses_again_and_again_is_reported_once(void **state)
{
	const struct step steps[] = { FILE_STEP(HW_CREATE, "new", NULL, 0),
				      FILE_STEP(HW_DELETE, "new", NULL, 0) };
	struct rig rig;

	(void)state;
	HW_NEED(hw_lacks_fuse());
	begin(&rig);
	for (unsigned i = 0; i < 100; i++) {
		operate(rig.plain.base, &steps[i % 2]);
		operate(rig.mount.base, &steps[i % 2]);
	}
	for (unsigned i = 0; i < 100; i++) {
		send_event(&rig, &steps[i % 2]);
		look_at(rig.mount.base);
	}
	read_watches(&rig.plain);
	read_watches(&rig.mount);
	assert_string_equal(rig.plain.seen, rig.mount.seen);
	end(&rig);
}

/* The unlink and the link change the ctime of a file that the host has yet to report. */
static void links_of_a_written_file_are_no_change_of_it(void **state)
{
	const struct step late[] = { FILE_STEP(HW_ATTRIB, "f", NULL, 0),
				     FILE_STEP(HW_CREATE, "link", NULL, 0),
				     FILE_STEP(HW_DELETE, "f", NULL, 0) };
	char path[256], other[256];
	struct rig rig;

	(void)state;
	HW_NEED(hw_lacks_fuse());
	begin(&rig);
	for (unsigned side = 0; side < 2; side++) {
		const char *base = side ? rig.mount.base : rig.plain.base;

		path_in(path, base, "f");
		path_in(other, base, "link");
		assert_int_equal(chmod(path, 0700), 0);
		assert_int_equal(link(path, other), 0);
		assert_int_equal(unlink(path), 0);
	}
	for (unsigned i = 0; i < sizeof(late) / sizeof(late[0]); i++)
		send_event(&rig, &late[i]);
	read_watches(&rig.plain);
	read_watches(&rig.mount);
	assert_string_equal(rig.plain.seen, rig.mount.seen);
	end(&rig);
}

/* The host reports nothing of an entry that came and went within one observation. */
static void a_change_that_was_undone_hides_no_change_of_the_host(void **state)
{
	const struct step steps[] = { FILE_STEP(HW_CREATE, "new", NULL, 0),
				      FILE_STEP(HW_DELETE, "new", NULL, 0) };
	struct rig rig;
	char path[256];

	(void)state;
	HW_NEED(hw_lacks_fuse());
	begin(&rig);
	path_in(path, rig.mount.base, "new");
	for (unsigned i = 0; i < 2; i++)
		operate(rig.mount.base, &steps[i]);
	assert_int_equal(access(path, F_OK), -1);
	read_watches(&rig.mount);
	rig.mount.seen[0] = '\0';
	operate(rig.lower, &steps[0]);
	send_event(&rig, &steps[0]);
	assert_int_equal(access(path, F_OK), 0);
	read_watches(&rig.mount);
	assert_string_equal(rig.mount.seen, "1 CREATE new 0\n");
	end(&rig);
}

/* The host has removed it within the observation of its creation, and reports nothing. */
static void an_entry_that_was_removed_before_it_was_reported_goes(void **state)
{
	const struct step create_new = FILE_STEP(HW_CREATE, "new", NULL, 0);
	struct timespec now, until;
	struct rig rig;
	char path[256];

	(void)state;
	HW_NEED(hw_lacks_fuse());
	begin(&rig);
	operate(rig.mount.base, &create_new);
	path_in(path, rig.lower, "new");
	assert_int_equal(unlink(path), 0);
	path_in(path, rig.mount.base, "new");
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += DEADLINE_MS / 1000;
	do
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	while (access(path, F_OK) == 0 && now.tv_sec < until.tv_sec);
	assert_int_equal(access(path, F_OK), -1);
	end(&rig);
}

/* An entry that is gone when its create is reported: programs get the event, but do not find it.
 */
static void an_entry_that_is_gone_is_not_there(void **state)
{
	static const enum hw_type types[] = { HW_TYPE_FILE, HW_TYPE_DIR };
	struct rig rig;
	char path[256];

	(void)state;
	HW_NEED(hw_lacks_fuse());
	for (unsigned i = 0; i < 2; i++) {
		const struct step steps[] = { { HW_CREATE, types[i], "new", NULL, 0 },
					      { HW_DELETE, types[i], "new", NULL, 0 } };

		begin(&rig);
		path_in(path, rig.mount.base, "new");
		send_event(&rig, &steps[0]);
		assert_int_equal(access(path, F_OK), -1);
		send_event(&rig, &steps[1]);
		read_watches(&rig.mount);
		assert_string_equal(rig.mount.seen,
				    i ? "1 CREATE ISDIR new 0\n1 DELETE ISDIR new 0\n"
				      : "1 CREATE new 0\n1 DELETE new 0\n");
		end(&rig);
	}
}

/* ---- contents ---- */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static void expect_text(const char *path, const char *text)
{
	char buf[64] = "";
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, strlen(text));
	assert_true(read(fd, buf, sizeof(buf) - 1) >= 0);
	assert_string_equal(buf, text);
	assert_int_equal(close(fd), 0);
}

/* The file that a program has read before is written in place, or replaced. */
static void change_file(struct rig *rig, unsigned round, const char *text)
{
	const struct step rewrite[] = { { HW_MODIFY, HW_TYPE_FILE, "f", NULL, 0 },
					{ HW_CLOSE_WRITE, HW_TYPE_FILE, "f", NULL, 0 } };
	const struct step replace[] = { { HW_CREATE, HW_TYPE_FILE, "new", NULL, 0 },
					{ HW_MOVE, HW_TYPE_FILE, "f", "new", HW_FLAG_REPLACED } };
	char path[256], fresh[256];

	path_in(path, rig->lower, "f");
	path_in(fresh, rig->lower, "new");
	write_text(round % 2 ? fresh : path, text);
	if (round % 2)
		assert_int_equal(rename(fresh, path), 0);
	for (unsigned i = 0; i < 2; i++)
		send_event(rig, round % 2 ? &replace[i] : &rewrite[i]);
}

/* All texts have the same length: only the event can say that the pages are old. */
static void after_an_event_the_new_contents_are_read(void **state)
{
	struct rig rig;
	char path[256], text[16];

	(void)state;
	HW_NEED(hw_lacks_fuse());
	begin(&rig);
	path_in(path, rig.mount.base, "f");
	for (unsigned round = 0; round < 200; round++) {
		(void)snprintf(text, sizeof(text), "%06u", round);
		change_file(&rig, round, text);
		expect_text(path, text);
		expect_text(path, text);
	}
	end(&rig);
}

static void append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

/* The host appends as soon as the program has written, and reports both as one change. */
static void a_write_of_the_host_after_one_of_this_guest_is_reported(void **state)
{
	const struct step modify = FILE_STEP(HW_MODIFY, "f", NULL, 0);
	char above[256], below[256];
	struct rig rig;

	(void)state;
	HW_NEED(hw_lacks_fuse());
	begin(&rig);
	path_in(above, rig.mount.base, "f");
	path_in(below, rig.lower, "f");
	for (unsigned round = 0; round < 300; round++) {
		write_text(above, "guest");
		append(below, "host");
		read_watches(&rig.mount);
		rig.mount.seen[0] = '\0';
		send_event(&rig, &modify);
		expect_text(above, "guesthost");
		read_watches(&rig.mount);
		assert_string_equal(rig.mount.seen, "1 MODIFY f 0\n5 MODIFY - 0\n");
	}
	end(&rig);
}

/* ---- events that were missed ---- */

static void change_while_nobody_reports(const struct rig *rig)
{
	char path[256], other[256];

	path_in(path, rig->lower, "d");
	path_in(other, rig->lower, "moved");
	assert_int_equal(rename(path, other), 0);
	path_in(path, rig->lower, "f");
	write_text(path, "new");
	path_in(path, rig->lower, "e/z");
	assert_int_equal(unlink(path), 0);
	path_in(path, rig->lower, "e/new");
	create(path, HW_TYPE_DIR);
	path_in(path, rig->lower, "g");
	assert_int_equal(chmod(path, 0600), 0);
}

/* Programs that have listed the directories receive what differs. */
static void a_rescan_reports_the_difference(void **state)
{
	const struct step rescan = { HW_RESCAN, HW_TYPE_NONE, "", NULL, 0 };
	struct rig rig;
	char path[256];

	(void)state;
	HW_NEED(hw_lacks_fuse());
	begin(&rig);
	look_at(rig.mount.base);
	change_while_nobody_reports(&rig);
	send_event(&rig, &rescan);
	read_watches(&rig.mount);
	assert_string_equal(rig.mount.seen, "1 MOVED_FROM ISDIR d 1\n1 MOVED_TO ISDIR moved 1\n"
					    "2 MOVE_SELF - 0\n9 ATTRIB - 0\n9 DELETE_SELF - 0\n"
					    "9 IGNORED - 0\n4 DELETE z 0\n4 CREATE ISDIR new 0\n"
					    "1 MODIFY f 0\n5 MODIFY - 0\n1 CLOSE_WRITE f 0\n"
					    "5 CLOSE_WRITE - 0\n1 ATTRIB g 0\n6 ATTRIB - 0\n");
	expect_same_tree(rig.lower, rig.mount.base);
	path_in(path, rig.mount.base, "f");
	expect_text(path, "new");
	rig.mount.seen[0] = '\0';
	send_event(&rig, &rescan);
	read_watches(&rig.mount);
	assert_string_equal(rig.mount.seen, "");
	end(&rig);
}

/* Nobody has listed them: what is new is not known. */
static void a_rescan_reports_an_attrib_of_other_directories(void **state)
{
	const struct step rescan = { HW_RESCAN, HW_TYPE_NONE, "", NULL, 0 };
	struct rig rig;
	char path[256];

	(void)state;
	HW_NEED(hw_lacks_fuse());
	begin(&rig);
	path_in(path, rig.lower, "e/new");
	create(path, HW_TYPE_FILE);
	send_event(&rig, &rescan);
	read_watches(&rig.mount);
	assert_non_null(strstr(rig.mount.seen, "1 ATTRIB ISDIR -"));
	assert_non_null(strstr(rig.mount.seen, "1 ATTRIB ISDIR e "));
	expect_same_tree(rig.lower, rig.mount.base);
	end(&rig);
}

/* ---- the end of the server ---- */

/* Lists and reads until the mount is gone. */
static void use_mount(const char *base)
{
	struct stat st;

	while (stat(base, &st) == 0 && access(base, R_OK) == 0)
		look_at(base);
}

static void a_killed_server_leaves_no_program_waiting(void **state)
{
	const struct step step = { HW_MODIFY, HW_TYPE_FILE, "f", NULL, 0 };
	struct rig rig;
	pid_t programs[4];
	char text[16];

	(void)state;
	HW_NEED(hw_lacks_fuse());
	begin(&rig);
	for (unsigned i = 0; i < 4; i++) {
		programs[i] = fork();
		assert_true(programs[i] >= 0);
		if (programs[i] == 0) {
			(void)alarm(DEADLINE_MS / 1000);
			for (;;) {
				use_mount(rig.mount.base);
				if (access(rig.mount.base, R_OK) < 0)
					_exit(0);
			}
		}
	}
	for (unsigned round = 0; round < 50; round++) {
		(void)snprintf(text, sizeof(text), "%06u", round);
		change_file(&rig, round, text);
		send_event(&rig, &step);
	}
	assert_int_equal(kill(rig.server, SIGKILL), 0);
	assert_int_equal(waitpid(rig.server, NULL, 0), rig.server);
	for (unsigned i = 0; i < 4; i++) {
		int status = 0;

		/* the mount point itself is an ordinary directory again, or refuses */
		assert_int_equal(kill(programs[i], SIGTERM), 0);
		assert_int_equal(waitpid(programs[i], &status, 0), programs[i]);
		if (WIFSIGNALED(status))
			assert_int_equal(WTERMSIG(status), SIGTERM);
	}
	forget(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_reported_as_on_a_local_directory),
		cmocka_unit_test(late_events_are_reported_as_on_a_local_directory),
		cmocka_unit_test(a_program_that_looks_first_receives_the_events),
		cmocka_unit_test(changes_of_this_guest_are_not_reported_twice),
		cmocka_unit_test(changes_of_a_file_that_was_renamed_since_are_reported),
		cmocka_unit_test(a_name_that_a_program_uses_again_and_again_is_reported_once),
		cmocka_unit_test(links_of_a_written_file_are_no_change_of_it),
		cmocka_unit_test(a_change_that_was_undone_hides_no_change_of_the_host),
		cmocka_unit_test(an_entry_that_was_removed_before_it_was_reported_goes),
		cmocka_unit_test(an_entry_that_is_gone_is_not_there),
		cmocka_unit_test(after_an_event_the_new_contents_are_read),
		cmocka_unit_test(a_write_of_the_host_after_one_of_this_guest_is_reported),
		cmocka_unit_test(a_rescan_reports_the_difference),
		cmocka_unit_test(a_rescan_reports_an_attrib_of_other_directories),
		cmocka_unit_test(a_killed_server_leaves_no_program_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
