/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo_view.h"
#include "print.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 100u
#define WIDTH_MIN 40u /* narrower lines would break a long word */
#define WIDTH_MAX 150u /* wider lines are hard to read */
#define COLUMN_MIN 20u /* with narrower columns, lanes are printed one after the other */
#define MARGIN 4u
#define GAP 2u
#define INDENT 2u /* of continuation lines */

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

	if (!width && isatty(fileno(to)) && ioctl(fileno(to), TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	if (!width)
		return WIDTH_DEFAULT;
	return width > WIDTH_MAX ? WIDTH_MAX : width < WIDTH_MIN ? WIDTH_MIN : (unsigned)width;
}

void hw_demo_view_init(struct hw_demo_view *view, FILE *to, const struct hw_demo_lane *lanes,
		       size_t lane_count)
{
	unsigned count = lane_count ? (unsigned)lane_count : 1;
	unsigned limit = width_of(to) - 1; /* the last column stays free */
	unsigned taken = MARGIN + GAP * (count - 1);

	*view = (struct hw_demo_view){
		.to = to,
		.colour = hw_print_in_colour(to),
		.limit = limit,
		.width = limit > taken ? (limit - taken) / count : 0,
		.lanes = lanes,
		.lane_count = lane_count,
	};
	if (view->width < COLUMN_MIN)
		view->width = 0;
}

static void put_spaces(const struct hw_demo_view *view, size_t count)
{
	fprintf(view->to, "%*s", (int)count, "");
}

/* Skipped after the last column, so that lines do not end with spaces. */
static void put_gap(const struct hw_demo_view *view, size_t used)
{
	if (used < view->width + GAP)
		put_spaces(view, view->width + GAP - used);
}

/* Returns the length of the text that fits into the room: up to a space if possible, else up to a
 * slash. */
static size_t fitting(const char *text, size_t room)
{
	size_t len = strlen(text);

	if (len <= room)
		return len;
	for (size_t i = room; i > 0; i--)
		if (text[i] == ' ' && text[i - 1] != '>')
			return i;
	for (size_t i = room; i > 0; i--)
		if (text[i - 1] == '/')
			return i;
	for (size_t i = room; i > 0; i--)
		if ((text[i] & 0xc0) != 0x80) /* not within a UTF-8 character */
			return i;
	return room;
}

/* The layout of a text that is split into lines. */
struct form {
	const char *style;
	unsigned first, indent; /* columns before the first line, and before each other line */
	unsigned used; /* columns of the first line that are already used */
	const char *broken; /* ends every line except the last */
};

static void put_text(const struct hw_demo_view *view, const struct form *form, const char *text)
{
	const char *style_end = *form->style ? PLAIN : "";
	unsigned used = form->used;

	put_spaces(view, form->first);
	used += form->first;
	for (;;) {
		size_t room = view->limit > used ? view->limit - used : 1;
		size_t take = fitting(text, room);

		if (text[take])
			take = fitting(text, room - strlen(form->broken));
		fprintf(view->to, "%s%.*s%s%s", form->style, (int)take, text,
			text[take] ? form->broken : "", style_end);
		text += take;
		text += *text == ' ';
		if (!*text)
			return;
		fputc('\n', view->to);
		put_spaces(view, form->indent);
		used = form->indent;
	}
}

static const char *style_of(const struct hw_demo_view *view, enum hw_demo_tone tone)
{
	static const char *const codes[] = {
		[HW_DEMO_GOOD] = "\x1b[1;32m",
		[HW_DEMO_NOTE] = "\x1b[33m",
		[HW_DEMO_BAD] = "\x1b[1;31m",
	};

	return style(view, tone == HW_DEMO_PLAIN ? NULL : codes[tone]);
}

void hw_demo_view_text(const struct hw_demo_view *view, enum hw_demo_tone tone, const char *text)
{
	const struct form form = { .style = style_of(view, tone), .broken = "" };

	put_text(view, &form, text);
	fputc('\n', view->to);
}

void hw_demo_view_remark(const struct hw_demo_view *view, enum hw_demo_tone tone, const char *text)
{
	const struct form form = {
		.style = style_of(view, tone),
		.first = MARGIN,
		.indent = MARGIN + INDENT,
		.broken = "",
	};

	put_text(view, &form, text);
	fputc('\n', view->to);
}

void hw_demo_view_names(const struct hw_demo_view *view)
{
	if (!view->width)
		return;
	put_spaces(view, MARGIN);
	for (size_t i = 0; i < view->lane_count; i++) {
		fprintf(view->to, "%s%s%s", style(view, BOLD), view->lanes[i].name,
			style(view, PLAIN));
		if (i + 1 < view->lane_count)
			put_gap(view, strlen(view->lanes[i].name));
	}
	fputc('\n', view->to);
}

/* A long command continues after a backslash, as in a shell. */
void hw_demo_view_heading(const struct hw_demo_view *view, size_t number, const char *title,
			  const char *note)
{
	const char *bold = style(view, BOLD), *plain = style(view, PLAIN);
	const struct form command = {
		.style = bold,
		.indent = MARGIN + INDENT + INDENT,
		.used = MARGIN + INDENT,
		.broken = " \\",
	};
	const struct form remark = {
		.style = style(view, FAINT),
		.indent = MARGIN + INDENT,
		.broken = "",
		.first = MARGIN,
	};
	size_t len = MARGIN + INDENT + strlen(title) + GAP + strlen("# ") + strlen(note);
	char text[100];

	fprintf(view->to, "\n%s%2zu  $ %s", bold, number, plain);
	put_text(view, &command, title);
	if (*note) {
		(void)snprintf(text, sizeof(text), "# %s", note);
		if (len <= view->limit) {
			fprintf(view->to, "  %s%s%s", remark.style, text, plain);
		} else {
			fputc('\n', view->to);
			put_text(view, &remark, text);
		}
	}
	fputc('\n', view->to);
}

/* ---- side by side: the events of one step, each on as many lines as necessary ---- */

/* The current position in a lane's column. */
struct place {
	size_t event;
	size_t offset; /* in the text of the event */
};

/* Colors the kind of event at the beginning of a text. */
static void put_part(const struct hw_demo_view *view, const struct hw_demo_event *event,
		     size_t offset, size_t len)
{
	const char *text = event->text + offset;
	size_t kind = offset == 0 ? strcspn(text, " ") : 0;

	if (kind)
		fprintf(view->to, "%s%.*s%s", style(view, colours[event->kind]), (int)kind, text,
			style(view, PLAIN));
	fprintf(view->to, "%.*s", (int)(len - kind), text + kind);
}

/* Prints the next line of a column, at most `width` columns. Returns the number of columns used. */
static size_t put_cell(const struct hw_demo_view *view, const struct hw_demo_event *event,
		       struct place *place, size_t width)
{
	size_t indent = place->offset ? INDENT : 0;
	size_t take = fitting(event->text + place->offset, width - indent);

	put_spaces(view, indent);
	put_part(view, event, place->offset, take);
	place->offset += take;
	place->offset += event->text[place->offset] == ' ';
	if (!event->text[place->offset])
		*place = (struct place){ .event = place->event + 1 };
	return indent + take;
}

/* Ends with the last lane that has text left. */
static size_t columns_used(const struct hw_demo_view *view, const struct place *places)
{
	size_t end = view->lane_count;

	while (end > 0 && places[end - 1].event >= view->lanes[end - 1].count)
		end--;
	return end;
}

static bool put_row(const struct hw_demo_view *view, struct place *places)
{
	size_t end = columns_used(view, places);

	if (end == 0)
		return false;
	put_spaces(view, MARGIN);
	for (size_t i = 0; i < end; i++) {
		size_t used = 0;

		if (places[i].event < view->lanes[i].count)
			used = put_cell(view, &view->lanes[i].events[places[i].event], &places[i],
					view->width);
		if (i + 1 < end)
			put_gap(view, used);
	}
	fputc('\n', view->to);
	return true;
}

static void put_side_by_side(const struct hw_demo_view *view)
{
	struct place *places = calloc(view->lane_count, sizeof(*places));

	while (places && put_row(view, places))
		;
	free(places);
}

/* ---- one after the other: lanes with the same events share a list ---- */

/* Returns whether an earlier lane has the same events. */
static bool is_shown(const struct hw_demo_view *view, size_t lane)
{
	for (size_t i = 0; i < lane; i++)
		if (hw_demo_lane_equals(&view->lanes[i], &view->lanes[lane]))
			return true;
	return false;
}

static void put_lane_names(const struct hw_demo_view *view, size_t lane)
{
	const struct form form = {
		.style = style(view, BOLD),
		.first = MARGIN,
		.indent = MARGIN,
		.broken = "",
	};
	char names[256] = "";
	size_t len = 0;

	for (size_t i = lane; i < view->lane_count && len < sizeof(names); i++)
		if (hw_demo_lane_equals(&view->lanes[lane], &view->lanes[i]))
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
						len ? ", " : "", view->lanes[i].name);
	if (len + 1 < sizeof(names))
		(void)strcpy(names + len, ":");
	put_text(view, &form, names);
	fputc('\n', view->to);
}

static void put_lane_events(const struct hw_demo_view *view, const struct hw_demo_lane *lane)
{
	struct place place = { 0 };

	while (place.event < lane->count) {
		put_spaces(view, MARGIN + INDENT);
		(void)put_cell(view, &lane->events[place.event], &place,
			       view->limit - MARGIN - INDENT);
		fputc('\n', view->to);
	}
	if (lane->count == 0) {
		put_spaces(view, MARGIN + INDENT);
		fputs("no event\n", view->to);
	}
}

static void put_below_each_other(const struct hw_demo_view *view)
{
	for (size_t i = 0; i < view->lane_count; i++) {
		if (is_shown(view, i))
			continue;
		put_lane_names(view, i);
		put_lane_events(view, &view->lanes[i]);
	}
}

void hw_demo_view_events(const struct hw_demo_view *view)
{
	if (view->width)
		put_side_by_side(view);
	else
		put_below_each_other(view);
}
