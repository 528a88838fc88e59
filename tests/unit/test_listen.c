/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets: their files, and that no other file is changed or removed. */
#include <hostwatch/listen.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tempdir.h"

#define NOBODY 65534
#define STARTS 2000u
#define EXCHANGES 1000u
#define DEADLINE_S 5

static const struct hw_listen_how how = { 0666, (gid_t)-1 };

static int make_dir(void **state)
{
	*state = tempdir_create();
	return 0;
}

static int remove_dir(void **state)
{
	tempdir_remove(*state);
	return 0;
}

static struct hw_address address_in(const char *dir, const char *name)
{
	struct hw_address address;

	assert_int_equal(hw_address_unix(tempdir_path(dir, name), &address), 0);
	return address;
}

static int open_listening(const char *dir, const char *name)
{
	struct hw_address address = address_in(dir, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, &address.to.any, address.len), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static unsigned count_files(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned count = 0;

	assert_non_null(d);
	while (readdir(d))
		count++;
	(void)closedir(d);
	return count - 2;
}

static void a_socket_has_its_mode_and_goes_at_the_end(void **state)
{
	const char *dir = *state;
	struct hw_address address = address_in(dir, "s");
	struct hw_listening l;
	struct stat st;
	const char *why;

	assert_int_equal(hw_listen(&address, &how, &l, &why), 0);
	assert_int_equal(stat(tempdir_path(dir, "s"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_false(l.replaced);
	hw_listening_close(&l);
	assert_int_equal(count_files(dir), 0);
	hw_listening_close(&l);
}

static void a_stale_socket_is_replaced(void **state)
{
	const char *dir = *state;
	struct hw_address address = address_in(dir, "s");
	struct hw_listening l;
	const char *why;

	(void)close(open_listening(dir, "s"));
	assert_int_equal(hw_listen(&address, &how, &l, &why), 0);
	assert_true(l.replaced);
	assert_int_equal(count_files(dir), 1);
	hw_listening_close(&l);
	assert_int_equal(count_files(dir), 0);
}

#define WAITING 100 /* connections that no process accepts */

/* Each command that asks a daemon that was killed leaves one. */
static void leave_connections(const struct hw_address *address)
{
	for (unsigned i = 0; i < WAITING; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		assert_true(fd >= 0);
		assert_int_equal(connect(fd, &address->to.any, address->len), 0);
		assert_true(hw_listener_was_killed(fd));
		assert_int_equal(close(fd), 0);
	}
}

/* A child of the process that listened has the descriptor, until its input ends. */
static void a_socket_of_a_process_that_ended_is_replaced(void **state)
{
	const char *dir = *state;
	struct hw_address address = address_in(dir, "s");
	struct hw_listening l;
	const char *why;
	int input[2];
	char end;

	assert_int_equal(pipe(input), 0);
	pid_t pid = fork();

	if (!pid) {
		(void)close(input[1]);
		(void)hw_listen(&address, &how, &l, &why); /* the child keeps it */
		if (fork() == 0)
			(void)!read(input[0], &end, 1);
		_exit(0);
	}
	assert_true(pid > 0);
	(void)close(input[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	leave_connections(&address);
	assert_int_equal(hw_listen(&address, &how, &l, &why), 0);
	assert_true(l.replaced);
	hw_listening_close(&l);
	(void)close(input[1]);
}

static void other_files_are_refused(void **state)
{
	const char *dir = *state;
	struct hw_listening l;
	struct hw_address address;
	const char *why;
	int fd;

	tempdir_write(dir, "file", "x", 1);
	assert_int_equal(symlink("nowhere", tempdir_path(dir, "link")), 0);
	assert_int_equal(mkdir(tempdir_path(dir, "dir"), 0755), 0);
	fd = open_listening(dir, "live");
	address = address_in(dir, "file");
	assert_int_equal(hw_listen(&address, &how, &l, &why), -EEXIST);
	assert_string_equal(why, "the path exists and is not a socket");
	address = address_in(dir, "link");
	assert_int_equal(hw_listen(&address, &how, &l, &why), -EEXIST);
	address = address_in(dir, "dir");
	assert_int_equal(hw_listen(&address, &how, &l, &why), -EISDIR);
	address = address_in(dir, "live");
	assert_int_equal(hw_listen(&address, &how, &l, &why), -EADDRINUSE);
	assert_string_equal(why, "another process is listening there");
	address = address_in(dir, "none/s");
	assert_int_equal(hw_listen(&address, &how, &l, &why), -ENOENT);
	assert_int_equal(l.fd, -1);
	assert_int_equal(count_files(dir), 4);
	(void)close(fd);
}

/* The listener of a full queue cannot be asked who it is. */
static void a_full_queue_is_named(void **state)
{
	int fd = open_listening(*state, "full"), fds[4];
	const struct hw_address address = address_in(*state, "full");
	struct hw_listening l;
	const char *why;

	for (unsigned i = 0; i < 4; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fds[i], &address.to.any, address.len); /* until the queue is full */
	}
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(hw_listen(&address, &how, &l, &why), -EADDRINUSE);
	assert_non_null(strstr(why, "a full queue; if so, remove the file"));
	for (unsigned i = 0; i < 4; i++)
		(void)close(fds[i]);
	(void)close(fd);
}

static void a_file_that_took_the_name_stays_at_the_end(void **state)
{
	const char *dir = *state;
	struct hw_address address = address_in(dir, "s");
	struct hw_listening l;
	const char *why;

	assert_int_equal(hw_listen(&address, &how, &l, &why), 0);
	assert_int_equal(unlink(tempdir_path(dir, "s")), 0);
	tempdir_write(dir, "s", "x", 1);
	hw_listening_close(&l);
	assert_int_equal(access(tempdir_path(dir, "s"), F_OK), 0);
	assert_int_equal(count_files(dir), 1);
}

static void a_connection_is_from_its_cid_only(void **state)
{
	struct sockaddr_vm peer = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST };

	(void)state;
	assert_true(hw_sockaddr_is_cid(&peer, VMADDR_CID_HOST));
	assert_false(hw_sockaddr_is_cid(&peer, VMADDR_CID_LOCAL));
	peer.svm_family = AF_UNIX;
	assert_false(hw_sockaddr_is_cid(&peer, VMADDR_CID_HOST));
}

static void a_port_below_1024_is_privileged(void **state)
{
	struct sockaddr_vm peer = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST };

	(void)state;
	peer.svm_port = 1023;
	assert_true(hw_sockaddr_is_privileged(&peer));
	peer.svm_port = 1024;
	assert_false(hw_sockaddr_is_privileged(&peer));
	peer.svm_port = VMADDR_PORT_ANY;
	assert_false(hw_sockaddr_is_privileged(&peer));
	peer.svm_port = 1023;
	peer.svm_family = AF_UNIX;
	assert_false(hw_sockaddr_is_privileged(&peer));
}

static void root_gets_a_privileged_port_of_vsock(void **state)
{
	struct sockaddr_vm own;
	socklen_t len = sizeof(own);
	int fds[2];

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: only root may bind such a port\n");
		skip();
	}
	for (int i = 0; i < 2; i++) {
		fds[i] = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fds[i] < 0) {
			print_message("skipped: this kernel has no vsock\n");
			skip();
		}
		hw_vsock_take_privileged_port(fds[i]);
		assert_int_equal(getsockname(fds[i], (struct sockaddr *)&own, &len), 0);
		if (own.svm_port == VMADDR_PORT_ANY) {
			print_message("skipped: no transport of vsock\n");
			skip();
		}
		assert_true(hw_sockaddr_is_privileged(&own));
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* ---- another user exchanges the name ---- */

static const char *const victim_names[] = { "file", "socket" };
#define VICTIMS 2u

struct race {
	const char *dir;
	struct stat victims[VICTIMS];
	volatile unsigned *exchanges; /* shared with the other user */
};

static bool is_victim(const struct race *race, ino_t ino)
{
	for (unsigned i = 0; i < VICTIMS; i++)
		if (race->victims[i].st_ino == ino)
			return true;
	return false;
}

/* Gives the foreign files their names back, and removes only sockets of the other side. */
static void tidy(const struct race *race)
{
	DIR *d = opendir(race->dir);
	struct dirent *entry;

	for (unsigned i = 0; i < VICTIMS; i++) {
		const char *path = tempdir_path(race->dir, victim_names[i]);
		struct stat st;

		if (lstat(path, &st) == 0 && !is_victim(race, st.st_ino))
			(void)unlink(path); /* it is in the way */
	}
	while (d && (entry = readdir(d))) {
		char path[400];

		(void)snprintf(path, sizeof(path), "%s/%s", race->dir, entry->d_name);
		for (unsigned i = 0; i < VICTIMS; i++)
			if (entry->d_ino == race->victims[i].st_ino)
				(void)renameat2(AT_FDCWD, path, AT_FDCWD,
						tempdir_path(race->dir, victim_names[i]),
						RENAME_NOREPLACE);
	}
	if (d)
		(void)closedir(d);
}

/* Once the socket exists, puts a foreign file in its place for a moment. */
static void exchange(const struct race *race, unsigned round)
{
	char s[400], victim[400];
	struct stat st;

	(void)snprintf(s, sizeof(s), "%s/s", race->dir);
	(void)snprintf(victim, sizeof(victim), "%s/%s", race->dir, victim_names[round % VICTIMS]);
	while (lstat(s, &st) < 0)
		;
	if (renameat2(AT_FDCWD, victim, AT_FDCWD, s, RENAME_EXCHANGE) < 0) {
		tidy(race);
		return;
	}
	++*race->exchanges;
	for (unsigned wait = round % 61; wait > 0; wait--)
		(void)lstat(s, &st); /* another moment each time */
	if (renameat2(AT_FDCWD, victim, AT_FDCWD, s, RENAME_EXCHANGE) < 0)
		tidy(race);
}

static pid_t start_exchanges(const struct race *race)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		_exit(1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test does not end it */
	for (unsigned round = 0;; round++)
		exchange(race, round);
}

/* Looks for a file of this inode in the directory and those below. Returns whether it found one. */
static bool find_inode(const char *dir, ino_t ino, struct stat *ret)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	bool found = false;

	while (d && !found && (entry = readdir(d))) {
		char path[400];

		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    lstat(path, ret) < 0)
			continue;
		found = ret->st_ino == ino || (S_ISDIR(ret->st_mode) && find_inode(path, ino, ret));
	}
	if (d)
		(void)closedir(d);
	return found;
}

static void start_until_raced(const struct race *race)
{
	const struct hw_listen_how open_to_all = { 0666, geteuid() ? (gid_t)-1 : 1 };
	struct hw_address address = address_in(race->dir, "s");
	time_t until = time(NULL) + DEADLINE_S;

	for (unsigned starts = 0; starts < STARTS || *race->exchanges < EXCHANGES;) {
		struct hw_listening l;
		const char *why;

		if (time(NULL) >= until)
			break; /* a slow machine has raced enough */
		if (hw_listen(&address, &open_to_all, &l, &why) < 0)
			continue;
		hw_listening_close(&l);
		starts++;
	}
}

static void an_exchange_of_the_name_harms_no_other_file(void **state)
{
	struct race race = { .dir = *state };
	int live, status;
	pid_t pid;

	race.exchanges = mmap(NULL, sizeof(unsigned), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(race.exchanges != MAP_FAILED);
	tempdir_write(race.dir, "file", "precious", 8);
	live = open_listening(race.dir, "socket");
	for (unsigned i = 0; i < VICTIMS; i++) {
		assert_int_equal(chmod(tempdir_path(race.dir, victim_names[i]), 0600), 0);
		assert_int_equal(stat(tempdir_path(race.dir, victim_names[i]), &race.victims[i]),
				 0);
	}
	if (geteuid() == 0)
		assert_int_equal(chown(race.dir, NOBODY, NOBODY), 0);
	pid = start_exchanges(&race);
	start_until_raced(&race);
	print_message("%u exchanges of the name\n", *race.exchanges);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (unsigned i = 0; i < VICTIMS; i++) {
		struct stat st;

		if (!find_inode(race.dir, race.victims[i].st_ino, &st))
			fail_msg("%s was removed", victim_names[i]);
		assert_int_equal(st.st_mode, race.victims[i].st_mode);
		assert_int_equal(st.st_uid, race.victims[i].st_uid);
		assert_int_equal(st.st_gid, race.victims[i].st_gid);
	}
	(void)close(live);
	(void)munmap((void *)race.exchanges, sizeof(unsigned));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_socket_has_its_mode_and_goes_at_the_end, make_dir,
						remove_dir),
		cmocka_unit_test(a_connection_is_from_its_cid_only),
		cmocka_unit_test(a_port_below_1024_is_privileged),
		cmocka_unit_test(root_gets_a_privileged_port_of_vsock),
		cmocka_unit_test_setup_teardown(a_stale_socket_is_replaced, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_socket_of_a_process_that_ended_is_replaced,
						make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(other_files_are_refused, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_full_queue_is_named, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_file_that_took_the_name_stays_at_the_end,
						make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(an_exchange_of_the_name_harms_no_other_file,
						make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
