/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads an INI file into sections of key = value, each with its line number. Does not interpret
 * them. */
#ifndef HW_INIFILE_H
#define HW_INIFILE_H

#include "errors.h"
#include "option.h"
#include <stdio.h>

#define HW_INI_LINE_MAX 4096u /* bytes of a line without its newline; longer ones are refused */
#define HW_INI_FILE_MAX (1u << 20) /* bytes of a file */
#define HW_INI_SECTIONS_MAX 1024u
#define HW_INI_NAME_MAX 64u

/* [kind] or [kind name] */
struct hw_ini_section {
	char *kind; /* owned */
	char *name; /* owned: "" if there is no name, else [A-Za-z0-9._-]{1,64} */
	unsigned line; /* of the header */
	struct hw_setting *settings; /* owned, with their strings, in the order of the file */
	unsigned *lines; /* owned: line number of each setting */
	size_t count;
};

struct hw_ini {
	struct hw_ini_section *sections; /* owned */
	size_t count;
};

/*
 * Reads the whole stream. Lines that begin with # or ; are comments; a comment cannot follow a
 * value. Every mistake is added to `errors` as "NAME:LINE: text". *ret is always filled, so that
 * the valid part can also be checked; the caller frees it. Returns -EINVAL if there was a mistake,
 * -EIO, or -ENOMEM.
 */
int hw_ini_read(FILE *file, const char *name, struct hw_errors *errors, struct hw_ini *ret);
void hw_ini_free(struct hw_ini *ini);

#endif
