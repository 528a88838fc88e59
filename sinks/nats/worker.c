/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread of a sink: everything that may wait for the server. */
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_MIN_MS 200
#define RETRY_MAX_MS 5000
#define ACK_MS 10000 /* without an answer to a message, the connection is given up */
#define STOP_MS 1000
/* As long as a stream may refuse everything, one message is published at a time: of several, the
 * first could be refused and the others stored. */
#define UNPROVED_MAX 1u
#define HEADERS_MAX 1024 /* bytes of the headers of a message */

static void lock(struct nats_session *s)
{
	(void)pthread_mutex_lock(&s->lock); /* cannot fail */
}

static void unlock(struct nats_session *s)
{
	(void)pthread_mutex_unlock(&s->lock);
}

static struct timespec after(int ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void *serial_arg(uint64_t serial)
{
	return (void *)(uintptr_t)serial;
}

/* ---- callbacks, on threads of libnats ---- */

static void on_closed(natsConnection *nc, void *arg)
{
	struct nats_session *s = nats_session_enter((uint64_t)(uintptr_t)arg);

	(void)nc;
	if (!s)
		return;
	s->lost = true;
	(void)pthread_cond_broadcast(&s->changed);
	nats_session_leave(s);
}

static struct nats_item *find_item(struct nats_session *s, natsMsg *msg)
{
	const char *id = NULL;
	struct nats_item *item;

	if (natsMsgHeader_Get(msg, NATS_HEADER_ID, &id) != NATS_OK || !id)
		return NULL;
	for (uint32_t i = 0; i < s->lane_count; i++) {
		TAILQ_FOREACH(item, &s->lanes[i].items, of_lane)
		if (!item->queued && !item->acked && strcmp(item->id, id) == 0)
			return item;
	}
	return NULL;
}

static void explain_refusal(struct nats_session *s, const jsPubAckErr *error)
{
	const char *text =
		error->ErrText && *error->ErrText ? error->ErrText : natsStatus_GetText(error->Err);
	const char *remedy = "";

	if (error->Err == NATS_NO_RESPONDERS)
		remedy = "; no stream stores this subject: the stream's subjects must include the "
			 "prefix";
	else if (strstr(text, "maximum"))
		remedy = "; the stream is full and set to discard new messages: purge it, or raise "
			 "its limit. The events wait in the journal";
	else if (error->ErrCode == JSStreamNotMatchErr)
		remedy = "; another stream stores this subject: set stream to its name";
	(void)snprintf(s->why, sizeof(s->why), "the stream %s refused a message: %s%s",
		       s->settings.stream, text, remedy);
}

static void on_answer(jsCtx *js, natsMsg *msg, jsPubAck *ack, jsPubAckErr *error, void *arg)
{
	struct nats_session *s = nats_session_enter((uint64_t)(uintptr_t)arg);
	struct nats_item *item = s ? find_item(s, msg) : NULL;

	(void)js;
	if (item) {
		s->in_flight--;
		if (ack) {
			item->acked = true;
			item->at = ack->Sequence;
			s->proved = true;
			nats_session_wake_loop(s);
		} else if (!s->refused) {
			s->refused = true;
			explain_refusal(s, error);
		}
		(void)pthread_cond_signal(&s->changed);
	}
	natsMsg_Destroy(msg);
	if (s)
		nats_session_leave(s);
}

/* ---- connecting ---- */

static void disconnect(struct nats_session *s)
{
	(void)nats_session_renumber(s); /* later callbacks of this connection are ignored */
	jsCtx_Destroy(s->js);
	natsConnection_Destroy(s->nc);
	s->js = NULL;
	s->nc = NULL;
}

static int open_jetstream(struct nats_session *s, uint64_t serial, char why[NATS_WHY_MAX])
{
	jsOptions options;
	natsStatus r;

	(void)jsOptions_Init(&options);
	options.PublishAsync.AckHandler = on_answer;
	options.PublishAsync.AckHandlerClosure = serial_arg(serial);
	r = natsConnection_JetStream(&s->js, s->nc, &options);
	if (r != NATS_OK)
		nats_explain(r, "cannot use JetStream", why);
	return r == NATS_OK ? 0 : -EIO;
}

static int find_places(struct nats_session *s, int32_t *ret_max, char why[NATS_WHY_MAX])
{
	int r = nats_find_stream(s->js, s->settings.stream, s->prefix, s->create, ret_max, why);

	for (uint32_t i = 0; r == 0 && i < s->lane_count; i++)
		r = nats_find_place(s->js, s->settings.stream, &s->lanes[i].place, why);
	return r;
}

/* The lock is not held: only the thread changes what this reads. */
static void find_bare(struct nats_session *s)
{
	for (uint32_t i = 0; s->check_ns && i < s->lane_count; i++) {
		bool has = nats_has_tree(s->js, s->settings.stream, &s->lanes[i].place);

		lock(s);
		s->lanes[i].bare |= !has;
		unlock(s);
	}
}

/* Returns 0: the session is up; or -errno with the reason in s->why. */
static int connect_session(struct nats_session *s)
{
	char why[NATS_WHY_MAX] = "";
	uint64_t serial = nats_session_renumber(s);
	int32_t max = 0;
	int r = nats_open(&s->settings, on_closed, serial_arg(serial), &s->nc, why);

	if (r == 0)
		r = open_jetstream(s, serial, why);
	if (r == 0)
		r = find_places(s, &max, why);
	if (r == 0)
		find_bare(s);
	lock(s);
	if (r == 0) {
		s->max_payload = natsConnection_GetMaxPayload(s->nc);
		if (max && max < s->max_payload)
			s->max_payload = max;
		s->max_payload -= HEADERS_MAX;
		(void)natsConnection_GetConnectedUrl(s->nc, s->url, sizeof(s->url));
		s->proved = s->refused = false;
		s->state = NATS_UP;
	} else {
		memcpy(s->why, why, sizeof(s->why));
	}
	unlock(s);
	nats_session_wake_loop(s);
	return r;
}

/* ---- publishing ---- */

static natsStatus make_message(const struct nats_session *s, const struct nats_item *item,
			       natsMsg **ret)
{
	char subject[NATS_SUBJECT_MAX + 32], text[64];
	natsStatus r;

	(void)snprintf(subject, sizeof(subject), "%s.%s", s->lanes[item->lane].place.subject,
		       item->kind);
	r = natsMsg_Create(ret, subject, NULL, item->data, (int)item->len);
	if (r == NATS_OK)
		r = natsMsgHeader_Set(*ret, NATS_HEADER_ID, item->id);
	(void)snprintf(text, sizeof(text), "%016" PRIx64, item->epoch);
	if (r == NATS_OK)
		r = natsMsgHeader_Set(*ret, NATS_HEADER_EPOCH, text);
	(void)snprintf(text, sizeof(text), "%" PRIu64, item->seq);
	if (r == NATS_OK)
		r = natsMsgHeader_Set(*ret, NATS_HEADER_SEQ, text);
	(void)snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, item->acked_seq, item->acked_at);
	if (r == NATS_OK)
		r = natsMsgHeader_Set(*ret, NATS_HEADER_ACKED, text);
	(void)snprintf(text, sizeof(text), "%" PRIu64 "%s", item->part,
		       item->tree_end ? " end" : "");
	return r == NATS_OK && item->tree ? natsMsgHeader_Set(*ret, NATS_HEADER_TREE, text) : r;
}

