/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests sinks under load: many events, and receivers that are slow, disconnect, or send without
 * end. */
#include "guard.h"
#include "receivers.h"
#include "scene.h"
#include "tap.h"

#include <malloc.h>
#include <stdio.h>

#define EVENTS 100000u
#define STANDSTILL_NS (5 * HW_SEC)
#define GROWTH_MAX_BYTES ((size_t)96 << 20)

struct load {
	const char *name;
	enum hw_manner manner;
	unsigned count;
};

static const struct load loads[] = {
	{ "100,000 events", HW_READS, 1 },
	{ "100,000 events, a receiver that reads slowly", HW_READS_SLOWLY, 1 },
	{ "100,000 events, receivers that vanish", HW_VANISHES, HW_RECEIVERS_MAX },
	{ "100,000 events, receivers that never stop talking", HW_TALKS, HW_RECEIVERS_MAX },
};

struct flood {
	struct hw_scene scene;
	struct hw_receivers receivers;
	unsigned fds; /* number before the first receiver */
};

static bool is_drawn(void *arg)
{
	struct flood *flood = arg;

	hw_receivers_act(&flood->receivers);
	return hw_guard_all_drawn(hw_share_seq(flood->scene.share));
}

/* Runs until all events are read or there is no progress. */
static bool draw_all(struct flood *flood)
{
	uint64_t before;
	bool done;

	do {
		before = hw_guard_drawn();
		done = hw_scene_turn(&flood->scene, STANDSTILL_NS, is_drawn, flood);
	} while (!done && hw_guard_drawn() > before);
	return done;
}

static bool is_alone(void *arg)
{
	const struct flood *flood = arg;

	return hw_scene_fds() <= flood->fds;
}

static enum hw_kit_verdict run_flood(struct flood *flood)
{
	struct hw_receivers *receivers = &flood->receivers;
	size_t before = mallinfo2().uordblks;

	flood->fds = hw_scene_fds();
	if (hw_scene_feed(&flood->scene, EVENTS, hw_receivers_act, receivers) < 0)
		return hw_kit_fail("the share makes no progress");
	/* Receivers that do not read must not delay those that do, which get all events. */
	if (receivers->manner == HW_READS && !draw_all(flood))
		return hw_kit_fail(
			"cursors were not read to their end although no receiver was slow");
	size_t after = mallinfo2().uordblks;
	if (after > before + GROWTH_MAX_BYTES)
		return hw_kit_fail("memory grew by %zu MiB: something grows without limit",
				   (after - before) >> 20);
	printf("read: %llu events, received: %llu bytes, memory: %lld KiB more\n",
	       (unsigned long long)hw_guard_drawn(), (unsigned long long)receivers->received,
	       ((long long)after - (long long)before) / 1024);
	hw_receivers_fini(receivers);
	if (!hw_scene_turn(&flood->scene, 10 * HW_SEC, is_alone, flood))
		return hw_kit_fail("%u descriptors of disconnected receivers are left open",
				   hw_scene_fds() - flood->fds);
	return HW_KIT_PASS;
}

static enum hw_kit_verdict check_load(struct hw_kit *kit, const void *arg)
{
	const struct load *load = arg;
	enum hw_kit_verdict verdict = HW_KIT_FAIL;
	struct flood flood = { 0 };

	hw_receivers_init(&flood.receivers, kit, load->manner, load->count);
	if (load->manner != HW_READS && !flood.receivers.path) {
		printf("no setting names a unix: address to listen on\n");
		return HW_KIT_SKIP;
	}
	if (hw_scene_init(&flood.scene, kit, NULL) == 0) {
		if (hw_sink_start(flood.scene.sink) == 0) {
			verdict = run_flood(&flood);
		} else {
			printf("the plugin does not start here: %s\n",
			       hw_sink_instance(flood.scene.sink)->reason);
			verdict = HW_KIT_SKIP;
		}
	}
	hw_scene_fini(&flood.scene);
	return verdict;
}

void hw_check_flood(struct hw_kit *kit)
{
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		(void)hw_tap_run(kit, loads[i].name, check_load, &loads[i]);
}
