/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a state: random trees and their changes come back as they were; damage is found,
 * wherever it is; a state of a million entries is small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "disk.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EPOCH 0x1234u
#define PLACE 77u
#define EVENTS 50u
#define GAP 1000u /* numbers that are skipped before event 20, and again at the end */
#define FIRST_SEQ 1000u
#define NEXT_SEQ (FIRST_SEQ + EVENTS + 2 * GAP)

static uint64_t random_state = 1;

static unsigned pick(unsigned below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1;
	return (unsigned)((random_state >> 33) % below);
}

static uint64_t pick_word(void)
{
	return (uint64_t)pick(UINT32_MAX) << (pick(2) * 32) | pick(UINT32_MAX);
}

/* ---- random trees ---- */

static struct hw_stat random_stat(bool dir)
{
	static const uint8_t types[] = { HW_TYPE_FILE, HW_TYPE_SYMLINK, HW_TYPE_OTHER };

	return (struct hw_stat){
		.ino = pick_word(),
		.mtime_ns = (int64_t)pick_word(),
		.ctime_ns = (int64_t)pick_word(),
		.size = pick_word(),
		.attr = pick(3),
		.ident = pick(2) ? pick(UINT32_MAX) : 0,
		.nlink = 1 + pick(3),
		.fs = (uint16_t)pick(3),
		.identity = (uint8_t)pick(HW_UNIDENTIFIED + 1),
		.type = dir ? HW_TYPE_DIR : types[pick(3)],
	};
}

static uint32_t random_entry(const struct hw_tree *tree, bool dir)
{
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t id = HW_ROOT + pick(tree->used - HW_ROOT);
		uint8_t type = hw_tree_entry(tree, id)->type;

		if (dir ? type == HW_TYPE_DIR : type != HW_TYPE_NONE && id != HW_ROOT)
			return id;
	}
	return dir ? HW_ROOT : 0;
}

static void change(struct hw_tree *tree)
{
	uint32_t id = random_entry(tree, false), dir = random_entry(tree, true);
	char name[HW_NAME_MAX + 1];
	size_t len = (size_t)snprintf(name, sizeof(name), "n%u%.*s", pick(100000), (int)pick(200),
				      "------------------------------------------------");
	struct hw_stat stat = random_stat(pick(4) == 0);

	switch (id ? pick(6) : 5) {
	case 0:
		if (!hw_tree_entry(tree, id)->dir.first_child ||
		    hw_tree_entry(tree, id)->type != HW_TYPE_DIR)
			hw_tree_remove(tree, id);
		break;
	case 1:
		if (!hw_tree_is_below(tree, dir, id) && !hw_tree_find(tree, dir, name, len))
			assert_int_equal(hw_tree_move(tree, id, dir, name, len), 0);
		break;
	case 2:
		stat.type = hw_tree_entry(tree, id)->type;
		hw_tree_update(tree, id, &stat);
		if (stat.type == HW_TYPE_FILE)
			hw_tree_entry(tree, id)->flags = HW_ENTRY_DIRTY;
		break;
	default:
		if (!hw_tree_find(tree, dir, name, len))
			assert_true(hw_tree_add(tree, dir, name, len, &stat) != 0);
	}
}

static void assert_same_entry(const struct hw_tree *a, const struct hw_tree *b, uint32_t id)
{
	const struct hw_entry *x = hw_tree_entry(a, id), *y = hw_tree_entry(b, id);

	assert_int_equal(x->type, y->type);
	if (x->type == HW_TYPE_NONE)
		return;
	assert_int_equal(x->parent, y->parent);
	assert_int_equal(x->name_len, y->name_len);
	assert_memory_equal(hw_tree_name(a, id), hw_tree_name(b, id), x->name_len);
	assert_int_equal(x->ino, y->ino);
	assert_int_equal(x->fs, y->fs);
	assert_int_equal(x->ident, y->ident);
	assert_int_equal(x->identity, y->identity);
	assert_int_equal(x->mtime_ns, y->mtime_ns);
	assert_int_equal(x->ctime_ns, y->ctime_ns);
	assert_int_equal(x->attr, y->attr);
	assert_int_equal(x->nlink, y->nlink);
	assert_int_equal(x->flags, y->flags);
	if (x->type != HW_TYPE_DIR)
		assert_int_equal(x->size, y->size);
	if (id != HW_ROOT)
		assert_int_equal(hw_tree_find(b, x->parent, hw_tree_name(a, id), x->name_len), id);
}

