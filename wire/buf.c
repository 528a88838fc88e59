/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <hostwatch/wire.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 512u

int hw_buf_grow(struct hw_buf *buf, size_t more)
{
	size_t size = buf->size ? buf->size : FIRST_SIZE;
	char *data;

	if (more > buf->limit || buf->len > buf->limit - more)
		return -ENOBUFS;
	if (buf->len + more <= buf->size)
		return 0;
	while (size < buf->len + more)
		size += size < buf->limit / 2 ? size : buf->limit - size;
	if (size > buf->limit)
		size = buf->limit;
	data = realloc(buf->data, size);
	if (!data)
		return -ENOMEM;
	buf->data = data;
	buf->size = size;
	return 0;
}

int hw_buf_append(struct hw_buf *buf, const void *bytes, size_t len)
{
	int r = hw_buf_reserve(buf, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	return 0;
}

void hw_buf_consume(struct hw_buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf->len = 0;
		return;
	}
	memmove(buf->data, buf->data + len, buf->len - len);
	buf->len -= len;
}

void hw_buf_free(struct hw_buf *buf)
{
	free(buf->data);
	buf->data = NULL;
	buf->len = buf->size = 0;
}
