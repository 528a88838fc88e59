/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life cycle: every order of calls that a host may use, two instances at once, many in a row.
 * */
#include "alloc.h"
#include "guard.h"
#include "host.h"
#include "log.h"
#include "scene.h"
#include "tap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WARM_ROUNDS 5u /* rounds after which objects that are made once and kept exist */

enum step { OPEN = 1, START, STOP, CLOSE };

struct order {
	const char *name;
	enum step steps[5]; /* ended by 0 */
};

static const struct order orders[] = {
	{ "close without open", { CLOSE } },
	{ "stop, close", { STOP, CLOSE } },
	{ "open, close", { OPEN, CLOSE } },
	{ "open, stop, close", { OPEN, STOP, CLOSE } },
	{ "open, start, stop, close", { OPEN, START, STOP, CLOSE } },
};

static int take(struct hw_instance *instance, enum step step)
{
	const struct hw_plugin *plugin = instance->plugin;

	switch (step) {
	case OPEN:
		return plugin->open(instance->self, &hw_host_services, instance);
	case START:
		return plugin->start(instance->self);
	case STOP:
		plugin->stop(instance->self);
		return 0;
	case CLOSE:
		plugin->close(instance->self);
		return 0;
	}
	return 0;
}

/* Bypasses instance.c, which enforces the order. */
static void take_order(struct hw_instance *instance, const struct order *order)
{
	for (const enum step *step = order->steps; *step; step++)
		if (take(instance, *step) < 0)
			printf("refused: %s\n", instance->reason); /* permitted if there is a reason
								    * */
}

static enum hw_kit_verdict check_order(struct hw_kit *kit, const void *arg)
{
	struct hw_instance *instance;
	struct hw_loop *loop;
	int64_t live = hw_alloc_live();

	if (hw_loop_create(&loop) < 0)
		return HW_KIT_FAIL;
	unsigned before = hw_scene_fds();
	instance = hw_kit_instance(kit, loop, NULL);
	if (!instance)
		return HW_KIT_FAIL;
	take_order(instance, arg);
	hw_instance_destroy(instance);
	if (hw_scene_fds() > before)
		return hw_kit_fail("%u descriptors were left open", hw_scene_fds() - before);
	hw_loop_destroy(loop);
	if (hw_alloc_live() != live)
		return hw_kit_fail("%lld blocks of memory were not freed",
				   (long long)(hw_alloc_live() - live));
	return HW_KIT_PASS;
}

/* There must be no state outside an instance: one must work after the other was closed. */
static enum hw_kit_verdict check_two(struct hw_kit *kit, const void *arg)
{
	struct hw_instance *first, *second;
	struct hw_loop *loop;

	(void)arg;
	if (hw_loop_create(&loop) < 0)
		return HW_KIT_FAIL;
	first = hw_kit_instance(kit, loop, NULL);
	second = hw_kit_instance(kit, loop, NULL);
	if (!first || !second)
		return HW_KIT_FAIL;
	/* The second may be refused, for example because an address is in use. */
	if (hw_instance_open(first) == 0)
		(void)hw_instance_start(first);
	if (hw_instance_open(second) == 0)
		(void)hw_instance_start(second);
	hw_instance_destroy(first);
	hw_loop_turn(loop, 0);
	hw_instance_destroy(second);
	hw_loop_destroy(loop);
	return HW_KIT_PASS;
}

static enum hw_kit_verdict check_rounds(struct hw_kit *kit, const void *arg)
{
	unsigned fds = 0;
	int64_t live = 0;

	(void)arg;
	for (unsigned i = 0; i < kit->rounds; i++) {
		if (i == WARM_ROUNDS) {
			fds = hw_scene_fds();
			live = hw_alloc_live();
		}
		int r = hw_scene_run(kit);

		if (r > 0) {
			printf("the plugin does not start here\n");
			return HW_KIT_SKIP;
		}
		if (r < 0)
			return hw_kit_fail("round %u of %u failed", i + 1, kit->rounds);
	}
	if (kit->rounds <= WARM_ROUNDS)
		return HW_KIT_PASS;
	if (hw_scene_fds() > fds)
		return hw_kit_fail("%u descriptors more than after round %u", hw_scene_fds() - fds,
				   WARM_ROUNDS);
	if (hw_alloc_live() > live)
		return hw_kit_fail("%lld blocks of memory more than after round %u",
				   (long long)(hw_alloc_live() - live), WARM_ROUNDS);
	return HW_KIT_PASS;
}

void hw_check_life(struct hw_kit *kit)
{
	char name[96];

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		(void)snprintf(name, sizeof(name), "order: %s", orders[i].name);
		(void)hw_tap_run(kit, name, check_order, &orders[i]);
	}
	(void)hw_tap_run(kit, "two instances at once", check_two, NULL);
	(void)snprintf(name, sizeof(name), "%u rounds leak nothing", kit->rounds);
	(void)hw_tap_run(kit, name, check_rounds, NULL);
}
