/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A shared object that is not a plugin. */
int nothing_at_all(void);

__attribute__((visibility("default"))) int nothing_at_all(void)
{
	return 0;
}
