/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longer lines are truncated. */
#define LINE_MAX_BYTES 4096

enum journal_mode { JOURNAL_UNKNOWN, JOURNAL_OFF, JOURNAL_ON };

static enum hw_log_level log_level = HW_LOG_INFO;
static bool level_is_fixed;
static void (*log_fn)(const char *line);
static enum journal_mode journal_mode = JOURNAL_UNKNOWN;

static const struct {
	const char *word;
	const char *journal; /* sd-daemon(3) */
} level_prefix[] = {
	[HW_LOG_ERROR] = { "error: ", "<3>" },
	[HW_LOG_WARNING] = { "warning: ", "<4>" },
	[HW_LOG_INFO] = { "", "<6>" },
	[HW_LOG_DEBUG] = { "debug: ", "<7>" },
};

void hw_log_set_level(enum hw_log_level level)
{
	if (!level_is_fixed)
		log_level = level;
}

void hw_log_fix_level(enum hw_log_level level)
{
	log_level = level;
	level_is_fixed = true;
}

void hw_log_set_journal(bool on)
{
	journal_mode = on ? JOURNAL_ON : JOURNAL_OFF;
}

void hw_log_set_fn(void (*fn)(const char *line))
{
	log_fn = fn;
}

/* JOURNAL_STREAM is inherited by children whose stderr was redirected. systemd.exec(5) says to
 * compare device and inode. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static void write_line(const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, line, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* a full disk or a closed stderr must not stop the daemon */
		line += n;
		len -= (size_t)n;
	}
}

void hw_logv(enum hw_log_level level, const char *format, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int saved_errno = errno;
	size_t used;
	int n;

	if (level > log_level)
		return;
	if (level > HW_LOG_DEBUG)
		level = HW_LOG_DEBUG;
	if (journal_mode == JOURNAL_UNKNOWN)
		hw_log_set_journal(stderr_is_journal());
	if (journal_mode == JOURNAL_ON)
		n = snprintf(line, sizeof(line), "%s", level_prefix[level].journal);
	else
		n = snprintf(line, sizeof(line), "%.32s: %s", program_invocation_short_name,
			     level_prefix[level].word);
	used = n > 0 ? (size_t)n : 0;
	n = vsnprintf(line + used, sizeof(line) - 1 - used, format, ap);
	if (n > 0)
		used += (size_t)n;
	if (used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used] = log_fn ? '\0' : '\n';
	if (log_fn)
		log_fn(line);
	else
		write_line(line, used + 1);
	errno = saved_errno;
}

void hw_log(enum hw_log_level level, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	hw_logv(level, format, ap);
	va_end(ap);
}

static bool take_from_burst(struct hw_log_limit *limit, uint64_t now_ns)
{
	const uint64_t step_ns = 1000000000 / HW_LOG_PER_SECOND;
	uint64_t steps = (now_ns - limit->since_ns) / step_ns;

	limit->since_ns = steps >= limit->used ? now_ns : limit->since_ns + steps * step_ns;
	limit->used -= steps >= limit->used ? limit->used : (uint32_t)steps;
	if (limit->used >= HW_LOG_BURST)
		return false;
	limit->used++;
	return true;
}

void hw_log_limited(struct hw_log_limit *limit, uint64_t now_ns, enum hw_log_level level,
		    const char *format, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	if (level > log_level)
		return;
	if (level != HW_LOG_ERROR && !take_from_burst(limit, now_ns)) {
		limit->suppressed++;
		return;
	}
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap); /* truncation is acceptable */
	va_end(ap);
	if (limit->suppressed)
		hw_log(level, "%s (%" PRIu64 " lines suppressed before this one)", text,
		       limit->suppressed);
	else
		hw_log(level, "%s", text);
	limit->suppressed = 0;
}

/* Returns the length of the UTF-8 sequence at s, 0 if it is invalid. Sets the code point. */
static size_t decode_utf8(const unsigned char *s, size_t len, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	size_t n;

	if (s[0] < 0x80) {
		*ret_code = s[0];
		return 1;
	}
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > len)
		return 0;
	code = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = (code << 6) | (s[i] & 0x3fu);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return n;
}

/* Excludes control characters, and those that reorder, hide or break text on a terminal. */
static bool is_printable(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} bad[] = {
		{ 0x00, 0x1f },     { 0x7f, 0x9f },     { 0xad, 0xad },       { 0x61c, 0x61c },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },   { 0xfeff, 0xfeff },
		{ 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (code >= bad[i].first && code <= bad[i].last)
			return false;
	}
	return true;
}

/* Writes one character or escape of at most 4 bytes to out and returns its length. *ret_used: the
 * number of bytes consumed. */
static size_t quote_one(char out[4], const unsigned char *s, size_t len, size_t *ret_used)
{
	static const char hex[] = "0123456789abcdef";
	static const char short_escape[256] = {
		['\n'] = 'n', ['\t'] = 't', ['\r'] = 'r', ['\\'] = '\\', ['"'] = '"',
	};
	uint32_t code;
	size_t n;

	*ret_used = 1;
	if (short_escape[s[0]]) {
		out[0] = '\\';
		out[1] = short_escape[s[0]];
		return 2;
	}
	n = decode_utf8(s, len, &code);
	if (n > 0 && is_printable(code)) {
		memcpy(out, s, n);
		*ret_used = n;
		return n;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[s[0] >> 4];
	out[3] = hex[s[0] & 15];
	return 4;
}

bool hw_quote_is_needless(const char *bytes, size_t len)
{
	char piece[4];

	for (size_t i = 0, used; i < len; i += used) {
		size_t n = quote_one(piece, (const unsigned char *)bytes + i, len - i, &used);

		if (n != used || piece[0] != bytes[i])
			return false;
	}
	return true;
}

const char *hw_quote(char *buf, size_t size, const char *bytes, size_t len)
{
	const unsigned char *s = (const unsigned char *)bytes;
	size_t out = 1, cut = 1; /* position of the dots if the rest does not fit */

	if (size < 6) { /* there is no room for quotes and dots */
		if (size > 0)
			buf[0] = '\0';
		return buf;
	}
	buf[0] = '"';
	for (size_t i = 0, used; i < len; i += used) {
		char piece[4];
		size_t n = quote_one(piece, s + i, len - i, &used);

		if (out + n + 2 > size) {
			memcpy(buf + cut, "...\"", 5);
			return buf;
		}
		memcpy(buf + out, piece, n);
		out += n;
		if (out + 5 <= size)
			cut = out;
	}
	memcpy(buf + out, "\"", 2);
	return buf;
}
