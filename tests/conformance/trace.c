/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace.h"

#include "ops.h"

#include <hostwatch/plugin.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum section { HEADER, SETUP, STEPS, BURST };

struct parser {
	struct hw_trace *trace;
	enum section section;
	unsigned line;
	int error;
};

static int complain(struct parser *p, const char *format, ...) HW_PRINTF(2, 3);
static int complain(struct parser *p, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%u: ", p->trace->path, p->line);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	p->error = -EINVAL;
	return -EINVAL;
}

/* Appends one zeroed item. Returns NULL if memory is exhausted or the list is full. */
static void *grow(struct parser *p, void *list, size_t *count, size_t size)
{
	char *items = *count < HW_TRACE_ITEMS_MAX ? reallocarray(list, *count + 1, size) : NULL;

	if (!items) {
		p->error = -ENOMEM;
		return NULL;
	}
	memset(items + *count * size, 0, size);
	(*count)++;
	return items;
}

static bool take_prefix(const char **text, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*text, word, len) || ((*text)[len] && (*text)[len] != ' '))
		return false;
	*text += len;
	*text += strspn(*text, " ");
	return true;
}

/* ---- operations ---- */

static void read_args(struct parser *p, struct hw_op *op, const char *at)
{
	struct hw_bytes token;
	int r;

	while ((r = hw_notation_token(&at, &token)) > 0) {
		if (op->argc == HW_OP_ARGS) {
			hw_bytes_release(&token);
			complain(p, "too many words");
			return;
		}
		op->args[op->argc++] = token;
	}
	if (r < 0)
		complain(p, "a word that cannot be read: %s", strerror(-r));
}

static void read_op(struct parser *p, struct hw_ops *ops, const char *text)
{
	struct hw_op *items = grow(p, ops->items, &ops->count, sizeof(*items));
	struct hw_bytes name = { 0 };

	if (!items) {
		return;
	}
	ops->items = items;
	struct hw_op *op = &items[ops->count - 1];
	op->line = p->line;
	op->text = strdup(text);
	op->outside = take_prefix(&text, "outside");
	if (hw_notation_token(&text, &name) <= 0) {
		complain(p, "an operation is missing");
		return;
	}
	op->verb = hw_verb_find(name.data);
	if (!op->verb)
		complain(p, "there is no operation \"%s\"", name.data);
	hw_bytes_release(&name);
	read_args(p, op, text);
	if (op->verb && !hw_verb_takes(op->verb, op->argc))
		complain(p, "usage: %s", hw_verb_usage(op->verb));
}

/* ---- events ---- */

static enum hw_where read_where(struct parser *p, const char *text)
{
	if (take_prefix(&text, "(absent-under polling)"))
		return HW_NOT_POLLING;
	if (take_prefix(&text, "(only-under polling)"))
		return HW_POLLING_ONLY;
	if (*text && *text != '#')
		complain(p, "not part of an event: %s", text);
	return HW_EVERYWHERE;
}

static void read_event(struct parser *p, struct hw_lines *lines, const char *text)
{
	struct hw_event event;
	const char *rest;

	if (hw_notation_parse(text, &event, &rest)) {
		complain(p, "not an event: %s", text);
		return;
	}
	struct hw_line *items = grow(p, lines->items, &lines->count, sizeof(*items));
	if (items) {
		lines->items = items;
		struct hw_line *line = &items[lines->count - 1];
		line->line = p->line;
		line->text = hw_notation_text(&event);
		line->where = read_where(p, rest + strspn(rest, " \t"));
	}
	hw_notation_release(&event);
}

/* ---- header ---- */

