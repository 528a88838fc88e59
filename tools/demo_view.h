/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Displays the lanes of the demonstration: side by side, or one after the other if there is no
 * room. */
#ifndef HW_DEMO_VIEW_H
#define HW_DEMO_VIEW_H

#include "demo_lane.h"

#include <stdio.h>

struct hw_demo_view {
	FILE *to; /* borrowed */
	bool colour;
	unsigned limit; /* maximum length of a line */
	unsigned width; /* of a lane's column; 0: lanes are printed one after the other */
	const struct hw_demo_lane *lanes; /* borrowed: the working ones come first */
	size_t lane_count;
};

/* The width is COLUMNS if it is set, else that of the terminal, else 100. */
void hw_demo_view_init(struct hw_demo_view *view, FILE *to, const struct hw_demo_lane *lanes,
		       size_t lane_count);
/* Prints the names of the lanes if they are side by side. */
void hw_demo_view_names(const struct hw_demo_view *view);
void hw_demo_view_heading(const struct hw_demo_view *view, size_t number, const char *title,
			  const char *note);
/* Prints the events of this step. */
void hw_demo_view_events(const struct hw_demo_view *view);

enum hw_demo_tone { HW_DEMO_PLAIN, HW_DEMO_GOOD, HW_DEMO_NOTE, HW_DEMO_BAD };
/* Prints one sentence, on as many lines as necessary: plain, green, yellow or red. */
void hw_demo_view_text(const struct hw_demo_view *view, enum hw_demo_tone tone, const char *text);
/* Prints a sentence below the events of a step. */
void hw_demo_view_remark(const struct hw_demo_view *view, enum hw_demo_tone tone, const char *text);

#endif
