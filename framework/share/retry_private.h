/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by retry.c, which keeps the list, and retry_attempt.c. */
#ifndef HW_RETRY_PRIVATE_H
#define HW_RETRY_PRIVATE_H

#include "share_private.h"

struct hw_retry_item {
	char *name; /* owned; NULL: the directory itself */
	uint64_t due_ns; /* loop time; 0: at once */
	int64_t since_ns; /* as since_ns of hw_observe() */
	uint8_t name_len;
	bool arrived, found; /* as in struct hw_retry_name */
	uint8_t kind; /* enum hw_retry_kind */
	uint8_t how; /* enum hw_arrival */
	uint8_t tries;
	bool fresh; /* added since the last iteration */
	bool flying; /* an attempt has begun and not ended */
	bool logged, reported;
	bool refused; /* not only found without a watcher */
	uint64_t refused_at; /* retry.count_refusals after its last refusal */
};

/* Returns the index of the item, or `count`. `name` NULL: the item of the directory itself. */
uint32_t hw_retry_find(const struct hw_retry *retry, hw_token dir, const char *name, size_t len);
void hw_retry_remove(struct hw_retry *retry, uint32_t i);
/* The attempt failed: sets the time of the next one. */
void hw_retry_refused_again(struct hw_share *share, struct hw_retry_item *item);

#endif
