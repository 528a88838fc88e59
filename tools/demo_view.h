/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lanes of the demonstration side by side. */
#ifndef HW_DEMO_VIEW_H
#define HW_DEMO_VIEW_H

#include "demo_lane.h"

#include <stdio.h>

struct hw_demo_view {
	FILE *to; /* borrowed */
	bool colour;
	unsigned width; /* of a column */
	const struct hw_demo_lane *lanes; /* borrowed: those that work come first */
	size_t lane_count;
};

/* As wide as the terminal, else as COLUMNS says, else 100. */
void hw_demo_view_init(struct hw_demo_view *view, FILE *to, const struct hw_demo_lane *lanes,
		       size_t lane_count);
/* The names of the lanes. */
void hw_demo_view_names(const struct hw_demo_view *view);
void hw_demo_view_heading(const struct hw_demo_view *view, size_t number, const char *title,
			  const char *note);
/* What each lane told of this step. */
void hw_demo_view_events(const struct hw_demo_view *view);

enum hw_demo_tone { HW_DEMO_GOOD, HW_DEMO_NOTE, HW_DEMO_BAD };
/* One line, in green, yellow or red. */
void hw_demo_view_verdict(const struct hw_demo_view *view, enum hw_demo_tone tone,
			  const char *text);

#endif
