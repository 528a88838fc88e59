/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disk below a root: nothing escapes from it, no path is too deep, and its results for inodes,
 * writers and removed entries are correct. On ext4 and on tmpfs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "disk.h"
#include "list.h"

#include "tests/common/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	struct hw_tree tree;
	struct hw_disk disk;
	char *path;
	int fd; /* of the root */
	int descriptors;
};

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	assert_int_equal(closedir(dir), 0);
	return count;
}

static void begin(struct fixture *f, const char *parent)
{
	struct hw_stat stat;

	*f = (struct fixture){ .descriptors = open_descriptors() };
	f->path = hw_scratch_create(parent);
	assert_non_null(f->path);
	assert_int_equal(hw_tree_init(&f->tree), 0);
	hw_disk_init(&f->disk, &f->tree);
	f->disk.generations = true;
	assert_int_equal(hw_disk_open_root(&f->disk, AT_FDCWD, f->path), 0);
	assert_int_equal(hw_disk_stat_fd(&f->disk, f->disk.root, &stat), 0);
	hw_tree_update(&f->tree, HW_ROOT, &stat);
	f->fd = f->disk.root;
}

static void end(struct fixture *f)
{
	hw_disk_free(&f->disk);
	hw_tree_free(&f->tree);
	hw_scratch_remove(f->path);
	assert_int_equal(open_descriptors(), f->descriptors);
}

/* Runs a test on each available filesystem. */
static void on_each_place(void (*test)(struct fixture *))
{
	unsigned count;
	const struct hw_place *places = hw_scratch_places(&count);

	for (unsigned i = 0; i < count; i++) {
		struct fixture f;

		begin(&f, places[i].path);
		test(&f);
		end(&f);
	}
}

static void write_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
}

/* Adds an entry to the tree as it is on disk. */
static uint32_t learn(struct fixture *f, uint32_t dir, const char *name)
{
	struct hw_stat stat;
	uint32_t id;

	assert_int_equal(hw_disk_stat(&f->disk, dir, name, strlen(name), &stat), 0);
	id = hw_tree_add(&f->tree, dir, name, strlen(name), &stat);
	assert_true(id != 0);
	return id;
}

/* ---- beneath ---- */

static int open_beneath(struct fixture *f, const char *path)
{
	return hw_open_beneath(f->fd, path, strlen(path), O_PATH | O_DIRECTORY);
}

static void nothing_leads_out(struct fixture *f)
{
	int fd;

	assert_int_equal(mkdirat(f->fd, "a", 0755), 0);
	assert_int_equal(mkdirat(f->fd, "a/b", 0755), 0);
	assert_int_equal(symlinkat("a", f->fd, "inside"), 0);
	assert_int_equal(symlinkat("/", f->fd, "outside"), 0);
	assert_int_equal(symlinkat("/proc/self/root", f->fd, "magic"), 0);
	fd = open_beneath(f, "a/b");
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(close(fd), 0);
	assert_int_equal(open_beneath(f, "inside"), -ELOOP);
	assert_int_equal(open_beneath(f, "inside/b"), -ELOOP);
	assert_int_equal(open_beneath(f, "outside"), -ELOOP);
	assert_int_equal(open_beneath(f, "outside/etc"), -ELOOP);
	assert_int_equal(open_beneath(f, "magic/etc"), -ELOOP);
	assert_int_equal(open_beneath(f, "a/../.."), -EXDEV);
	assert_int_equal(open_beneath(f, "/"), -EXDEV);
	assert_int_equal(open_beneath(f, "a/c"), -ENOENT);
	fd = open_beneath(f, "");
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
}

