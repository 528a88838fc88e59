/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"
#include "clean.h"
#include "client_wait.h"
#include "defaults.h"
#include "human.h"
#include "log.h"
#include "standard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 4096u /* bytes of a daemon's message that are shown */

/* A command and the state of its exchange. */
struct exchange {
	const struct hw_command_line *line; /* borrowed, like all pointers here */
	const struct hw_client_options *options;
	const struct hw_request *request;
	const char *path; /* of the control socket */
	bool is_default; /* path is the default of this user */
	char quoted[300]; /* path */
	struct hw_field *fields; /* owned: room for a record */
	size_t room;
};

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

static int add_field(struct exchange *x, struct hw_record *record, char *field)
{
	char *value = strchr(field, '=');

	if (!value)
		return 0;
	if (record->count == x->room) {
		size_t room = x->room ? 2 * x->room : 32;
		struct hw_field *fields = reallocarray(x->fields, room, sizeof(*fields));

		if (!fields)
			return -ENOMEM;
		x->fields = fields;
		x->room = room;
	}
	*value++ = '\0';
	x->fields[record->count++] = (struct hw_field){ field, unescape(value) };
	return 0;
}

/* Splits the line in place. */
static int parse_record(struct exchange *x, char *line, struct hw_record *ret)
{
	char *field;
	int r = 0;

	*ret = (struct hw_record){ .kind = strsep(&line, "\t") };
	while (r == 0 && (field = strsep(&line, "\t")))
		r = add_field(x, ret, field);
	ret->fields = x->fields;
	return r;
}

