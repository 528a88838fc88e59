/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "address_arg.h"
#include "defaults.h"

#include <errno.h>
#include <string.h>

int hw_address_arg(const char *text, struct hw_address *ret, const char **ret_error)
{
	char dir[HW_DEFAULT_PATH_MAX], expanded[2 * HW_ADDRESS_TEXT_MAX];
	size_t len = strlen(text);

	if (hw_address_expand(text, len, NULL, NULL, 0) == 0)
		return hw_address_parse(text, len, ret, ret_error);
	if (hw_default_runtime_dir(dir) < 0) {
		*ret_error = "a relative path needs XDG_RUNTIME_DIR, which is not set";
		return -EINVAL;
	}
	if (hw_address_expand(text, len, dir, expanded, sizeof(expanded)) < 0) {
		*ret_error = "unix: the path is longer than 107 bytes";
		return -EINVAL;
	}
	return hw_address_parse(expanded, strlen(expanded), ret, ret_error);
}
