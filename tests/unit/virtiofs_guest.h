/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest of the rig: a socket, a buffer, and checks of the received frames. */
#ifndef VIRTIOFS_GUEST_H
#define VIRTIOFS_GUEST_H

#include "virtiofs_rig.h"

struct guest {
	int fd;
	size_t at, len;
	bool closed;
	unsigned char bytes[2 * HW_FUSE_FRAME_MAX];
};

static inline void rig_address(const struct rig *rig, const char *name, struct sockaddr_un *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%s", rig->dir, name);
}

static inline int rig_listen(const struct rig *rig, const char *name)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	rig_address(rig, name, &address);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static inline void rig_unlisten(const struct rig *rig, int fd, const char *name)
{
	struct sockaddr_un address;

	rig_address(rig, name, &address);
	assert_int_equal(unlink(address.sun_path), 0);
	(void)close(fd);
}

static inline struct guest *guest_adopt(int fd)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	assert_non_null(guest);
	assert_true(fd >= 0);
	guest->fd = fd;
	return guest;
}

static inline struct guest *guest_accept(struct rig *rig, int listen_fd)
{
	int fd = -1;

	RIG_UNTIL(rig, (fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
	return guest_adopt(fd);
}

static inline struct guest *guest_connect(struct rig *rig, const char *name)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	rig_address(rig, name, &address);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	(void)rig;
	return guest_adopt(fd);
}

static inline void guest_close(struct guest *guest)
{
	(void)close(guest->fd);
	free(guest);
}

static inline void guest_send(struct guest *guest, const void *bytes, size_t len)
{
	assert_int_equal(send(guest->fd, bytes, len, MSG_NOSIGNAL), len);
}

static inline size_t guest_hello_bytes(unsigned char *buf, uint64_t epoch, uint64_t seq)
{
	struct hw_frame_hello hello = {
		.role = HW_FUSE_GUEST, .epoch = epoch, .seq = seq, .mask_supported = HW_FUSE_EVENTS
	};
	int n = hw_frame_encode_hello(buf, HW_FRAME_HELLO_MAX, CODE, &hello);

	assert_true(n > 0);
	return (size_t)n;
}

static inline void guest_say_hello(struct guest *guest, uint64_t epoch, uint64_t seq)
{
	unsigned char buf[HW_FRAME_HELLO_MAX];

	guest_send(guest, buf, guest_hello_bytes(buf, epoch, seq));
}

/* Reads the available bytes of the socket. */
static inline void guest_receive(struct guest *guest)
{
	ssize_t n;

	if (guest->at > 0) {
		memmove(guest->bytes, guest->bytes + guest->at, guest->len - guest->at);
		guest->len -= guest->at;
		guest->at = 0;
	}
	n = recv(guest->fd, guest->bytes + guest->len, sizeof(guest->bytes) - guest->len,
		 MSG_DONTWAIT);
	if (n > 0)
		guest->len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		guest->closed = true;
}

/* Returns the next frame, if there is one. It is valid until the next call. */
static inline bool guest_try_frame(struct guest *guest, struct hw_frame *ret)
{
	const char *why = NULL;
	int n = hw_frame_decode(guest->bytes + guest->at, guest->len - guest->at, CODE, ret, &why);

	if (n == 0) {
		guest_receive(guest);
		n = hw_frame_decode(guest->bytes, guest->len, CODE, ret, &why);
	}
	if (n < 0)
		fail_msg("the host sent a bad frame: %s", why);
	guest->at += (size_t)n;
	return n > 0;
}

static inline struct hw_frame guest_frame(struct rig *rig, struct guest *guest)
{
	struct hw_frame frame;

	RIG_UNTIL(rig, guest_try_frame(guest, &frame));
	return frame;
}

static inline void guest_expect_hello(struct rig *rig, struct guest *guest, uint64_t epoch,
				      uint64_t seq)
{
	struct hw_frame frame = guest_frame(rig, guest);

	assert_int_equal(frame.what, HW_FRAME_HELLO);
	assert_int_equal(frame.hello.role, HW_FUSE_HOST);
	assert_int_equal(frame.hello.epoch, epoch);
	assert_int_equal(frame.hello.seq, seq);
	assert_int_equal(frame.hello.mask_supported, HW_FUSE_EVENTS);
	assert_int_equal(frame.hello.share_len, 8);
	assert_memory_equal(frame.hello.share, "projects", 8);
}

static inline void guest_expect_rescan(struct rig *rig, struct guest *guest, uint64_t seq)
{
	struct hw_frame frame = guest_frame(rig, guest);

	assert_int_equal(frame.what, HW_FRAME_EVENT);
	assert_int_equal(frame.event.kind, HW_RESCAN);
	assert_int_equal(frame.event.path_len, 0);
	assert_int_equal(frame.event.seq, seq);
}

/* Expects the events from first to last, each once and in order. */
static inline void guest_expect_events(struct rig *rig, struct guest *guest, uint64_t first,
				       uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++) {
		struct hw_frame frame = guest_frame(rig, guest);
		char path[32];
		int len = snprintf(path, sizeof(path), "f/%" PRIu64, seq);

		assert_int_equal(frame.what, HW_FRAME_EVENT);
		assert_int_equal(frame.event.kind, HW_CREATE);
		assert_int_equal(frame.event.seq, seq);
		assert_memory_equal(frame.event.path, path, (size_t)len);
	}
}

/* Expects no frame during some iterations of the loop. */
static inline void guest_expect_silence(struct rig *rig, struct guest *guest)
{
	struct hw_frame frame;

	for (int i = 0; i < 8; i++) {
		rig_turn(rig);
		assert_false(guest_try_frame(guest, &frame));
	}
}

static inline void guest_expect_close(struct rig *rig, struct guest *guest)
{
	RIG_UNTIL(rig, (guest_receive(guest), guest->closed));
}

#endif