static void assert_same_tree(const struct hw_tree *a, const struct hw_tree *b)
{
	assert_int_equal(a->entries, b->entries);
	assert_int_equal(a->directories, b->directories);
	for (uint32_t id = HW_ROOT; id < a->used; id++)
		if (id < b->used)
			assert_same_entry(a, b, id);
		else
			assert_int_equal(hw_tree_entry(a, id)->type, HW_TYPE_NONE);
}

/* ---- files ---- */

static const struct hw_state_head head = {
	.generation = 5, .epoch = EPOCH, .next_seq = FIRST_SEQ, .place = PLACE, .known_ns = -7
};

static struct hw_event event_of(unsigned number)
{
	static const char path[] = "some/path/to/a/file", from[] = "another";
	uint8_t kind = (uint8_t)(1 + number % (HW_KIND_END - 1));
	bool move = kind == HW_MOVE, enters = move && number % 4 == 0, leaves = number % 4 == 1;
	struct hw_event event = {
		.struct_size = sizeof(event),
		.seq = FIRST_SEQ + number + (number < 20 ? 0 : GAP),
		.kind = kind,
		.type = (uint8_t)(kind == HW_RESCAN ? 0 : 1 + number % (HW_TYPE_END - 1)),
		.flags = (uint16_t)(move && !enters && !leaves ? number % 3 : 0),
		.time_ns = INT64_C(1700000000000000000) + number * INT64_C(12345),
		.path = move && leaves ? NULL : path,
		.path_len = move && leaves ? 0 : 16 + number % 4,
		.from = move && !enters ? from : NULL,
		.from_len = move && !enters ? 1 + number % 7 : 0,
	};

	return event;
}

static int next_event(void *arg, struct hw_event *ret)
{
	unsigned *number = arg;

	if (*number == EVENTS)
		return 0;
	*ret = event_of((*number)++);
	return 1;
}

static void check_event(void *arg, const struct hw_event *event)
{
	unsigned *number = arg;
	struct hw_event expected = event_of(*number);

	assert_int_equal(event->seq, expected.seq);
	assert_int_equal(event->kind, expected.kind);
	assert_int_equal(event->type, expected.type);
	assert_int_equal(event->flags, expected.flags);
	assert_int_equal(event->time_ns, expected.time_ns);
	assert_int_equal(!event->path, !expected.path);
	assert_int_equal(!event->from, !expected.from);
	assert_int_equal(event->path_len, expected.path_len);
	assert_int_equal(event->from_len, expected.from_len);
	if (event->path)
		assert_memory_equal(event->path, expected.path, event->path_len);
	(*number)++;
}

static void check_skip(void *arg, uint64_t from, uint64_t to, const struct hw_state_scope *scope)
{
	unsigned *number = arg;

	assert_int_equal(scope->len, 0);

	assert_true(*number == 20 || *number == EVENTS);
	assert_int_equal(to - from, GAP);
	assert_int_equal(from, *number == 20 ? FIRST_SEQ + 20 : NEXT_SEQ - GAP);
}

static int new_file(void)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int64_t unread_ns; /* of the next snapshot */

static int write_tree(const struct hw_tree *tree, uint64_t *ret_size)
{
	unsigned number = 0;
	const struct hw_state_snapshot snapshot = {
		.head = &head,
		.tree = tree,
		.next_event = next_event,
		.arg = &number,
		.next_seq = NEXT_SEQ,
		.unread_ns = unread_ns,
	};
	int fd = new_file();

	assert_int_equal(hw_state_write_snapshot(fd, &snapshot, ret_size), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), *ret_size);
	return fd;
}

struct reading {
	struct hw_tree tree;
	struct hw_state_load load;
	unsigned events;
};

static int read_snapshot(struct reading *reading, int fd, uint64_t place)
{
	*reading = (struct reading){ .events = 0 };
	assert_int_equal(hw_tree_init(&reading->tree), 0);
	reading->load = (struct hw_state_load){
		.tree = &reading->tree,
		.event = check_event,
		.skip = check_skip,
		.arg = &reading->events,
	};
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return hw_state_read_snapshot(fd, place, &reading->load);
}

static void random_tree(struct hw_tree *tree, unsigned changes)
{
	assert_int_equal(hw_tree_init(tree), 0);
	while (changes--)
		change(tree);
}

