/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The virtiofs sink on top of the real core: a directory, a watcher, a journal, and a guest that is
 * disconnected, slow or late. */
#include "virtiofs_guest.h"

#include "journal.h"
#include "log.h"
#include "module.h"
#include "share.h"
#include "sink.h"

#include <fcntl.h>
#include <ftw.h>

#define SMALL_JOURNAL HW_JOURNAL_MIN

/* The rig provides the loop, the directory, and the final checks; its journal is not used. */
struct core {
	struct rig *rig;
	struct hw_module *watcher, *module;
	struct hw_share *share;
	struct hw_sink *sink;
	char root[64];
	uint64_t epoch, seq; /* the last position of the guest */
	uint64_t flushed;
	bool is_flushed;
};

static struct hw_instance *make_instance(struct core *core, const struct hw_module *module,
					 const struct hw_setting *settings, size_t count)
{
	struct hw_instance *instance = NULL;

	assert_int_equal(hw_instance_create(core->rig->loop, &module->plugin, module->plugin.name,
					    settings, count, NULL, &instance),
			 0);
	return instance;
}

static void core_start(struct core *core, struct rig *rig, uint64_t journal_bytes)
{
	struct hw_share_config config = { .name = "projects",
					  .path = core->root,
					  .interval_ns = 50 * HW_MS,
					  .journal_bytes = journal_bytes };
	char channel[128];
	struct hw_setting setting = { "channel", channel };

	hw_log_set_level(HW_LOG_WARNING);
	memset(core, 0, sizeof(*core));
	core->rig = rig;
	(void)snprintf(core->root, sizeof(core->root), "%s/root", rig->dir);
	(void)snprintf(channel, sizeof(channel), "unix-listen:%s/s", rig->dir);
	assert_int_equal(mkdir(core->root, 0700), 0);
	assert_int_equal(hw_module_load(HW_BUILD_DIR "/plugins/inotify.so", NULL, &core->watcher),
			 0);
	assert_int_equal(hw_module_load(HW_BUILD_DIR "/sinks/virtiofs.so", NULL, &core->module), 0);
	assert_int_equal(hw_share_create(rig->loop, &config, &core->share), 0);
	assert_int_equal(hw_share_add_watcher(core->share,
					      make_instance(core, core->watcher, NULL, 0)),
			 0);
	assert_int_equal(hw_sink_create(make_instance(core, core->module, &setting, 1),
					&core->share, 1, &core->sink),
			 0);
	assert_int_equal(hw_sink_start(core->sink), 0);
	assert_int_equal(hw_share_start(core->share), 0);
	RIG_UNTIL(rig, hw_share_state(core->share) == HW_SHARE_ONLINE);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void core_stop(struct core *core)
{
	hw_sink_destroy(core->sink);
	hw_share_destroy(core->share);
	hw_module_free(core->module);
	hw_module_free(core->watcher);
	assert_int_equal(nftw(core->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- changes ---- */

static void write_file(struct core *core, const char *name, const char *text)
{
	char path[320];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", core->root, name);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

/* The names are long, so that a journal fills quickly. */
static void write_files(struct core *core, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		char name[256];

		(void)snprintf(name, sizeof(name), "%0200u", i);
		write_file(core, name, "x");
	}
}

static void note_flush(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	struct core *core = arg;

	(void)share;
	assert_int_equal(error, 0);
	core->is_flushed = true;
	core->flushed = seq;
}

/* Waits for a barrier. Returns the number of the last event before it. */
static uint64_t flush_core(struct core *core)
{
	core->is_flushed = false;
	assert_int_equal(hw_share_flush(core->share, note_flush, core), 0);
	RIG_UNTIL(core->rig, core->is_flushed);
	return core->flushed;
}

/* ---- the guest ---- */

static struct guest *connect_guest(struct core *core)
{
	struct guest *guest = guest_connect(core->rig, "s");
	struct hw_frame hello = guest_frame(core->rig, guest);

	assert_int_equal(hello.what, HW_FRAME_HELLO);
	assert_int_equal(hello.hello.epoch, hw_share_epoch(core->share));
	guest_say_hello(guest, core->epoch, core->seq);
	if (core->epoch == 0) {
		core->epoch = hello.hello.epoch;
		core->seq = hello.hello.seq;
	}
	return guest;
}

/* Reads the next event, which must follow the last one unless it is a rescan. */
static struct hw_event next_event(struct core *core, struct guest *guest)
{
	struct hw_frame frame = guest_frame(core->rig, guest);

	assert_int_equal(frame.what, HW_FRAME_EVENT);
	if (frame.event.kind != HW_RESCAN)
		assert_int_equal(frame.event.seq, core->seq + 1);
	core->seq = frame.event.seq;
	return frame.event;
}

/* ---- tests ---- */

static void expect_event(struct core *core, struct guest *guest, enum hw_kind kind,
			 const char *path, const char *from)
{
	struct hw_event event = next_event(core, guest);

	assert_int_equal(event.kind, kind);
	assert_int_equal(event.path_len, strlen(path));
	assert_memory_equal(event.path, path, event.path_len);
	assert_int_equal(event.from_len, from ? strlen(from) : 0);
	if (from)
		assert_memory_equal(event.from, from, event.from_len);
}

static void changes_on_disk_reach_the_guest(void **state)
{
	struct rig *rig = *state;
	struct core core;
	struct guest *guest;
	char from[128], to[128];

	core_start(&core, rig, 0);
	guest = connect_guest(&core);
	write_file(&core, "a", "text");
	expect_event(&core, guest, HW_CREATE, "a", NULL);
	expect_event(&core, guest, HW_MODIFY, "a", NULL);
	expect_event(&core, guest, HW_CLOSE_WRITE, "a", NULL);
	(void)snprintf(from, sizeof(from), "%s/a", core.root);
	(void)snprintf(to, sizeof(to), "%s/b\xff", core.root);
	assert_int_equal(rename(from, to), 0);
	expect_event(&core, guest, HW_MOVE, "b\xff", "a");
	assert_int_equal(unlink(to), 0);
	expect_event(&core, guest, HW_DELETE, "b\xff", NULL);
	guest_close(guest);
	core_stop(&core);
}

static void cut_connections_lose_nothing(void **state)
{
	struct rig *rig = *state;
	struct core core;
	unsigned creates = 0;
	uint64_t head = 0;

	core_start(&core, rig, 0);
	for (unsigned round = 0; round < 20; round++) {
		struct guest *guest = connect_guest(&core);

		write_files(&core, round * 10, 10);
		/* the guest reads some events; the others are in transit when it disconnects */
		for (unsigned i = 0; i < 7 + round % 5; i++)
			creates += next_event(&core, guest).kind == HW_CREATE;
		guest_close(guest);
	}
	head = flush_core(&core);
	{
		struct guest *guest = connect_guest(&core);

		while (core.seq < head)
			creates += next_event(&core, guest).kind == HW_CREATE;
		guest_close(guest);
	}
	assert_int_equal(creates, 200);
	core_stop(&core);
}

static void guest_that_was_away_too_long_gets_one_rescan(void **state)
{
	struct rig *rig = *state;
	struct core core;
	struct guest *guest;
	uint64_t head = 0;

	core_start(&core, rig, SMALL_JOURNAL);
	guest = connect_guest(&core);
	write_file(&core, "a", "");
	assert_int_equal(next_event(&core, guest).kind, HW_CREATE);
	guest_close(guest);
	for (unsigned round = 0; round < 10; round++) {
		write_files(&core, round * 250, 250);
		head = flush_core(&core);
	}
	guest = connect_guest(&core);
	assert_int_equal(next_event(&core, guest).kind, HW_RESCAN);
	assert_int_equal(core.seq, head);
	write_file(&core, "b", "");
	expect_event(&core, guest, HW_CREATE, "b", NULL);
	guest_close(guest);
	core_stop(&core);
}

static void guest_that_stops_reading_is_told_rescan_and_holds_nobody_up(void **state)
{
	struct rig *rig = *state;
	struct core core;
	struct guest *guest;
	uint64_t head = 0;
	unsigned rescans = 0;
	int small = 4096;

	core_start(&core, rig, SMALL_JOURNAL);
	guest = connect_guest(&core);
	assert_int_equal(setsockopt(guest->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (unsigned round = 0; round < 20; round++) {
		write_files(&core, round * 250, 250);
		head = flush_core(&core);
	}
	while (core.seq < head)
		rescans += next_event(&core, guest).kind == HW_RESCAN;
	assert_in_range(rescans, 1, 2);
	write_file(&core, "b", "");
	expect_event(&core, guest, HW_CREATE, "b", NULL);
	guest_close(guest);
	core_stop(&core);
}

static void keep_row(void *arg, const struct hw_sink_receiver_row *row)
{
	struct core *core = arg;

	assert_string_equal(row->share, "projects");
	assert_int_equal(row->seq + row->lag, hw_share_seq(core->share));
	assert_int_equal(row->lost, 0);
	core->flushed = row->seq;
}

static void status_shows_how_far_the_guest_is(void **state)
{
	struct rig *rig = *state;
	struct core core;
	struct guest *guest;

	core_start(&core, rig, 0);
	guest = connect_guest(&core);
	write_file(&core, "a", "");
	while (next_event(&core, guest).kind != HW_CLOSE_WRITE)
		;
	hw_sink_status(core.sink, &(struct hw_sink_rows){ NULL, keep_row, &core });
	assert_int_equal(core.flushed, core.seq);
	guest_close(guest);
	core_stop(&core);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(changes_on_disk_reach_the_guest, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(cut_connections_lose_nothing, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(guest_that_was_away_too_long_gets_one_rescan,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			guest_that_stops_reading_is_told_rescan_and_holds_nobody_up, rig_setup,
			rig_teardown),
		cmocka_unit_test_setup_teardown(status_shows_how_far_the_guest_is, rig_setup,
						rig_teardown),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
