/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/vfs.h>

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200 /* Linux 6.5 */
#endif

int hw_handle_get(int dirfd, union hw_handle_buffer *buffer, struct hw_handle *ret)
{
	struct file_handle *handle = (struct file_handle *)buffer->bytes;
	struct statfs st;
	int mount_id, rc;

	handle->handle_bytes = 128;
	rc = name_to_handle_at(dirfd, "", handle, &mount_id, AT_EMPTY_PATH);
	/* A filesystem that cannot be exported can still identify its inodes. */
	if (rc < 0 && errno == EOPNOTSUPP) {
		handle->handle_bytes = 128;
		rc = name_to_handle_at(dirfd, "", handle, &mount_id, AT_EMPTY_PATH | AT_HANDLE_FID);
		if (rc < 0 && errno == EINVAL)
			return -EOPNOTSUPP; /* the kernel is older than the flag */
	}
	if (rc < 0 || fstatfs(dirfd, &st) < 0)
		return -errno;
	*ret = (struct hw_handle){
		.bytes = handle->f_handle,
		.len = handle->handle_bytes,
		.type = handle->handle_type,
	};
	memcpy(&ret->fsid, &st.f_fsid, sizeof(ret->fsid));
	return 0;
}

/* The finalizer of SplitMix64: every bit of the result depends on every bit of x. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

struct hw_handle_seed hw_handle_new_seed(void)
{
	struct hw_handle_seed seed = { 0 };

	/* Handles contain inode numbers, which writers can influence a little. If the seed is
	 * missing, the table still works. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed.a = (uintptr_t)&seed;
	return seed;
}

/* Returns 1 to 8 bytes as a word, from 4 on without a loop or a call: some of them are there twice.
 * Different bytes of the same length give different words. */
static uint64_t load(const char *bytes, uint32_t len)
{
	uint64_t word = 0;
	uint32_t first, last;

	if (len == sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
	} else if (len >= sizeof(first)) {
		memcpy(&first, bytes, sizeof(first));
		memcpy(&last, bytes + len - sizeof(last), sizeof(last));
		word = (uint64_t)last << 32 | first;
	} else {
		while (len--)
			word = word << 8 | (unsigned char)bytes[len];
	}
	return word;
}

struct hw_handle_key hw_handle_key(const struct hw_handle_seed *seed,
				   const struct hw_handle *handle)
{
	const char *bytes = handle->bytes;
	uint64_t word = (uint64_t)handle->len << 32 | (uint32_t)handle->type;
	uint64_t a = mix(seed->a ^ handle->fsid), b = mix(seed->b + handle->fsid);
	uint32_t left = handle->len, part;

	for (;; left -= part, bytes += part) {
		a = mix(a ^ word);
		b = mix(b + word);
		if (!left)
			break;
		part = left < sizeof(word) ? left : (uint32_t)sizeof(word);
		word = load(bytes, part);
	}
	return (struct hw_handle_key){ {
		(uint32_t)a,
		(uint32_t)(a >> 32),
		(uint32_t)b,
		(uint32_t)(b >> 32) & INT32_MAX,
	} };
}
