/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fingerprints and parser of the fanotify watcher, built into the test: the kernel never sends
 * these inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h requires the four headers above. */
#include <cmocka.h>

#include "plugins/fanotify/handle.c"
#include "plugins/fanotify/record.c"

#include <stdbool.h>
#include <stdlib.h>

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* ---- the fingerprint of a handle ---- */

static bool differ(struct hw_handle_key a, struct hw_handle_key b)
{
	return (a.words[0] != b.words[0] || a.words[1] != b.words[1]) &&
	       (a.words[2] != b.words[2] || a.words[3] != b.words[3]);
}

static void every_byte_of_a_handle_counts(void **state)
{
	const struct hw_handle_seed seed = hw_handle_new_seed();
	char bytes[128] = { 0 };
	struct hw_handle handle = { .fsid = 1, .bytes = bytes, .len = sizeof(bytes), .type = 1 };
	struct hw_handle_key all, other;

	(void)state;
	all = hw_handle_key(&seed, &handle);
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		bytes[i] = 1;
		other = hw_handle_key(&seed, &handle);
		assert_true(differ(all, other));
		bytes[i] = 0;
	}
	for (handle.len = 0; handle.len < sizeof(bytes); handle.len++) {
		other = hw_handle_key(&seed, &handle);
		assert_true(differ(all, other));
	}
	handle.type = 2;
	other = hw_handle_key(&seed, &handle);
	assert_true(differ(all, other));
	handle = (struct hw_handle){ .fsid = 2, .bytes = bytes, .len = sizeof(bytes), .type = 1 };
	other = hw_handle_key(&seed, &handle);
	assert_true(differ(all, other));
}

/* ---- the parser ---- */

/* An event under construction. */
struct event {
	char *bytes; /* allocated with exactly len bytes, so that the sanitizer detects overruns */
	uint32_t len;
};

static void append(struct event *event, const void *bytes, uint32_t len)
{
	event->bytes = realloc(event->bytes, event->len + len);
	assert_non_null(event->bytes);
	memcpy(event->bytes + event->len, bytes, len);
	event->len += len;
	((struct fanotify_event_metadata *)event->bytes)->event_len = event->len;
}

static void begin(struct event *event, uint64_t mask)
{
	struct fanotify_event_metadata metadata = {
		.vers = FANOTIFY_METADATA_VERSION,
		.metadata_len = sizeof(metadata),
		.mask = mask,
		.fd = FAN_NOFD,
		.pid = 42,
	};

	*event = (struct event){ 0 };
	append(event, &metadata, sizeof(metadata));
}

static void append_info(struct event *event, uint8_t type, uint32_t handle_len, const char *name)
{
	char info[20 + 256 + 300] = { 0 };
	struct fid_header fid = {
		.header = { .info_type = type },
		.fsid = 7,
		.handle_len = handle_len,
		.handle_type = 1,
	};
	size_t len = sizeof(fid) + handle_len + (name ? strlen(name) + 1 : 0);

	fid.header.len = (uint16_t)((len + 3) / 4 * 4);
	memcpy(info, &fid, sizeof(fid));
	if (name)
		memcpy(info + sizeof(fid) + handle_len, name, strlen(name));
	append(event, info, fid.header.len);
}

static int parse(struct event *event, struct hw_record *ret)
{
	return hw_record_parse(event->bytes, event->len, ret);
}

static void records_are_known_by_type_in_any_order(void **state)
{
	struct hw_record record;
	struct event event;

	(void)state;
	begin(&event, FAN_RENAME);
	append_info(&event, FAN_EVENT_INFO_TYPE_FID, 8, NULL);
	append_info(&event, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME, 12, "new");
	append_info(&event, 200, 8, NULL); /* from a later kernel */
	append_info(&event, FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, 8, "o");
	assert_int_equal(parse(&event, &record), 0);
	assert_int_equal(record.pid, 42);
	assert_int_equal(record.len, event.len);
	assert_int_equal(record.from.name_len, 1);
	assert_memory_equal(record.to.name, "new", 3);
	assert_int_equal(record.to.dir.len, 12);
	assert_non_null(record.object.bytes);
	assert_null(record.at.name);
	free(event.bytes);
}

