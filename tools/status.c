/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch status */
#include "standard.h"
#include "status_fetch.h"
#include "terminal.h"
#include "tool.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct settings {
	struct hw_client_options client;
	bool json;
	uint64_t watch_ns; /* 0: once */
};

static const struct hw_arg args[] = {
	{ .name = "json",
	  .letter = 'j',
	  .help = "Print one JSON object on a line. hostwatch(1) lists its keys.",
	  .offset = offsetof(struct settings, json) },
	{ .name = "watch",
	  .letter = 'w',
	  .type = HW_ARG_DURATION,
	  .value = "TIME",
	  .help = "Print it again and again, with this interval, until interrupted. On a terminal "
		  "the old text is replaced.",
	  .offset = offsetof(struct settings, watch_ns),
	  .min = 10 * HW_MS },
	HW_CLIENT_ARGS(struct settings, client),
};

const struct hw_command_line tool_status_line = {
	.program = "hostwatch status",
	.summary = "shares, sinks and receivers of the running daemon",
	.synopsis = "[OPTION]...",
	.about = "Prints each share of the running daemon with its watchers, each sink with its "
		 "addresses, and each receiver with the number of events it lags behind and of "
		 "those it has lost.",
	.args = args,
	.arg_count = sizeof(args) / sizeof(args[0]),
};

/* ---- one block ---- */

/* A block is written as a whole, so that a terminal does not flicker and a pipe gets whole lines.
 * */
struct block {
	FILE *to; /* owned */
	char *text; /* owned */
	size_t size;
};

/* Returns -1, or an exit status. */
static int make_block(const struct settings *settings, struct block *ret)
{
	struct hw_status state = { 0 };
	int status = hw_status_fetch(&tool_status_line, &settings->client, &state), r = 0;
	struct block block = { 0 };

	if (status >= 0)
		return status;
	block.to = open_memstream(&block.text, &block.size);
	if (block.to && settings->json)
		hw_status_print_json(&state, block.to);
	else if (block.to)
		r = hw_status_print(&state, block.to, hw_terminal_width());
	hw_status_free(&state);
	if (!block.to || fclose(block.to) != 0 || r < 0) {
		free(block.text);
		return hw_args_failure(&tool_status_line, "out of memory");
	}
	*ret = block;
	return -1;
}

static void print_plain(const struct block *block)
{
	fwrite(block->text, 1, block->size, stdout); /* fflush() reports errors */
}

/* Overwrites the old text; omits lines below the edge of the terminal. */
static void redraw(const struct block *block)
{
	size_t room = hw_terminal_height() - 1;
	const char *at = block->text, *end = at + block->size;

	fputs("\033[H", stdout);
	for (; at < end && room; room--) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		fwrite(at, 1, (size_t)(newline - at), stdout);
		fputs("\033[K\n", stdout);
		at = newline + 1;
	}
	fputs("\033[J", stdout);
}

static int print_once(const struct settings *settings, bool terminal, bool first)
{
	struct block block = { 0 };
	int status = make_block(settings, &block);

	if (status >= 0)
		return status;
	if (terminal && settings->watch_ns && !settings->json) {
		if (first)
			fputs("\033[2J", stdout);
		redraw(&block);
	} else {
		if (!first && !settings->json)
			putchar('\n');
		print_plain(&block);
	}
	free(block.text);
	return -1;
}

/* ---- repeated display ---- */

/* Returns whether, within the time, a signal arrives or the reader of a pipe leaves. */
static bool is_asked_to_end(uint64_t wait_ns)
{
	struct pollfd fds[] = {
		{ .fd = hw_standard_caught_fd(), .events = POLLIN },
		{ .fd = STDOUT_FILENO }, /* an error shows that the reader left */
	};
	struct timespec wait = { (time_t)(wait_ns / HW_SEC), (long)(wait_ns % HW_SEC) };

	return ppoll(fds, 2, &wait, NULL) != 0;
}

static int watch(const struct settings *settings)
{
	bool terminal = isatty(STDOUT_FILENO);
	int status = -1, r = hw_standard_catch();

	if (r < 0)
		return hw_args_failure(&tool_status_line, "%s", strerror(-r));
	for (bool first = true; status < 0; first = false) {
		status = print_once(settings, terminal, first);
		if (hw_standard_caught() || (status < 0 && (hw_standard_flush() < 0 ||
							    is_asked_to_end(settings->watch_ns))))
			status = EXIT_SUCCESS; /* hw_standard_end() reports unwritten output */
	}
	return status;
}

int tool_status(int argc, char **argv)
{
	struct settings settings = { .client.timeout_ns = HW_CLIENT_TIMEOUT_NS };
	struct hw_operands operands;
	int status = hw_args_parse(&tool_status_line, argc, argv, &settings, &operands);

	if (status >= 0)
		return status;
	if (settings.watch_ns)
		return watch(&settings);
	status = print_once(&settings, false, true);
	return status < 0 ? EXIT_SUCCESS : status;
}
