/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm-async HOW FILE ROUNDS: makes FILE. In each round, four writes that are under way at the same
 * time extend it, and then its mode is changed. HOW: "uring", "worker" (io_uring with a thread of
 * the kernel for each write), "poll" (io_uring with a thread that polls the queue), or "aio"
 * (io_submit). "direct" after them: with O_DIRECT. It uses the system calls themselves, so that it
 * needs no library.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH 4u
#define BLOCK 4096u

static long must(long r, const char *what)
{
	if (r >= 0)
		return r;
	perror(what);
	exit(1);
}

struct ring {
	int fd;
	unsigned char sqe_flags;
	_Atomic unsigned *sq_tail, *cq_head, *cq_tail;
	unsigned *sq_mask, *cq_mask, *sq_array;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static void *map(int fd, size_t size, off_t what)
{
	void *ret = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	if (ret == MAP_FAILED)
		must(-1, "mmap");
	return ret;
}

static struct ring ring_open(bool worker, bool poll)
{
	struct io_uring_params p = { .flags = poll ? IORING_SETUP_SQPOLL : 0,
				     .sq_thread_idle = 100 };
	struct ring r = { .sqe_flags = worker ? IOSQE_ASYNC : 0 };
	char *sq, *cq;

	r.fd = (int)must(syscall(SYS_io_uring_setup, DEPTH, &p), "io_uring_setup");
	sq = map(r.fd, p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	cq = map(r.fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		 IORING_OFF_CQ_RING);
	r.sqes = map(r.fd, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	r.sq_tail = (void *)(sq + p.sq_off.tail);
	r.sq_mask = (void *)(sq + p.sq_off.ring_mask);
	r.sq_array = (void *)(sq + p.sq_off.array);
	r.cq_head = (void *)(cq + p.cq_off.head);
	r.cq_tail = (void *)(cq + p.cq_off.tail);
	r.cq_mask = (void *)(cq + p.cq_off.ring_mask);
	r.cqes = (void *)(cq + p.cq_off.cqes);
	return r;
}

static void ring_add(struct ring *r, int fd, void *block, uint64_t at)
{
	unsigned tail = atomic_load(r->sq_tail), i = tail & *r->sq_mask;

	r->sqes[i] = (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE,
		.flags = r->sqe_flags,
		.fd = fd,
		.addr = (uintptr_t)block,
		.len = BLOCK,
		.off = at,
	};
	r->sq_array[i] = i;
	atomic_store(r->sq_tail, tail + 1);
}

static void ring_finish(struct ring *r)
{
	unsigned head, count;

	must(syscall(SYS_io_uring_enter, r->fd, DEPTH, DEPTH,
		     IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP, NULL, 0),
	     "io_uring_enter");
	head = atomic_load(r->cq_head);
	for (count = 0; count < DEPTH; count++) {
		errno = 0;
		if (r->cqes[(head + count) & *r->cq_mask].res != (int)BLOCK)
			must(-1, "a write of io_uring");
	}
	atomic_store(r->cq_head, head + DEPTH);
}

static void write_by_ring(struct ring *r, int fd, void *block, uint64_t at)
{
	unsigned i;

	for (i = 0; i < DEPTH; i++)
		ring_add(r, fd, block, at + i * BLOCK);
	ring_finish(r);
}

static void write_by_aio(aio_context_t context, int fd, void *block, uint64_t at)
{
	struct iocb blocks[DEPTH] = { 0 }, *list[DEPTH];
	struct io_event events[DEPTH];
	unsigned i;

	for (i = 0; i < DEPTH; i++) {
		blocks[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		blocks[i].aio_fildes = (uint32_t)fd;
		blocks[i].aio_buf = (uintptr_t)block;
		blocks[i].aio_nbytes = BLOCK;
		blocks[i].aio_offset = (int64_t)(at + i * BLOCK);
		list[i] = &blocks[i];
	}
	must(syscall(SYS_io_submit, context, DEPTH, list), "io_submit");
	must(syscall(SYS_io_getevents, context, DEPTH, DEPTH, events, NULL), "io_getevents");
	for (i = 0; i < DEPTH; i++) {
		errno = 0;
		if (events[i].res != BLOCK)
			must(-1, "a write of io_submit");
	}
}

int main(int argc, char **argv)
{
	bool direct = argc > 4 && strcmp(argv[4], "direct") == 0;
	bool aio = argc > 3 && strcmp(argv[1], "aio") == 0;
	aio_context_t context = 0;
	struct ring ring = { 0 };
	void *block = NULL;
	unsigned i, rounds;
	int fd;

	if (argc < 4)
		return 2;
	rounds = (unsigned)atoi(argv[3]);
	if (posix_memalign(&block, BLOCK, BLOCK) != 0)
		return 1;
	memset(block, 'x', BLOCK);
	if (aio)
		must(syscall(SYS_io_setup, DEPTH, &context), "io_setup");
	else
		ring = ring_open(strcmp(argv[1], "worker") == 0, strcmp(argv[1], "poll") == 0);
	fd = (int)must(open(argv[2], O_CREAT | O_EXCL | O_WRONLY | (direct ? O_DIRECT : 0), 0600),
		       argv[2]);
	for (i = 0; i < rounds; i++) {
		uint64_t at = (uint64_t)i * DEPTH * BLOCK;

		if (aio)
			write_by_aio(context, fd, block, at);
		else
			write_by_ring(&ring, fd, block, at);
		must(fchmod(fd, i % 2 ? 0600 : 0640), "fchmod");
	}
	must(close(fd), "close");
	return 0;
}
