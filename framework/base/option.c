/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "option.h"
#include "log.h"
#include "suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTED_MAX 200u /* bytes of a value shown in a message */
#define OPTION_COUNT_MAX 256u
#define KEY_MAX 48u
#define CHOICES_MAX 256u /* bytes of the list of choices that suggestions are taken from */
#define CHOICE_COUNT_MAX 32u

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit duration_units[] = {
	{ "h", 3600 * HW_SEC }, { "m", 60 * HW_SEC }, { "s", HW_SEC },
	{ "ms", HW_MS },        { "us", 1000 },       { NULL, 0 },
};
static const struct unit size_units[] = {
	{ "T", UINT64_C(1) << 40 },
	{ "G", UINT64_C(1) << 30 },
	{ "M", UINT64_C(1) << 20 },
	{ "K", UINT64_C(1) << 10 },
	{ "", 1 },
	{ NULL, 0 },
};
static const struct unit plain_units[] = { { "", 1 }, { NULL, 0 } };
/* The unit of a duration without a suffix. */
static const struct unit second_units[] = { { "", HW_SEC }, { NULL, 0 } };

static const struct {
	const char *name;
	const char *example;
	const struct unit *units; /* NULL: not a number */
	size_t width; /* bytes of the field */
} types[] = {
	[HW_OPTION_BOOL] = { "yes or no", NULL, NULL, sizeof(uint32_t) },
	[HW_OPTION_NUMBER] = { "number", "like 100", plain_units, sizeof(uint64_t) },
	[HW_OPTION_DURATION] = { "duration", "like 50ms, 1s or 2m", duration_units,
				 sizeof(uint64_t) },
	[HW_OPTION_SIZE] = { "size", "like 4096, 64K or 16M", size_units, sizeof(uint64_t) },
	[HW_OPTION_STRING] = { "text", NULL, NULL, sizeof(char *) },
	[HW_OPTION_ENUM] = { "choice", NULL, NULL, sizeof(uint32_t) },
	[HW_OPTION_LIST] = { "text, may be repeated", NULL, NULL, sizeof(char *) },
};
#define TYPE_END (sizeof(types) / sizeof(types[0]))

static bool is_text(const struct hw_option *option)
{
	return option->type == HW_OPTION_STRING || option->type == HW_OPTION_LIST;
}

/* ---- one value ---- */

static int parse_bool(const char *value, uint64_t *ret)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(value, words[i]) == 0) {
			*ret = i & 1;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_enum(const char *choices, const char *value, uint64_t *ret)
{
	size_t len = strlen(value);
	uint64_t index = 0;

	for (const char *at = choices; at; index++) {
		const char *end = strchrnul(at, '|');

		if ((size_t)(end - at) == len && memcmp(at, value, len) == 0) {
			*ret = index;
			return 0;
		}
		at = *end ? end + 1 : NULL;
	}
	return -EINVAL;
}

/* Accepts digits and one of the units, without sign or space. Returns -ERANGE if 64 bits are
 * exceeded. */
static int parse_number(const struct unit *unit, const char *value, uint64_t *ret)
{
	const char *at = value;
	uint64_t number = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return -ERANGE;
	}
	if (at == value)
		return -EINVAL;
	for (; unit->suffix; unit++) {
		if (strcmp(at, unit->suffix) != 0)
			continue;
		return __builtin_mul_overflow(number, unit->factor, ret) ? -ERANGE : 0;
	}
	return -EINVAL;
}

/* A duration without a unit is in seconds. */
static const struct unit *units_of(const struct hw_option *option, const char *value)
{
	bool bare = value[strspn(value, "0123456789")] == '\0';

	return option->type == HW_OPTION_DURATION && bare ? second_units
							  : types[option->type].units;
}

/* Writes the choice that was probably meant to buf. Returns false if no choice is similar. */
static bool suggest_choice(const char *choices, const char *value, char buf[CHOICES_MAX])
{
	const char *words[CHOICE_COUNT_MAX], *meant;
	size_t count = 0;
	char *rest = NULL;

	(void)snprintf(buf, CHOICES_MAX, "%s", choices);
	for (char *word = strtok_r(buf, "|", &rest); word && count < CHOICE_COUNT_MAX;
	     word = strtok_r(NULL, "|", &rest))
		words[count++] = word;
	meant = hw_suggest(value, words, count);
	if (meant)
		memmove(buf, meant, strlen(meant) + 1);
	return meant;
}

