/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers of fanotify events: all pointers of a parsed event must be within the buffer. */
#include "plugins/fanotify/record.c"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t sink; /* uses the bytes read, so that reading them is not optimised away */

static void touch(const void *bytes, size_t len, const char *buffer, size_t size)
{
	const char *at = bytes;

	assert(at >= buffer && (size_t)(at - buffer) <= size &&
	       len <= size - (size_t)(at - buffer));
	for (size_t i = 0; i < len; i++)
		sink ^= (uint8_t)at[i];
}

static void check_place(const struct hw_place *place, const char *buffer, size_t size)
{
	if (!place->name)
		return;
	assert(place->name_len >= 1 && place->name_len <= NAME_MAX);
	assert(!memchr(place->name, '\0', place->name_len));
	if (place->name_len != 1 || *place->name != '.')
		touch(place->name, place->name_len, buffer, size);
	assert(place->dir.len <= HANDLE_MAX);
	touch(place->dir.bytes, place->dir.len, buffer, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *buffer = malloc(size ? size : 1);
	size_t done = 0;

	assert(buffer);
	memcpy(buffer, data, size);
	while (done < size) {
		struct hw_record record;

		if (hw_record_parse(buffer + done, size - done, &record) < 0)
			break;
		assert(record.len >= sizeof(struct fanotify_event_metadata));
		assert(record.len <= size - done);
		check_place(&record.at, buffer + done, record.len);
		check_place(&record.from, buffer + done, record.len);
		check_place(&record.to, buffer + done, record.len);
		if (record.object.bytes)
			touch(record.object.bytes, record.object.len, buffer + done, record.len);
		done += record.len;
	}
	free(buffer);
	return 0;
}
