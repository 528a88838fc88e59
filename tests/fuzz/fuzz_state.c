/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a state, as a share reads them when it starts: a snapshot, and a log that follows
 * it. Either one is the input as it is, or its frames are, with true checksums. A state that is
 * accepted must be a tree whose entries have paths and filesystems, with events that are valid, in
 * a journal that can be read; it must be the same after it was written and read again. */
#include "share_private.h"
#include "state.h"
#include "valid.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GENERATION 3u
#define FRAMES_MAX 16u
#define BYTES_OF_ID_MAX 400u /* of memory, for each byte of the files */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];
static int dir_fd = -1;
static struct hw_loop *loop;

struct input {
	const uint8_t *at;
	size_t left;
};

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t n = 0;

	for (; bytes && in->left; bytes--, in->at++, in->left--)
		n = n << 8 | *in->at;
	return n;
}

/* ---- the files ---- */

static void remove_files(void)
{
	static const char *const names[] = {
		"f.state",   "f.open",        "f.lock",
		"f.numbers", "f.numbers.new", "f.0000000000000003.log"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlinkat(dir_fd, names[i], 0);
}

static void remove_dir(void)
{
	remove_files();
	(void)rmdir(dir);
}

static void begin(void)
{
	(void)snprintf(dir, sizeof(dir), "%s/fuzz_state.XXXXXX",
		       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(dir_fd >= 0 && hw_loop_create(&loop) == 0);
	hw_log_set_level(HW_LOG_ERROR);
	(void)atexit(remove_dir);
}

static int new_file(const char *name)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0);
	return fd;
}

/* Frames, each with two bytes of its length before it; an empty one ends the file. */
static void write_frames(int fd, struct input *in)
{
	for (uint64_t number = 1; in->left > 2 && number <= FRAMES_MAX; number++) {
		size_t len = take(in, 2);
		unsigned char *frame;

		if (!len)
			return;
		len = len < in->left ? len : in->left;
		frame = malloc(HW_STATE_FRAME + len);
		assert(frame);
		memcpy(frame + HW_STATE_FRAME, in->at, len);
		in->at += len;
		in->left -= len;
		hw_state_seal(frame, len, GENERATION, number);
		assert(hw_state_write(fd, frame, HW_STATE_FRAME + len) == 0);
		free(frame);
	}
}

static void write_file(const char *name, const struct hw_state_head *head, struct input *in)
{
	unsigned char start[HW_STATE_HEAD_MAX];
	int fd = new_file(name);

	if (in->left && *in->at == 'h') { /* as it is */
		assert(hw_state_write(fd, in->at, in->left) == 0);
		in->left = 0;
	} else {
		assert(hw_state_write(fd, start, hw_state_put_head(start, head)) == 0);
		write_frames(fd, in);
	}
	(void)close(fd);
}

/* Returns the bytes of the files. */
static uint64_t size_of_files(void)
{
	static const char *const names[] = { "f.state", "f.open", "f.0000000000000003.log" };
	uint64_t size = 0;
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (fstatat(dir_fd, names[i], &st, 0) == 0)
			size += (uint64_t)st.st_size;
	return size;
}

static void write_files(const struct hw_share *share, struct input *in)
{
	unsigned flags = (unsigned)take(in, 1);
	struct hw_state_head head = {
		.generation = GENERATION,
		.epoch = 5,
		.place = share->keep.place,
		.known_ns = 1,
		.next_seq = flags & 4 ? take(in, 8) : 11,
		.limit = flags & 8 ? take(in, 8) : 1000,
	};

	memcpy(head.boot, share->keep.boot, sizeof(head.boot));
	write_file(flags & 1 ? "f.open" : "f.state", &head, in);
	if (!(flags & 1))
		return;
	head.next_seq += take(in, 1); /* as many events as the snapshot is to have */
	write_file("f.0000000000000003.log", &head, in);
}

/* ---- what was read ---- */