/* ---- tests ---- */

static void a_tree_comes_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct reading reading;
		struct hw_tree tree;
		uint64_t size;

		random_tree(&tree, 1 + pick(2000));
		int fd = write_tree(&tree, &size);

		assert_int_equal(read_snapshot(&reading, fd, PLACE), 0);
		assert_int_equal(hw_tree_finish(&reading.tree), 0);
		assert_same_tree(&tree, &reading.tree);
		assert_int_equal(reading.events, EVENTS);
		assert_int_equal(reading.load.head.next_seq, NEXT_SEQ);
		assert_int_equal(reading.load.head.epoch, EPOCH);
		assert_int_equal(reading.load.head.known_ns, -7);
		/* It is a tree like any other. */
		for (unsigned j = 0; j < 200; j++)
			change(&reading.tree);
		hw_tree_free(&reading.tree);
		hw_tree_free(&tree);
		close(fd);
	}
}

/* Appends what has changed as one frame. */
static void log_changes(int fd, struct hw_tree *tree, uint64_t number)
{
	struct hw_changed *changed = tree->changed;
	unsigned char *bytes =
		malloc(HW_STATE_FRAME + (changed->list.count + 1) * (size_t)HW_STATE_ENTRY_MAX);
	struct hw_state_writer writer = { .bytes = bytes + HW_STATE_FRAME };

	assert_non_null(bytes);
	hw_state_put_known(&writer, (int64_t)number);
	for (uint32_t i = 0; i < changed->list.count; i++) {
		uint32_t id = changed->list.ids[i];
		const struct hw_entry *e = hw_tree_entry(tree, id);

		if (e->type == HW_TYPE_NONE)
			hw_state_put_gone(&writer, id);
		else
			hw_state_put_entry(&writer, id, e, hw_tree_name(tree, id));
	}
	hw_changed_clear(changed);
	hw_state_seal(bytes, writer.used, head.generation, number);
	assert_int_equal(hw_state_write(fd, bytes, HW_STATE_FRAME + writer.used), 0);
	free(bytes);
}

static int begin_log(uint64_t next_seq)
{
	struct hw_state_head log_head = head;
	unsigned char bytes[HW_STATE_HEAD_MAX];
	int fd = new_file();

	log_head.next_seq = next_seq;
	assert_int_equal(hw_state_write(fd, bytes, hw_state_put_head(bytes, &log_head)), 0);
	return fd;
}

static const uint8_t boot[HW_STATE_BOOT];

static void a_log_brings_back_what_followed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct hw_changed changed = { 0 };
		struct reading reading;
		struct hw_tree tree;
		uint64_t size;

		random_tree(&tree, 1 + pick(500));
		int fd = write_tree(&tree, &size), log = begin_log(NEXT_SEQ);

		tree.changed = &changed;
		for (unsigned frame = 1, frames = pick(10); frame <= frames; frame++) {
			for (unsigned j = 1 + pick(100); j--;)
				change(&tree);
			log_changes(log, &tree, frame);
		}
		assert_int_equal(read_snapshot(&reading, fd, PLACE), 0);
		assert_int_equal(lseek(log, 0, SEEK_SET), 0);
		assert_int_equal(hw_state_read_log(log, head.generation, boot, &reading.load), 0);
		assert_int_equal(hw_tree_finish(&reading.tree), 0);
		assert_same_tree(&tree, &reading.tree);
		hw_tree_free(&reading.tree);
		hw_tree_free(&tree);
		hw_changed_free(&changed);
		close(fd);
		close(log);
	}
}

static unsigned char *contents(int fd, size_t size)
{
	unsigned char *bytes = malloc(size);

	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, size, 0), size);
	return bytes;
}

static void ignore_event(void *arg, const struct hw_event *event)
{
	(void)arg;
	(void)event;
}

static void ignore_skip(void *arg, uint64_t from, uint64_t to, const struct hw_state_scope *scope)
{
	(void)arg;
	(void)from;
	(void)to;
	(void)scope;
}

/* Returns the result of reading these bytes as a snapshot, or as the log that follows one; 1 if the
 * log is damaged. */
