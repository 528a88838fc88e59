/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch status */
#include "status_fetch.h"
#include "terminal.h"
#include "tool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
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

/* A block is written at once, so that a terminal does not flicker and a pipe gets whole lines. */
struct block {
	FILE *to; /* owned */
	char *text; /* owned */
	size_t size;
};

/* -1, or an exit status. */
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
	fwrite(block->text, 1, block->size, stdout); /* fflush() tells */
}

/* Over the old text; lines below the edge of the terminal are left out. */
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

/* ---- again and again ---- */

static void end_at_once(int signal)
{
	(void)signal;
	_exit(EXIT_SUCCESS);
}

/* Does the reader of a pipe leave within the time? */
static bool reader_leaves(uint64_t wait_ns)
{
	struct pollfd out = { .fd = STDOUT_FILENO };
	struct timespec wait = { (time_t)(wait_ns / HW_SEC), (long)(wait_ns % HW_SEC) };

	return ppoll(&out, 1, &wait, NULL) > 0;
}

/* -1 to go on, else an exit status. */
static int flush_output(void)
{
	int status = EXIT_SUCCESS;

	if (fflush(stdout) == 0)
		return -1;
	if (errno != EPIPE) /* else the reader has left */
		status = hw_args_failure(&tool_status_line, "standard output: %s", strerror(errno));
	__fpurge(stdout);
	clearerr(stdout); /* it has been reported */
	return status;
}

static int watch(const struct settings *settings)
{
	struct sigaction action = { .sa_handler = end_at_once };
	bool terminal = isatty(STDOUT_FILENO);
	int status = -1;

	(void)sigaction(SIGINT, &action, NULL); /* valid arguments cannot fail */
	(void)sigaction(SIGTERM, &action, NULL);
	for (bool first = true; status < 0; first = false) {
		status = print_once(settings, terminal, first);
		if (status < 0)
			status = flush_output();
		if (status < 0 && reader_leaves(settings->watch_ns))
			status = EXIT_SUCCESS;
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
