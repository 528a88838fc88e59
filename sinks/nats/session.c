/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* All sessions of the process. The order of the locks is list, session. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
LIST_HEAD(nats_sessions, nats_session);
static struct nats_sessions all = LIST_HEAD_INITIALIZER(all);
static uint64_t last_serial;

int nats_session_create(struct nats_settings *settings, uint32_t lanes, struct nats_session **ret)
{
	struct nats_session *s = calloc(1, sizeof(*s));
	pthread_condattr_t monotonic;

	if (!s)
		return -ENOMEM;
	s->lanes = calloc(lanes ? lanes : 1, sizeof(*s->lanes));
	s->wake_fd = s->lanes ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (s->wake_fd < 0) {
		int r = s->lanes ? -errno : -ENOMEM;

		free(s->lanes);
		free(s);
		return r;
	}
	s->lane_count = lanes;
	for (uint32_t i = 0; i < lanes; i++)
		TAILQ_INIT(&s->lanes[i].items);
	TAILQ_INIT(&s->queue);
	(void)pthread_mutex_init(&s->lock, NULL); /* these cannot fail on Linux */
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->changed, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	s->refs = 1;
	s->settings = *settings;
	*settings = (struct nats_settings){ 0 };
	(void)pthread_mutex_lock(&list_lock);
	LIST_INSERT_HEAD(&all, s, of_all);
	(void)pthread_mutex_unlock(&list_lock);
	*ret = s;
	return 0;
}

void nats_session_pop(struct nats_session *s, struct nats_lane *lane)
{
	struct nats_item *item = TAILQ_FIRST(&lane->items);

	TAILQ_REMOVE(&lane->items, item, of_lane);
	if (item->queued)
		TAILQ_REMOVE(&s->queue, item, of_queue);
	s->unresolved--;
	s->bytes -= item->len;
	free(item);
}

void nats_session_reset(struct nats_session *s)
{
	for (uint32_t i = 0; i < s->lane_count; i++)
		while (!TAILQ_EMPTY(&s->lanes[i].items))
			nats_session_pop(s, &s->lanes[i]);
	s->in_flight = 0;
	s->state = NATS_DOWN;
	(void)pthread_cond_broadcast(&s->changed);
}

void nats_session_put(struct nats_session *s, struct nats_item *item)
{
	item->queued = true;
	TAILQ_INSERT_TAIL(&s->lanes[item->lane].items, item, of_lane);
	TAILQ_INSERT_TAIL(&s->queue, item, of_queue);
	s->unresolved++;
	s->bytes += item->len;
	(void)pthread_cond_signal(&s->changed);
}

void nats_session_wake_loop(struct nats_session *s)
{
	const uint64_t one = 1;

	(void)!write(s->wake_fd, &one, sizeof(one)); /* EAGAIN: it is awake */
}

static void destroy(struct nats_session *s)
{
	nats_session_reset(s);
	(void)close(s->wake_fd); /* nothing is written */
	(void)pthread_mutex_destroy(&s->lock);
	(void)pthread_cond_destroy(&s->changed);
	nats_settings_free(&s->settings);
	free(s->prefix);
	free(s->lanes);
	free(s);
}

void nats_session_unref(struct nats_session *s)
{
	unsigned left;

	(void)pthread_mutex_lock(&list_lock);
	(void)pthread_mutex_lock(&s->lock);
	left = --s->refs;
	if (!left)
		LIST_REMOVE(s, of_all);
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_mutex_unlock(&list_lock);
	if (!left)
		destroy(s);
}

/* ---- by number ---- */

uint64_t nats_session_renumber(struct nats_session *s)
{
	uint64_t serial;

	(void)pthread_mutex_lock(&list_lock);
	(void)pthread_mutex_lock(&s->lock);
	serial = s->serial = ++last_serial;
	s->lost = false;
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_mutex_unlock(&list_lock);
	return serial;
}

struct nats_session *nats_session_enter(uint64_t serial)
{
	struct nats_session *s, *found = NULL;

	(void)pthread_mutex_lock(&list_lock);
	for (s = LIST_FIRST(&all); s && !found; s = LIST_NEXT(s, of_all)) {
		(void)pthread_mutex_lock(&s->lock);
		if (s->serial == serial) {
			s->refs++;
			found = s;
		} else {
			(void)pthread_mutex_unlock(&s->lock);
		}
	}
	(void)pthread_mutex_unlock(&list_lock);
	return found;
}

void nats_session_leave(struct nats_session *s)
{
	(void)pthread_mutex_unlock(&s->lock);
	nats_session_unref(s);
}