static int read_bytes(const unsigned char *bytes, size_t size, int before)
{
	struct hw_tree tree;
	struct hw_state_load load = { .tree = &tree, .event = ignore_event, .skip = ignore_skip };
	int fd = new_file(), r;

	assert_int_equal(hw_tree_init(&tree), 0);
	assert_int_equal(hw_state_write(fd, bytes, size), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	if (before >= 0) {
		assert_int_equal(lseek(before, 0, SEEK_SET), 0);
		assert_int_equal(hw_state_read_snapshot(before, PLACE, &load), 0);
		r = hw_state_read_log(fd, head.generation, boot, &load);
		if (r == 0 && load.damaged)
			r = 1;
	} else {
		r = hw_state_read_snapshot(fd, PLACE, &load);
	}
	hw_tree_free(&tree);
	close(fd);
	return r;
}

static void damage_is_found(void **state)
{
	struct hw_tree tree;
	uint64_t size;

	(void)state;
	random_tree(&tree, 60);
	int fd = write_tree(&tree, &size);
	unsigned char *bytes = contents(fd, size);

	assert_int_equal(read_bytes(bytes, size, -1), 0);
	for (size_t i = 0; i < size; i++) {
		unsigned char was = bytes[i];

		bytes[i] = (unsigned char)(was ^ (1u << pick(8)));
		assert_true(read_bytes(bytes, size, -1) < 0);
		bytes[i] = (unsigned char)~was;
		assert_true(read_bytes(bytes, size, -1) < 0);
		bytes[i] = was;
	}
	for (size_t i = 0; i < size; i++)
		assert_int_equal(read_bytes(bytes, i, -1), -EUCLEAN);
	free(bytes);
	hw_tree_free(&tree);
	close(fd);
}

static void a_log_ends_at_a_frame_that_was_not_written(void **state)
{
	struct hw_changed changed = { 0 };
	struct hw_tree tree;
	uint64_t size;

	(void)state;
	random_tree(&tree, 60);
	int fd = write_tree(&tree, &size), log = begin_log(NEXT_SEQ);
	size_t head_size = (size_t)lseek(log, 0, SEEK_CUR), first;

	tree.changed = &changed;
	change(&tree);
	log_changes(log, &tree, 1);
	first = (size_t)lseek(log, 0, SEEK_CUR);
	for (unsigned i = 0; i < 20; i++)
		change(&tree);
	log_changes(log, &tree, 2);
	size = (uint64_t)lseek(log, 0, SEEK_CUR);
	unsigned char *bytes = contents(log, size);

	for (size_t i = 0; i <= size; i++)
		assert_int_equal(read_bytes(bytes, i, fd), i < head_size ? -ENOENT : 0);
	/* The first frame has been written, since another one follows it. */
	for (size_t i = 0; i < first; i++) {
		if (i >= head_size && i < head_size + 8)
			continue; /* its length */
		bytes[i] ^= 1;
		assert_true(read_bytes(bytes, size, fd) == (i < head_size ? -ESTALE : 1) || i < 24);
		bytes[i] ^= 1;
	}
	free(bytes);
	hw_tree_free(&tree);
	hw_changed_free(&changed);
	close(fd);
	close(log);
}

static void a_file_of_another_version_or_share_is_refused(void **state)
{
	struct reading reading;
	struct hw_tree tree;
	uint64_t size;

	(void)state;
	random_tree(&tree, 10);
	int fd = write_tree(&tree, &size);

	assert_int_equal(read_snapshot(&reading, fd, PLACE + 1), -EMEDIUMTYPE);
	hw_tree_free(&reading.tree);
	for (uint8_t version = 2; version <= HW_STATE_VERSION + 1; version++) {
		assert_int_equal(pwrite(fd, &version, 1, 8), 1);
		assert_int_equal(read_snapshot(&reading, fd, PLACE),
				 version > HW_STATE_VERSION ? -EPROTONOSUPPORT : 0);
		hw_tree_free(&reading.tree);
	}
	assert_int_equal(pwrite(fd, "\0", 1, 8), 1);
	assert_int_equal(read_snapshot(&reading, fd, PLACE), -EUCLEAN);
	hw_tree_free(&reading.tree);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(read_snapshot(&reading, fd, PLACE), -EUCLEAN);
	hw_tree_free(&reading.tree);
	hw_tree_free(&tree);
	close(fd);
}

static void a_log_of_another_run_is_refused(void **state)
{
	static const uint8_t other_boot[HW_STATE_BOOT] = { 1 };
	struct hw_tree tree;
	struct reading reading;
	uint64_t size;

	(void)state;
	random_tree(&tree, 10);
	int fd = write_tree(&tree, &size), log = begin_log(NEXT_SEQ), gap = begin_log(1001);

	assert_int_equal(read_snapshot(&reading, fd, PLACE), 0);
	assert_int_equal(lseek(log, 0, SEEK_SET), 0);
	assert_int_equal(hw_state_read_log(log, head.generation, other_boot, &reading.load),
			 -ESTALE);
	assert_int_equal(lseek(log, 0, SEEK_SET), 0);
	assert_int_equal(hw_state_read_log(log, head.generation + 1, boot, &reading.load), -ESTALE);
	assert_int_equal(lseek(gap, 0, SEEK_SET), 0);
	assert_int_equal(hw_state_read_log(gap, head.generation, boot, &reading.load), -ESTALE);
	assert_int_equal(lseek(log, 0, SEEK_SET), 0);
	assert_int_equal(hw_state_read_log(log, head.generation, NULL, &reading.load), 0);
	hw_tree_free(&reading.tree);
	hw_tree_free(&tree);
	close(fd);
	close(log);
	close(gap);
}

static void put(struct hw_tree *tree, uint32_t id, uint32_t parent, const char *name, uint8_t type)
{
	const struct hw_entry entry = {
		.parent = parent, .name_len = (uint8_t)strlen(name), .type = type, .nlink = 1
	};

	assert_int_equal(hw_tree_put(tree, id, &entry, name), 0);
}

static void what_is_no_tree_is_refused(void **state)
{
	static const struct {
		uint32_t parent_of_3;
		const char *name_of_4;
		uint8_t type_of_2;
		int result;
	} cases[] = {
		{ 2, "b", HW_TYPE_DIR, 0 },
		{ 2, "a", HW_TYPE_DIR, -EINVAL }, /* a name twice */
		{ 2, "b", HW_TYPE_FILE, -EINVAL }, /* below a file */
		{ 3, "b", HW_TYPE_DIR, -EINVAL }, /* below itself */
		{ 9, "b", HW_TYPE_DIR, -EINVAL }, /* below nothing */
		{ 0, "b", HW_TYPE_DIR, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hw_tree tree;

		assert_int_equal(hw_tree_init(&tree), 0);
		put(&tree, HW_ROOT, 0, "", HW_TYPE_DIR);
		put(&tree, 2, HW_ROOT, "a", cases[i].type_of_2);
		put(&tree, 3, cases[i].parent_of_3, "c", HW_TYPE_DIR);
		put(&tree, 4, HW_ROOT, cases[i].name_of_4, HW_TYPE_FILE);
		assert_int_equal(hw_tree_finish(&tree), cases[i].result);
		hw_tree_free(&tree);
	}
}

/* ---- forged records ---- */

/* Reads a snapshot with these records, whose checksums are right. Returns the result of reading,
 * and the memory of the tree. */
static int read_forged(const struct hw_state_head *of, struct hw_state_writer *writer,
		       size_t *ret_bytes)
{
	unsigned char start[HW_STATE_HEAD_MAX];
	struct hw_tree tree;
	struct hw_state_load load = { .tree = &tree, .event = ignore_event, .skip = ignore_skip };
	int fd = new_file(), r;

	assert_int_equal(hw_tree_init(&tree), 0);
	assert_int_equal(hw_state_write(fd, start, hw_state_put_head(start, of)), 0);
	hw_state_seal(writer->bytes - HW_STATE_FRAME, writer->used, of->generation, 1);
	assert_int_equal(hw_state_write(fd, writer->bytes - HW_STATE_FRAME,
					HW_STATE_FRAME + writer->used),
			 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	r = hw_state_read_snapshot(fd, PLACE, &load);
	*ret_bytes = hw_tree_bytes(&tree);
	hw_tree_free(&tree);
	close(fd);
	return r;
}

static const struct hw_entry root_entry = { .type = HW_TYPE_DIR, .nlink = 1 };

/* Each id below another one has a record of at least two bytes, so a file of this size cannot have
 * an entry with a larger id. */
static void memory_is_bounded_by_the_size_of_the_file(void **state)
{
	static const struct {
		uint32_t id;
		int result;
	} cases[] = { { 2, 0 },
		      { 100, 0 },
		      { 4000, -EUCLEAN },
		      { 1u << 24, -EUCLEAN },
		      { UINT32_MAX - 1, -EUCLEAN } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct hw_entry entry = {
			.parent = HW_ROOT, .name_len = 1, .type = HW_TYPE_FILE, .nlink = 1
		};
		unsigned char bytes[HW_STATE_FRAME + 2 * HW_STATE_ENTRY_MAX + 600];
		struct hw_state_writer writer = { .bytes = bytes + HW_STATE_FRAME };
		size_t used;

		hw_state_put_entry(&writer, HW_ROOT, &root_entry, "");
		hw_state_put_entry(&writer, cases[i].id, &entry, "a");
		while (writer.used < 500)
			hw_state_put_known(&writer, 1);
		hw_state_put_end(&writer, 2, 0);
		assert_int_equal(read_forged(&head, &writer, &used), cases[i].result);
		assert_true(used < (2u << 20));
	}
}

/* Of changes whose records were not read, the newest frame decides. */
static void the_last_frame_says_since_when_records_are_unread(void **state)
{
	static const struct {
		int64_t snapshot, frames[3], result; /* 0: none */
	} cases[] = {
		{ 0, { 0, 0, 0 }, 0 },
		{ 7, { 0, 0, 0 }, 0 },
		{ 0, { 0, 5, 0 }, 0 },
		{ 0, { 5, 0, 9 }, 9 },
		{ 3, { 9, 9, INT64_MAX }, INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned char bytes[HW_STATE_FRAME + 64 + HW_STATE_ENTRY_MAX];
		struct reading reading;
		struct hw_tree tree;
		uint64_t size;

		random_tree(&tree, 5);
		unread_ns = cases[i].snapshot;
		int fd = write_tree(&tree, &size), log = begin_log(NEXT_SEQ);

		unread_ns = 0;
		assert_int_equal(read_snapshot(&reading, fd, PLACE), 0);
		assert_int_equal(reading.load.unread_ns, cases[i].snapshot);
		for (uint64_t n = 0; n < 3; n++) {
			struct hw_state_writer writer = { .bytes = bytes + HW_STATE_FRAME };

			hw_state_put_known(&writer, 1);
			if (cases[i].frames[n])
				hw_state_put_unread(&writer, cases[i].frames[n]);
			hw_state_seal(bytes, writer.used, head.generation, n + 1);
			assert_int_equal(hw_state_write(log, bytes, HW_STATE_FRAME + writer.used),
					 0);
		}
		assert_int_equal(lseek(log, 0, SEEK_SET), 0);
		assert_int_equal(hw_state_read_log(log, head.generation, boot, &reading.load), 0);
		assert_int_equal(reading.load.unread_ns, cases[i].result);
		hw_tree_free(&reading.tree);
		hw_tree_free(&tree);
		close(fd);
		close(log);
	}
}

static void no_entry_has_the_id_0(void **state)
{
	unsigned char bytes[HW_STATE_FRAME + 2 * HW_STATE_ENTRY_MAX];
	struct hw_state_writer writer = { .bytes = bytes + HW_STATE_FRAME };
	size_t used;

	(void)state;
	hw_state_put_entry(&writer, HW_ROOT, &root_entry, "");
	hw_state_put_gone(&writer, 0);
	hw_state_put_end(&writer, 1, 0);
	assert_int_equal(read_forged(&head, &writer, &used), -EUCLEAN);
}

/* A tree of which little is left keeps its ids. */
static void a_tree_that_has_shrunk_comes_back(void **state)
{
	static const struct hw_stat stat = { .type = HW_TYPE_FILE, .nlink = 1 };
	struct reading reading;
	struct hw_tree tree;
	uint32_t last = 0;
	uint64_t size;
	char name[16];

	(void)state;
	assert_int_equal(hw_tree_init(&tree), 0);
	for (unsigned i = 0; i < 100000; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		last = hw_tree_add(&tree, HW_ROOT, name, strlen(name), &stat);
		assert_true(last != 0);
	}
	for (uint32_t id = HW_ROOT + 1; id < last; id++)
		hw_tree_remove(&tree, id);
	int fd = write_tree(&tree, &size);

	assert_true(size < 5 * UINT64_C(100000));
	assert_int_equal(read_snapshot(&reading, fd, PLACE), 0);
	assert_int_equal(hw_tree_finish(&reading.tree), 0);
	assert_same_tree(&tree, &reading.tree);
	hw_tree_free(&reading.tree);
	hw_tree_free(&tree);
	close(fd);
}

static void a_filesystem_with_a_large_number_is_refused(void **state)
{
	static const struct {
		uint16_t fs;
		int result;
	} cases[] = { { HW_FILESYSTEMS_MAX - 1, 0 },
		      { HW_FILESYSTEMS_MAX, -EUCLEAN },
		      { UINT16_MAX, -EUCLEAN } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned char bytes[HW_STATE_FRAME + 2 * HW_STATE_ENTRY_MAX];
		struct hw_state_writer writer = { .bytes = bytes + HW_STATE_FRAME };
		struct hw_entry entry = root_entry;
		size_t used;

		entry.fs = cases[i].fs;
		hw_state_put_entry(&writer, HW_ROOT, &entry, "");
		hw_state_put_end(&writer, 1, 0);
		assert_int_equal(read_forged(&head, &writer, &used), cases[i].result);
	}
}

static void a_number_that_could_overflow_is_refused(void **state)
{
	static const struct {
		uint64_t next_seq, limit, skip;
		int result;
	} cases[] = {
		{ HW_STATE_SEQ_MAX, HW_STATE_SEQ_MAX, 0, 0 },
		{ HW_STATE_SEQ_MAX + 1, 0, 0, -EUCLEAN },
		{ UINT64_MAX, 0, 0, -EUCLEAN },
		{ 1, HW_STATE_SEQ_MAX + 1, 0, -EUCLEAN },
		{ 1, 0, HW_STATE_SEQ_MAX, 0 },
		{ 1, 0, HW_STATE_SEQ_MAX + 1, -EUCLEAN },
		{ 7, 0, 7, -EUCLEAN },
	};

	const struct hw_state_scope nowhere = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned char bytes[HW_STATE_FRAME + 2 * HW_STATE_ENTRY_MAX];
		struct hw_state_writer writer = { .bytes = bytes + HW_STATE_FRAME };
		struct hw_state_head forged = head;
		size_t used;

		forged.next_seq = cases[i].next_seq;
		forged.limit = cases[i].limit;
		hw_state_put_entry(&writer, HW_ROOT, &root_entry, "");
		if (cases[i].skip)
			hw_state_put_gap(&writer, cases[i].skip, &nowhere);
		hw_state_put_end(&writer, 1, 0);
		assert_int_equal(read_forged(&forged, &writer, &used), cases[i].result);
	}
}

static void an_event_that_breaks_the_rules_is_refused(void **state)
{
	static const struct {
		uint8_t kind, type;
		uint16_t flags;
		const char *path, *from;
		int result;
	} cases[] = {
		{ HW_CREATE, HW_TYPE_FILE, 0, "a/b", NULL, 0 },
		{ HW_MOVE, HW_TYPE_FILE, HW_FLAG_EXCHANGE, "a", "b", 0 },
		{ HW_MOVE, HW_TYPE_FILE, HW_FLAG_REPLACED, "a", NULL, 0 },
		{ HW_MOVE, HW_TYPE_DIR, 0, NULL, "b", 0 },
		{ HW_ATTRIB, HW_TYPE_DIR, 0, "", NULL, 0 },
		{ HW_RESCAN, HW_TYPE_NONE, 0, "", NULL, 0 },
		{ HW_CREATE, HW_TYPE_FILE, 0, NULL, NULL, -EUCLEAN },
		{ HW_CREATE, HW_TYPE_FILE, 0, "", NULL, -EUCLEAN },
		{ HW_CREATE, HW_TYPE_NONE, 0, "a", NULL, -EUCLEAN },
		{ HW_CREATE, HW_TYPE_END, 0, "a", NULL, -EUCLEAN },
		{ HW_CREATE, HW_TYPE_FILE, HW_FLAG_REPLACED, "a", NULL, -EUCLEAN },
		{ HW_CREATE, HW_TYPE_FILE, 0, "a", "b", -EUCLEAN },
		{ HW_CREATE, HW_TYPE_FILE, 0, "../a", NULL, -EUCLEAN },
		{ HW_CREATE, HW_TYPE_FILE, 0, "/a", NULL, -EUCLEAN },
		{ HW_CREATE, HW_TYPE_FILE, 0, "a//b", NULL, -EUCLEAN },
		{ HW_CREATE, HW_TYPE_FILE, 0, "a/", NULL, -EUCLEAN },
		{ HW_CREATE, HW_TYPE_FILE, 0, "a/./b", NULL, -EUCLEAN },
		{ HW_RESCAN, HW_TYPE_DIR, 0, "a", NULL, -EUCLEAN },
		{ HW_MOVE, HW_TYPE_FILE, 0, NULL, NULL, -EUCLEAN },
		{ HW_MOVE, HW_TYPE_FILE, 0, "a", "", -EUCLEAN },
		{ HW_MOVE, HW_TYPE_FILE, HW_FLAG_EXCHANGE, "a", NULL, -EUCLEAN },
		{ HW_MOVE, HW_TYPE_FILE, HW_FLAG_REPLACED, NULL, "b", -EUCLEAN },
		{ HW_MOVE, HW_TYPE_FILE, HW_FLAG_ALL, "a", "b", -EUCLEAN },
		{ HW_MOVE, HW_TYPE_FILE, 8, "a", "b", -EUCLEAN },
		{ HW_KIND_END, HW_TYPE_FILE, 0, "a", NULL, -EUCLEAN },
		{ 0, HW_TYPE_FILE, 0, "a", NULL, -EUCLEAN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned char bytes[HW_STATE_FRAME + 2 * HW_STATE_ENTRY_MAX];
		struct hw_state_writer writer = { .bytes = bytes + HW_STATE_FRAME };
		const struct hw_event event = {
			.kind = cases[i].kind,
			.type = cases[i].type,
			.flags = cases[i].flags,
			.path = cases[i].path,
			.from = cases[i].from,
			.path_len = cases[i].path ? (uint32_t)strlen(cases[i].path) : 0,
			.from_len = cases[i].from ? (uint32_t)strlen(cases[i].from) : 0,
		};
		size_t used;

		hw_state_put_entry(&writer, HW_ROOT, &root_entry, "");
		hw_state_put_event(&writer, &event);
		hw_state_put_end(&writer, 1, 1);
		assert_int_equal(read_forged(&head, &writer, &used), cases[i].result);
	}
}

/* 1.1 million entries, each with a name of 12 bytes, times and an inode number of its own. */
static void a_million_entries_are_small(void **state)
{
	struct hw_tree tree;
	uint32_t dir = 0;
	uint64_t size;

	(void)state;
	assert_int_equal(hw_tree_init(&tree), 0);
	for (unsigned i = 0; i < 1100000; i++) {
		struct hw_stat stat = random_stat(false);
		char name[16];

		stat.ino = 1000 + i;
		stat.fs = 0;
		stat.identity = HW_BY_BIRTH;
		stat.size = pick(1u << 20);
		stat.nlink = 1;
		stat.type = i % 11 ? HW_TYPE_FILE : HW_TYPE_DIR;
		stat.mtime_ns = INT64_C(1700000000000000000) + (int64_t)i * 1000003 + pick(1000);
		stat.ctime_ns = stat.mtime_ns + pick(2) * (int64_t)pick(1000000000);
		(void)snprintf(name, sizeof(name), "name%08u", i);
		uint32_t id = hw_tree_add(&tree, i % 11 ? dir : HW_ROOT, name, 12, &stat);

		assert_true(id != 0);
		dir = i % 11 ? dir : id;
	}
	int fd = write_tree(&tree, &size);

	print_message("%llu bytes, %.1f of each entry\n", (unsigned long long)size,
		      (double)size / 1.1e6);
	assert_true(size < (UINT64_C(56) << 20));
	hw_tree_free(&tree);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_comes_back),
		cmocka_unit_test(a_log_brings_back_what_followed),
		cmocka_unit_test(damage_is_found),
		cmocka_unit_test(a_log_ends_at_a_frame_that_was_not_written),
		cmocka_unit_test(a_file_of_another_version_or_share_is_refused),
		cmocka_unit_test(a_log_of_another_run_is_refused),
		cmocka_unit_test(what_is_no_tree_is_refused),
		cmocka_unit_test(memory_is_bounded_by_the_size_of_the_file),
		cmocka_unit_test(the_last_frame_says_since_when_records_are_unread),
		cmocka_unit_test(no_entry_has_the_id_0),
		cmocka_unit_test(a_tree_that_has_shrunk_comes_back),
		cmocka_unit_test(a_filesystem_with_a_large_number_is_refused),
		cmocka_unit_test(a_number_that_could_overflow_is_refused),
		cmocka_unit_test(an_event_that_breaks_the_rules_is_refused),
		cmocka_unit_test(a_million_entries_are_small),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
