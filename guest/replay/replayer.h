/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that makes the system calls of events on the mount. */
#ifndef REPLAY_REPLAYER_H
#define REPLAY_REPLAYER_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#define HW_REPLAY_PATH_MAX PATH_MAX

enum hw_call {
	HW_CALL_MAKE, /* mknod, mkdir or symlink, by `mode` */
	HW_CALL_REMOVE, /* unlink or rmdir, by `mode` */
	HW_CALL_RENAME,
	HW_CALL_EXCHANGE,
	HW_CALL_MODIFY, /* sets the modification time */
	HW_CALL_ATTRIB, /* sets both times */
	HW_CALL_CLOSE, /* opens for writing and closes */
};

/* A directory on the mount. */
struct hw_place {
	uint64_t id; /* of the node as the kernel knows it; 0: the hidden directory */
	char path[HW_REPLAY_PATH_MAX]; /* below the mount, used if the kernel has dropped its name
					*/
	char name[NAME_MAX + 1]; /* in the directory */
};

struct hw_command {
	uint32_t call; /* enum hw_call */
	uint32_t mode; /* type of the object */
	struct hw_place from; /* the only one of a call with one name */
	struct hw_place to;
};

/* Serves commands from the socket until it is closed: each is answered by an int32_t, 0 or a
 * positive error number. Does not return. `at` is the mount. */
_Noreturn void hw_replayer_run(int commands, const char *at);

#endif
