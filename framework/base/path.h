/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef HW_PATH_H
#define HW_PATH_H

/* Puts the working directory before a relative path; resolves nothing. The caller frees it. NULL
 * with errno: no memory, or the working directory is gone. */
char *hw_path_make_absolute(const char *path);

#endif