static void explain_choice(const struct hw_option *option, const char *value, const char *quoted,
			   char *why)
{
	const char *choices = option->type == HW_OPTION_BOOL ? "yes|no" : option->choices;
	const char *text = choices;
	char meant[CHOICES_MAX];
	size_t used = (size_t)snprintf(why, HW_OPTION_TEXT_MAX, "%s is not one of ", quoted);

	for (; *text && used + 3 < HW_OPTION_TEXT_MAX; text++) {
		if (*text == '|') {
			why[used++] = ',';
			why[used++] = ' ';
		} else {
			why[used++] = *text;
		}
	}
	why[used] = '\0';
	if (suggest_choice(choices, value, meant))
		(void)snprintf(why + used, HW_OPTION_TEXT_MAX - used, "; did you mean %s?", meant);
}

static void explain_range(const struct hw_option *option, const char *quoted, char *why)
{
	char lo[32], hi[32];

	(void)snprintf(why, HW_OPTION_TEXT_MAX, "%s is out of range (%s to %s)", quoted,
		       hw_option_format(option, option->min, lo, sizeof(lo)),
		       hw_option_format(option, option->max, hi, sizeof(hi)));
}

int hw_option_parse(const struct hw_option *option, const char *value, uint64_t *ret,
		    char why[HW_OPTION_TEXT_MAX])
{
	char quoted[QUOTED_MAX];
	uint64_t number = 0;
	int r;

	hw_quote(quoted, sizeof(quoted), value, strlen(value));
	if (is_text(option)) {
		if (!strchr(value, '\n'))
			return 0;
		(void)snprintf(why, HW_OPTION_TEXT_MAX, "%s contains a newline", quoted);
		return -EINVAL;
	}
	if (option->type == HW_OPTION_BOOL || option->type == HW_OPTION_ENUM) {
		r = option->type == HW_OPTION_BOOL ? parse_bool(value, &number)
						   : parse_enum(option->choices, value, &number);
		if (r < 0)
			explain_choice(option, value, quoted, why);
	} else {
		r = parse_number(units_of(option, value), value, &number);
		if (r == 0 && (number < option->min || number > option->max))
			r = -ERANGE;
		if (r == -EINVAL)
			(void)snprintf(why, HW_OPTION_TEXT_MAX, "%s is not a %s (%s)", quoted,
				       types[option->type].name, types[option->type].example);
		else if (r == -ERANGE)
			explain_range(option, quoted, why);
	}
	if (r < 0)
		return -EINVAL;
	*ret = number;
	return 0;
}

/* ---- text for people ---- */

const char *hw_option_describe(const struct hw_option *option, char *buf, size_t size)
{
	char lo[32], hi[32];

	if (option->type == HW_OPTION_ENUM)
		(void)snprintf(buf, size, "%s", option->choices);
	else if (types[option->type].units)
		(void)snprintf(buf, size, "%s, %s to %s", types[option->type].name,
			       hw_option_format(option, option->min, lo, sizeof(lo)),
			       hw_option_format(option, option->max, hi, sizeof(hi)));
	else
		(void)snprintf(buf, size, "%s", types[option->type].name);
	return buf;
}

static void format_choice(const char *choices, uint64_t index, char *buf, size_t size)
{
	const char *end;

	for (; index > 0 && *choices; index--) {
		choices = strchrnul(choices, '|');
		choices += *choices == '|';
	}
	end = strchrnul(choices, '|');
	(void)snprintf(buf, size, "%.*s", (int)(end - choices), choices);
}

const char *hw_option_format(const struct hw_option *option, uint64_t number, char *buf,
			     size_t size)
{
	const struct unit *unit = types[option->type].units;

	if (option->type == HW_OPTION_BOOL) {
		(void)snprintf(buf, size, "%s", number ? "yes" : "no");
	} else if (option->type == HW_OPTION_ENUM) {
		format_choice(option->choices, number, buf, size);
	} else if (!unit) {
		(void)snprintf(buf, size, "%" PRIu64, number);
	} else if (number == UINT64_MAX) {
		(void)snprintf(buf, size, "any");
	} else {
		/* Uses the largest unit that divides the number, else the smallest one. */
		while (unit[1].suffix && (number % unit->factor != 0 || number == 0))
			unit++;
		(void)snprintf(buf, size, "%" PRIu64 "%s", number / unit->factor, unit->suffix);
	}
	return buf;
}

