/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Default paths. Those of root are the system's, those of other users are below their XDG
 * directories. No state, any thread. */
#ifndef HW_DEFAULTS_H
#define HW_DEFAULTS_H

#define HW_DEFAULT_PATH_MAX 512u

#define HW_SYSTEM_CONFIG "/etc/hostwatch/hostwatch.conf"
#define HW_SYSTEM_RUNTIME_DIR "/run/hostwatch"
#define HW_SYSTEM_CONTROL HW_SYSTEM_RUNTIME_DIR "/control.sock"

/*
 * The directory of sockets: /run/hostwatch of root; of other users $XDG_RUNTIME_DIR/hostwatch, or
 * else the first directory of $RUNTIME_DIRECTORY, which systemd.exec(5) sets for services with
 * User=. -ENOENT when neither is an absolute path, -ENAMETOOLONG.
 */
int hw_default_runtime_dir(char buf[HW_DEFAULT_PATH_MAX]);
/* The control socket: control.sock in that directory. The same errors. */
int hw_default_control(char buf[HW_DEFAULT_PATH_MAX]);
/*
 * The configuration: of root /etc/hostwatch/hostwatch.conf; of other users
 * $XDG_CONFIG_HOME/hostwatch/hostwatch.conf, with $HOME/.config for an $XDG_CONFIG_HOME that is not
 * set. The same errors.
 */
int hw_default_config(char buf[HW_DEFAULT_PATH_MAX]);

/* Makes the directory of sockets unless it exists; that of root with mode 0755, since sockets in it
 * have modes of their own, that of another user with 0700. -EACCES and the like; -EPERM for
 * one that another user could change. */
int hw_default_make_runtime_dir(const char *path);

#endif
