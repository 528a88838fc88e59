/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control.h"
#include "changes.h"
#include "control_answer.h"
#include "control_socket.h"
#include "core.h"
#include "log.h"
#include "suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#define SUGGESTED_MAX 256u /* shares considered for a suggestion */
#define WORDS_MAX 4u
#define PAUSE_NS (100 * HW_MS)

struct peer {
	struct hw_control *control; /* borrowed */
	struct hw_io *io; /* owned */
	struct peer *next, *prev;
	int fd; /* owned */
	char who[64]; /* "uid 0 (pid 123)" */
	char in[HW_CONTROL_REQUEST_MAX];
	size_t in_len;
	char *out; /* owned: unsent bytes */
	size_t out_len, out_sent;
	bool busy; /* a command is being executed; no other is read */
	bool ended; /* the peer will send nothing more */
};

/* A command that a share answers later. */
struct pending {
	struct hw_control *control; /* borrowed */
	struct peer *peer; /* borrowed; NULL if it disconnected */
	struct pending *next, *prev;
};

struct hw_control {
	struct hw_loop *loop; /* borrowed */
	struct hw_core *core; /* borrowed */
	struct hw_control_socket socket; /* owned */
	struct hw_io *io; /* owned */
	struct hw_timer *pause; /* owned: after no descriptor was left */
	struct peer *peers; /* owned list */
	unsigned peer_count;
	struct pending *pending; /* owned list */
	unsigned pending_count;
};

/* ---- peers ---- */

static void end_peer(struct peer *peer)
{
	struct hw_control *control = peer->control;
	struct pending *pending = NULL;

	DL_FOREACH (control->pending, pending) {
		if (pending->peer == peer)
			pending->peer = NULL;
	}
	DL_DELETE(control->peers, peer);
	control->peer_count--;
	hw_io_del(peer->io);
	(void)close(peer->fd); /* unsent bytes are lost with the peer */
	free(peer->out);
	free(peer);
	(void)hw_control_keep_reserve(&control->socket); /* otherwise at the next end of a peer */
}

/* Sends as much as the socket accepts. Returns -1 if the peer disconnected, or the answer is
 * complete. */
