/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct stages {
	enum hw_stage current;
	uint64_t since_ns; /* the time that has been counted */
	uint64_t ns[HW_STAGE_COUNT], count[HW_STAGE_COUNT];
};

static const char *const names[HW_STAGE_COUNT] = {
	[HW_STAGE_OTHER] = "other",     [HW_STAGE_WAIT] = "wait", [HW_STAGE_READ] = "read",
	[HW_STAGE_HISTORY] = "history", [HW_STAGE_HINT] = "hint", [HW_STAGE_LOOK] = "look",
	[HW_STAGE_JOURNAL] = "journal", [HW_STAGE_TURN] = "turn", [HW_STAGE_ENCODE] = "encode",
	[HW_STAGE_SINK] = "sink",       [HW_STAGE_SEND] = "send",
};

bool hw_stages_on;
static _Thread_local struct stages stages;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void count_time(void)
{
	uint64_t now = now_ns();

	stages.ns[stages.current] += now - stages.since_ns;
	stages.since_ns = now;
}

void hw_stage_set(enum hw_stage stage)
{
	if (!hw_stages_on)
		return;
	count_time();
	stages.count[stage]++;
	stages.current = stage;
}

enum hw_stage hw_stage_begin(enum hw_stage stage)
{
	enum hw_stage before = stages.current;

	hw_stage_set(stage);
	return before;
}

void hw_stage_end(enum hw_stage before)
{
	count_time();
	stages.current = before;
}

/* An event's share of the time is more useful than that of a call, which may handle many. */
static void print(void)
{
	uint64_t events = stages.count[HW_STAGE_JOURNAL], busy = 0;

	count_time();
	for (unsigned i = 0; i < HW_STAGE_COUNT; i++)
		busy += i == HW_STAGE_WAIT ? 0 : stages.ns[i];
	fprintf(stderr, "%-8s %10s %12s %10s %10s %7s\n", "stage", "count", "us", "ns/count",
		"ns/event", "share");
	for (unsigned i = HW_STAGE_WAIT; i <= HW_STAGE_COUNT; i++) {
		unsigned at = i % HW_STAGE_COUNT; /* other: the last line */
		uint64_t ns = stages.ns[at], count = stages.count[at];

		if (at == HW_STAGE_WAIT) /* it is not part of the time that is shared out */
			continue;
		fprintf(stderr,
			"%-8s %10" PRIu64 " %12" PRIu64 " %10" PRIu64 " %10" PRIu64 " %6.1f%%\n",
			names[at], count, ns / 1000, count ? ns / count : 0,
			events ? ns / events : 0, busy ? 100.0 * (double)ns / (double)busy : 0.0);
	}
	fprintf(stderr, "%-8s %10" PRIu64 " %12" PRIu64 "\n", names[HW_STAGE_WAIT],
		stages.count[HW_STAGE_WAIT], stages.ns[HW_STAGE_WAIT] / 1000);
}

void hw_stages_begin(void)
{
	const char *value = secure_getenv(HW_STAGES_ENV);

	if (!value || !*value || hw_stages_on || atexit(print) != 0)
		return;
	hw_stages_on = true;
	stages.since_ns = now_ns();
}
