/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shares that a sink serves: `shares`, and plugin options that name one share. */
#include "config.h"
#include "config_private.h"
#include "log.h"
#include "suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN_MAX 8u /* in one message */
#define NAMES_BYTES 640u

/* Names of shares, for messages. */
struct names {
	const char **list; /* owned array of borrowed strings */
	size_t count;
};

bool hw_config_sink_serves(const struct hw_config_plugin *sink, const char *share)
{
	const char *at = sink->shares;
	size_t len = strlen(share);

	if (!at)
		return true;
	while (*(at += strspn(at, HW_CONFIG_SEPARATORS))) {
		size_t at_len = strcspn(at, HW_CONFIG_SEPARATORS);

		if ((at_len == len && memcmp(at, share, len) == 0) || (at_len == 1 && *at == '*'))
			return true;
		at += at_len;
	}
	return false;
}

/* Lists the shares that the sink serves, or all configured shares if sink is NULL. */
static int list_names(const struct hw_config *config, const struct hw_config_plugin *sink,
		      struct names *ret)
{
	*ret = (struct names){ .list = calloc(config->share_count + 1, sizeof(*ret->list)) };
	if (!ret->list)
		return -ENOMEM;
	for (size_t i = 0; i < config->share_count; i++) {
		const char *name = config->shares[i].name;

		if (!sink || hw_config_sink_serves(sink, name))
			ret->list[ret->count++] = name;
	}
	return 0;
}

static bool has_name(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->list[i], name) == 0)
			return true;
	}
	return false;
}

/* "a, b, c", or "a, b and 7 more". */
static const char *join_names(const struct names *names, char text[NAMES_BYTES])
{
	size_t shown = names->count > NAMES_SHOWN_MAX ? NAMES_SHOWN_MAX : names->count, len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < shown && len < NAMES_BYTES; i++)
		len += (size_t)snprintf(text + len, NAMES_BYTES - len, "%s%s", i ? ", " : "",
					names->list[i]);
	if (names->count > shown && len < NAMES_BYTES)
		(void)snprintf(text + len, NAMES_BYTES - len, " and %zu more",
			       names->count - shown);
	return text;
}

/* One sink that is being checked. Everything except the lists of names is borrowed. */
struct sink_check {
	struct hw_config_checker *checker;
	struct hw_config_plugin *sink;
	struct names all, served;
};

/* Adds the name that was probably meant, or all names. */
static void report_unknown_share(const struct sink_check *check, unsigned line, const char *subject,
				 const char *name)
{
	const char *meant = hw_suggest(name, check->all.list, check->all.count);
	char quoted[HW_CONFIG_QUOTED_MAX], text[NAMES_BYTES];

	(void)hw_quote(quoted, sizeof(quoted), name, strlen(name));
	if (meant)
		hw_config_mistake(check->checker, line,
				  "[sink %s] %s: there is no share %s, did you mean \"%s\"?",
				  check->sink->name, subject, quoted, meant);
	else
		hw_config_mistake(check->checker, line,
				  "[sink %s] %s: there is no share %s; the shares are: %s",
				  check->sink->name, subject, quoted,
				  check->all.count ? join_names(&check->all, text) : "none");
}

static int check_shares(const struct sink_check *check)
{
	const char *at = check->sink->shares ? check->sink->shares : "";

	while (*(at += strspn(at, HW_CONFIG_SEPARATORS))) {
		size_t len = strcspn(at, HW_CONFIG_SEPARATORS);
		char *name = strndup(at, len);

		if (!name)
			return -ENOMEM;
		if (!has_name(&check->all, name) && strcmp(name, "*") != 0)
			report_unknown_share(check, check->sink->shares_line, "shares", name);
		free(name);
		at += len;
	}
	return 0;
}

/* Returns the value of a key, NULL if it is not set, and its line or that of the section. */
static const char *value_of(const struct hw_config_plugin *sink, const char *key,
			    unsigned *ret_line)
{
	*ret_line = sink->line;
	for (size_t i = 0; i < sink->count; i++) {
		if (strcmp(sink->settings[i].key, key) == 0) {
			*ret_line = sink->lines[i];
			return sink->settings[i].value;
		}
	}
	return NULL;
}

/* Checks an option that names the share to carry: the sink must serve that share. The option may be
 * omitted if there is only one. */
static void check_share_option(const struct sink_check *check, const char *key)
{
	const struct hw_config_plugin *sink = check->sink;
	char text[NAMES_BYTES];
	unsigned line;
	const char *value = value_of(sink, key, &line);

	if (!value && check->served.count > 1)
		hw_config_mistake(check->checker, line,
				  "[sink %s] this sink carries one share of %zu: add \"%s = NAME\" "
				  "with one of: %s",
				  sink->name, check->served.count, key,
				  join_names(&check->served, text));
	else if (value && !has_name(&check->all, value))
		report_unknown_share(check, line, key, value);
	else if (value && !has_name(&check->served, value))
		hw_config_mistake(check->checker, line,
				  "[sink %s] %s: \"shares\" on line %u leaves out \"%s\": add it "
				  "there",
				  sink->name, key, sink->shares_line, value);
}

static int check_share_options(const struct sink_check *check)
{
	const struct hw_plugin *plugin = &check->sink->module->plugin;
	int r = 0;

	for (uint32_t i = 0; i < plugin->option_count && r == 0; i++) {
		const struct hw_option *option = plugin->options[i];
		size_t before = check->checker->errors->total;

		if (!(option->flags & HW_OPTION_SHARE) ||
		    hw_config_is_unknown(check->sink, option->key))
			continue;
		check_share_option(check, option->key);
		if (check->checker->errors->total > before)
			r = hw_config_unknown(check->sink, option->key);
	}
	return r;
}

static int check_sink(struct sink_check *check)
{
	size_t before = check->checker->errors->total;
	int r = list_names(check->checker->config, NULL, &check->all);

	if (r == 0)
		r = list_names(check->checker->config, check->sink, &check->served);
	if (r == 0)
		r = check_shares(check);
	if (r < 0)
		return r;
	if (check->checker->errors->total == before)
		return check->sink->module ? check_share_options(check) : 0;
	r = hw_config_unknown(check->sink, "share");
	return r < 0 ? r : hw_config_unknown(check->sink, "shares");
}

void hw_config_check_sink(struct hw_config_checker *checker, struct hw_config_plugin *sink)
{
	struct sink_check check = { .checker = checker, .sink = sink };
	int r = check_sink(&check);

	if (r < 0)
		checker->error = r;
	free(check.all.list);
	free(check.served.list);
}
