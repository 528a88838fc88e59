/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of options of every type: an accepted value is in the range, and is accepted again in its
 * printed form. */
#include "option.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hw_option options[] = {
	{ .key = "bool", .help = "h", .max = 1, .type = HW_OPTION_BOOL },
	{ .key = "number", .help = "h", .min = 3, .max = UINT64_MAX, .type = HW_OPTION_NUMBER },
	{ .key = "duration", .help = "h", .max = 86400 * HW_SEC, .type = HW_OPTION_DURATION },
	{ .key = "long", .help = "h", .max = UINT64_MAX, .type = HW_OPTION_DURATION },
	{ .key = "size", .help = "h", .min = 4096, .max = UINT64_MAX, .type = HW_OPTION_SIZE },
	{ .key = "string", .help = "h", .type = HW_OPTION_STRING },
	{ .key = "enum", .help = "h", .choices = "a|bc|d", .max = 2, .type = HW_OPTION_ENUM },
	{ .key = "list", .help = "h", .type = HW_OPTION_LIST },
};

static void check(const struct hw_option *option, const char *value)
{
	bool text = option->type == HW_OPTION_STRING || option->type == HW_OPTION_LIST;
	char why[HW_OPTION_TEXT_MAX] = "", printed[64];
	uint64_t number = 0, again = 0;

	if (hw_option_parse(option, value, &number, why) < 0) {
		assert(*why && strlen(why) < HW_OPTION_TEXT_MAX);
		for (const char *at = why; *at; at++)
			assert((unsigned char)*at >= ' ' && *at != 0x7f);
		return;
	}
	if (text || number == UINT64_MAX) /* printed as "any" */
		return;
	assert(number >= option->min && (option->type == HW_OPTION_ENUM || number <= option->max));
	hw_option_format(option, number, printed, sizeof(printed));
	assert(hw_option_parse(option, printed, &again, why) == 0);
	assert(again == number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *value = malloc(size + 1);

	assert(value);
	memcpy(value, data, size);
	value[size] = '\0';
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		check(&options[i], value);
	free(value);
	return 0;
}
