/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Command lines. A program describes its options and operands in a table; parsing, the text of
 * --help, the form of its errors and shell completions are derived from that table. Stateless; for
 * any thread that may use getopt_long(3).
 */
#ifndef HW_ARGS_H
#define HW_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses of all programs, besides 0. */
#define HW_EXIT_FAILURE 1 /* something failed while it ran */
#define HW_EXIT_USAGE 2 /* the command line is wrong */
#define HW_EXIT_IDLE 3 /* hostwatch watch: nothing happened for --exit-after-idle */
#define HW_EXIT_CONFIG 78 /* the configuration is wrong: EX_CONFIG of sysexits.h(3head) */

#define HW_ARGS_MAX 40u /* options of one program */

enum hw_arg_type { /* each with the type of the field that receives the value */
		   HW_ARG_FLAG, /* bool, set to true */
		   HW_ARG_TEXT, /* const char *, points into argv */
		   HW_ARG_TEXTS, /* struct hw_words: all values, in the order given */
		   HW_ARG_NUMBER, /* uint64_t, min to max */
		   HW_ARG_DURATION, /* uint64_t, nanoseconds, min to max; without a unit the number
				       is seconds */
		   HW_ARG_CHOICE, /* uint32_t, index of the word in choices */
		   HW_ARG_SET, /* uint32_t, bit mask of the words in choices; "a,b", may be repeated
				*/
};

/* The completions that a shell offers for a value or an operand. */
enum hw_arg_complete {
	HW_COMPLETE_NOTHING,
	HW_COMPLETE_FILE,
	HW_COMPLETE_DIR,
	HW_COMPLETE_COMMAND, /* a program and its arguments */
	HW_COMPLETE_WATCHER, /* installed watchers and auto */
	HW_COMPLETE_PLUGIN, /* installed watchers and sinks */
	HW_COMPLETE_SHARE, /* shares of the running daemon */
	HW_COMPLETE_ADDRESS, /* unix:PATH, tcp:..., vsock:..., netlink:... */
};

struct hw_arg {
	const char *name; /* long option, without dashes */
	char letter; /* short option, 0: none */
	enum hw_arg_type type;
	const char *value; /* name of the value in --help: "TIME"; NULL for flags */
	const char *help; /* one or more sentences without a line break; it is wrapped */
	size_t offset; /* of the field in the program's settings */
	uint64_t min, max; /* NUMBER and DURATION; max 0: no upper limit */
	const char *choices; /* CHOICE and SET: "a|b|c" */
	enum hw_arg_complete complete;
};

/* Static, one for each program or subcommand. */
struct hw_command_line {
	const char *program; /* "hostwatch watch" */
	const char *summary; /* at most 60 bytes, no full stop: the list of commands shows it */
	const char *synopsis; /* after the name: "[OPTION]... DIR..."; a line feed begins another
				 form */
	const char *about; /* paragraphs before the options; wrapped; a blank line separates them */
	const char *footer; /* paragraphs after the options; NULL: none */
	const struct hw_arg *args;
	size_t arg_count;
	const char *operand; /* names of the required operands, in order: "DIR", "SHARE WATCHER";
			      * NULL: there are no operands */
	unsigned operands_min, operands_max; /* operands_max UINT_MAX: any number */
	enum hw_arg_complete complete; /* of the operands */
	enum hw_arg_complete complete_next; /* of the operands after the first, if different */
	const char *choices; /* words that the first operand may be: "a|b|c"; NULL: any */
	bool takes_command; /* words after "--" are a command, not operands */
	bool has_version; /* --version */
};

/* Values of a repeated option. Zeroed before use, freed by hw_words_free(). */
struct hw_words {
	const char **items; /* owned; each points into argv */
	size_t count;
};
void hw_words_free(struct hw_words *words);

struct hw_operands {
	char **items; /* borrowed from argv */
	int count;
	char **command; /* borrowed: the words after "--", ends with NULL; NULL if "--" was not
			 * given */
};

/*
 * Parses argv into settings, which contain the defaults. Handles --help and, if the program has it,
 * --version. Returns -1 to continue, else the exit status: 0 after --help and --version,
 * HW_EXIT_USAGE after a mistake, which was written to stderr. Reorders argv.
 */
int hw_args_parse(const struct hw_command_line *line, int argc, char **argv, void *settings,
		  struct hw_operands *ret);

/*
 * One form for all errors of a command line:
 *
 *	hostwatch watch: --settle: "soon" is not a duration (like 50ms, 1s or 2m)
 *	Try 'hostwatch watch --help'.
 *
 * The text names the option or operand and the mistake. Returns HW_EXIT_USAGE.
 */
__attribute__((format(printf, 2, 3))) int hw_args_mistake(const struct hw_command_line *line,
							  const char *format, ...);
/* Writes "hostwatch watch: TEXT" to stderr, for an error at run time. Returns HW_EXIT_FAILURE. */
__attribute__((format(printf, 2, 3))) int hw_args_failure(const struct hw_command_line *line,
							  const char *format, ...);

/*
 * Prints the table as lines of words separated by tabs, for shell completions: "program", its name
 * and summary; "option" with name, letter, type, how to complete it, name of the value, choices and
 * help; "operand" with name, how many, how to complete the first and the others, choices; "command"
 * if a command may follow "--". "-" means an empty field. hw_args_parse() prints the table if the
 * only argument is HW_ARGS_TABLE.
 */
#define HW_ARGS_TABLE "--print-argument-table"
void hw_args_print_table(const struct hw_command_line *line);

/* Prints the text of --help. */
void hw_args_print_help(const struct hw_command_line *line);

#endif