static void read_proof(struct parser *p, const char *text)
{
	static const char *const kinds[] = { "rule", "scenario", "failure" };
	struct hw_trace *trace = p->trace;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!take_prefix(&text, kinds[i]))
			continue;
		struct hw_proof *items =
			grow(p, trace->proofs, &trace->proof_count, sizeof(*items));
		if (!items)
			return;
		trace->proofs = items;
		items[trace->proof_count - 1] = (struct hw_proof){ strdup(kinds[i]), strdup(text) };
		if (i == 0 &&
		    (!isdigit((unsigned char)*text) || (unsigned long)atol(text) > HW_RULES))
			complain(p, "there is no rule \"%s\"", text);
		return;
	}
	complain(p, "proves rule N, scenario NAME or failure NAME");
}

static void read_exclude(struct parser *p, const char *text)
{
	struct hw_trace *trace = p->trace;
	char **items = grow(p, trace->excludes, &trace->exclude_count, sizeof(*items));

	if (!items)
		return;
	trace->excludes = items;
	items[trace->exclude_count - 1] = strdup(text);
}

static void read_exception(struct parser *p, const char *text, bool only)
{
	struct hw_trace *trace = p->trace;
	size_t len = strcspn(text, " ");

	if (!len || !text[len]) {
		complain(p, "not-on and only-on take a pattern, as overlay*/polling, and a reason");
		return;
	}
	struct hw_exception *items =
		grow(p, trace->exceptions, &trace->exception_count, sizeof(*items));

	if (!items)
		return;
	trace->exceptions = items;
	items[trace->exception_count - 1] =
		(struct hw_exception){ only, strndup(text, len), strdup(text + len + 1) };
}

static void read_not_on(struct parser *p, const char *text)
{
	read_exception(p, text, false);
}

static void read_only_on(struct parser *p, const char *text)
{
	read_exception(p, text, true);
}

static void read_settle(struct parser *p, const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (end == text || (strcmp(end, "ms") && strcmp(end, "s")))
		complain(p, "settle takes a time, as 20ms or 1s");
	else
		p->trace->settle_ns = n * (*end == 'm' ? UINT64_C(1000000) : UINT64_C(1000000000));
}

static void read_requires(struct parser *p, const char *text)
{
	static const struct {
		const char *name;
		unsigned need;
	} names[] = {
		{ "chown", HW_TRACE_CHOWN },
		{ "mknod", HW_TRACE_MKNOD },
		{ "mount", HW_TRACE_MOUNT },
		{ "handles", HW_TRACE_HANDLES },
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t len = strlen(names[i].name);

		if (strncmp(text, names[i].name, len))
			continue;
		if (!text[len])
			p->trace->needs |= names[i].need;
		else if (!strcmp(text + len, "-for-polling"))
			p->trace->polling_needs |= names[i].need;
		else
			continue;
		return;
	}
	complain(p, "requires takes chown, mknod, mount or handles, and -for-polling after it");
}

static void read_no_burst(struct parser *p, const char *text)
{
	if (!*text || p->trace->no_burst)
		complain(p, "no-burst takes one reason");
	else
		p->trace->no_burst = strdup(text);
}

static void read_header(struct parser *p, const char *text)
{
	static const struct {
		const char *key;
		void (*read)(struct parser *p, const char *text);
	} keys[] = {
		{ "proves", read_proof },      { "exclude", read_exclude },
		{ "settle", read_settle },     { "requires", read_requires },
		{ "no-burst", read_no_burst }, { "not-on", read_not_on },
		{ "only-on", read_only_on },
	};

	for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (take_prefix(&text, keys[i].key)) {
			keys[i].read(p, text);
			return;
		}
	complain(p, "not a header line: %s", text);
}

/* ---- the file ---- */

static void begin_step(struct parser *p)
{
	struct hw_trace *trace = p->trace;
	struct hw_step *items = grow(p, trace->steps, &trace->step_count, sizeof(*items));

	if (items)
		trace->steps = items;
}

static void read_step_line(struct parser *p, const char *text)
{
	struct hw_trace *trace = p->trace;
	bool first = take_prefix(&text, ">");

	if (first) {
		begin_step(p);
		if (p->error == -ENOMEM)
			return;
	}
	struct hw_step *step = &trace->steps[trace->step_count - 1];
	if (first || take_prefix(&text, "+")) {
		if (step->events.count)
			complain(p, "operations stand before the events of their step");
		read_op(p, &step->ops, text);
		return;
	}
	read_event(p, &step->events, text);
}