/* ---- tables ---- */

const struct hw_option *hw_option_find(const struct hw_option_table *table, const char *key)
{
	for (size_t i = 0; i < table->count; i++) {
		if (strcmp(table->options[i]->key, key) == 0)
			return table->options[i];
	}
	return NULL;
}

const char *hw_option_suggest(const struct hw_option_table *table, const char *key)
{
	const char *keys[OPTION_COUNT_MAX];

	for (size_t i = 0; i < table->count; i++)
		keys[i] = table->options[i]->key;
	return hw_suggest(key, keys, table->count);
}

static bool key_is_sound(const char *key)
{
	size_t len = key ? strspn(key, "abcdefghijklmnopqrstuvwxyz_") : 0;

	return len > 0 && len <= KEY_MAX && key[len] == '\0';
}

static const char *option_fault(const struct hw_option *option, size_t instance_size)
{
	char why[HW_OPTION_TEXT_MAX];
	uint64_t ignored;
	size_t width;

	if (option->type == 0 || option->type >= TYPE_END)
		return "has an unknown type";
	width = types[option->type].width;
	if (option->offset % width != 0 || option->offset > instance_size ||
	    instance_size - option->offset < width)
		return "has an offset that is misaligned or outside the instance";
	if (option->flags & ~(HW_OPTION_REQUIRED | HW_OPTION_SHARE | HW_OPTION_ADDRESS))
		return "has unknown flags";
	if ((option->flags & HW_OPTION_SHARE) && option->type != HW_OPTION_STRING)
		return "names a share but is not a string";
	if ((option->flags & HW_OPTION_ADDRESS) && !is_text(option))
		return "is an address but not a text";
	if (!option->help)
		return "has no help";
	if (option->type == HW_OPTION_ENUM && (!option->choices || !*option->choices))
		return "has no choices";
	if (option->min > option->max)
		return "has an empty range";
	if ((option->flags & HW_OPTION_REQUIRED) && option->value)
		return "is required but has a default";
	if (option->value && hw_option_parse(option, option->value, &ignored, why) < 0)
		return "has a default that it does not accept";
	return NULL;
}

int hw_option_check_table(const struct hw_option_table *table, size_t instance_size,
			  char why[HW_OPTION_TEXT_MAX])
{
	if (table->count > OPTION_COUNT_MAX || (table->count && !table->options)) {
		(void)snprintf(why, HW_OPTION_TEXT_MAX, "invalid option table of %zu options",
			       table->count);
		return -EINVAL;
	}
	for (size_t i = 0; i < table->count; i++) {
		const struct hw_option *option = table->options[i];
		const struct hw_option_table before = { table->options, i };
		const char *fault;

		if (!option || !key_is_sound(option->key)) {
			(void)snprintf(why, HW_OPTION_TEXT_MAX, "option %zu has no valid key", i);
			return -EINVAL;
		}
		fault = hw_option_find(&before, option->key) ? "is defined twice"
							     : option_fault(option, instance_size);
		if (fault) {
			(void)snprintf(why, HW_OPTION_TEXT_MAX, "option %s %s", option->key, fault);
			return -EINVAL;
		}
	}
	return 0;
}

/* ---- applying settings ---- */

struct apply {
	const struct hw_option_table *table;
	char *self;
	const struct hw_setting *settings;
	size_t count;
	hw_option_mistake_fn *mistake;
	void *arg;
	char *at; /* the free end of the strings */
	bool bad;
};

static void tell(struct apply *apply, const struct hw_setting *setting, const char *key,
		 const char *text)
{
	char line[HW_OPTION_TEXT_MAX + KEY_MAX + 8];

	(void)snprintf(line, sizeof(line), "%.*s: %s", (int)KEY_MAX, key, text);
	apply->mistake(apply->arg, setting, line);
	apply->bad = true;
}

