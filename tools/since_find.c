/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "address_arg.h"
#include "client.h"
#include "defaults.h"
#include "log.h"
#include "since.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_NAME "events.sock" /* as in the examples of hostwatch.conf(5) */
#define LISTED_MAX 64u

static int try_text(struct since *since, const char *text, since_address_fn *fn)
{
	struct hw_address address;
	const char *error;

	if (hw_address_arg(text, &address, &error) < 0 ||
	    (address.transport != HW_TRANSPORT_UNIX && since->socket == NULL))
		return -1;
	return fn(since, &address);
}

static int try_given(struct since *since, const char *text, since_address_fn *fn)
{
	struct hw_address address;
	const char *error = NULL;
	char quoted[300];

	if (hw_address_arg(text, &address, &error) == 0 && address.transport != HW_TRANSPORT_UNIX)
		error = "only a unix socket shows who asks";
	return error ? hw_args_mistake(since->line, "%s: %s",
				       hw_quote(quoted, sizeof(quoted), text, strlen(text)), error)
		     : fn(since, &address);
}

static int try_default(struct since *since, const char *dir, since_address_fn *fn)
{
	char text[HW_DEFAULT_PATH_MAX + 32];

	(void)snprintf(text, sizeof(text), "unix:%s/" DEFAULT_NAME, dir);
	return access(text + 5, F_OK) == 0 ? try_text(since, text, fn) : -1;
}

/* ---- the addresses that a daemon lists ---- */

struct listing {
	bool is_socket; /* the plugin of the last sink */
	char *texts[LISTED_MAX]; /* owned */
	size_t count;
};

static void take_record(void *arg, const struct hw_record *record)
{
	struct listing *l = arg;
	const char *address = hw_record_get(record, "address");

	if (strcmp(record->kind, "sink") == 0)
		l->is_socket = strcmp(hw_record_get(record, "plugin"), "socket") == 0;
	if (strcmp(record->kind, "address") != 0 || !l->is_socket || l->count == LISTED_MAX ||
	    strcmp(hw_record_get(record, "option"), "listen") != 0 ||
	    strncmp(address, "unix:", 5) != 0)
		return;
	l->texts[l->count] = strdup(address);
	l->count += l->texts[l->count] != NULL;
}

/* Returns whether a daemon answers there, and this user may ask it. */
static bool is_answered(const char *path)
{
	struct hw_address address;
	int fd;
	bool answered;

	if (hw_address_unix(path, &address) < 0)
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	answered = fd >= 0 && connect(fd, &address.to.any, address.len) == 0;
	if (fd >= 0)
		(void)close(fd); /* nothing was sent */
	return answered;
}

static int try_listed(struct since *since, const char *control, since_address_fn *fn)
{
	struct hw_client_options options = { .socket = control, .timeout_ns = since->timeout_ns };
	struct listing l = { 0 };
	struct hw_request request = { .words = { "status" }, .fn = take_record, .arg = &l };
	int r = -1;

	if (!is_answered(control))
		return -1;
	(void)hw_client_ask(since->line, &options, &request); /* it says why it failed */
	for (size_t i = 0; i < l.count; i++) {
		if (r < 0)
			r = try_text(since, l.texts[i], fn);
		free(l.texts[i]);
	}
	return r;
}

int hw_since_find(struct since *since, since_address_fn *fn)
{
	const char *given = since->socket ? since->socket : getenv("HOSTWATCH_EVENTS");
	const char *control = getenv("HOSTWATCH_CONTROL");
	char dir[HW_DEFAULT_PATH_MAX], path[HW_DEFAULT_PATH_MAX];
	bool own = hw_default_runtime_dir(dir) == 0 && strcmp(dir, HW_SYSTEM_RUNTIME_DIR) != 0;
	int r = -1;

	if (given && *given)
		return try_given(since, given, fn);
	if (own)
		r = try_default(since, dir, fn);
	if (r < 0)
		r = try_default(since, HW_SYSTEM_RUNTIME_DIR, fn);
	if (r < 0 && (!control || !*control) && hw_default_control(path) == 0)
		control = path;
	if (r < 0 && control && *control)
		r = try_listed(since, control, fn);
	return r;
}
