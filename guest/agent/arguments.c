/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arguments.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

const char hw_usage[] =
	"usage: hostwatch-guest [OPTION]...\n"
	"       hostwatch-guest [OPTION]... --channel CHANNEL [--mount PATH]\n"
	"       hostwatch-guest --probe PATH\n"
	"Hands what the host tells of its shared directories to this kernel, so that programs here "
	"are\n"
	"told. CHANNEL is virtio:NAME, vsock:CID:PORT, vsock-listen:PORT, unix:PATH, "
	"unix-listen:PATH,\n"
	"tcp:ADDR:PORT or tcp-listen:ADDR:PORT.\n"
	"  -c, --config FILE    the configuration (default " HW_GUEST_CONFIG ")\n"
	"  -n, --check          read the configuration, print its mistakes, and exit\n"
	"  -C, --channel CHANNEL  no configuration: one mount, whose events come from there\n"
	"  -m, --mount PATH     with --channel: where it is mounted\n"
	"  -i, --inject HOW     with --channel: module, touch or print (default module)\n"
	"  -s, --share NAME     with --channel: ask for this share\n"
	"  -S, --state FILE     what was seen last is kept there (default " HW_GUEST_STATE ")\n"
	"  -p, --print          print events instead of handing them to the kernel\n"
	"  -j, --json           print them as JSON lines\n"
	"  -P, --probe PATH     print what programs here can be told of this mount, and exit\n"
	"  -l, --log-level L    error, warning, info or debug\n"
	"  -h, --help           this text\n"
	"  -V, --version        the version\n"
	"SIGUSR1 logs how each mount's connection is and what became of its events.\n";

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, 'n' },
	{ "channel", required_argument, NULL, 'C' },
	{ "mount", required_argument, NULL, 'm' },
	{ "inject", required_argument, NULL, 'i' },
	{ "share", required_argument, NULL, 's' },
	{ "state", required_argument, NULL, 'S' },
	{ "print", no_argument, NULL, 'p' },
	{ "json", no_argument, NULL, 'j' },
	{ "probe", required_argument, NULL, 'P' },
	{ "log-level", required_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

int hw_find_word(const char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return -1;
}

static bool parse_inject(const char *word, uint32_t *ret)
{
	static const char *const words[] = { "module", "touch", "print" };
	int i = hw_find_word(words, 3, word);

	*ret = i < 0 ? 0 : (uint32_t)i;
	return i >= 0;
}

static bool parse_flag(struct hw_arguments *args, int option)
{
	if (option == 'n')
		args->check = true;
	else if (option == 'p')
		args->print = true;
	else if (option == 'j')
		args->json = true;
	else
		return false;
	return true;
}

/* One option; false when it or its value is wrong. */
static bool parse_option(struct hw_arguments *args, int option, const char *value)
{
	const char **text = NULL;

	switch (option) {
	case 'i':
		return parse_inject(value, &args->mount.inject);
	case 'c':
		text = &args->config;
		break;
	case 'C':
		text = &args->mount.channel_text;
		break;
	case 'm':
		text = &args->mount.path;
		break;
	case 's':
		text = &args->mount.share;
		break;
	case 'S':
		text = &args->state;
		break;
	case 'P':
		text = &args->probe;
		break;
	case 'l':
		text = &args->log_level;
		break;
	default:
		return parse_flag(args, option);
	}
	*text = value;
	return true;
}

int hw_arguments_parse(int argc, char **argv, struct hw_arguments *args)
{
	const struct hw_mount *mount = &args->mount;
	int option;

	while ((option = getopt_long(argc, argv, "c:nC:m:i:s:S:pjP:l:hV", long_options, NULL)) !=
	       -1) {
		if (option == 'h' || option == 'V')
			return option;
		if (!parse_option(args, option, optarg))
			return -EINVAL;
	}
	if (optind != argc || (mount->channel_text && args->config))
		return -EINVAL;
	if (!mount->channel_text && (mount->path || mount->share || mount->inject))
		return -EINVAL;
	if (args->print)
		args->mount.inject = HW_INJECT_PRINT;
	return 0;
}
