/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of `hostwatch watch`: command line and main program (watch.c), the shares
 * (watch_share.c), the output (watch_print.c), the barrier of SIGUSR1 (watch_sync.c), the command
 * (watch_run.c). */
#ifndef HW_WATCH_H
#define HW_WATCH_H

#include "loader.h"
#include "output.h"
#include "select.h"
#include "share.h"
#include "target.h"

#include <stdio.h>

struct runner;
struct watch;

/* One watched target. */
struct watched {
	struct watch *watch; /* borrowed: the owner */
	const struct hw_target *target; /* borrowed */
	struct hw_share *share; /* owned */
	struct hw_journal_cursor cursor;
	char name[32]; /* of the share */
	/* watch_sync.c */
	uint64_t synced_seq; /* of the barrier that ended last */
	unsigned syncs; /* barriers that have ended and were not answered */
};

struct watch_settings {
	const char *watchers; /* borrowed from argv */
	uint64_t interval_ns, settle_ns, idle_ns; /* 0: not given */
	struct hw_select select;
	bool json;
	/* with a command */
	bool restart, initial, verbose;
	uint64_t kill_after_ns;
};

struct watch {
	struct watch_settings settings;
	const struct hw_command_line *line; /* static */
	struct hw_targets targets;
	struct watched *shares; /* owned: one for each target */
	struct hw_loop *loop;
	struct hw_loader *loader;
	struct hw_output output;
	struct hw_timer *idle, *progress; /* owned */
	uv_signal_t signals[3], sync;
	char **operands; /* owned array; ends with NULL */
	char **command; /* borrowed from argv; NULL: none */
	struct runner *runner; /* owned; NULL: there is no command */
	uint64_t printed; /* number of events */
	bool online; /* all shares have been online */
	bool output_failed;
	int status; /* exit status */
	/* watch_print.c */
	FILE *text; /* owned: stream for a line of text before it is appended to the output */
	char *text_bytes; /* owned: memory of text */
	size_t text_size;
	struct hw_buf path, from; /* scratch: paths as displayed */
	struct hw_json_head head; /* of the last line */
	bool colour, progress_shown;
};

/* Ends the loop; the program exits with this status. */
void hw_watch_stop(struct watch *w, int status);
/* Takes all events in the journals. */
void hw_watch_pull(struct watch *w);

/* Creates the shares and starts them; ready() is called as for hw_share_listen(), with the struct
 * watched. Returns 0, or an exit status after a line on stderr. */
int hw_watch_start_shares(struct watch *w, hw_share_ready_fn *ready);
void hw_watch_stop_shares(struct watch *w);

/* Returns whether events are printed instead of passed to a command. */
static inline bool hw_watch_prints(const struct watch *w)
{
	return !w->runner || w->settings.verbose;
}
int hw_watch_print_init(struct watch *w); /* 0, or an exit status after a line on stderr */
void hw_watch_print_free(struct watch *w);
/* Appends the event to the output. Returns -errno if there is no room. */
int hw_watch_print_event(struct watch *w, const struct watched *watched,
			 const struct hw_event *event);
/* Call this when all shares are online: prints information about them on stderr, and hello. */
void hw_watch_print_hello(struct watch *w);
void hw_watch_print_progress(struct watch *w);

/* With --json, SIGUSR1 starts a barrier for each share. Returns 0 or -errno. */
int hw_watch_sync_init(struct watch *w);
/* Call this after events were printed: appends a line for each barrier whose events all were. */
void hw_watch_sync_answer(struct watch *w);

#endif
