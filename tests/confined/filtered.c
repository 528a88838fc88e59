/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * filtered RULES PROGRAM [ARG]...: runs a program under a filter of system calls, as the service
 * manager does for a unit. Each line of the file RULES is "CALL ARG MASK VALUE ERROR": if the
 * call's argument number ARG, of which MASK is taken, has this VALUE, it fails with ERROR, or is
 * permitted if that is 0. The first line that applies decides, and other calls fail with EPERM.
 * Numbers are decimal or begin with 0x; calls that this system does not know are left out. Exit
 * status 77: there are no filters here.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NO_FILTER 77

static const struct {
	const char *name;
	unsigned number;
} calls[] = {
#include "system_calls.h" /* made from the headers of the C library */
};

static struct sock_filter code[BPF_MAXINSNS];
static unsigned short count;

static void add(struct sock_filter instruction)
{
	if (count < BPF_MAXINSNS)
		code[count++] = instruction;
}

static void load(unsigned at)
{
	add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at));
}

/* Skips this many instructions unless the value that is loaded is this one. */
static void unless(unsigned value, unsigned char skipped)
{
	add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped));
}

static void end(unsigned error)
{
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
					 error ? SECCOMP_RET_ERRNO | error : SECCOMP_RET_ALLOW));
}

/* The number of the call is loaded before and after. */
static void add_rule(unsigned number, unsigned arg, unsigned mask, unsigned value, unsigned error)
{
	if (!mask) {
		unless(number, 1);
		end(error);
		return;
	}
	unless(number, 5);
	load((unsigned)(offsetof(struct seccomp_data, args) +
			arg * sizeof(__u64))); /* little-endian */
	add((struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
	unless(value, 1);
	end(error);
	load(offsetof(struct seccomp_data, nr));
}

static int read_rules(const char *path)
{
	FILE *from = fopen(path, "re");
	int arg, mask, value, error;
	char name[64];

	if (!from)
		return -errno;
	load(offsetof(struct seccomp_data, nr));
	while (fscanf(from, "%63s %i %i %i %i", name, &arg, &mask, &value, &error) == 5)
		for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
			if (strcmp(calls[i].name, name) == 0)
				add_rule(calls[i].number, (unsigned)arg, (unsigned)mask,
					 (unsigned)value, (unsigned)error);
	end(EPERM);
	(void)fclose(from); /* only read */
	return count < BPF_MAXINSNS ? 0 : -E2BIG;
}

int main(int argc, char **argv)
{
	struct sock_fprog program = { 0, code };
	int r = argc < 3 ? -EINVAL : read_rules(argv[1]);

	if (r < 0) {
		fprintf(stderr, "filtered: %s\n", strerror(-r));
		return 2;
	}
	program.len = count;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		fprintf(stderr, "filtered: no filter can be set: %s\n", strerror(errno));
		return NO_FILTER;
	}
	(void)execv(argv[2], argv + 2);
	fprintf(stderr, "filtered: %s: %s\n", argv[2], strerror(errno));
	return 1;
}
