/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo_view.h"
#include "print.h"

#include <hostwatch/wire.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 100u
#define WIDTH_MAX 150u /* wider ones are hard to read */
#define COLUMN_MIN 16u
#define MARGIN 4u
#define GAP 2u
#define INDENT 2u /* of what a line that is too long goes on with */

#define BOLD "\x1b[1m"
#define FAINT "\x1b[2m"
#define PLAIN "\x1b[0m"

static const char *const colours[HW_KIND_END] = {
	[HW_CREATE] = "\x1b[32m",   [HW_DELETE] = "\x1b[31m", [HW_MOVE] = "\x1b[36m",
	[HW_MODIFY] = "\x1b[33m",   [HW_ATTRIB] = "\x1b[35m", [HW_CLOSE_WRITE] = "\x1b[34m",
	[HW_RESCAN] = "\x1b[1;31m",
};

static const char *style(const struct hw_demo_view *view, const char *code)
{
	return view->colour && code ? code : "";
}

static unsigned width_of(FILE *to)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	unsigned long width = columns ? strtoul(columns, NULL, 10) : 0;

	if (isatty(fileno(to)) && ioctl(fileno(to), TIOCGWINSZ, &size) == 0 && size.ws_col)
		width = size.ws_col;
	if (!width)
		return WIDTH_DEFAULT;
	return width > WIDTH_MAX ? WIDTH_MAX : (unsigned)width;
}

void hw_demo_view_init(struct hw_demo_view *view, FILE *to, const struct hw_demo_lane *lanes,
		       size_t lane_count)
{
	unsigned count = lane_count ? (unsigned)lane_count : 1, width = width_of(to);
	unsigned taken = MARGIN + GAP * (count - 1) + 1; /* the last column stays free */

	*view = (struct hw_demo_view){
		.to = to,
		.colour = hw_print_in_colour(to),
		.width = width > taken ? (width - taken) / count : 0,
		.lanes = lanes,
		.lane_count = lane_count,
	};
	if (view->width < COLUMN_MIN)
		view->width = COLUMN_MIN;
}

static void put_spaces(const struct hw_demo_view *view, size_t count)
{
	fprintf(view->to, "%*s", (int)count, "");
}

/* What stands behind the last column is left out: lines end without spaces. */
static void put_gap(const struct hw_demo_view *view, size_t lane, size_t used)
{
	if (lane + 1 < view->lane_count && used < view->width + GAP)
		put_spaces(view, view->width + GAP - used);
}

void hw_demo_view_names(const struct hw_demo_view *view)
{
	put_spaces(view, MARGIN);
	for (size_t i = 0; i < view->lane_count; i++) {
		fprintf(view->to, "%s%s%s", style(view, BOLD), view->lanes[i].name,
			style(view, PLAIN));
		put_gap(view, i, strlen(view->lanes[i].name));
	}
	fputc('\n', view->to);
}

void hw_demo_view_heading(const struct hw_demo_view *view, size_t number, const char *title,
			  const char *note)
{
	fprintf(view->to, "\n%s%2zu  $ %s%s", style(view, BOLD), number, title, style(view, PLAIN));
	if (*note)
		fprintf(view->to, "  %s# %s%s", style(view, FAINT), note, style(view, PLAIN));
	fputc('\n', view->to);
}

/* ---- one step's events, each on as many lines as it needs ---- */

/* Where a lane's column has come to. */
struct place {
	size_t event;
	size_t offset; /* in its words, kind included */
};

/* As much of the text as the room takes: up to a space where there is one. */
static size_t fitting(const char *text, size_t room)
{
	size_t len = strlen(text);

	if (len <= room)
		return len;
	for (size_t i = room; i > 0; i--)
		if (text[i] == ' ' && text[i - 1] != '>')
			return i;
	return room;
}

/* The next line of a column: "kind text", wrapped. Returns the columns used. */
static size_t put_cell(const struct hw_demo_view *view, const struct hw_demo_lane *lane,
		       struct place *place)
{
	const struct hw_demo_event *event = &lane->events[place->event];
	const char *kind = hw_kind_name(event->kind);
	size_t used = 0, take;

	if (place->offset == 0) {
		fprintf(view->to, "%s%s%s ", style(view, colours[event->kind]), kind,
			style(view, PLAIN));
		used = strlen(kind) + 1;
	} else {
		put_spaces(view, INDENT);
		used = INDENT;
	}
	take = fitting(event->text + place->offset, view->width - used);
	(void)fwrite(event->text + place->offset, 1, take, view->to); /* found at the end */
	place->offset += take;
	place->offset += event->text[place->offset] == ' ';
	if (place->offset == strlen(event->text))
		*place = (struct place){ .event = place->event + 1 };
	return used + take;
}

static bool put_row(const struct hw_demo_view *view, struct place *places)
{
	bool any = false;

	for (size_t i = 0; i < view->lane_count; i++)
		any = any || places[i].event < view->lanes[i].count;
	if (!any)
		return false;
	put_spaces(view, MARGIN);
	for (size_t i = 0; i < view->lane_count; i++) {
		size_t used = 0;

		if (places[i].event < view->lanes[i].count)
			used = put_cell(view, &view->lanes[i], &places[i]);
		put_gap(view, i, used);
	}
	fputc('\n', view->to);
	return true;
}

void hw_demo_view_events(const struct hw_demo_view *view)
{
	struct place *places = calloc(view->lane_count, sizeof(*places));

	while (places && put_row(view, places))
		;
	free(places);
}

void hw_demo_view_verdict(const struct hw_demo_view *view, enum hw_demo_tone tone, const char *text)
{
	static const char *const codes[] = {
		[HW_DEMO_GOOD] = "\x1b[1;32m",
		[HW_DEMO_NOTE] = "\x1b[33m",
		[HW_DEMO_BAD] = "\x1b[1;31m",
	};

	fprintf(view->to, "%s%s%s\n", style(view, codes[tone]), text, style(view, PLAIN));
}
