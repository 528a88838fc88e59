/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hostwatch-nats-tail [--all] [--options FILE] URL SUBJECT: started by `hostwatch tail nats:`. */
#include "../beside.h"
#include "reader.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For a request to JetStream: a cluster that has lost servers elects a leader first. */
#define REQUEST_WAIT_MS 30000

static void ignore_closed(natsConnection *nc, void *arg)
{
	(void)nc;
	(void)arg; /* the next read reports it */
}

static int connect_server(struct reader *r)
{
	char why[NATS_WHY_MAX] = "";
	jsOptions options;
	natsStatus s;

	if (nats_open(&r->settings, ignore_closed, NULL, &r->nc, why) < 0)
		return reader_fail("%s", why);
	(void)jsOptions_Init(&options);
	options.Wait = REQUEST_WAIT_MS;
	s = natsConnection_JetStream(&r->js, r->nc, &options);
	if (s == NATS_OK)
		return 0;
	nats_explain(s, "cannot use JetStream", why);
	return reader_fail("%s", why);
}

static int parse(struct reader *r, int argc, char **argv)
{
	const char *why = NULL;
	int at = 1;

	r->settings.stream = strdup("hostwatch");
	if (!r->settings.stream)
		return reader_fail("out of memory");
	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--all") == 0)
			r->all = true;
		else if (strcmp(argv[at], "--options") != 0 || at + 1 == argc)
			return reader_fail("%s: no such option", argv[at]);
		else if (reader_read_options(r, argv[++at]) < 0)
			return -1;
	}
	if (argc - at != 2)
		return reader_fail("hostwatch-nats-tail is run by: hostwatch tail nats:URL");
	if (nats_settings_add_url(&r->settings, argv[at], strlen(argv[at]), &why) < 0)
		return reader_fail("%s: %s", argv[at], why ? why : "out of memory");
	r->subject = argv[at + 1];
	return 0;
}

int main(int argc, char **argv)
{
	struct reader reader = { .buf = HW_BUF_GROWING(2 * HW_JSON_EVENT_MAX) };
	int r;

	(void)signal(SIGPIPE, SIG_IGN); /* a write returns the error */
	r = parse(&reader, argc, argv);
	if (r == 0)
		r = connect_server(&reader);
	if (r == 0)
		r = reader_greet(&reader);
	if (r == 0)
		r = reader_take_request(&reader);
	if (r == 0)
		r = reader_check_request(&reader);
	if (r == 0)
		r = reader_follow(&reader);
	jsCtx_Destroy(reader.js);
	natsConnection_Destroy(reader.nc);
	nats_settings_free(&reader.settings);
	for (uint32_t i = 0; i < reader.share_count; i++)
		free(reader.shares[i].name);
	free(reader.shares);
	hw_buf_free(&reader.buf);
	return r == 0 ? EXIT_SUCCESS : r == READER_REFUSED ? HW_BESIDE_REFUSED : EXIT_FAILURE;
}
