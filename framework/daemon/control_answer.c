/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control_answer.h"
#include "core.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void hw_answer_begin(struct hw_answer *answer)
{
	*answer = (struct hw_answer){ 0 };
	answer->to = open_memstream(&answer->text, &answer->size);
}

int hw_answer_end(struct hw_answer *answer, char **ret_text, size_t *ret_size)
{
	bool bad;

	if (!answer->to)
		return -ENOMEM;
	bad = ferror(answer->to) != 0;
	if (fclose(answer->to) != 0 || bad) {
		free(answer->text);
		return -ENOMEM;
	}
	*ret_text = answer->text;
	*ret_size = answer->size;
	return 0;
}

static void put_field(FILE *to, const char *key, const char *value)
{
	fprintf(to, "\t%s=", key);
	for (; *value; value++) {
		if (*value == '\t')
			fputs("\\t", to);
		else if (*value == '\n')
			fputs("\\n", to);
		else if (*value == '\\')
			fputs("\\\\", to);
		else
			fputc(*value, to);
	}
}

static void put_number(FILE *to, const char *key, uint64_t value)
{
	fprintf(to, "\t%s=%" PRIu64, key, value);
}

static void put_text(FILE *to, const char *kind, const char *text)
{
	fputs(kind, to);
	put_field(to, "text", text);
	fputc('\n', to);
}

void hw_answer_error(struct hw_answer *answer, const char *reason)
{
	if (answer->to)
		put_text(answer->to, "error", reason);
}

void hw_answer_errors(struct hw_answer *answer, const struct hw_errors *errors, int error)
{
	if (!answer->to)
		return;
	for (size_t i = 0; i + 1 < errors->count; i++)
		put_text(answer->to, "mistake", errors->lines[i]);
	put_text(answer->to, "error",
		 errors->count ? errors->lines[errors->count - 1] : strerror(-error));
}

/* ---- status ---- */

static void put_share(FILE *to, struct hw_share *share)
{
	static const char *const states[] = { "arming", "online", "offline" };
	struct hw_share_status status = { 0 };
	char epoch[20];

	hw_share_get_status(share, &status);
	(void)snprintf(epoch, sizeof(epoch), "%016" PRIx64, status.epoch);
	fputs("share", to);
	put_field(to, "name", status.name);
	put_field(to, "path", status.path);
	put_field(to, "state", states[status.state]);
	put_field(to, "backend", status.backend ? status.backend : "");
	put_field(to, "why", status.why ? status.why : "");
	put_field(to, "epoch", epoch);
	put_number(to, "seq", status.seq);
	put_number(to, "entries", status.entries);
	put_number(to, "directories", status.directories);
	put_number(to, "armed", status.armed);
	put_number(to, "watches", status.watches);
	put_number(to, "kernel_events", status.kernel_events);
	put_number(to, "overflows", status.overflows);
	put_number(to, "rescans", status.rescans);
	put_number(to, "tree_bytes", status.tree_bytes);
	put_number(to, "journal_bytes", status.journal_bytes);
	fputc('\n', to);
}

struct receivers {
	FILE *to;
	const char *sink;
};

static void put_receiver(void *arg, const struct hw_receiver *receiver, uint64_t head)
{
	const struct receivers *receivers = arg;
	FILE *to = receivers->to;

	fputs("receiver", to);
	put_field(to, "sink", receivers->sink);
	put_field(to, "name", receiver->name ? receiver->name : "");
	put_field(to, "share", receiver->share ? receiver->share : "");
	put_number(to, "seq", receiver->seq);
	put_number(to, "lag", head > receiver->seq ? head - receiver->seq : 0);
	put_number(to, "dropped", receiver->dropped);
	fputc('\n', to);
}

void hw_answer_status(struct hw_answer *answer, struct hw_core *core)
{
	struct hw_share *share;
	struct hw_sink *sink;

	if (!answer->to)
		return;
	for (size_t i = 0; (share = hw_core_share(core, i)); i++)
		put_share(answer->to, share);
	for (size_t i = 0; (sink = hw_core_sink(core, i)); i++) {
		struct receivers receivers = { answer->to, hw_sink_instance(sink)->name };

		hw_sink_receivers(sink, put_receiver, &receivers);
	}
	fputs("ok", answer->to);
	put_field(answer->to, "version", HW_VERSION);
	put_number(answer->to, "pid", (uint64_t)getpid());
	fputc('\n', answer->to);
}
