/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening, reading and writing. */
#include "posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- opening ---- */

void open_flags(void)
{
	SAY_OPEN(open("a", O_RDONLY));
	SAY_OPEN(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
	SAY_OPEN(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
	SAY_OPEN(open("a", O_RDWR | O_CREAT, 0600));
	show("a");
	SAY(symlink("a", "s"));
	SAY(symlink("none", "dangling"));
	SAY_OPEN(open("s", O_RDONLY | O_NOFOLLOW));
	SAY_OPEN(open("s", O_RDONLY));
	SAY_OPEN(open("s", O_WRONLY | O_CREAT | O_EXCL, 0600));
	SAY_OPEN(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0600));
	SAY_OPEN(open("dangling", O_WRONLY | O_CREAT, 0600));
	show("none");
	SAY_OPEN(open("a", O_RDONLY | O_DIRECTORY));
	SAY(mkdir("d", 0755));
	SAY_OPEN(open("d", O_RDONLY | O_DIRECTORY));
	SAY_OPEN(open("d", O_WRONLY));
	SAY_OPEN(open("d", O_RDWR | O_CREAT, 0600));
	SAY_OPEN(open("a/b", O_RDONLY));
	SAY_OPEN(open("none/b", O_RDWR | O_CREAT, 0600));
	SAY_OPEN(open("a", O_PATH));
	put("a", "some text");
	SAY_OPEN(open("a", O_RDONLY | O_TRUNC));
	show("a");
	SAY(mkfifo("fifo", 0600));
	SAY_OPEN(open("fifo", O_WRONLY | O_NONBLOCK));
	SAY_OPEN(open("fifo", O_RDONLY | O_NONBLOCK));
	SAY(readlink("a", (char[9]){ 0 }, 9));
	SAY(readlink("s", (char[9]){ 0 }, 9));
	SAY(access("a", X_OK));
	SAY(access("a", R_OK | W_OK));
}

void long_names(void)
{
	char name[NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[NAME_MAX] = '\0';
	SAY(mkdir(name, 0755));
	SAY(rmdir(name));
	SAY(mknod(name, S_IFREG | 0600, 0));
	SAY(rename(name, "short"));
	SAY(symlink(name, "link"));
	SAY(readlink("link", name, sizeof(name)));
	name[NAME_MAX] = 'n';
	name[NAME_MAX + 1] = '\0';
	SAY(mkdir(name, 0755));
	SAY(mkdir("\xff\x01 \n", 0755));
	show("\xff\x01 \n");
}

void appending(void)
{
	int a = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int b = open("log", O_WRONLY | O_APPEND | O_CLOEXEC);

	SAY(write(a, "one ", 4));
	SAY(write(b, "two ", 4));
	SAY(write(a, "three ", 6));
	SAY(pwrite(b, "four", 4, 0));
	SAY(lseek(a, 0, SEEK_CUR));
	SAY(close(a));
	SAY(close(b));
	show_text("log");
}

/* Appends of processes do not overwrite each other. */
void appending_together(void)
{
	for (int i = 0; i < 4; i++) {
		if (fork() == 0) {
			int fd = open("many", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

			for (int n = 0; n < 100; n++)
				if (write(fd, "12345678", 8) != 8)
					_exit(1);
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++) {
		int status = -1;

		SAY(wait(&status) > 0 ? status : -1);
	}
	show("many");
}

/* ---- data ---- */

void sizes(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char byte = 'x';

	SAY(truncate("file", 5000));
	show("file");
	SAY(pwrite(fd, "end", 3, 9000));
	show("file");
	SAY(pread(fd, &byte, 1, 8999));
	SAY(byte);
	SAY(ftruncate(fd, 10));
	SAY(pread(fd, &byte, 1, 10));
	SAY(ftruncate(fd, -1));
	SAY(truncate("none", 1));
	SAY(lseek(fd, 1 << 20, SEEK_SET));
	SAY(write(fd, "far", 3));
	SAY(lseek(fd, -3, SEEK_END));
	SAY(lseek(fd, -1, SEEK_SET));
	SAY(posix_fallocate(fd, 0, 2 << 20));
	show("file");
	SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	SAY(copy_file_range(fd, &(off_t){ 1 << 20 }, fd, &(off_t){ 0 }, 3, 0));
	SAY(pread(fd, &byte, 1, 0));
	SAY(byte);
	SAY(fsync(fd));
	SAY(fdatasync(fd));
	SAY(close(fd));
	SAY(write(fd, "x", 1));
	fd = open("file", O_RDONLY | O_CLOEXEC);
	SAY(write(fd, "x", 1));
	SAY(ftruncate(fd, 1));
	SAY(close(fd));
	fd = open("file", O_WRONLY | O_CLOEXEC);
	SAY(read(fd, &byte, 1));
	SAY(close(fd));
}

/* Far beyond memory, and beyond 4 GiB. */
void sparse(void)
{
	const off_t far = (off_t)1 << 40;
	int fd = open("sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char buf[4] = "";
	struct stat st;

	SAY(ftruncate(fd, far));
	SAY(pwrite(fd, "far", 3, far - 3));
	SAY(pwrite(fd, "mid", 3, far / 2));
	SAY(pread(fd, buf, 3, far - 3));
	(void)printf("%s\n", buf);
	SAY(pread(fd, buf, 3, far / 2));
	(void)printf("%s\n", buf);
	SAY(pread(fd, buf, 3, far / 4));
	SAY(buf[0]);
	SAY(fstat(fd, &st));
	SAY(st.st_size == far);
	SAY(st.st_blocks < 100);
	SAY(lseek(fd, 0, SEEK_DATA) == far / 2);
	SAY(lseek(fd, far / 2, SEEK_HOLE) == far / 2 + 4096);
	SAY(close(fd));
	SAY(unlink("sparse"));
}

void direct(void)
{
	static _Alignas(4096) char block[8192];
	int fd = open("direct", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600), other;

	memset(block, 'd', sizeof(block));
	SAY(write(fd, block, sizeof(block)));
	other = open("direct", O_RDWR | O_CLOEXEC);
	memset(block, 0, sizeof(block));
	SAY(pread(other, block, sizeof(block), 0));
	SAY(block[8191]);
	SAY(pwrite(other, "buffered", 8, 4096));
	SAY(pread(fd, block, 4096, 4096));
	(void)printf("%.9s\n", block);
	memset(block, 'e', sizeof(block));
	SAY(pwrite(fd, block, 4096, 0));
	SAY(pread(other, block, 4096, 0));
	SAY(block[0]);
	SAY(close(other));
	SAY(close(fd));
}

void mapped(void)
{
	int fd = open("mapped", O_RDWR | O_CREAT | O_CLOEXEC, 0600), status = -1;
	char *map, byte = 0;

	SAY(ftruncate(fd, 8192));
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SAY(map == MAP_FAILED ? -1 : 0);
	if (map == MAP_FAILED)
		return;
	if (fork() == 0) {
		int own = open("mapped", O_RDWR | O_CLOEXEC);
		char *same = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);

		if (same == MAP_FAILED)
			_exit(2);
		same[1] = 'm';
		_exit(pwrite(own, "p", 1, 2) == 1 ? 0 : 1);
	}
	SAY(wait(&status) > 0 ? status : -1);
	SAY(map[1]);
	SAY(map[2]);
	map[3] = 'q';
	SAY(pread(fd, &byte, 1, 3));
	SAY(byte);
	SAY(msync(map, 8192, MS_SYNC));
	SAY(munmap(map, 8192));
	SAY(close(fd));
	map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd = open("mapped", O_RDONLY | O_CLOEXEC),
		   0);
	SAY(map == MAP_FAILED ? -1 : map[1]);
	SAY(close(fd));
}