static int send_out(struct peer *peer)
{
	while (peer->out_sent < peer->out_len) {
		ssize_t n = send(peer->fd, peer->out + peer->out_sent,
				 peer->out_len - peer->out_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		peer->out_sent += (size_t)n;
	}
	peer->out_len = peer->out_sent = 0;
	return peer->ended && !peer->busy ? -1 : 0;
}

static void update_peer(struct peer *peer)
{
	uint32_t events = 0;

	if (!peer->busy && !peer->ended)
		events |= HW_IO_READ;
	/* Also poll to end a peer that has received everything. */
	if (peer->out_len > peer->out_sent || (peer->ended && !peer->busy))
		events |= HW_IO_WRITE;
	hw_io_set(peer->io, events);
}

static void queue(struct peer *peer, const char *text, size_t len)
{
	char *out;

	if (len > HW_CONTROL_ANSWER_MAX - peer->out_len) {
		peer->ended = true; /* it never reads */
		return;
	}
	out = realloc(peer->out, peer->out_len + len);
	if (!out) {
		peer->ended = true;
		return;
	}
	memcpy(out + peer->out_len, text, len);
	peer->out = out;
	peer->out_len += len;
}

/* ---- answers ---- */

/* Appends the answer to the output. If memory is short, ends the peer, because half an answer would
 * be wrong. */
static void answer(struct peer *peer, struct hw_answer *made)
{
	char *text;
	size_t size;

	if (hw_answer_end(made, &text, &size) < 0) {
		peer->ended = true;
		return;
	}
	queue(peer, text, size);
	free(text);
}

static void answer_error(struct peer *peer, const char *reason)
{
	struct hw_answer made;

	hw_answer_begin(&made);
	hw_answer_error(&made, reason);
	answer(peer, &made);
}

static void answer_errors(struct peer *peer, const struct hw_errors *errors, int error)
{
	struct hw_answer made;

	hw_answer_begin(&made);
	hw_answer_errors(&made, errors, error);
	answer(peer, &made);
}

static void do_status(struct peer *peer, char *const words[])
{
	struct hw_answer made;

	(void)words;
	hw_answer_begin(&made);
	hw_answer_status(&made, peer->control->core);
	answer(peer, &made);
}

/* ---- commands that take a while ---- */

/* Returns NULL if too many commands are pending: then the peer has been sent an error. */
static struct pending *begin_pending(struct peer *peer)
{
	struct hw_control *control = peer->control;
	struct pending *pending = NULL;

	if (control->pending_count < HW_CONTROL_PENDING_MAX)
		pending = calloc(1, sizeof(*pending));
	if (!pending) {
		answer_error(peer, "too many commands are waiting");
		return NULL;
	}
	pending->control = control;
	pending->peer = peer;
	DL_APPEND(control->pending, pending);
	control->pending_count++;
	peer->busy = true;
	return pending;
}

/* Returns the waiting peer, NULL if it disconnected. Shares call this from within their own code.
 * The next command, which may remove the share, is read in the iteration in which the answer is
 * sent. */
static struct peer *end_pending(struct pending *pending)
{
	struct peer *peer = pending->peer;

	DL_DELETE(pending->control->pending, pending);
	pending->control->pending_count--;
	free(pending);
	if (peer)
		peer->busy = false;
	return peer;
}

static void on_flushed(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	struct peer *peer = end_pending(arg);
	char line[128];
	int len;

	if (!peer)
		return;
	if (error) {
		answer_error(peer, error == -ENOMEM
					   ? "out of memory: changes are not reported yet; "
					     "give hostwatchd more, or run sync again"
					   : "the share was removed");
		update_peer(peer);
		return;
	}
	len = snprintf(line, sizeof(line), "ok\tseq=%" PRIu64 "\tepoch=%016" PRIx64 "\n", seq,
		       hw_share_epoch(share));
	queue(peer, line, (size_t)len);
	update_peer(peer);
}

static void on_switched(void *arg, struct hw_share *share, const struct hw_core_switched *switched)
{
	const struct hw_switch_result *result = switched->result;
	struct peer *peer = end_pending(arg);
	struct hw_answer made;

	(void)share;
	if (!peer)
		return;
	hw_answer_begin(&made);
	if (result->error < 0) {
		hw_answer_error(&made, result->error == -ECANCELED ? "the share was removed"
								   : result->reason);
	} else {
		hw_answer_record(&made, "ok");
		hw_answer_text(&made, "from", switched->from);
		hw_answer_text(&made, "to", switched->to);
		hw_answer_number(&made, "entries", result->entries);
		hw_answer_number(&made, "events", result->events);
		hw_answer_number(&made, "elapsed_ns", result->elapsed_ns);
	}
	answer(peer, &made);
	update_peer(peer);
}

/* Borrowed from the share; NULL if no name is similar. */
static const char *suggest_share(const struct hw_core *core, const char *name)
{
	const char *names[SUGGESTED_MAX];
	const struct hw_share *share;
	size_t count = 0;

	while (count < SUGGESTED_MAX && (share = hw_core_share(core, count)))
		names[count++] = hw_share_name(share);
	return hw_suggest(name, names, count);
}

static struct hw_share *share_or_error(struct peer *peer, const char *name)
{
	struct hw_share *share = hw_core_find_share(peer->control->core, name);
	char quoted[100], other[100], text[260];
	const char *meant;

	if (share)
		return share;
	meant = suggest_share(peer->control->core, name);
	(void)snprintf(text, sizeof(text), "there is no share %s%s%s%s",
		       hw_quote(quoted, sizeof(quoted), name, strlen(name)),
		       meant ? ", did you mean " : "",
		       meant ? hw_quote(other, sizeof(other), meant, strlen(meant)) : "",
		       meant ? "?" : "");
	answer_error(peer, text);
	return NULL;
}

static void do_sync(struct peer *peer, char *const words[])
{
	struct hw_share *share = share_or_error(peer, words[1]);
	struct pending *pending = NULL;
	int r;

	if (!share)
		return;
	pending = begin_pending(peer);
	if (!pending)
		return;
	r = hw_share_flush(share, on_flushed, pending);
	if (r < 0) {
		(void)end_pending(pending);
		answer_error(peer, strerror(-r));
	}
}

static void do_switch(struct peer *peer, char *const words[])
{
	struct hw_share *share = share_or_error(peer, words[1]);
	struct hw_core_switch request = { .watchers = words[2],
					  .who = peer->who,
					  .done = on_switched };
	struct hw_errors errors = { 0 };
	struct pending *pending = NULL;
	int r;

	if (!share)
		return;
	pending = begin_pending(peer);
	if (!pending)
		return;
	request.share = share;
	request.arg = pending;
	r = hw_core_switch(peer->control->core, &request, &errors);
	if (r < 0) {
		(void)end_pending(pending);
		answer_errors(peer, &errors, r);
	}
	hw_errors_free(&errors);
}

static void put_change(void *arg, const struct hw_running *running, const char *change)
{
	struct hw_answer *made = arg;

	hw_answer_record(made, "change");
	hw_answer_text(made, "kind", running->kind);
	hw_answer_text(made, "name", running->name);
	hw_answer_text(made, "change", change);
}

/* Adds the mistakes of the file, or the failures to start, and the state of the rest. */
static void put_failed_reload(struct hw_answer *made, struct hw_core *core,
			      const struct hw_errors *errors, int error)
{
	for (size_t i = 0; i < errors->count; i++) {
		hw_answer_record(made, "mistake");
		hw_answer_text(made, "text", errors->lines[i]);
	}
	if (errors->count == 0)
		hw_answer_error(made, strerror(-error));
	else
		hw_answer_error(made,
				hw_core_refused(core)
					? "not reloaded: the previous configuration stays in effect"
					: "not reloaded: see above");
	if (hw_core_refused(core))
		hw_answer_text(made, "cause", "configuration");
}

static void do_reload(struct peer *peer, char *const words[])
{
	struct hw_core *core = peer->control->core;
	struct hw_roster before = { 0 }, after = { 0 };
	struct hw_errors errors = { 0 };
	struct hw_answer made;
	int r = hw_roster_take(core, &before);

	(void)words;
	hw_info("reload requested by %s", peer->who);
	hw_answer_begin(&made);
	if (r == 0)
		r = hw_core_reload(core, &errors);
	if (!hw_core_refused(core) && hw_roster_take(core, &after) == 0)
		hw_roster_compare(&before, &after, put_change, &made);
	if (r < 0)
		put_failed_reload(&made, core, &errors, r);
	else
		hw_answer_record(&made, "ok");
	answer(peer, &made);
	hw_roster_free(&before);
	hw_roster_free(&after);
	hw_errors_free(&errors);
}

/* ---- commands ---- */

static const struct {
	const char *name;
	size_t words; /* including the name */
	void (*run)(struct peer *peer, char *const words[]);
} commands[] = {
	{ "status", 1, do_status },
	{ "sync", 2, do_sync },
	{ "switch", 3, do_switch },
	{ "reload", 1, do_reload },
};

static void run_line(struct peer *peer, char *line)
{
	char *words[WORDS_MAX + 1] = { 0 }, *word;
	size_t count = 0;

	while ((word = strsep(&line, " ")) && count < WORDS_MAX) {
		if (*word)
			words[count++] = word;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (count == commands[i].words && strcmp(words[0], commands[i].name) == 0) {
			commands[i].run(peer, words);
			return;
		}
	}
	answer_error(
		peer,
		"no such command; expected status, sync SHARE, switch SHARE WATCHERS or reload");
}

static void read_commands(struct peer *peer)
{
	char *end;

	while (!peer->busy && (end = memchr(peer->in, '\n', peer->in_len))) {
		char line[HW_CONTROL_REQUEST_MAX];
		size_t len = (size_t)(end - peer->in);

		memcpy(line, peer->in, len);
		line[len] = '\0';
		peer->in_len -= len + 1;
		memmove(peer->in, end + 1, peer->in_len);
		run_line(peer, line);
	}
	if (!peer->busy && peer->in_len == sizeof(peer->in)) {
		answer_error(peer, "the command is too long");
		peer->ended = true;
	}
}

static int read_some(struct peer *peer)
{
	ssize_t n;

	do {
		n = recv(peer->fd, peer->in + peer->in_len, sizeof(peer->in) - peer->in_len, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (n == 0)
		peer->ended = true;
	peer->in_len += (size_t)n;
	return 0;
}

static int on_peer(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct peer *peer = self;
	int r = 0;

	(void)io, (void)budget;
	if ((events & HW_IO_HANGUP) && peer->busy && !(events & HW_IO_READ))
		return 0; /* the peer may be half closed: sending the answer will show it */
	if (!peer->busy && !peer->ended && (events & (HW_IO_READ | HW_IO_HANGUP)))
		r = read_some(peer);
	if (r == 0) {
		read_commands(peer);
		r = send_out(peer);
	}
	if (r < 0)
		end_peer(peer);
	else
		update_peer(peer);
	return 1;
}

static int add_peer(struct hw_control *control, int fd)
{
	struct peer *peer;
	int r;

	if (control->peer_count == HW_CONTROL_PEERS_MAX)
		return -EMFILE;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	peer->control = control;
	peer->fd = fd;
	hw_control_name_peer(fd, peer->who, sizeof(peer->who));
	r = hw_io_add(control->loop, fd, HW_IO_READ, on_peer, peer, &peer->io);
	if (r < 0) {
		free(peer);
		return r;
	}
	DL_APPEND(control->peers, peer);
	control->peer_count++;
	return 0;
}

static void on_pause_over(void *arg, struct hw_timer *timer)
{
	struct hw_control *control = arg;

	(void)timer;
	(void)hw_control_keep_reserve(&control->socket); /* otherwise accepting pauses again */
	hw_io_set(control->io, HW_IO_READ);
}

/* Connections wait in the backlog. Accepting at once would fail again, in a busy loop. */
static void pause_listener(struct hw_control *control)
{
	hw_io_set(control->io, 0);
	hw_timer_set(control->pause, PAUSE_NS);
}

static int on_listener(void *self, struct hw_io *io, uint32_t events, uint32_t budget)
{
	struct hw_control *control = self;
	int fd, r;

	(void)io, (void)events, (void)budget;
	fd = hw_control_accept(&control->socket);
	if (fd < 0 && fd != -EAGAIN && fd != -EPERM)
		pause_listener(control);
	if (fd < 0)
		return 0;
	r = add_peer(control, fd);
	if (r < 0) {
		hw_warning("control socket: connection rejected: %s", strerror(-r));
		(void)close(fd); /* nothing was sent */
	}
	return 1;
}

/* ---- life ---- */

int hw_control_create(struct hw_loop *loop, struct hw_core *core, const char *path,
		      struct hw_errors *errors, struct hw_control **ret)
{
	struct hw_control *control = NULL;
	int r;

	*ret = NULL;
	if (path && !*path)
		return 0;
	control = calloc(1, sizeof(*control));
	if (!control)
		return -ENOMEM;
	control->loop = loop;
	control->core = core;
	control->socket = (struct hw_control_socket){ .on = HW_LISTENING_CLOSED, .reserve = -1 };
	r = hw_timer_add(loop, on_pause_over, control, &control->pause);
	if (r == 0)
		r = hw_control_listen(&control->socket, path, errors);
	if (r == 0)
		r = hw_io_add(loop, control->socket.on.fd, HW_IO_READ, on_listener, control,
			      &control->io);
	if (r < 0) {
		hw_control_destroy(control);
		return r;
	}
	*ret = control;
	return 0;
}

void hw_control_destroy(struct hw_control *control)
{
	struct pending *pending = NULL, *next_pending = NULL;
	struct peer *peer = NULL, *next_peer = NULL;

	if (!control)
		return;
	DL_FOREACH_SAFE(control->pending, pending, next_pending)
	{
		(void)end_pending(pending);
	}
	DL_FOREACH_SAFE(control->peers, peer, next_peer)
	{
		end_peer(peer);
	}
	hw_io_del(control->io);
	hw_timer_del(control->pause);
	hw_control_close(&control->socket);
	free(control);
}
