/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The subcommands of `hostwatch`, one file each. */
#ifndef HW_TOOL_H
#define HW_TOOL_H

#include "args.h"

/* Their command lines: program is "hostwatch NAME". */
extern const struct hw_command_line tool_bench_line;
extern const struct hw_command_line tool_check_line;
extern const struct hw_command_line tool_demo_line;
extern const struct hw_command_line tool_explain_line;
extern const struct hw_command_line tool_guest_sim_line;
extern const struct hw_command_line tool_metrics_line;
extern const struct hw_command_line tool_new_plugin_line;
extern const struct hw_command_line tool_plugin_check_line; /* in plugin-check/ */
extern const struct hw_command_line tool_plugins_line;
extern const struct hw_command_line tool_reload_line;
extern const struct hw_command_line tool_git_fsmonitor_line;
extern const struct hw_command_line tool_since_line;
extern const struct hw_command_line tool_status_line;
extern const struct hw_command_line tool_switch_line;
extern const struct hw_command_line tool_sync_line;
extern const struct hw_command_line tool_tail_line;
extern const struct hw_command_line tool_watch_line;

/* Each function is called with argv[0] = "hostwatch NAME" and returns an exit status. */
int tool_bench(int argc, char **argv);
int tool_check(int argc, char **argv);
int tool_demo(int argc, char **argv);
int tool_explain(int argc, char **argv);
int tool_guest_sim(int argc, char **argv);
int tool_metrics(int argc, char **argv);
int tool_new_plugin(int argc, char **argv);
int tool_plugin_check(int argc, char **argv);
int tool_plugins(int argc, char **argv);
int tool_reload(int argc, char **argv);
int tool_git_fsmonitor(int argc, char **argv);
int tool_since(int argc, char **argv);
int tool_status(int argc, char **argv);
int tool_switch(int argc, char **argv);
int tool_sync(int argc, char **argv);
int tool_tail(int argc, char **argv);
int tool_watch(int argc, char **argv);

#endif
