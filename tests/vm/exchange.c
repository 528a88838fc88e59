/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exchange A B: exchanges the two names atomically. */
#include <fcntl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) < 0) {
		perror("exchange");
		return 1;
	}
	return 0;
}
