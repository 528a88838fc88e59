/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state.h"
#include "foreign.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIND "hostwatch-guest-state-" /* before the version */
#define FIRST_WORD KIND "1"
#define BOOT_ID_BYTES 36u

static int read_all(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && len < size - 1) {
		n = read(fd, text + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	n = n < 0 ? -errno : (ssize_t)len;
	(void)close(fd); /* only read from */
	text[len] = '\0';
	return (int)n;
}

static void read_boot_id(char id[BOOT_ID_BYTES + 1])
{
	char text[64];
	int n = read_all("/proc/sys/kernel/random/boot_id", text, sizeof(text));

	memset(id, '-', BOOT_ID_BYTES); /* without /proc, boots cannot be distinguished */
	id[BOOT_ID_BYTES] = '\0';
	if (n >= (int)BOOT_ID_BYTES)
		memcpy(id, text, BOOT_ID_BYTES);
}

/* ---- reading ---- */

/* A line is NAME EPOCH SEQ; names have no spaces. */
static bool read_line(char *line, struct hw_position *positions, size_t count)
{
	char *save = NULL, *end;
	const char *name = strtok_r(line, " ", &save);
	const char *epoch_text = strtok_r(NULL, " ", &save);
	const char *seq_text = strtok_r(NULL, " ", &save);
	uint64_t epoch, seq;

	if (!name || !epoch_text || !seq_text || strtok_r(NULL, " ", &save))
		return false;
	if (strspn(epoch_text, "0123456789abcdef") != 16 || epoch_text[16] ||
	    strspn(seq_text, "0123456789") != strlen(seq_text))
		return false;
	epoch = strtoull(epoch_text, NULL, 16);
	errno = 0;
	seq = strtoull(seq_text, &end, 10);
	if (errno != 0 || *end || epoch == 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(positions[i].name, name) != 0)
			continue;
		positions[i].epoch = epoch;
		positions[i].seq = seq;
	}
	return true;
}

static bool read_lines(char *text, struct hw_position *positions, size_t count)
{
	char *save = NULL, id[BOOT_ID_BYTES + 1];
	char *line = strtok_r(text, "\n", &save);

	if (!line || strncmp(line, FIRST_WORD " ", sizeof(FIRST_WORD)) != 0)
		return false;
	read_boot_id(id);
	if (strcmp(line + sizeof(FIRST_WORD), id) != 0)
		return true;
	while ((line = strtok_r(NULL, "\n", &save)))
		if (!read_line(line, positions, count))
			return false;
	return true;
}

int hw_state_read(const char *path, struct hw_position *positions, size_t count)
{
	char *text = malloc(HW_STATE_FILE_MAX);
	char quoted[300];
	int n;

	if (!text)
		return -ENOMEM;
	n = hw_file_is_foreign(path, KIND) ? -EEXIST : read_all(path, text, HW_STATE_FILE_MAX);
	if (n >= 0 && (strlen(text) != (size_t)n || !read_lines(text, positions, count))) {
		for (size_t i = 0; i < count; i++)
			positions[i].epoch = positions[i].seq = 0;
		hw_warning("%s is not a valid state of hostwatch-guest; starting without it",
			   hw_quote(quoted, sizeof(quoted), path, strlen(path)));
	}
	free(text);
	return n == -ENOENT ? 0 : n < 0 ? n : 0;
}

/* ---- writing ---- */

static void make_directory(const char *path)
{
	char *copy = strdup(path);
	char *slash = copy ? strrchr(copy, '/') : NULL;

	if (slash && slash != copy) {
		*slash = '\0';
		(void)mkdir(copy, 0700); /* open() reports the error */
	}
	free(copy);
}

static int write_text(int fd, const char *text, size_t len)
{
	int r = 0;

	errno = EIO; /* for a short write */
	/* not synced, because it is valid for this boot only */
	if (write(fd, text, len) != (ssize_t)len)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

/* Creates a file of a new name (O_EXCL), with mode 0600. The last six bytes of `part` are the
 * pattern of mkostemp(3), and are replaced. */
static int create_part(char *part)
{
	int fd = mkostemp(part, O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int replace(const char *path, const char *text, size_t len)
{
	char *part = NULL;
	struct stat st;
	int r, fd;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return -EINVAL; /* not a device: /dev/null would become this file */
	if (hw_file_is_foreign(path, KIND))
		return -EEXIST;
	if (asprintf(&part, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = create_part(part);
	if (fd == -ENOENT) {
		make_directory(path);
		memcpy(part + strlen(path), ".XXXXXX", sizeof(".XXXXXX"));
		fd = create_part(part);
	}
	r = fd < 0 ? fd : write_text(fd, text, len);
	if (r == 0 && rename(part, path) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		(void)unlink(part); /* keeps the earlier error */
	free(part);
	return r;
}

int hw_state_write(const char *path, const struct hw_position *positions, size_t count)
{
	char id[BOOT_ID_BYTES + 1], *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);
	int r;

	if (!memory)
		return -ENOMEM;
	read_boot_id(id);
	fprintf(memory, FIRST_WORD " %s\n", id);
	for (size_t i = 0; i < count; i++)
		if (positions[i].epoch != 0)
			fprintf(memory, "%s %016" PRIx64 " %" PRIu64 "\n", positions[i].name,
				positions[i].epoch, positions[i].seq);
	if (fclose(memory) != 0) {
		free(text);
		return -ENOMEM;
	}
	r = replace(path, text, len);
	free(text);
	return r;
}