static void check_bytes(const char *bytes, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (unsigned char)bytes[i];
	assert(sum < UINT32_MAX); /* every byte can be read */
}

static void check_tree(struct hw_share *share)
{
	const struct hw_tree *tree = &share->tree;

	for (uint32_t id = HW_ROOT; id < tree->used; id++) {
		const struct hw_entry *e = hw_tree_entry(tree, id);
		const char *name = e->type == HW_TYPE_NONE ? NULL : hw_tree_name(tree, id);

		if (!name)
			continue;
		assert(e->fs < share->disk.filesystem_count);
		assert(hw_tree_is_below(tree, id, HW_ROOT));
		check_bytes(name, e->name_len);
		if (id != HW_ROOT)
			assert(hw_tree_find(tree, e->parent, name, e->name_len) == id);
	}
	assert(hw_tree_bytes(tree) <= (2u << 20) + BYTES_OF_ID_MAX * size_of_files());
}

static void check_journal(const struct hw_share *share)
{
	struct hw_journal_cursor cursor;
	uint64_t before = hw_journal_oldest(&share->journal);
	struct hw_event event;

	assert(hw_journal_seek(&share->journal, before, &cursor) == 0);
	while (hw_journal_next(&share->journal, &cursor, &event) == 1) {
		assert(event.seq > before && event.seq < share->journal.next_seq);
		assert(hw_state_is_event(&event));
		before = event.seq;
		if (event.path)
			check_bytes(event.path, event.path_len);
		if (event.from)
			check_bytes(event.from, event.from_len);
	}
	assert(share->journal.next_seq > before);
}

static int no_event(void *arg, struct hw_event *ret)
{
	(void)arg;
	(void)ret;
	return 0;
}

static void ignore_event(void *arg, const struct hw_event *event)
{
	(void)arg;
	(void)event;
}

static void ignore_skip(void *arg, uint64_t from, uint64_t to, const struct hw_state_scope *scope)
{
	(void)arg;
	assert(from < to && scope->len <= HW_STATE_SCOPE_MAX);
}

static void ignore_shift(void *arg, uint64_t after, uint64_t next_seq)
{
	(void)arg;
	assert(after + 1 < next_seq);
}

static void write_again(const struct hw_share *share)
{
	const struct hw_state_head head = { .epoch = 1, .next_seq = 1, .place = 1 };
	const struct hw_state_snapshot snapshot = {
		.head = &head, .tree = &share->tree, .next_event = no_event, .next_seq = 1
	};
	struct hw_tree again;
	struct hw_state_load load = {
		.tree = &again, .event = ignore_event, .skip = ignore_skip, .shift = ignore_shift
	};
	int fd = memfd_create("again", MFD_CLOEXEC);
	uint64_t bytes;

	assert(fd >= 0 && hw_tree_init(&again) == 0);
	assert(hw_state_write_snapshot(fd, &snapshot, &bytes) == 0);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	assert(hw_state_read_snapshot(fd, 1, &load) == 0);
	assert(hw_tree_finish(&again) == 0 && again.entries == share->tree.entries);
	hw_tree_free(&again);
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .at = data, .left = size };
	const struct hw_share_config config = {
		.name = "f",
		.path = "/",
		.journal_bytes = HW_JOURNAL_MIN,
		.state_dir = dir,
		.state_log_dir = dir,
	};
	struct hw_share *share;

	if (dir_fd < 0)
		begin();
	assert(hw_share_create(loop, &config, &share) == 0);
	assert(hw_keep_open(share) == 0);
	write_files(share, &in);
	if (hw_keep_load(share) == 0) {
		check_tree(share);
		check_journal(share);
		write_again(share);
	} else { /* as it was */
		assert(share->tree.entries == 1 && share->journal.next_seq == 1);
	}
	hw_share_destroy(share);
	hw_loop_turn(loop, 0); /* releases its timers */
	remove_files();
	return 0;
}
