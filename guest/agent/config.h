/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration of the agent, with one section per mount: see hostwatch-guest(8). */
#ifndef GUEST_CONFIG_H
#define GUEST_CONFIG_H

#include "channel.h"
#include <hostwatch/auth.h>
#include <hostwatch/plugin.h>
#include <stdint.h>
#include <stdio.h>

struct hw_errors;

#define HW_GUEST_CONFIG "/etc/hostwatch/guest.conf"
#define HW_GUEST_STATE "/run/hostwatch-guest/state"
#define HW_GUEST_MOUNTS_MAX 64u
#define HW_GUEST_COMPARE_MEMORY (UINT64_C(64) << 20) /* default of compare_memory */

enum hw_inject_kind {
	HW_INJECT_MODULE,
	HW_INJECT_TOUCH,
	HW_INJECT_PRINT,
	HW_INJECT_REPLAY,
	HW_INJECT_AUTO
};

/* Strings are owned by the configuration. */
struct hw_mount {
	const char *name; /* name of the section */
	const char *path; /* mount point; NULL is valid only if events are printed */
	const char
		*at; /* with HW_INJECT_REPLAY and HW_INJECT_AUTO: mount point of the passthrough */
	const char *share; /* the requested share; NULL: the one that the channel carries */
	const char *channel_text;
	const char *secret_path; /* NULL: the host needs no proof and gives none */
	struct hw_secret *secret; /* owned by the configuration */
	uint32_t inject; /* enum hw_inject_kind */
	uint32_t any_port;
	uint64_t notify_code;
	uint64_t compare_memory; /* bytes; 0: differences are not reported after a rescan */
	char *known_path; /* owned by the agent: known_file.h; NULL: nothing is kept */
	struct channel channel;
	struct hw_mount *next; /* borrowed: the next mount on the same channel; NULL: none */
	bool follows; /* is such a next mount: an earlier one has the connection */
};

struct hw_guest_config {
	const char *state; /* path of the state file, "" if there is none */
	uint32_t log_level; /* enum hw_log_level */
	struct hw_mount mounts[HW_GUEST_MOUNTS_MAX];
	size_t count;
	char *strings[HW_GUEST_MOUNTS_MAX + 1]; /* owned */
	char *names[HW_GUEST_MOUNTS_MAX]; /* owned */
};

/*
 * Reads the file. `any_path`: no kernel object is used, so that a mount needs no path. Adds all
 * mistakes to `errors` as "NAME:LINE: text" and returns -EINVAL. Also returns -EIO, -ENOMEM. *ret
 * is always filled; the caller frees it.
 */
int hw_guest_config_read(FILE *file, const char *name, bool any_path, struct hw_errors *errors,
			 struct hw_guest_config *ret);
/* Creates one mount from the command line, called "main"; its strings are borrowed. -EINVAL: the
 * value of *ret_option is invalid for the reason *ret_why, both static. -ENOMEM. */
int hw_guest_config_single(const struct hw_mount *mount, struct hw_guest_config *ret,
			   const char **ret_option, const char **ret_why);
void hw_guest_config_free(struct hw_guest_config *config);

#endif
