/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arguments.h"

#include <hostwatch/protocol.h>

#define FIELD(member) .offset = offsetof(struct hw_arguments, member)

static const struct hw_arg args_of_agent[] = {
	{ .name = "config",
	  .letter = 'c',
	  .type = HW_ARG_TEXT,
	  .value = "FILE",
	  .help = "The configuration (" HW_GUEST_CONFIG ").",
	  FIELD(config),
	  .complete = HW_COMPLETE_FILE },
	{ .name = "check",
	  .letter = 'n',
	  .type = HW_ARG_FLAG,
	  .help = "Read the configuration, print its mistakes, and exit.",
	  FIELD(check) },
	{ .name = "channel",
	  .letter = 'C',
	  .type = HW_ARG_TEXT,
	  .value = "CHANNEL",
	  .help = "Read no configuration: one mount, whose events come from this channel.",
	  FIELD(mount.channel_text) },
	{ .name = "mount",
	  .letter = 'm',
	  .type = HW_ARG_TEXT,
	  .value = "PATH",
	  .help = "With --channel: where the share is mounted.",
	  FIELD(mount.path),
	  .complete = HW_COMPLETE_DIR },
	{ .name = "inject",
	  .letter = 'i',
	  .type = HW_ARG_CHOICE,
	  .value = "HOW",
	  .help = "With --channel: how programs here get the events: module, replay, touch, "
		  "print or auto (module).",
	  FIELD(inject),
	  .choices = "module|touch|print|replay|auto" },
	{ .name = "at",
	  .type = HW_ARG_TEXT,
	  .value = "PATH",
	  .help = "With --inject replay or auto: the directory that programs use in place of PATH.",
	  FIELD(mount.at),
	  .complete = HW_COMPLETE_DIR },
	{ .name = "share",
	  .letter = 's',
	  .type = HW_ARG_TEXT,
	  .value = "NAME",
	  .help = "With --channel: ask the host for this share.",
	  FIELD(mount.share) },
	{ .name = "secret",
	  .type = HW_ARG_TEXT,
	  .value = "FILE",
	  .help = "The file of the secret; the other end must prove that it has the same one.",
	  FIELD(mount.secret_path),
	  .complete = HW_COMPLETE_FILE },
	{ .name = "state",
	  .letter = 'S',
	  .type = HW_ARG_TEXT,
	  .value = "FILE",
	  .help = "File that keeps the number of the last event (" HW_GUEST_STATE ").",
	  FIELD(state),
	  .complete = HW_COMPLETE_FILE },
	{ .name = "print",
	  .letter = 'p',
	  .type = HW_ARG_FLAG,
	  .help = "Print events instead of passing them to the kernel.",
	  FIELD(print) },
	{ .name = "json",
	  .letter = 'j',
	  .type = HW_ARG_FLAG,
	  .help = "Print them as JSON lines.",
	  FIELD(json) },
	{ .name = "probe",
	  .letter = 'P',
	  .type = HW_ARG_TEXT,
	  .value = "PATH",
	  .help = "Print which events programs here can get for this mount, and exit.",
	  FIELD(probe),
	  .complete = HW_COMPLETE_DIR },
	{ .name = "log-level",
	  .letter = 'l',
	  .type = HW_ARG_CHOICE,
	  .value = "LEVEL",
	  .help = "error, warning, info or debug.",
	  FIELD(log_level),
	  .choices = "error|warning|info|debug" },
};

const struct hw_command_line hw_guest_line = {
	.program = "hostwatch-guest",
	.summary = "pass file events of the host to the programs of a guest",
	.synopsis = "[OPTION]...\n"
		    "[OPTION]... --channel CHANNEL [--mount PATH]\n"
		    "--probe PATH",
	.about = "Passes the events that the host sends for its shared directories to this "
		 "kernel, so that programs here receive them.\n\n"
		 "CHANNEL is virtio:NAME, vsock:CID:PORT, vsock-listen:PORT, unix:PATH, "
		 "unix-listen:PATH, tcp:ADDR:PORT or tcp-listen:ADDR:PORT.",
	.footer = "SIGUSR1 logs the state of each mount's connection and the number of its events. "
		  "See hostwatch-guest(8).",
	.args = args_of_agent,
	.arg_count = sizeof(args_of_agent) / sizeof(args_of_agent[0]),
	.has_version = true,
};

/* Checks options that only describe the mount of --channel. */
static int check_mount(const struct hw_arguments *args)
{
	const struct {
		const char *name;
		bool given;
	} options[] = {
		{ "mount", args->mount.path },
		{ "share", args->mount.share },
		{ "secret", args->mount.secret_path },
		{ "at", args->mount.at },
		{ "inject", args->inject != HW_ARGUMENT_ABSENT },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (options[i].given && !args->mount.channel_text)
			return hw_args_mistake(&hw_guest_line,
					       "--%s needs --channel: in a configuration each "
					       "mount has its own",
					       options[i].name);
	}
	return -1;
}

/* --probe cannot be combined with other options. */
static int check_probe(const struct hw_arguments *args)
{
	if (args->probe && (args->config || args->check || args->mount.channel_text ||
			    args->print || args->json || args->state))
		return hw_args_mistake(&hw_guest_line, "--probe goes with no other option");
	return -1;
}

static int check_sources(const struct hw_arguments *args)
{
	if (args->mount.channel_text && args->config)
		return hw_args_mistake(&hw_guest_line, "--channel and --config exclude each other");
	if (args->mount.channel_text && args->check)
		return hw_args_mistake(&hw_guest_line,
				       "--check reads a configuration, --channel has none");
	if (args->print && args->inject != HW_ARGUMENT_ABSENT && args->inject != HW_INJECT_PRINT)
		return hw_args_mistake(&hw_guest_line, "--print and --inject exclude each other");
	return -1;
}

int hw_arguments_parse(int argc, char **argv, struct hw_arguments *args)
{
	struct hw_operands operands;
	int status;

	*args = (struct hw_arguments){
		.log_level = HW_ARGUMENT_ABSENT,
		.inject = HW_ARGUMENT_ABSENT,
		.mount.notify_code = HW_FUSE_NOTIFY_FSNOTIFY,
	};
	status = hw_args_parse(&hw_guest_line, argc, argv, args, &operands);
	if (status < 0)
		status = check_mount(args);
	if (status < 0)
		status = check_probe(args);
	if (status < 0)
		status = check_sources(args);
	if (args->print)
		args->mount.inject = HW_INJECT_PRINT;
	else if (args->inject != HW_ARGUMENT_ABSENT)
		args->mount.inject = args->inject;
	return status;
}
