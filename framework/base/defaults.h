/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Default paths: the system's for root; below the XDG directories for other users. Loop
 * thread only. */
#ifndef HW_DEFAULTS_H
#define HW_DEFAULTS_H

#include <sys/types.h>

#define HW_DEFAULT_PATH_MAX 512u

#define HW_SYSTEM_CONFIG "/etc/hostwatch/hostwatch.conf"
#define HW_SYSTEM_RUNTIME_DIR "/run/hostwatch"
#define HW_SYSTEM_CONTROL HW_SYSTEM_RUNTIME_DIR "/control.sock"

/*
 * The directory of sockets: /run/hostwatch for root; for other users $XDG_RUNTIME_DIR/hostwatch, or
 * else the first directory of $RUNTIME_DIRECTORY, which systemd.exec(5) sets for services with
 * User=. Returns -ENOENT if neither is an absolute path, or -ENAMETOOLONG.
 */
int hw_default_runtime_dir(char buf[HW_DEFAULT_PATH_MAX]);
/* The control socket: control.sock in that directory. Errors as above. */
int hw_default_control(char buf[HW_DEFAULT_PATH_MAX]);
/*
 * The configuration: /etc/hostwatch/hostwatch.conf for root; for other users
 * $XDG_CONFIG_HOME/hostwatch/hostwatch.conf, where $HOME/.config replaces an unset
 * $XDG_CONFIG_HOME. Errors as above.
 */
int hw_default_config(char buf[HW_DEFAULT_PATH_MAX]);

/* Called by a daemon of root that will become this user: later calls return the paths of root, and
 * the directory of sockets is given to the user. */
void hw_default_set_owner(uid_t uid, gid_t gid);

/* Creates the directory of sockets if it does not exist: with mode 0755 for root, because its
 * sockets have their own modes; with 0700 for another user. Returns -EACCES and the like, or -EPERM
 * if another user could change the directory. */
int hw_default_make_runtime_dir(const char *path);

/* The directory of states that `configured` means: NULL is the first directory of $STATE_DIRECTORY,
 * as systemd.exec(5) sets it. -ENOENT: no state is kept; -ENAMETOOLONG. */
int hw_default_state_dir(const char *configured, char buf[HW_DEFAULT_PATH_MAX]);
/* The directory of the logs that belong to these states. NULL: below the directory of sockets,
 * which is in memory. Errors as above. */
int hw_default_log_dir(const char *configured, const char *state_dir,
		       char buf[HW_DEFAULT_PATH_MAX]);
/* Creates a directory of mode 0700 for the user of the daemon if it does not exist. Errors as
 * above. */
int hw_default_make_private_dir(const char *path);

#endif
