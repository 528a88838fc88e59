/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How hostwatch-guest injects events: inject = touch on a real directory with a real watcher,
 * inject = module where there is no module, --probe. */
#include "guest_rig.h"

#include "tests/common/needs.h"

#include <sys/inotify.h>
#include <sys/mount.h>

struct watch {
	int fd;
	char seen[4096]; /* "MODIFY name\n" and similar lines, in order */
};

static void watch_start(const struct guest_rig *rig, const char *path, struct watch *watch)
{
	char buf[256];

	memset(watch, 0, sizeof(*watch));
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	assert_true(watch->fd >= 0);
	assert_true(inotify_add_watch(watch->fd, rig_path(rig, path, buf), IN_ALL_EVENTS) > 0);
}

static const char *word_of(uint32_t mask)
{
	return mask & IN_MODIFY ? "MODIFY" : mask & IN_ATTRIB ? "ATTRIB" : "OTHER";
}

static void watch_read(struct watch *watch)
{
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n = read(watch->fd, buf, sizeof(buf));
	size_t len = strlen(watch->seen);

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(buf + at);

		/* resolving a path with O_PATH does not report IN_OPEN */
		len += (size_t)snprintf(watch->seen + len, sizeof(watch->seen) - len, "%s %s\n",
					word_of(event->mask), event->len ? event->name : "");
		at += (ssize_t)(sizeof(*event) + event->len);
	}
}

static void watch_expect(struct watch *watch, const char *what)
{
	int64_t until = rig_ms() + DEADLINE_MS;

	while (!strstr(watch->seen, what)) {
		if (!rig_wait(watch->fd, POLLIN, until))
			fail_msg("never saw \"%s\" but:\n%s", what, watch->seen);
		watch_read(watch);
	}
}

/* A directory dir/s with a file "a", a watcher on it, an agent, and its host. */
struct scene {
	struct child agent;
	struct watch watch;
	int host;
	struct stat before; /* of "a" */
};

static void get_stat(const struct guest_rig *rig, const char *name, struct stat *ret)
{
	char path[256];

	assert_int_equal(lstat(rig_path(rig, name, path), ret), 0);
}

static void scene_begin(struct guest_rig *rig, struct scene *scene)
{
	const struct timespec old[2] = { { .tv_sec = 1000000001, .tv_nsec = 123456789 },
					 { .tv_sec = 1000000002, .tv_nsec = 987654321 } };
	char path[256];

	assert_int_equal(mkdir(rig_path(rig, "%s/s", path), 0755), 0);
	rig_write(rig, "%s/s/a", "text");
	rig_write(rig, "%s/s/last", "");
	rig_write(rig, "%s/outside", "text");
	assert_int_equal(utimensat(AT_FDCWD, rig_path(rig, "%s/s/a", path), old, 0), 0);
	get_stat(rig, "%s/s/a", &scene->before);
	watch_start(rig, "%s/s", &scene->watch);
	host_listen(rig);
	AGENT(rig, &scene->agent, "--inject", "touch", "--mount", "%s/s", "--state", "",
	      "--channel", "unix:%s/ch");
	scene->host = host_accept(rig, 0, 0);
	host_hello(scene->host, EPOCH_A, 0);
}

static void scene_end(struct scene *scene)
{
	(void)close(scene->host);
	assert_int_equal(child_end(&scene->agent, SIGTERM), 0);
	(void)close(scene->watch.fd);
}

/* When the watcher sees this event, all earlier ones have been handled. */
static void barrier(struct scene *scene, uint64_t seq)
{
	host_event(scene->host, HW_MODIFY, seq, "last");
	watch_expect(&scene->watch, "MODIFY last\n");
}

/* ---- touch ---- */

static void touch_tells_modify_and_changes_nothing_else(void **state)
{
	struct guest_rig *rig = *state;
	struct scene scene;
	struct stat after;

	scene_begin(rig, &scene);
	host_event(scene.host, HW_MODIFY, 1, "a");
	barrier(&scene, 2);
	assert_string_equal(scene.watch.seen, "MODIFY a\nMODIFY last\n");
	get_stat(rig, "%s/s/a", &after);
	assert_memory_equal(&after.st_mtim, &scene.before.st_mtim, sizeof(after.st_mtim));
	assert_memory_equal(&after.st_atim, &scene.before.st_atim, sizeof(after.st_atim));
	assert_int_equal(after.st_mode, scene.before.st_mode);
	assert_int_equal(after.st_size, scene.before.st_size);
	assert_int_equal(after.st_ino, scene.before.st_ino);
	scene_end(&scene);
	assert_int_equal(child_count(&scene.agent, "inject = touch: "), 1);
}

