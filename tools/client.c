/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"
#include "clean.h"
#include "config.h"
#include "log.h"
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_MAX 86400

/* ---- records ---- */

const char *hw_record_get(const struct hw_record *record, const char *key)
{
	for (size_t i = 0; i < record->count; i++) {
		if (strcmp(record->fields[i].key, key) == 0)
			return record->fields[i].value;
	}
	return "";
}

static char *unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (*in == '\\' && in[1]) {
			in++;
			*out++ = *in == 't' ? '\t' : *in == 'n' ? '\n' : *in;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	return text;
}

/* Cuts the line into pieces, in place. */
static void parse_record(char *line, struct hw_record *record)
{
	char *field;

	*record = (struct hw_record){ .kind = strsep(&line, "\t") };
	while ((field = strsep(&line, "\t")) && record->count < HW_CLIENT_FIELDS_MAX) {
		char *value = strchr(field, '=');

		if (!value)
			continue;
		*value++ = '\0';
		record->fields[record->count].key = field;
		record->fields[record->count++].value = unescape(value);
	}
}

/* ---- talking ---- */

static int connect_to(const char *path, unsigned timeout_s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = timeout_s };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0)
		return fd;
	r = -errno;
	(void)close(fd); /* nothing was sent */
	return r;
}

static int send_command(int fd, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct iovec pieces[2] = {
			{ (char *)words[i], strlen(words[i]) },
			{ (char *)(i + 1 < count ? " " : "\n"), 1 },
		};
		struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };

		/* A blocking socket takes these few bytes whole. */
		if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
			return -errno;
	}
	return 0;
}

/* Returns an exit status, -1 while more is to come. */
static int take_record(const struct hw_record *record, hw_record_fn *fn, void *arg)
{
	char quoted[1024];
	const char *text = hw_record_get(record, "text");
	bool is_error = strcmp(record->kind, "error") == 0;

	if (is_error || strcmp(record->kind, "mistake") == 0) {
		fprintf(stderr, "hostwatchd: %s\n", hw_clean(quoted, sizeof(quoted), text));
		return is_error ? HW_EXIT_FAILURE : -1;
	}
	if (fn)
		fn(arg, record);
	return strcmp(record->kind, "ok") == 0 ? EXIT_SUCCESS : -1;
}

static int read_answer(FILE *from, hw_record_fn *fn, void *arg)
{
	char *line = NULL;
	size_t room = 0;
	int status = -1;

	while (status < 0) {
		struct hw_record record;
		ssize_t len;

		errno = 0;
		len = getline(&line, &room, from);

		if (len <= 0 || (size_t)len > HW_CLIENT_LINE_MAX) {
			fprintf(stderr, "hostwatch: the daemon's answer %s\n",
				errno == EAGAIN ? "did not come in time" : "ended early");
			status = HW_EXIT_FAILURE;
			break;
		}
		line[len - 1] = '\0';
		parse_record(line, &record);
		status = take_record(&record, fn, arg);
	}
	free(line);
	return status;
}

int hw_client_ask(const char *socket_path, const char *const *words, size_t count,
		  unsigned timeout_s, hw_record_fn *fn, void *arg)
{
	char quoted[256];
	int fd = connect_to(socket_path, timeout_s), r, status;
	FILE *from;

	r = fd < 0 ? fd : send_command(fd, words, count);
	if (r < 0) {
		fprintf(stderr, "hostwatch: %s: %s%s\n",
			hw_quote(quoted, sizeof(quoted), socket_path, strlen(socket_path)),
			strerror(-r),
			r == -ENOENT || r == -ECONNREFUSED ? " (is hostwatchd running?)"
			: r == -EACCES ? " (root and the daemon's own user may ask)"
				       : "");
		if (fd >= 0)
			(void)close(fd); /* it failed already */
		return HW_EXIT_FAILURE;
	}
	from = fdopen(fd, "r");
	if (!from) {
		(void)close(fd); /* out of memory */
		return HW_EXIT_FAILURE;
	}
	status = read_answer(from, fn, arg);
	(void)fclose(from); /* read only */
	return status;
}

/* ---- options ---- */

int hw_client_parse(int argc, char **argv, const char *usage, int count,
		    struct hw_client_options *ret)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct hw_client_options parsed = { .socket_path = HW_CONTROL_DEFAULT, .timeout_s = 60 };
	int c;

	while ((c = getopt_long(argc, argv, "s:t:h", options, NULL)) != -1) {
		char *end = NULL;
		long seconds = c == 't' ? strtol(optarg, &end, 10) : 0;

		if (c == 's') {
			parsed.socket_path = optarg;
		} else if (c == 't' && *optarg && !*end && seconds >= 0 && seconds <= TIMEOUT_MAX) {
			parsed.timeout_s = (unsigned)seconds;
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? EXIT_SUCCESS : HW_EXIT_USAGE;
		}
	}
	if (argc - optind != count) {
		fputs(usage, stderr);
		return HW_EXIT_USAGE;
	}
	*ret = parsed;
	return -1;
}
