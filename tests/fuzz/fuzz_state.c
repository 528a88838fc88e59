/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a state: a snapshot, and a log that follows it. The records are those of the input,
 * in frames with true checksums; or the input is the file as it is. A state that is accepted must
 * be a tree, and the same after it was written and read again. */
#include "framework/state/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PLACE 7u
#define ID_MAX (1u << 16) /* a larger one only needs more memory */
#define FRAMES_MAX 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hw_state_head head = {
	.generation = 3, .epoch = 5, .next_seq = 11, .place = PLACE, .known_ns = 1
};

static const uint8_t *take(const uint8_t **data, size_t *size, size_t len)
{
	const uint8_t *bytes = *data;

	*data += len;
	*size -= len;
	return bytes;
}

static bool is_small(const uint8_t *data, size_t size)
{
	struct hw_state_reader reader = { .at = data, .end = data + size };
	struct hw_state_record record;

	while (hw_state_get(&reader, &record))
		if (record.tag == HW_STATE_ENTRY && record.id > ID_MAX)
			return false;
	return true;
}

/* Writes a head and frames; each begins with two bytes of its length. Returns false if an id is too
 * large. */
static bool write_frames(int fd, const uint8_t **data, size_t *size)
{
	unsigned char start[HW_STATE_HEAD_MAX];
	size_t len = hw_state_put_head(start, &head);
	bool small = true;

	assert(hw_state_write(fd, start, len) == 0);
	for (uint64_t number = 1; *size >= 2 && number <= FRAMES_MAX && small; number++) {
		const uint8_t *bytes = take(data, size, 2);

		len = (size_t)bytes[0] | (size_t)bytes[1] << 8;
		if (!len)
			return true; /* the log follows */
		len = len < *size ? len : *size;
		unsigned char *frame = malloc(HW_STATE_FRAME + len);

		assert(frame);
		memcpy(frame + HW_STATE_FRAME, take(data, size, len), len);
		small = is_small(frame + HW_STATE_FRAME, len);
		hw_state_seal(frame, len, head.generation, number);
		assert(hw_state_write(fd, frame, HW_STATE_FRAME + len) == 0);
		free(frame);
	}
	return small;
}

static void check_event(void *arg, const struct hw_event *event)
{
	uint64_t *events = arg;
	unsigned sum = 0;

	(*events)++;
	assert(event->path_len <= HW_PATH_MAX && event->from_len <= HW_PATH_MAX);
	for (uint32_t i = 0; i < event->path_len; i++)
		sum += (unsigned char)event->path[i];
	for (uint32_t i = 0; i < event->from_len; i++)
		sum += (unsigned char)event->from[i];
	assert(sum < UINT32_MAX); /* every byte can be read */
}

static int no_event(void *arg, struct hw_event *ret)
{
	(void)arg;
	(void)ret;
	return 0;
}

/* Each entry has a path, and can be found. */
static void check_tree(const struct hw_tree *tree)
{
	for (uint32_t id = HW_ROOT + 1; id < tree->used; id++) {
		const struct hw_entry *e = hw_tree_entry(tree, id);

		if (e->type == HW_TYPE_NONE)
			continue;
		assert(hw_tree_is_below(tree, id, HW_ROOT));
		assert(hw_tree_find(tree, e->parent, hw_tree_name(tree, id), e->name_len) == id);
	}
}

static void write_again(const struct hw_tree *tree)
{
	struct hw_state_snapshot snapshot = { &head, tree, no_event, NULL };
	uint64_t events = 0, bytes;
	struct hw_tree again;
	struct hw_state_load load = { .tree = &again, .event = check_event, .arg = &events };
	int fd = memfd_create("again", MFD_CLOEXEC);

	assert(fd >= 0 && hw_tree_init(&again) == 0);
	assert(hw_state_write_snapshot(fd, &snapshot, &bytes) == 0);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	assert(hw_state_read_snapshot(fd, PLACE, &load) == 0 && !events);
	assert(hw_tree_finish(&again) == 0 && again.entries == tree->entries);
	hw_tree_free(&again);
	(void)close(fd);
}

static void read_files(int snapshot, int log)
{
	uint64_t events = 0;
	struct hw_tree tree;
	struct hw_state_load load = { .tree = &tree, .event = check_event, .arg = &events };
	int r;

	assert(hw_tree_init(&tree) == 0);
	assert(lseek(snapshot, 0, SEEK_SET) == 0 && lseek(log, 0, SEEK_SET) == 0);
	r = hw_state_read_snapshot(snapshot, PLACE, &load);
	if (r == 0) {
		load.head.next_seq =
			head.next_seq; /* the log is made before the events are known */
		r = hw_state_read_log(log, head.generation, head.boot, &load);
		r = r < 0 ? 0 : r; /* the snapshot is whole */
	}
	if (r == 0 && hw_tree_finish(&tree) == 0) {
		check_tree(&tree);
		write_again(&tree);
	}
	hw_tree_free(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int snapshot = memfd_create("snapshot", MFD_CLOEXEC),
	    log = memfd_create("log", MFD_CLOEXEC);
	bool small = true;

	assert(snapshot >= 0 && log >= 0);
	if (size && data[0] == 'h') { /* as it is */
		assert(hw_state_write(snapshot, data, size) == 0);
	} else {
		small = write_frames(snapshot, &data, &size) && write_frames(log, &data, &size);
	}
	if (small)
		read_files(snapshot, log);
	(void)close(snapshot);
	(void)close(log);
	return small ? 0 : -1;
}