static void fail_session(struct nats_session *s, natsStatus status, const char *what)
{
	if (!s->refused)
		nats_explain(status, what, s->why);
	s->refused = true;
}

/* Publishes the first message of the queue. The lock is held; it is released meanwhile, and only
 * this thread takes messages from the queue. */
static void publish(struct nats_session *s)
{
	struct nats_item *item = TAILQ_FIRST(&s->queue);
	jsPubOptions options;
	natsMsg *msg = NULL;
	natsStatus r = make_message(s, item, &msg);

	TAILQ_REMOVE(&s->queue, item, of_queue);
	item->queued = false;
	s->in_flight++;
	unlock(s);
	(void)jsPubOptions_Init(&options);
	options.ExpectStream = s->settings.stream;
	options.MaxWait = ACK_MS;
	if (r == NATS_OK)
		r = js_PublishMsgAsync(s->js, &msg, &options);
	natsMsg_Destroy(msg); /* NULL if it was published */
	lock(s);
	if (r != NATS_OK) {
		fail_session(s, r, "cannot publish");
		s->in_flight--;
	}
}

static bool may_publish(const struct nats_session *s)
{
	return !TAILQ_EMPTY(&s->queue) && !s->refused && (s->proved || s->in_flight < UNPROVED_MAX);
}

