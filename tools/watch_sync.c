/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SIGUSR1 to `hostwatch watch --json`: a barrier without a socket. */
#include "watch.h"

#include <errno.h>
#include <string.h>

#define TEXT "SIGUSR1" /* of the answer */

/* Called when the journal has everything that happened before the signal. */
static void flushed(void *arg, struct hw_share *share, int error, uint64_t seq)
{
	struct watched *watched = arg;

	(void)share;
	if (error == -ECANCELED)
		return; /* the program ends */
	if (error < 0) {
		(void)hw_args_failure(watched->watch->line, "%s: %s", TEXT, strerror(-error));
		return;
	}
	watched->synced_seq = seq;
	watched->syncs++;
	hw_watch_pull(watched->watch);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct watch *w = handle->data;

	(void)number;
	for (size_t i = 0; w->online && i < w->targets.count; i++) {
		int r = hw_share_flush(w->shares[i].share, flushed, &w->shares[i]);

		if (r < 0)
			(void)hw_args_failure(w->line, "%s: %s", TEXT, strerror(-r));
	}
}

int hw_watch_sync_init(struct watch *w)
{
	int r;

	if (!w->settings.json || (w->command && !w->settings.verbose))
		return 0;
	r = uv_signal_init(hw_loop_uv(w->loop), &w->sync);
	w->sync.data = w;
	return r == 0 ? uv_signal_start(&w->sync, on_signal, SIGUSR1) : r;
}

static void answer(struct watch *w, struct watched *watched)
{
	struct hw_share_info info = {
		.struct_size = sizeof(info),
		.name = watched->name,
		.epoch = hw_share_epoch(watched->share),
		.seq = watched->synced_seq,
	};

	while (watched->syncs && watched->cursor.seq >= watched->synced_seq) {
		if (hw_json_put_synced(&w->output.buf, TEXT, &info) < 0)
			return; /* there is no room: the next call repeats it */
		watched->syncs--;
	}
}

void hw_watch_sync_answer(struct watch *w)
{
	for (size_t i = 0; i < w->targets.count; i++)
		answer(w, &w->shares[i]);
}