static void touch_tells_a_file_at_its_new_name(void **state)
{
	struct guest_rig *rig = *state;
	struct scene scene;

	scene_begin(rig, &scene);
	host_move(scene.host, 1, "a.tmp", "a");
	barrier(&scene, 2);
	assert_string_equal(scene.watch.seen, "MODIFY a\nMODIFY last\n");
	scene_end(&scene);
}

static void touch_leaves_everything_else_alone(void **state)
{
	static const unsigned kinds[] = { HW_CREATE, HW_ATTRIB, HW_CLOSE_WRITE, HW_DELETE,
					  HW_RESCAN };
	struct guest_rig *rig = *state;
	struct scene scene;
	uint64_t seq = 0;
	char path[256];

	scene_begin(rig, &scene);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		host_event(scene.host, kinds[i], ++seq, "a");
	host_event(scene.host, HW_MODIFY, ++seq, "not-there");
	host_event(scene.host, HW_MODIFY, ++seq, "a/below-a-file");
	barrier(&scene, ++seq);
	assert_string_equal(scene.watch.seen, "MODIFY last\n");
	assert_int_equal(access(rig_path(rig, "%s/s/not-there", path), F_OK), -1);
	scene_end(&scene);
}

static void touch_does_not_leave_the_mount(void **state)
{
	struct guest_rig *rig = *state;
	struct stat before, after;
	struct scene scene;
	char path[256];

	scene_begin(rig, &scene);
	get_stat(rig, "%s/outside", &before);
	assert_int_equal(symlink("../outside", rig_path(rig, "%s/s/link", path)), 0);
	assert_int_equal(symlink("..", rig_path(rig, "%s/s/up", path)), 0);
	host_event(scene.host, HW_MODIFY, 1, "link");
	host_event(scene.host, HW_MODIFY, 2, "up/outside");
	barrier(&scene, 3);
	get_stat(rig, "%s/outside", &after);
	assert_memory_equal(&after.st_ctim, &before.st_ctim, sizeof(after.st_ctim));
	assert_null(strstr(scene.watch.seen, "MODIFY link"));
	scene_end(&scene);
}

static void an_echo_of_the_touch_is_not_told(void **state)
{
	struct guest_rig *rig = *state;
	struct scene scene;

	scene_begin(rig, &scene);
	host_event(scene.host, HW_MODIFY, 1, "a");
	host_event(scene.host, HW_CLOSE_WRITE, 2, "a");
	host_event(scene.host, HW_MODIFY, 3, "a");
	host_event(scene.host, HW_MODIFY, 4, "last");
	host_event(scene.host, HW_MODIFY, 5, "a");
	watch_expect(&scene.watch, "MODIFY last\n");
	rig_write(rig, "%s/s/a", "other text");
	host_event(scene.host, HW_MODIFY, 6, "a");
	host_move(scene.host, 7, "x", "last");
	watch_expect(&scene.watch, "MODIFY last\nOTHER a\n");
	assert_memory_equal(scene.watch.seen, "MODIFY a\nMODIFY last\n", 20);
	watch_expect(&scene.watch, "OTHER a\nMODIFY a\nMODIFY last\n");
	scene_end(&scene);
}

/* The agent of another guest touches the same file, which changes its ctime again. */
static void two_agents_do_not_go_on_for_ever(void **state)
{
	struct guest_rig *rig = *state;
	struct scene scene;
	unsigned told = 0;

	scene_begin(rig, &scene);
	for (uint64_t seq = 1; seq <= 10; seq++) {
		const struct timespec same[2] = { { .tv_nsec = UTIME_OMIT }, scene.before.st_mtim };
		char path[256];

		host_event(scene.host, HW_MODIFY, 2 * seq - 1, "a");
		host_move(scene.host, 2 * seq, "x", "last");
		scene.watch.seen[0] = '\0';
		watch_expect(&scene.watch, "MODIFY last\n");
		told += strstr(scene.watch.seen, "MODIFY a\nMODIFY last\n") == scene.watch.seen;
		assert_int_equal(utimensat(AT_FDCWD, rig_path(rig, "%s/s/a", path), same, 0), 0);
		watch_expect(&scene.watch, "MODIFY last\nMODIFY a\n");
	}
	assert_in_range(told, 1, 3);
	scene_end(&scene);
}