static void a_directory_that_becomes_a_symlink_is_not_entered(struct fixture *f)
{
	struct hw_stat stat;
	uint32_t a, b;

	assert_int_equal(mkdirat(f->fd, "a", 0755), 0);
	assert_int_equal(mkdirat(f->fd, "a/b", 0755), 0);
	a = learn(f, HW_ROOT, "a");
	b = learn(f, a, "b");
	hw_disk_forget_dir(&f->disk, a);
	hw_disk_forget_dir(&f->disk, b);
	assert_int_equal(renameat(f->fd, "a", f->fd, "c"), 0);
	assert_int_equal(symlinkat("c", f->fd, "a"), 0);
	assert_int_equal(hw_disk_dir(&f->disk, b), -ELOOP);
	assert_true(hw_disk_stat(&f->disk, b, "x", 1, &stat) < 0);
}

static void another_directory_at_its_place_is_stale(struct fixture *f)
{
	struct hw_stat stat;
	uint32_t a;

	assert_int_equal(mkdirat(f->fd, "a", 0755), 0);
	a = learn(f, HW_ROOT, "a");
	assert_int_equal(renameat(f->fd, "a", f->fd, "c"), 0);
	assert_int_equal(mkdirat(f->fd, "a", 0755), 0);
	write_file(f->fd, "a/x");
	assert_int_equal(hw_disk_dir(&f->disk, a), -ESTALE);
	assert_int_equal(hw_disk_stat(&f->disk, a, "x", 1, &stat), -ENOENT);
}

static void a_cached_directory_follows_its_moves(struct fixture *f)
{
	struct hw_stat stat;
	uint32_t a;

	assert_int_equal(mkdirat(f->fd, "a", 0755), 0);
	write_file(f->fd, "a/x");
	a = learn(f, HW_ROOT, "a");
	assert_int_equal(hw_disk_stat(&f->disk, a, "x", 1, &stat), 0);
	assert_int_equal(renameat(f->fd, "a", f->fd, "c"), 0);
	assert_int_equal(hw_disk_stat(&f->disk, a, "x", 1, &stat), 0);
	hw_disk_forget_dir(&f->disk, a);
	assert_int_equal(hw_disk_stat(&f->disk, a, "x", 1, &stat), -ENOENT);
}

/* Uses more directories than the cache holds, in an order in which they evict each other. */
static void the_cache_holds_what_it_says(struct fixture *f)
{
	uint32_t ids[3 * HW_DIRS_CACHE];
	struct hw_stat stat, again;
	char name[16];

	for (unsigned i = 0; i < 3 * HW_DIRS_CACHE; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		assert_int_equal(mkdirat(f->fd, name, 0755), 0);
		ids[i] = learn(f, HW_ROOT, name);
	}
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 3 * HW_DIRS_CACHE; i++) {
			int fd = hw_disk_dir(&f->disk, ids[i]);

			assert_true(fd >= 0);
			assert_int_equal(hw_disk_stat_fd(&f->disk, fd, &stat), 0);
			assert_int_equal(stat.ino, hw_tree_entry(&f->tree, ids[i])->ino);
			assert_int_equal(hw_disk_stat_fd(&f->disk, f->fd, &again), 0);
		}
	assert_true(open_descriptors() <= f->descriptors + (int)HW_DIRS_CACHE + 8);
	hw_disk_close_root(&f->disk);
	assert_int_equal(open_descriptors(), f->descriptors);
	assert_int_equal(hw_disk_dir(&f->disk, ids[0]), -ENOENT);
	assert_int_equal(hw_disk_dir(&f->disk, HW_ROOT), -ENOENT);
}