static void look_for_trees(struct nats_session *s)
{
	unlock(s);
	find_bare(s);
	nats_session_wake_loop(s);
	lock(s);
}

/* Waits until something changes or this time has come. Returns whether it has come. */
static bool wait_until(struct nats_session *s, const struct timespec *until)
{
	if (s->check_ns)
		return pthread_cond_timedwait(&s->changed, &s->lock, until) == ETIMEDOUT;
	(void)pthread_cond_wait(&s->changed, &s->lock);
	return false;
}

/* Publishes until the connection is lost or a message was refused and the others are answered. The
 * lock is held. */
static void serve(struct nats_session *s)
{
	int check_ms = (int)(s->check_ns / 1000000);
	struct timespec check = after(check_ms);

	while (!s->quit && !s->lost && !(s->refused && !s->in_flight)) {
		if (may_publish(s)) {
			publish(s);
		} else if (wait_until(s, &check)) {
			look_for_trees(s);
			check = after(check_ms);
		}
	}
	if (s->lost && !s->refused)
		(void)snprintf(s->why, sizeof(s->why), "the connection to %s was lost", s->url);
}

/* Waits until the loop has dropped the messages, and then for the time. The lock is held. */
static void rest(struct nats_session *s, int ms)
{
	struct timespec until = after(ms);
	int r = 0;

	while (!s->quit && (s->state == NATS_FAILED || r != ETIMEDOUT)) {
		if (s->state == NATS_FAILED)
			(void)pthread_cond_wait(&s->changed, &s->lock);
		else
			r = pthread_cond_timedwait(&s->changed, &s->lock, &until);
	}
}

static void *run(void *arg)
{
	struct nats_session *s = arg;
	int delay = RETRY_MIN_MS;

	lock(s);
	while (!s->quit) {
		bool good = false;

		unlock(s);
		if (connect_session(s) == 0) {
			lock(s);
			serve(s);
			good = s->proved;
			s->state = NATS_FAILED;
			unlock(s);
			nats_session_wake_loop(s);
		}
		disconnect(s);
		lock(s);
		if (good)
			delay = RETRY_MIN_MS;
		rest(s, delay);
		delay = 2 * delay < RETRY_MAX_MS ? 2 * delay : RETRY_MAX_MS;
	}
	unlock(s);
	nats_ReleaseThreadMemory();
	nats_session_unref(s);
	return NULL;
}

int nats_worker_start(struct nats_session *s, pthread_t *ret)
{
	sigset_t every, before;
	int r;

	/* Signals are for the loop. Threads of libnats inherit the mask. */
	(void)sigfillset(&every);
	(void)pthread_sigmask(SIG_SETMASK, &every, &before);
	s->refs++; /* nobody else has it yet */
	r = pthread_create(ret, NULL, run, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		s->refs--;
	return -r;
}

void nats_worker_stop(struct nats_session *s, pthread_t thread)
{
	struct timespec until = after(STOP_MS);

	lock(s);
	s->quit = true;
	(void)pthread_cond_broadcast(&s->changed);
	unlock(s);
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until))
		(void)pthread_detach(thread); /* it waits for the network, and ends later */
}