/* ---- the connection ---- */

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int fail_without_daemon(const struct exchange *x, int error)
{
	struct stat st;

	if (x->is_default && strcmp(x->path, HW_SYSTEM_CONTROL) != 0 &&
	    is_socket(HW_SYSTEM_CONTROL))
		return hw_args_failure(x->line,
				       "no hostwatchd of this user answers at %s; the system's one "
				       "listens on %s: try 'sudo %s'",
				       x->quoted, HW_SYSTEM_CONTROL, x->line->program);
	if (stat(x->path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return hw_args_failure(x->line, "%s is not a socket", x->quoted);
	return hw_args_failure(x->line,
			       "%s: %s: is hostwatchd running? If its configuration has 'control "
			       "=', give that path with --socket or in $HOSTWATCH_CONTROL",
			       x->quoted, strerror(error));
}

static int fail_after_kill(const struct exchange *x)
{
	return hw_args_failure(x->line,
			       "the hostwatchd that listened on %s was killed; a part of it waits "
			       "for a filesystem that does not answer, and keeps the socket open: "
			       "start hostwatchd again",
			       x->quoted);
}

static int fail_to_connect(const struct exchange *x, int error)
{
	char time[HW_HUMAN_MAX];

	if (hw_standard_caught())
		return HW_EXIT_FAILURE;
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		return fail_without_daemon(x, error);
	case EACCES:
	case EPERM:
		return hw_args_failure(x->line,
				       "%s: %s: only root and the user of hostwatchd may connect: "
				       "try 'sudo %s'",
				       x->quoted, strerror(error), x->line->program);
	case ENAMETOOLONG:
		return hw_args_failure(x->line, "%s: the path of a socket has at most 107 bytes",
				       x->quoted);
	case EAGAIN: /* its backlog is full */
		return hw_args_failure(x->line,
				       "hostwatchd did not accept the connection at %s within %s",
				       x->quoted, hw_human_duration(time, x->options->timeout_ns));
	default:
		return hw_args_failure(x->line, "%s: %s", x->quoted, strerror(error));
	}
}

static int open_connection(const struct exchange *x)
{
	struct hw_address address;
	int fd, r = hw_address_unix(x->path, &address);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = hw_client_connect(fd, &address, x->options->timeout_ns);
	if (r == 0)
		return fd;
	(void)close(fd); /* nothing was sent */
	return r;
}

/* A blocking socket accepts these few bytes as a whole. */
static int send_command(int fd, const struct hw_request *request)
{
	char text[1024];
	size_t len = 0;

	for (size_t i = 0; i < 4 && request->words[i] && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					request->words[i]);
	if (len + 1 >= sizeof(text))
		return -E2BIG;
	text[len++] = '\n';
	return send(fd, text, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* ---- the answer ---- */

/* Returns an exit status, -1 if more records follow. */
static int take_record(const struct exchange *x, const struct hw_record *record)
{
	const char *text = hw_record_get(record, "text");
	char clean[TEXT_MAX];

	if (strcmp(record->kind, "mistake") == 0) {
		fprintf(stderr, "%s\n", hw_clean(clean, sizeof(clean), text));
		return -1;
	}
	if (strcmp(record->kind, "error") == 0) {
		(void)hw_args_failure(x->line, "%s", hw_clean(clean, sizeof(clean), text));
		return strcmp(hw_record_get(record, "cause"), "configuration") == 0
			       ? HW_EXIT_CONFIG
			       : HW_EXIT_FAILURE;
	}
	if (x->request->fn)
		x->request->fn(x->request->arg, record);
	return strcmp(record->kind, "ok") == 0 ? EXIT_SUCCESS : -1;
}

static int fail_to_read(const struct exchange *x, int error)
{
	char time[HW_HUMAN_MAX];

	if (hw_standard_caught())
		return HW_EXIT_FAILURE; /* a signal ended the program: the reason is not needed */
	if (error == EAGAIN)
		return hw_args_failure(x->line, "hostwatchd did not answer within %s",
				       hw_human_duration(time, x->options->timeout_ns));
	if (error == ESRCH)
		return fail_after_kill(x);
	return hw_args_failure(x->line, "hostwatchd closed the connection before its answer ended");
}

static int read_answer(struct exchange *x, FILE *from)
{
	char *line = NULL;
	size_t room = 0;
	int status = -1;

	while (status < 0) {
		struct hw_record record;
		ssize_t len;

		errno = 0;
		len = getline(&line, &room, from);
		if (len <= 0 || (size_t)len > HW_CLIENT_LINE_MAX || line[len - 1] != '\n') {
			status = fail_to_read(x, errno);
			break;
		}
		line[len - 1] = '\0';
		status = parse_record(x, line, &record) < 0
				 ? hw_args_failure(x->line, "out of memory")
				 : take_record(x, &record);
	}
	free(line);
	return status;
}

static void say_late(void *arg)
{
	const struct exchange *x = arg;

	fprintf(stderr, "%s: hostwatchd accepts connections at %s but does not answer; waiting\n",
		x->line->program, x->quoted);
}

/* Later records follow at once, or the daemon says why they do not. */
static int await_answer(struct exchange *x, int fd)
{
	const struct hw_client_wait wait = {
		.timeout_ns = x->options->timeout_ns,
		.late = x->request->is_quick && isatty(STDERR_FILENO) ? say_late : NULL,
		.arg = x,
	};
	int r = hw_client_wait(fd, &wait);

	return r < 0 ? fail_to_read(x, -r) : -1;
}

static int converse(struct exchange *x)
{
	int fd = open_connection(x), r, status;
	FILE *from;

	if (fd < 0)
		return fail_to_connect(x, -fd);
	r = send_command(fd, x->request);
	from = r < 0 ? NULL : fdopen(fd, "r");
	if (!from) {
		(void)close(fd); /* nothing is expected from it */
		return hw_args_failure(x->line, "%s: %s", x->quoted, strerror(r < 0 ? -r : ENOMEM));
	}
	status = await_answer(x, fd);
	if (status < 0)
		status = read_answer(x, from);
	(void)fclose(from); /* read only */
	return status;
}

/* Words are sent with spaces between them, so they must not contain any. */
static int check_words(const struct exchange *x)
{
	char quoted[300];

	for (size_t i = 0; i < 4 && x->request->words[i]; i++) {
		const char *word = x->request->words[i];

		if (!*word || strpbrk(word, " \t\n"))
			return hw_args_mistake(x->line, "%s is not a valid name",
					       hw_quote(quoted, sizeof(quoted), word,
							strlen(word)));
	}
	return -1;
}

int hw_client_ask(const struct hw_command_line *line, const struct hw_client_options *options,
		  const struct hw_request *request)
{
	char path[HW_DEFAULT_PATH_MAX];
	struct exchange x = { .line = line, .options = options, .request = request };
	int status = check_words(&x);

	if (status >= 0)
		return status;
	x.path = options->socket ? options->socket : getenv("HOSTWATCH_CONTROL");
	if (!x.path || !*x.path) {
		if (hw_default_control(path) < 0)
			return hw_args_failure(
				line, "cannot find the control socket: XDG_RUNTIME_DIR is not set; "
				      "give the path that 'control =' sets in hostwatchd's "
				      "configuration with --socket or in $HOSTWATCH_CONTROL");
		x.path = path;
		x.is_default = true;
	}
	hw_quote(x.quoted, sizeof(x.quoted), x.path, strlen(x.path));
	status = converse(&x);
	free(x.fields);
	return status;
}