static void an_overflow_has_no_records(void **state)
{
	struct hw_record record;
	struct event event;

	(void)state;
	begin(&event, FAN_Q_OVERFLOW);
	assert_int_equal(parse(&event, &record), 0);
	assert_int_equal(record.len, sizeof(struct fanotify_event_metadata));
	assert_null(record.at.dir.bytes);
	free(event.bytes);
}

static void limits_of_names_and_handles_are_kept(void **state)
{
	char name[257];
	struct hw_record record;
	struct event event;

	(void)state;
	memset(name, 'n', sizeof(name));
	for (unsigned len = 0; len <= 256; len++) {
		name[len] = '\0';
		begin(&event, FAN_CREATE);
		append_info(&event, FAN_EVENT_INFO_TYPE_DFID_NAME, 8, name);
		assert_int_equal(parse(&event, &record), len && len <= 255 ? 0 : -EBADMSG);
		free(event.bytes);
		name[len] = 'n';
	}
	for (unsigned len = 124; len <= 132; len += 4) {
		begin(&event, FAN_CREATE);
		append_info(&event, FAN_EVENT_INFO_TYPE_FID, len, NULL);
		assert_int_equal(parse(&event, &record), len <= 128 ? 0 : -EBADMSG);
		free(event.bytes);
	}
}

static void a_name_without_its_nul_is_refused(void **state)
{
	struct hw_record record;
	struct event event;

	(void)state;
	begin(&event, FAN_CREATE);
	append_info(&event, FAN_EVENT_INFO_TYPE_DFID_NAME, 8, "abc");
	assert_int_equal(parse(&event, &record), 0);
	event.bytes[event.len - 1] = 'd';
	assert_int_equal(parse(&event, &record), -EBADMSG);
	free(event.bytes);
}

static void a_cut_event_is_refused_at_every_length(void **state)
{
	struct hw_record record;
	struct event event;

	(void)state;
	begin(&event, FAN_RENAME);
	append_info(&event, FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, 8, "old");
	append_info(&event, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME, 8, "new");
	for (uint32_t len = 0; len < event.len; len++) {
		char *cut = malloc(len + 1);

		assert_non_null(cut);
		memcpy(cut, event.bytes, len);
		assert_int_equal(hw_record_parse(cut, len, &record), -EBADMSG);
		free(cut);
	}
	free(event.bytes);
}

static void random_changes_are_never_read_past_their_end(void **state)
{
	uint64_t random = 3;

	(void)state;
	for (unsigned round = 0; round < 50000; round++) {
		struct hw_record record;
		struct event event;

		begin(&event, next_random(&random));
		append_info(&event, FAN_EVENT_INFO_TYPE_OLD_DFID_NAME, 8, "old");
		append_info(&event, FAN_EVENT_INFO_TYPE_NEW_DFID_NAME, 8, "new");
		append_info(&event, FAN_EVENT_INFO_TYPE_FID, 8, NULL);
		for (unsigned i = 0; i < 3; i++)
			event.bytes[next_random(&random) % event.len] = (char)next_random(&random);
		if (parse(&event, &record) == 0) {
			assert_true(record.len <= event.len);
			assert_in_range(record.from.name_len, 0, 255);
			assert_in_range(record.to.name_len, 0, 255);
		}
		free(event.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_a_handle_counts),
		cmocka_unit_test(records_are_known_by_type_in_any_order),
		cmocka_unit_test(an_overflow_has_no_records),
		cmocka_unit_test(limits_of_names_and_handles_are_kept),
		cmocka_unit_test(a_name_without_its_nul_is_refused),
		cmocka_unit_test(a_cut_event_is_refused_at_every_length),
		cmocka_unit_test(random_changes_are_never_read_past_their_end),
	};

	return cmocka_run_group_tests_name("fanotify parts", tests, NULL, NULL);
}
