/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuse-random-io FILE OTHER SEED OPERATIONS: two processes take turns with random operations on one
 * file: read, write, write through a mapping, truncate, punch a hole, append, close and open again.
 * A shadow in memory has what each must read. At the end OTHER, another name of the file below the
 * mount, must have the same contents.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE_MAX_BYTES (256u << 10)
#define CHUNK_MAX (48u << 10)

struct shared {
	pthread_mutex_t lock;
	unsigned left; /* operations */
	unsigned number;
	unsigned random;
	size_t size;
	unsigned char shadow[SIZE_MAX_BYTES];
};

static struct shared *shared;
static const char *path;
static int fd = -1; /* of this process */
static unsigned char chunk[SIZE_MAX_BYTES];

static void die(const char *what)
{
	(void)printf("operation %u of process %d: %s: %s\n", shared->number, (int)getpid(), what,
		     strerror(errno));
	(void)fflush(stdout);
	_exit(1);
}

static unsigned any(unsigned below)
{
	shared->random = shared->random * 1103515245u + 12345u;
	return below ? (shared->random >> 8) % below : 0;
}

static void fill(size_t len)
{
	for (size_t i = 0; i < len; i++)
		chunk[i] = (unsigned char)any(256);
}

static void expect(const unsigned char *have, size_t offset, size_t len, const char *what)
{
	errno = 0;
	for (size_t i = 0; i < len; i++)
		if (have[i] != shared->shadow[offset + i]) {
			(void)printf("at %zu: %02x, not %02x\n", offset + i, have[i],
				     shared->shadow[offset + i]);
			die(what);
		}
}

static void reopen(void)
{
	if (fd >= 0 && close(fd) < 0)
		die("close");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		die("open");
}

static void do_read(void)
{
	size_t offset = any(SIZE_MAX_BYTES), len = any(CHUNK_MAX);
	size_t want = offset >= shared->size ? 0 : shared->size - offset;
	ssize_t n = pread(fd, chunk, len, (off_t)offset);

	if (n < 0 || (size_t)n != (want < len ? want : len))
		die("read: length");
	expect(chunk, offset, (size_t)n, "read");
}

static void note_write(size_t offset, size_t len)
{
	if (offset > shared->size)
		memset(shared->shadow + shared->size, 0, offset - shared->size);
	memcpy(shared->shadow + offset, chunk, len);
	if (offset + len > shared->size)
		shared->size = offset + len;
}

static void do_write(void)
{
	size_t len = any(CHUNK_MAX), offset = any((unsigned)(SIZE_MAX_BYTES - len));

	fill(len);
	if (pwrite(fd, chunk, len, (off_t)offset) != (ssize_t)len)
		die("write");
	if (len)
		note_write(offset, len);
}

static void do_append(void)
{
	size_t len = any(4096);
	int log;

	if (shared->size + len > SIZE_MAX_BYTES)
		return;
	fill(len);
	log = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (log < 0 || write(log, chunk, len) != (ssize_t)len || close(log) < 0)
		die("append");
	note_write(shared->size, len);
}

static void do_map(bool writes)
{
	size_t size = shared->size, len, offset;
	unsigned char *map;

	if (size == 0)
		return;
	map = mmap(NULL, size, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	offset = any((unsigned)size);
	len = any((unsigned)(size - offset));
	expect(map + offset, offset, len, "mapping");
	if (writes) {
		fill(len);
		memcpy(map + offset, chunk, len);
		memcpy(shared->shadow + offset, chunk, len);
		if (any(4) == 0 && msync(map, size, MS_SYNC) < 0)
			die("msync");
	}
	if (munmap(map, size) < 0)
		die("munmap");
}

static void do_truncate(void)
{
	size_t size = any(SIZE_MAX_BYTES);
	int r = any(2) ? ftruncate(fd, (off_t)size) : truncate(path, (off_t)size);

	if (r < 0)
		die("truncate");
	if (size > shared->size)
		memset(shared->shadow + shared->size, 0, size - shared->size);
	shared->size = size;
}

static void do_punch(void)
{
	size_t offset = any(SIZE_MAX_BYTES), len = 1 + any(CHUNK_MAX), end = offset + len;

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len) <
	    0) {
		if (errno == EOPNOTSUPP)
			return;
		die("punch");
	}
	end = end < shared->size ? end : shared->size;
	if (offset < end)
		memset(shared->shadow + offset, 0, end - offset);
}

static void check_size(void)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (size_t)st.st_size != shared->size) {
		(void)printf("%lld, not %zu\n", (long long)st.st_size, shared->size);
		die("size");
	}
}

static void operate(void)
{
	static const struct {
		void (*run)(void);
	} calls[] = { { do_read },   { do_read },     { do_read },  { do_write }, { do_write },
		      { do_append }, { do_truncate }, { do_punch }, { reopen },   { check_size } };
	unsigned which = any(13);

	if (which < 10)
		calls[which].run();
	else if (which == 10)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* a hint */
	else
		do_map(which == 11);
}

static int work(void)
{
	bool more = true;

	reopen();
	while (more) {
		(void)pthread_mutex_lock(&shared->lock);
		more = shared->left > 0;
		if (more) {
			shared->left--;
			shared->number++;
			operate();
		}
		(void)pthread_mutex_unlock(&shared->lock);
	}
	(void)pthread_mutex_lock(&shared->lock);
	if (fsync(fd) < 0 || close(fd) < 0)
		die("close");
	(void)pthread_mutex_unlock(&shared->lock);
	return 0;
}

static void compare(const char *name)
{
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(name);
	check_size();
	if (pread(fd, chunk, sizeof(chunk), 0) != (ssize_t)shared->size)
		die("length");
	expect(chunk, 0, shared->size, name);
	(void)close(fd); /* only read */
}

int main(int argc, char **argv)
{
	pthread_mutexattr_t attributes;
	pid_t children[2];
	int failed = 0;

	if (argc != 5)
		return 2;
	path = argv[1];
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	(void)pthread_mutexattr_init(&attributes);
	(void)pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutex_init(&shared->lock, &attributes);
	shared->random = (unsigned)atoi(argv[3]);
	shared->left = (unsigned)atoi(argv[4]);
	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(work());
	}
	for (int i = 0; i < 2; i++) {
		int status = 1;

		(void)wait(&status);
		if (status && !failed++) {
			/* the other one waits for the lock */
			(void)kill(children[0], SIGKILL);
			(void)kill(children[1], SIGKILL);
		}
	}
	if (failed)
		return 1;
	compare(path);
	compare(argv[2]);
	(void)printf("%u operations, %zu bytes\n", shared->number, shared->size);
	return 0;
}
