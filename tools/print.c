/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "print.h"
#include "log.h"

#include <hostwatch/wire.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const colours[HW_KIND_END] = {
	[HW_CREATE] = "\x1b[32m",   [HW_DELETE] = "\x1b[31m", [HW_MOVE] = "\x1b[36m",
	[HW_MODIFY] = "\x1b[33m",   [HW_ATTRIB] = "\x1b[35m", [HW_CLOSE_WRITE] = "\x1b[34m",
	[HW_RESCAN] = "\x1b[1;31m",
};
#define PLAIN "\x1b[0m"
#define FAINT "\x1b[2m"

bool hw_print_in_colour(FILE *to)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(to)) && !(none && *none) && term && strcmp(term, "dumb") != 0;
}

/* There may be many events per second, so the time zone is evaluated once per second. */
static void print_time(FILE *to, int64_t time_ns)
{
	static time_t last = -1;
	static char text[16];
	time_t seconds = (time_t)(time_ns / 1000000000);
	struct tm tm;

	if (seconds != last && localtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%H:%M:%S", &tm))
		last = seconds;
	fprintf(to, "%s.%03u", text, (unsigned)(time_ns % 1000000000 / 1000000));
}

/* Returns whether the name needs no quotes: it contains nothing that moves a cursor, ends a line,
 * reverses text, or looks like text of this program. */
static bool is_plain(const char *bytes, size_t len)
{
	return bytes[0] != ' ' && bytes[len - 1] != ' ' && !memmem(bytes, len, " -> ", 4) &&
	       hw_quote_is_needless(bytes, len);
}

void hw_print_quoted(FILE *to, const char *bytes, size_t len)
{
	char small[1024];
	size_t size = 4 * len + 3; /* every byte as \xHH */
	char *large = size > sizeof(small) ? malloc(size) : NULL;

	if (large)
		fputs(hw_quote(large, size, bytes, len), to);
	else
		fputs(hw_quote(small, sizeof(small), bytes, len), to); /* at worst, it is truncated
									* */
	free(large);
}

static void print_path(FILE *to, const char *path, size_t len)
{
	if (!len)
		fputc('.', to);
	else if (is_plain(path, len))
		fwrite(path, 1, len, to);
	else
		hw_print_quoted(to, path, len);
}

static void print_move(FILE *to, const struct hw_event *event)
{
	if (event->from)
		print_path(to, event->from, event->from_len);
	else
		fputs("(outside)", to);
	fputs(" -> ", to);
	if (event->path)
		print_path(to, event->path, event->path_len);
	else
		fputs("(outside)", to);
	if (event->flags & HW_FLAG_REPLACED)
		fputs(" (replaced)", to);
	if (event->flags & HW_FLAG_EXCHANGE)
		fputs(" (exchanged)", to);
}

void hw_print_event(FILE *to, const struct hw_event *event, const char *share, bool colour)
{
	const char *kind = hw_kind_name(event->kind), *type = hw_type_name(event->type);
	const char *on = colour && kind ? colours[event->kind] : "";

	fputs(colour ? FAINT : "", to);
	print_time(to, event->time_ns);
	fprintf(to, "%s  %s%-11s%s  %-7s  ", colour ? PLAIN : "", on, kind ? kind : "?",
		colour ? PLAIN : "", type ? type : "-");
	if (share) {
		print_path(to, share, strlen(share));
		fputs(":  ", to);
	}
	if (event->kind == HW_MOVE)
		print_move(to, event);
	else
		print_path(to, event->path, event->path_len);
	fputc('\n', to);
}