static void an_overlong_path_is_told_and_survived(void **state)
{
	struct guest_rig *rig = *state;
	struct scene scene;
	char path[5001];

	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 100 == 99 ? '/' : 'x';
	path[sizeof(path) - 2] = 'x';
	path[sizeof(path) - 1] = '\0';
	scene_begin(rig, &scene);
	host_event(scene.host, HW_MODIFY, 1, path);
	path[4096] = 'x';
	path[4097] = '\0';
	host_event(scene.host, HW_MODIFY, 2, path);
	barrier(&scene, 3);
	scene_end(&scene);
	assert_int_equal(child_count(&scene.agent, ": File name too long"), 1);
}

static void a_mount_that_comes_later_is_waited_for(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	char path[256];
	int fd;

	host_listen(rig);
	AGENT(rig, &agent, "--inject", "touch", "--mount", "%s/s", "--state", "", "--channel",
	      "unix:%s/ch");
	child_expect(&agent, "waiting for the mount: No such file or directory");
	assert_int_equal(mkdir(rig_path(rig, "%s/s", path), 0755), 0);
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 0);
	child_expect(&agent, "connected, at event 0");
	/* the mount disappears again: the event must be reported when it is back */
	assert_int_equal(rmdir(path), 0);
	host_event(fd, HW_MODIFY, 1, "a");
	child_expect(&agent, "the mount was unmounted");
	(void)close(fd);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)close(host_accept(rig, EPOCH_A, 0));
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

static void touch_needs_a_mount_that_can_be_written(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	char path[256];

	HW_NEED(hw_lacks_mounts());
	assert_int_equal(mkdir(rig_path(rig, "%s/s", path), 0755), 0);
	assert_int_equal(mount("none", path, "tmpfs", MS_RDONLY, NULL), 0);
	AGENT(rig, &agent, "--inject", "touch", "--mount", "%s/s", "--state", "", "--channel",
	      "unix:%s/ch");
	assert_int_equal(child_status(&agent), 1);
	assert_non_null(strstr(agent.text, "read-only; use inject = module"));
	AGENT(rig, &agent, "--probe", "%s/s");
	assert_int_equal(child_status(&agent), 0);
	assert_int_equal(umount(path), 0);
	assert_non_null(strstr(agent.text, "filesystem  \"tmpfs\" from \"none\", read-only"));
	assert_non_null(strstr(agent.text, "touch       no: the mount is read-only"));
}

static void an_unmount_is_seen_at_once(void **state)
{
	struct guest_rig *rig = *state;
	struct child agent;
	char path[256];
	int fd;

	HW_NEED(hw_lacks_mounts());
	assert_int_equal(mkdir(rig_path(rig, "%s/s", path), 0755), 0);
	assert_int_equal(mount("none", path, "tmpfs", 0, NULL), 0);
	host_listen(rig);
	AGENT(rig, &agent, "--inject", "touch", "--mount", "%s/s", "--state", "", "--channel",
	      "unix:%s/ch");
	fd = host_accept(rig, 0, 0);
	host_hello(fd, EPOCH_A, 4);
	child_expect(&agent, "connected");
	assert_int_equal(umount(path), 0); /* the mount must not be busy */
	child_expect(&agent, "the mount was unmounted");
	(void)close(fd);
	(void)close(host_accept(rig, EPOCH_A, 4)); /* the agent uses the directory below the mount
						    * point instead */
	assert_int_equal(child_end(&agent, SIGTERM), 0);
}

/* ---- the real daemon at the other end ---- */