static void paths_beyond_path_max_are_opened(struct fixture *f)
{
	char name[201], *path = malloc(HW_PATH_MAX + 1);
	uint32_t dir = HW_ROOT;
	struct hw_stat stat;
	size_t len = 0;
	int fd;

	assert_non_null(path);
	memset(name, 'd', 200);
	name[200] = '\0';
	while (len + 201 <= 3 * PATH_MAX) {
		fd = hw_disk_dir(&f->disk, dir);
		assert_true(fd >= 0);
		assert_int_equal(mkdirat(fd, name, 0755), 0);
		dir = learn(f, dir, name);
		path[len++] = '/';
		memcpy(path + len, name, 200);
		len += 200;
	}
	fd = hw_open_beneath(f->fd, path + 1, len - 1, O_PATH | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(hw_disk_stat_fd(&f->disk, fd, &stat), 0);
	assert_true(hw_tree_is_same(hw_tree_entry(&f->tree, dir), &stat));
	assert_int_equal(close(fd), 0);
	/* The last name does not exist: descriptors of directories on the way must be closed. */
	path[len - 1] = 'x';
	assert_int_equal(hw_open_beneath(f->fd, path + 1, len - 1, O_PATH | O_DIRECTORY), -ENOENT);
	/* The path has no place to split. */
	memset(path + 1 + 200, 'd', HW_PATH_MAX - 201);
	assert_int_equal(hw_open_beneath(f->fd, path + 1, HW_PATH_MAX - 1, O_PATH), -ENAMETOOLONG);
	path[1 + 200] = '/';
	assert_true(hw_open_beneath(f->fd, path + 1, HW_PATH_MAX - 1, O_PATH) < 0);
	free(path);
}

static void the_boundary_of_path_max(struct fixture *f)
{
	char path[PATH_MAX + 8];

	/* "./././…d" of every length around the limit: all paths lead to the same directory. */
	assert_int_equal(mkdirat(f->fd, "d", 0755), 0);
	for (size_t len = PATH_MAX - 5; len < PATH_MAX + 5; len++) {
		size_t at = 0;

		if (len % 2 == 0)
			path[at++] = '.', path[at++] = '/', path[at++] = '/';
		for (; at + 1 < len; at += 2)
			path[at] = '.', path[at + 1] = '/';
		path[len - 1] = 'd';
		int fd = hw_open_beneath(f->fd, path, len, O_PATH | O_DIRECTORY);

		assert_true(fd >= 0);
		assert_int_equal(close(fd), 0);
	}
}

/* ---- leases ---- */

static int no_writer(struct fixture *f, const char *name)
{
	struct hw_stat stat = { .type = HW_TYPE_NONE };

	return hw_disk_no_writer(&f->disk, HW_ROOT, name, strlen(name), &stat);
}

static void a_writer_is_noticed(struct fixture *f)
{
	int fd, r;

	(void)signal(SIGIO, SIG_IGN);
	write_file(f->fd, "f");
	r = no_writer(f, "f");
	if (r == -EOPNOTSUPP) {
		print_message("no leases in %s\n", f->path);
		return;
	}
	assert_int_equal(r, 1);
	fd = openat(f->fd, "f", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(no_writer(f, "f"), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(no_writer(f, "f"), 1);
	fd = openat(f->fd, "f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(no_writer(f, "f"), 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(no_writer(f, "g"), -ENOENT);
	assert_int_equal(mkdirat(f->fd, "d", 0755), 0);
	assert_int_equal(no_writer(f, "d"), -ENOENT);
	assert_int_equal(symlinkat("f", f->fd, "s"), 0);
	assert_int_equal(no_writer(f, "s"), -ENOENT);
}

/* open(2) of a FIFO would wait for a writer, or wake one up. */
static void what_is_no_file_does_not_block(struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	assert_int_equal(mkfifoat(f->fd, "p", 0644), 0);
	assert_true(no_writer(f, "p") < 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", f->path) <
		    (int)sizeof(address.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(no_writer(f, "s") < 0);
	assert_int_equal(close(fd), 0);
}

/* Fails if anything of the directory was opened since, except regular files. */
static void expect_no_open(int watch)
{
	char records[4096] __attribute__((aligned(8)));
	ssize_t n = read(watch, records, sizeof(records));

	assert_true(n < 0 && errno == EAGAIN);
	assert_int_equal(close(watch), 0);
}

static int watch_opens(struct fixture *f, const char *name)
{
	char path[512];
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(snprintf(path, sizeof(path), "%s/%s", f->path, name) < (int)sizeof(path));
	assert_true(inotify_add_watch(fd, path, IN_OPEN) >= 0);
	return fd;
}

/* Also if it was a file when it was examined: what it is now decides. */
static void only_files_are_opened(struct fixture *f)
{
	const mode_t types[] = { S_IFIFO | 0600, S_IFCHR | 0600 };

	for (unsigned i = 0; i < 2; i++) {
		struct hw_stat stat = { .type = HW_TYPE_FILE };

		if (mknodat(f->fd, "p", types[i], makedev(1, 3)) < 0) {
			print_message("no device: %s\n", strerror(errno));
			return;
		}
		int watch = watch_opens(f, "p");

		assert_int_equal(no_writer(f, "p"), -ENOENT);
		assert_int_equal(hw_disk_no_writer(&f->disk, HW_ROOT, "p", 1, &stat), -ENOENT);
		expect_no_open(watch);
		assert_int_equal(unlinkat(f->fd, "p", 0), 0);
	}
}

/* Another process exchanges it for a file all the time. */
static void a_fifo_that_is_exchanged_in_is_never_opened(struct fixture *f)
{
	int watch, status;
	unsigned refused = 0;
	pid_t other;

	write_file(f->fd, "f");
	assert_int_equal(mkfifoat(f->fd, "p", 0600), 0);
	watch = watch_opens(f, "p");
	other = fork();
	assert_true(other >= 0);
	while (other == 0)
		(void)renameat2(f->fd, "f", f->fd, "p", RENAME_EXCHANGE);
	/* Until each of them was found often enough. */
	for (unsigned i = 0; i < 20000 || refused < 1000 || i - refused < 1000; i++)
		refused += no_writer(f, "f") == -ENOENT;
	assert_int_equal(kill(other, SIGKILL), 0);
	assert_int_equal(waitpid(other, &status, 0), other);
	expect_no_open(watch);
}

/* ---- inodes ---- */

static void generations_tell_reused_numbers_apart(struct fixture *f)
{
	uint32_t first, second;

	write_file(f->fd, "a");
	if (hw_stat_generation(f->fd, "a", 0, &first) == 0)
		fail_msg("the number in the handle was not compared");
	for (unsigned i = 0; i < 50; i++) {
		struct hw_stat stat;
		uint32_t id = learn(f, HW_ROOT, "a");

		if (hw_tree_entry(&f->tree, id)->identity != HW_BY_GENERATION) {
			print_message("no known file handles in %s\n", f->path);
			return;
		}
		first = hw_tree_entry(&f->tree, id)->ident;
		assert_int_equal(hw_stat_generation(f->fd, "a", hw_tree_entry(&f->tree, id)->ino,
						    &second),
				 0);
		assert_int_equal(first, second);
		assert_int_equal(unlinkat(f->fd, "a", 0), 0);
		write_file(f->fd, "a");
		assert_int_equal(hw_disk_stat(&f->disk, HW_ROOT, "a", 1, &stat), 0);
		assert_false(hw_tree_is_same(hw_tree_entry(&f->tree, id), &stat));
		hw_tree_remove(&f->tree, id);
	}
}

static int is_alive(struct fixture *f, uint32_t id)
{
	const struct hw_entry *e = hw_tree_entry(&f->tree, id);

	return hw_disk_is_alive(&f->disk, e, e->nlink);
}

static bool can_know_what_is_alive(struct fixture *f)
{
	bool can;

	write_file(f->fd, "probe");
	can = is_alive(f, learn(f, HW_ROOT, "probe"));
	if (!can)
		print_message("handles cannot be opened in %s: rights or the filesystem\n",
			      f->path);
	return can;
}

static void what_moved_is_alive_and_what_was_deleted_is_not(struct fixture *f)
{
	uint32_t file, dir, linked, other;
	int fd;

	if (!can_know_what_is_alive(f))
		return;
	write_file(f->fd, "file");
	write_file(f->fd, "linked");
	assert_int_equal(linkat(f->fd, "linked", f->fd, "other", 0), 0);
	assert_int_equal(mkdirat(f->fd, "dir", 0755), 0);
	file = learn(f, HW_ROOT, "file");
	dir = learn(f, HW_ROOT, "dir");
	linked = learn(f, HW_ROOT, "linked");
	other = learn(f, HW_ROOT, "other");
	assert_int_equal(is_alive(f, file), 1);
	assert_int_equal(renameat(f->fd, "file", f->fd, "dir/file"), 0);
	assert_int_equal(is_alive(f, file), 1);
	assert_int_equal(renameat(f->fd, "dir", f->fd, "dir2"), 0);
	assert_int_equal(is_alive(f, dir), 1);
	/* One of two names was unlinked: the file did not move, although the inode exists. */
	assert_int_equal(unlinkat(f->fd, "linked", 0), 0);
	assert_int_equal(is_alive(f, linked), 0);
	assert_int_equal(is_alive(f, other), 0); /* unknown until the entry was examined */
	/* The file is kept open: it counts as gone, because it has no name. */
	fd = openat(f->fd, "dir2/file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unlinkat(f->fd, "dir2/file", 0), 0);
	assert_int_equal(is_alive(f, file), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(is_alive(f, file), 0);
	assert_int_equal(unlinkat(f->fd, "dir2", AT_REMOVEDIR), 0);
	assert_int_equal(is_alive(f, dir), 0);
}

static void the_number_in_a_handle_is_found(struct fixture *f)
{
	union {
		struct file_handle h;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .h.handle_bytes = MAX_HANDLE_SZ };
	struct hw_stat stat;
	int mount_id;

	write_file(f->fd, "a");
	assert_int_equal(hw_disk_stat(&f->disk, HW_ROOT, "a", 1, &stat), 0);
	if (name_to_handle_at(f->fd, "a", &u.h, &mount_id, 0))
		return;
	uint64_t ino = hw_handle_ino(u.h.handle_type, u.h.f_handle, u.h.handle_bytes);

	assert_true(ino == stat.ino || ino == 0);
	assert_int_equal(hw_handle_ino(u.h.handle_type, u.h.f_handle, 3), 0);
	assert_int_equal(hw_handle_ino(0x7f, u.h.f_handle, 8), 0);
}

/* ---- results for an entry ---- */

static void names_out_of_range_are_refused(struct fixture *f)
{
	char name[HW_NAME_MAX + 1];
	struct hw_stat stat;

	memset(name, 'n', sizeof(name));
	assert_int_equal(hw_disk_stat(&f->disk, HW_ROOT, name, 0, &stat), -EINVAL);
	assert_int_equal(hw_disk_stat(&f->disk, HW_ROOT, name, sizeof(name), &stat), -EINVAL);
	assert_int_equal(hw_disk_stat(&f->disk, HW_ROOT, name, HW_NAME_MAX, &stat), -ENOENT);
}

static void mode_and_owner_change_the_attributes(struct fixture *f)
{
	struct hw_stat before, after;

	write_file(f->fd, "a");
	assert_int_equal(hw_disk_stat(&f->disk, HW_ROOT, "a", 1, &before), 0);
	assert_int_equal(before.type, HW_TYPE_FILE);
	assert_int_equal(before.size, 1);
	assert_int_equal(before.nlink, 1);
	assert_int_equal(fchmodat(f->fd, "a", 0644, 0), 0);
	assert_int_equal(hw_disk_stat(&f->disk, HW_ROOT, "a", 1, &after), 0);
	assert_int_equal(before.attr, after.attr);
	assert_int_equal(fchmodat(f->fd, "a", 0600, 0), 0);
	assert_int_equal(hw_disk_stat(&f->disk, HW_ROOT, "a", 1, &after), 0);
	assert_int_not_equal(before.attr, after.attr);
}

static void filesystems_are_numbered_up_to_a_limit(struct fixture *f)
{
	int first = hw_disk_filesystem(&f->disk, 0x10001);

	assert_true(first > 0);
	assert_int_equal(hw_disk_filesystem(&f->disk, 0x10001), first);
	for (dev_t dev = 0x20000; f->disk.filesystem_count < HW_FILESYSTEMS_MAX; dev++)
		assert_true(hw_disk_filesystem(&f->disk, dev) > first);
	assert_int_equal(hw_disk_filesystem(&f->disk, 0x10002), -E2BIG);
	assert_int_equal(hw_disk_filesystem(&f->disk, 0x10001), first);
}

static void a_root_that_is_none_is_refused(struct fixture *f)
{
	char path[512];

	write_file(f->fd, "file");
	snprintf(path, sizeof(path), "%s/file", f->path);
	assert_int_equal(hw_disk_open_root(&f->disk, AT_FDCWD, path), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/nothing", f->path);
	assert_int_equal(hw_disk_open_root(&f->disk, AT_FDCWD, path), -ENOENT);
	assert_int_equal(hw_disk_dir(&f->disk, HW_ROOT), f->fd); /* unchanged */
	assert_int_equal(symlinkat(f->path, f->fd, "link"), 0);
	snprintf(path, sizeof(path), "%s/link", f->path);
	assert_int_equal(hw_disk_open_root(&f->disk, AT_FDCWD, path), 0);
}

/* ---- listings ---- */

static int list_fd(struct fixture *f)
{
	int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void a_listing_says_what_statx_says(struct fixture *f)
{
	struct hw_listing listing = { 0 };
	struct hw_stat stat;
	int fd = list_fd(f);

	write_file(f->fd, "b");
	write_file(f->fd, "a\n\xff");
	assert_int_equal(mkdirat(f->fd, "...", 0755), 0);
	assert_int_equal(symlinkat("nowhere", f->fd, "a"), 0);
	hw_list_read(fd, HW_LIST_MAX,
		     hw_disk_identify(&f->disk, hw_tree_entry(&f->tree, HW_ROOT)->fs, false),
		     &listing);
	hw_list_sort(&listing);
	assert_int_equal(listing.error, 0);
	assert_false(listing.more);
	assert_int_equal(listing.count, 4);
	static const char *const names[] = { "...", "a", "a\n\xff", "b" };

	for (uint32_t i = 0; i < 4; i++) {
		const struct hw_found *found = &listing.found[i];

		assert_string_equal(listing.names + found->name, names[i]);
		assert_int_equal(found->name_len, strlen(names[i]));
		assert_int_equal(hw_disk_stat(&f->disk, HW_ROOT, names[i], found->name_len, &stat),
				 0);
		assert_int_equal(found->stat.ino, stat.ino);
		assert_int_equal(found->stat.type, stat.type);
		assert_int_equal(found->stat.ident, stat.ident);
		assert_int_equal(found->stat.identity, stat.identity);
		assert_int_equal(found->stat.mtime_ns, stat.mtime_ns);
	}
	hw_list_free(&listing);
	assert_int_equal(close(fd), 0);
}

static void a_large_directory_comes_in_several_listings(struct fixture *f)
{
	struct hw_listing listing = { 0 };
	unsigned total = 0, listings = 0;
	bool seen[5000] = { false };
	char name[64];
	int fd = list_fd(f);

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "%04u-a-name-that-takes-some-room", i);
		assert_int_equal(mknodat(f->fd, name, S_IFREG | 0644, 0), 0);
	}
	do {
		hw_list_read(fd, 1000, (struct hw_identify){ 0 }, &listing);
		assert_int_equal(listing.error, 0);
		for (uint32_t i = 0; i < listing.count; i++) {
			unsigned number = (unsigned)atoi(listing.names + listing.found[i].name);

			assert_false(seen[number]);
			seen[number] = true;
		}
		total += listing.count;
		listings++;
		assert_true(listing.count < 4000);
	} while (listing.more);
	assert_int_equal(total, 5000);
	assert_true(listings >= 3);
	hw_list_free(&listing);
	assert_int_equal(close(fd), 0);
}

static void a_listing_that_cannot_go_on_says_so(struct fixture *f)
{
	struct hw_listing listing = { 0 };

	write_file(f->fd, "file");
	int fd = openat(f->fd, "file", O_RDONLY | O_CLOEXEC);

	hw_list_read(fd, HW_LIST_MAX, (struct hw_identify){ 0 }, &listing);
	assert_int_equal(listing.error, -ENOTDIR);
	hw_list_free(&listing);
	assert_int_equal(close(fd), 0);
	/* A directory that was removed meanwhile is empty or gone. */
	assert_int_equal(mkdirat(f->fd, "d", 0755), 0);
	fd = openat(f->fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(unlinkat(f->fd, "d", AT_REMOVEDIR), 0);
	hw_list_read(fd, HW_LIST_MAX, (struct hw_identify){ 0 }, &listing);
	assert_true(listing.error == -ENOENT || (!listing.error && !listing.count));
	hw_list_free(&listing);
	assert_int_equal(close(fd), 0);
}

#define TEST_ON_EACH_PLACE(name)                                                                   \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		on_each_place(name);                                                               \
	}
TEST_ON_EACH_PLACE(nothing_leads_out)
TEST_ON_EACH_PLACE(a_directory_that_becomes_a_symlink_is_not_entered)
TEST_ON_EACH_PLACE(another_directory_at_its_place_is_stale)
TEST_ON_EACH_PLACE(a_cached_directory_follows_its_moves)
TEST_ON_EACH_PLACE(the_cache_holds_what_it_says)
TEST_ON_EACH_PLACE(paths_beyond_path_max_are_opened)
TEST_ON_EACH_PLACE(the_boundary_of_path_max)
TEST_ON_EACH_PLACE(a_writer_is_noticed)
TEST_ON_EACH_PLACE(what_is_no_file_does_not_block)
TEST_ON_EACH_PLACE(only_files_are_opened)
TEST_ON_EACH_PLACE(a_fifo_that_is_exchanged_in_is_never_opened)
TEST_ON_EACH_PLACE(generations_tell_reused_numbers_apart)
TEST_ON_EACH_PLACE(what_moved_is_alive_and_what_was_deleted_is_not)
TEST_ON_EACH_PLACE(the_number_in_a_handle_is_found)
TEST_ON_EACH_PLACE(names_out_of_range_are_refused)
TEST_ON_EACH_PLACE(mode_and_owner_change_the_attributes)
TEST_ON_EACH_PLACE(filesystems_are_numbered_up_to_a_limit)
TEST_ON_EACH_PLACE(a_root_that_is_none_is_refused)
TEST_ON_EACH_PLACE(a_listing_says_what_statx_says)
TEST_ON_EACH_PLACE(a_large_directory_comes_in_several_listings)
TEST_ON_EACH_PLACE(a_listing_that_cannot_go_on_says_so)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_leads_out),
		cmocka_unit_test(test_a_directory_that_becomes_a_symlink_is_not_entered),
		cmocka_unit_test(test_another_directory_at_its_place_is_stale),
		cmocka_unit_test(test_a_cached_directory_follows_its_moves),
		cmocka_unit_test(test_the_cache_holds_what_it_says),
		cmocka_unit_test(test_paths_beyond_path_max_are_opened),
		cmocka_unit_test(test_the_boundary_of_path_max),
		cmocka_unit_test(test_a_writer_is_noticed),
		cmocka_unit_test(test_what_is_no_file_does_not_block),
		cmocka_unit_test(test_only_files_are_opened),
		cmocka_unit_test(test_a_fifo_that_is_exchanged_in_is_never_opened),
		cmocka_unit_test(test_generations_tell_reused_numbers_apart),
		cmocka_unit_test(test_what_moved_is_alive_and_what_was_deleted_is_not),
		cmocka_unit_test(test_the_number_in_a_handle_is_found),
		cmocka_unit_test(test_names_out_of_range_are_refused),
		cmocka_unit_test(test_mode_and_owner_change_the_attributes),
		cmocka_unit_test(test_filesystems_are_numbered_up_to_a_limit),
		cmocka_unit_test(test_a_root_that_is_none_is_refused),
		cmocka_unit_test(test_a_listing_says_what_statx_says),
		cmocka_unit_test(test_a_large_directory_comes_in_several_listings),
		cmocka_unit_test(test_a_listing_that_cannot_go_on_says_so),
	};

	return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