static void store_number(const struct hw_option *option, char *self, uint64_t number)
{
	char *field = self + option->offset;

	if (types[option->type].width == sizeof(uint32_t))
		*(uint32_t *)(void *)field = (uint32_t)number;
	else
		*(uint64_t *)(void *)field = number;
}

/* Further values of a list directly follow its first one, because the settings of an option are
 * walked together. */
static void store_text(struct apply *apply, const struct hw_option *option, const char *value)
{
	const char **field = (const char **)(void *)(apply->self + option->offset);
	size_t size = strlen(value) + 1;

	if (*field)
		apply->at[-1] = '\n';
	else
		*field = apply->at;
	memcpy(apply->at, value, size);
	apply->at += size;
}

static void apply_setting(struct apply *apply, const struct hw_option *option,
			  const struct hw_setting *setting, bool further)
{
	char why[HW_OPTION_TEXT_MAX];
	uint64_t number = 0;

	if (further && option->type != HW_OPTION_LIST) {
		tell(apply, setting, option->key, "set more than once");
		return;
	}
	if ((option->flags & HW_OPTION_REQUIRED) && !*setting->value) {
		tell(apply, setting, option->key, "must not be empty");
		return;
	}
	if (hw_option_parse(option, setting->value, &number, why) < 0)
		tell(apply, setting, option->key, why);
	else if (is_text(option))
		store_text(apply, option, setting->value);
	else
		store_number(option, apply->self, number);
}

static void apply_option(struct apply *apply, const struct hw_option *option)
{
	const struct hw_setting by_default = { option->key, option->value };
	bool given = false;

	for (size_t i = 0; i < apply->count; i++) {
		if (strcmp(apply->settings[i].key, option->key) != 0)
			continue;
		apply_setting(apply, option, &apply->settings[i], given);
		given = true;
	}
	if (given)
		return;
	if (option->value)
		apply_setting(apply, option, &by_default, false);
	else if (option->flags & HW_OPTION_REQUIRED)
		tell(apply, NULL, option->key, "required, but not set");
}

static void tell_unknown(struct apply *apply)
{
	for (size_t i = 0; i < apply->count; i++) {
		const struct hw_setting *setting = &apply->settings[i];
		char text[HW_OPTION_TEXT_MAX], quoted[QUOTED_MAX];
		const char *meant;

		if (hw_option_find(apply->table, setting->key))
			continue;
		meant = hw_option_suggest(apply->table, setting->key);
		(void)snprintf(text, sizeof(text), "unknown key %s%s%s%s",
			       hw_quote(quoted, sizeof(quoted), setting->key, strlen(setting->key)),
			       meant ? ", did you mean \"" : "", meant ? meant : "",
			       meant ? "\"?" : "");
		apply->mistake(apply->arg, setting, text);
		apply->bad = true;
	}
}

static size_t strings_size(const struct hw_option_table *table, const struct hw_setting *settings,
			   size_t count)
{
	size_t size = 1;

	for (size_t i = 0; i < count; i++)
		size += strlen(settings[i].value) + 1;
	for (size_t i = 0; i < table->count; i++) {
		if (table->options[i]->value)
			size += strlen(table->options[i]->value) + 1;
	}
	return size;
}

static void forget_texts(const struct hw_option_table *table, char *self)
{
	for (size_t i = 0; i < table->count; i++) {
		if (is_text(table->options[i]))
			*(const char **)(void *)(self + table->options[i]->offset) = NULL;
	}
}

int hw_option_apply(const struct hw_option_table *table, void *self,
		    const struct hw_setting *settings, size_t count, hw_option_mistake_fn *mistake,
		    void *arg, char **ret_strings)
{
	char *strings = malloc(strings_size(table, settings, count));
	struct apply apply = {
		.table = table,
		.self = self,
		.settings = settings,
		.count = count,
		.mistake = mistake,
		.arg = arg,
		.at = strings,
	};

	if (!strings)
		return -ENOMEM;
	tell_unknown(&apply);
	for (size_t i = 0; i < table->count; i++)
		apply_option(&apply, table->options[i]);
	if (apply.bad) {
		forget_texts(table, self);
		free(strings);
		return -EINVAL;
	}
	*ret_strings = strings;
	return 0;
}
