/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lanes of the demonstration: side by side, or below each other where there is no room. */
#ifndef HW_DEMO_VIEW_H
#define HW_DEMO_VIEW_H

#include "demo_lane.h"

#include <stdio.h>

struct hw_demo_view {
	FILE *to; /* borrowed */
	bool colour;
	unsigned limit; /* of a line; no line is longer */
	unsigned width; /* of a lane's column; 0: lanes stand below each other */
	const struct hw_demo_lane *lanes; /* borrowed: those that work come first */
	size_t lane_count;
};

/* As wide as COLUMNS says, else as the terminal, else 100. */
void hw_demo_view_init(struct hw_demo_view *view, FILE *to, const struct hw_demo_lane *lanes,
		       size_t lane_count);
/* The names of the lanes, where they are side by side. */
void hw_demo_view_names(const struct hw_demo_view *view);
void hw_demo_view_heading(const struct hw_demo_view *view, size_t number, const char *title,
			  const char *note);
/* The events of this step. */
void hw_demo_view_events(const struct hw_demo_view *view);

enum hw_demo_tone { HW_DEMO_PLAIN, HW_DEMO_GOOD, HW_DEMO_NOTE, HW_DEMO_BAD };
/* One sentence, on as many lines as it needs; plain, green, yellow or red. */
void hw_demo_view_text(const struct hw_demo_view *view, enum hw_demo_tone tone, const char *text);
/* The same below a step's events. */
void hw_demo_view_remark(const struct hw_demo_view *view, enum hw_demo_tone tone, const char *text);

#endif