static void read_line(struct parser *p, const char *text)
{
	struct hw_trace *trace = p->trace;

	text += strspn(text, " \t");
	if (!*text || *text == '#')
		return;
	if (!strcmp(text, "setup:") && p->section == HEADER) {
		p->section = SETUP;
		return;
	}
	if (!strcmp(text, "burst:") && p->section == STEPS && !trace->no_burst) {
		p->section = BURST;
		trace->has_burst = true;
		return;
	}
	if (*text == '>' && p->section <= STEPS)
		p->section = STEPS;
	switch (p->section) {
	case HEADER:
		read_header(p, text);
		break;
	case SETUP:
		read_op(p, &trace->setup, text);
		break;
	case STEPS:
		read_step_line(p, text);
		break;
	case BURST:
		read_event(p, &trace->burst, text);
		break;
	}
}

static void read_lines(struct parser *p, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while (p->error != -ENOMEM && (len = getline(&line, &size, in)) >= 0) {
		p->line++;
		while (len && isspace((unsigned char)line[len - 1]))
			line[--len] = '\0';
		if (len > (ssize_t)HW_TRACE_LINE_MAX || strlen(line) != (size_t)len)
			complain(p, "a line that is too long or holds NUL");
		else
			read_line(p, line);
	}
	free(line);
}

static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	return strndup(name, dot ? (size_t)(dot - name) : strlen(name));
}

int hw_trace_read(FILE *in, const char *path, struct hw_trace **ret)
{
	struct hw_trace *trace = calloc(1, sizeof(*trace));
	struct parser p = { .trace = trace };

	if (!trace)
		return -ENOMEM;
	trace->path = strdup(path);
	trace->name = name_of(path);
	if (!trace->path || !trace->name)
		p.error = -ENOMEM;
	else
		read_lines(&p, in);
	if (!p.error && !trace->step_count)
		complain(&p, "a trace without steps");
	if (!p.error && !trace->proof_count)
		complain(&p, "a trace says what it proves");
	if (p.error) {
		hw_trace_destroy(trace);
		return p.error;
	}
	*ret = trace;
	return 0;
}

int hw_trace_load(const char *path, struct hw_trace **ret)
{
	FILE *in = fopen(path, "re");

	if (!in)
		return -errno;
	int r = hw_trace_read(in, path, ret);

	(void)fclose(in); /* only read */
	return r;
}

static void release_ops(struct hw_ops *ops)
{
	for (size_t i = 0; i < ops->count; i++) {
		for (unsigned k = 0; k < ops->items[i].argc; k++)
			hw_bytes_release(&ops->items[i].args[k]);
		free(ops->items[i].text);
	}
	free(ops->items);
}

static void release_lines(struct hw_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->items[i].text);
	free(lines->items);
}

void hw_trace_destroy(struct hw_trace *trace)
{
	if (!trace)
		return;
	release_ops(&trace->setup);
	for (size_t i = 0; i < trace->step_count; i++) {
		release_ops(&trace->steps[i].ops);
		release_lines(&trace->steps[i].events);
	}
	free(trace->steps);
	release_lines(&trace->burst);
	for (size_t i = 0; i < trace->proof_count; i++) {
		free(trace->proofs[i].kind);
		free(trace->proofs[i].name);
	}
	free(trace->proofs);
	for (size_t i = 0; i < trace->exclude_count; i++)
		free(trace->excludes[i]);
	free(trace->excludes);
	for (size_t i = 0; i < trace->exception_count; i++) {
		free(trace->exceptions[i].pattern);
		free(trace->exceptions[i].reason);
	}
	free(trace->exceptions);
	free(trace->no_burst);
	free(trace->name);
	free(trace->path);
	free(trace);
}