static void the_daemon_and_its_echo_come_to_rest(void **state)
{
	struct guest_rig *rig = *state;
	struct child host, agent, printer;
	char path[256], config[1024];

	if (access(HW_BUILD_DIR "/hostwatchd", X_OK) < 0) {
		print_message("skipped: hostwatchd is not built\n");
		skip();
	}
	assert_int_equal(mkdir(rig_path(rig, "%s/s", path), 0755), 0);
	(void)snprintf(config, sizeof(config),
		       "[hostwatch]\ncontrol = %s/c\n[share s]\npath = %s/s\ninterval = 50ms\n"
		       "[sink t]\nplugin = virtiofs\nshare = s\nchannel = unix-listen:%s/t\n"
		       "[sink p]\nplugin = virtiofs\nshare = s\nchannel = unix-listen:%s/p\n",
		       rig->dir, rig->dir, rig->dir, rig->dir);
	rig_write(rig, "%s/h.conf", config);
	child_start(rig, &host,
		    (const char *const[]){ HW_BUILD_DIR "/hostwatchd", "-c", "%s/h.conf", NULL });
	child_expect(&host, "ready");
	AGENT(rig, &agent, "--inject", "touch", "--mount", "%s/s", "--state", "", "--channel",
	      "unix:%s/t");
	AGENT(rig, &printer, "--print", "--channel", "unix:%s/p");
	child_expect(&agent, "connected");
	child_expect(&printer, "hello");
	rig_write(rig, "%s/s/a", "text");
	/* the close of the writer; one caused by the touch may follow */
	child_expect(&printer, "close_write file \"a\"\n");
	rig_write(rig, "%s/s/end", "");
	child_expect(&printer, "close_write file \"end\"\n");
	assert_in_range(child_count(&printer, "modify file \"a\""), 1, 4);
	assert_int_equal(child_end(&agent, SIGTERM), 0);
	assert_int_equal(child_end(&printer, SIGTERM), 0);
	assert_int_equal(child_end(&host, SIGTERM), 0);
}

/* ---- module and probe ---- */

static void without_the_module_the_remedy_is_told(void **state)
{
	struct child agent;

	if (access("/dev/hostwatch", F_OK) == 0) {
		print_message("skipped: the module is loaded\n");
		skip();
	}
	AGENT(*state, &agent, "--mount", "%s", "--state", "", "--channel", "unix:%s/ch");
	assert_int_equal(child_status(&agent), 1);
	assert_non_null(strstr(agent.text, "cannot open /dev/hostwatch"));
	assert_non_null(strstr(agent.text, "modprobe hostwatch, or use inject = touch"));
}

static void probe_says_what_will_be_told(void **state)
{
	static const char *const wanted[] = { "mount       ",
					      "filesystem  ",
					      "kernel      Linux ",
					      "module      ",
					      "replay      ",
					      "touch       ",
					      "\ninject = auto takes ",
					      "\n  create ",
					      "\n  delete ",
					      "\n  move ",
					      "\n  modify ",
					      "\n  attrib ",
					      "\n  close_write ",
					      "\n  rescan " };
	struct guest_rig *rig = *state;
	struct child agent;

	AGENT(rig, &agent, "--probe", "%s");
	assert_int_equal(child_status(&agent), 0);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_non_null(strstr(agent.text, wanted[i]));
	AGENT(rig, &agent, "--probe", "%s/nothing");
	assert_int_equal(child_status(&agent), 1);
	AGENT(rig, &agent, "--probe", "/proc/self/exe");
	assert_int_equal(child_status(&agent), 1);
	assert_non_null(strstr(agent.text, "Not a directory"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(touch_tells_modify_and_changes_nothing_else),
		TEST(touch_tells_a_file_at_its_new_name),
		TEST(touch_leaves_everything_else_alone),
		TEST(touch_does_not_leave_the_mount),
		TEST(an_echo_of_the_touch_is_not_told),
		TEST(two_agents_do_not_go_on_for_ever),
		TEST(an_overlong_path_is_told_and_survived),
		TEST(a_mount_that_comes_later_is_waited_for),
		TEST(touch_needs_a_mount_that_can_be_written),
		TEST(an_unmount_is_seen_at_once),
		TEST(the_daemon_and_its_echo_come_to_rest),
		TEST(without_the_module_the_remedy_is_told),
		TEST(probe_says_what_will_be_told),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
