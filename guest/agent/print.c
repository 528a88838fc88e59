/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inject = print: writes events to standard output, in the format of `hostwatch guest-sim`. */
#include "inject.h"
#include "log.h"
#include "standard.h"

#include <errno.h>
#include <hostwatch/wire.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct printer {
	struct hw_inject inject;
	struct hw_buf line; /* owned */
	char quoted[4 * HW_PATH_MAX + 16];
};

static bool use_json;

void hw_print_use_json(bool json)
{
	use_json = json;
}

static int open_printer(const struct hw_mount *mount, struct hw_inject **ret,
			char why[HW_INJECT_WHY_MAX])
{
	struct printer *printer = calloc(1, sizeof(*printer));

	(void)mount;
	if (!printer) {
		(void)snprintf(why, HW_INJECT_WHY_MAX, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	printer->inject.ops = &hw_inject_print;
	printer->line = HW_BUF_GROWING(HW_JSON_EVENT_MAX);
	*ret = &printer->inject;
	return 0;
}

static int flush(void)
{
	return hw_standard_flush() < 0 ? -EPIPE : 0; /* any output error ends the program */
}

static void print_line(struct printer *printer, int r)
{
	if (r == 0)
		(void)fwrite(printer->line.data, 1, printer->line.len, stdout); /* flush() reports
										 * errors */
	printer->line.len = 0;
}

static void print_path(struct printer *printer, const char *label, const char *path, uint32_t len)
{
	if (path)
		printf(" %s%s", label,
		       hw_quote(printer->quoted, sizeof(printer->quoted), path, len));
}

static int print_event(struct hw_inject *inject, const struct hw_told *told)
{
	struct printer *printer = (struct printer *)inject;
	struct hw_event event = *told->event;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* frames carry no time */
	event.time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	if (use_json) {
		print_line(printer, hw_json_put_event(&printer->line, told->share, &event));
		return flush();
	}
	printf("%" PRIu64 " %s", event.seq, hw_kind_name(event.kind));
	if (event.type != HW_TYPE_NONE)
		printf(" %s", hw_type_name(event.type));
	print_path(printer, "from ", event.from, event.from_len);
	print_path(printer, event.kind == HW_MOVE ? "to " : "", event.path, event.path_len);
	printf("%s%s\n", event.flags & HW_FLAG_REPLACED ? " replaced" : "",
	       event.flags & HW_FLAG_EXCHANGE ? " exchange" : "");
	return flush();
}

static void print_hello(struct hw_inject *inject, const struct hw_frame_hello *hello,
			const char *share)
{
	struct printer *printer = (struct printer *)inject;
	struct hw_share_info info = {
		.struct_size = sizeof(info),
		.state = HW_SHARE_ONLINE,
		.name = share,
		.epoch = hello->epoch,
		.seq = hello->seq,
	};

	if (use_json)
		print_line(printer, hw_json_put_hello(&printer->line, HW_VERSION, &info, 1));
	else
		printf("hello share %s epoch %016" PRIx64 " seq %" PRIu64 "\n",
		       hw_quote(printer->quoted, sizeof(printer->quoted), share, strlen(share)),
		       hello->epoch, hello->seq);
	(void)flush(); /* the next event reports errors */
}

static void close_printer(struct hw_inject *inject)
{
	struct printer *printer = (struct printer *)inject;

	hw_buf_free(&printer->line);
	free(printer);
}

const struct hw_inject_ops hw_inject_print = {
	.open = open_printer,
	.event = print_event,
	.hello = print_hello,
	.close = close_printer,
};
