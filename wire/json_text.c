/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_text.h"

#include <endian.h>
#include <hostwatch/wire.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

/* The character after the backslash of a short escape; 'u' for other bytes that need an escape, 0
 * for the rest of ASCII. */
static const char escapes[128] = {
	[0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u',  [0x04] = 'u', [0x05] = 'u',
	[0x06] = 'u', [0x07] = 'u', ['\b'] = 'b', ['\t'] = 't',  ['\n'] = 'n', [0x0b] = 'u',
	['\f'] = 'f', ['\r'] = 'r', [0x0e] = 'u', [0x0f] = 'u',  [0x10] = 'u', [0x11] = 'u',
	[0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u',  [0x16] = 'u', [0x17] = 'u',
	[0x18] = 'u', [0x19] = 'u', [0x1a] = 'u', [0x1b] = 'u',  [0x1c] = 'u', [0x1d] = 'u',
	[0x1e] = 'u', [0x1f] = 'u', ['"'] = '"',  ['\\'] = '\\', [0x7f] = 'u',
};

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Returns whether one of eight bytes is above 0x7e, below 0x20, a quote or a backslash. */
static bool word_needs_care(uint64_t w)
{
	uint64_t quote = w ^ EACH('"'), backslash = w ^ EACH('\\'), del = w ^ EACH(0x7f);
	uint64_t hit =
		w | (w - EACH(0x20)) | (quote - EACH(1)) | (backslash - EACH(1)) | (del - EACH(1));

	return hit & EACH(0x80);
}

static uint64_t load_word(const char *bytes)
{
	uint64_t w;

	memcpy(&w, bytes, sizeof(w));
	return w;
}

/* Returns fewer than eight bytes as a word: some of them twice, none beyond them. */
static uint64_t load_few(const char *bytes, size_t len)
{
	uint32_t first, last;

	if (len < sizeof(first)) {
		uint64_t w = EACH(' ');

		memcpy(&w, bytes, len);
		return w;
	}
	memcpy(&first, bytes, sizeof(first));
	memcpy(&last, bytes + len - sizeof(last), sizeof(last));
	return (uint64_t)last << 32 | first;
}

bool hw_json_is_plain(const char *bytes, size_t len)
{
	if (len < sizeof(uint64_t))
		return !len || !word_needs_care(load_few(bytes, len));
	const char *last = bytes + len - sizeof(uint64_t);

	for (; bytes < last; bytes += sizeof(uint64_t))
		if (word_needs_care(load_word(bytes)))
			return false;
	return !word_needs_care(load_word(last));
}

/* C1 controls move a terminal's cursor, as C0 controls do. */
static bool is_c1(const char *bytes, unsigned n)
{
	return n == 2 && (unsigned char)bytes[0] == 0xc2 && (unsigned char)bytes[1] < 0xa0;
}

/* Returns the output length of the character at *i, and moves *i after it. Clears *valid for an
 * invalid byte. */
static size_t measure_char(const char *bytes, size_t len, size_t *i, bool *valid)
{
	unsigned char c = (unsigned char)bytes[*i];
	unsigned n;

	if (c < 0x80) {
		(*i)++;
		return !escapes[c] ? 1 : escapes[c] == 'u' ? 6 : 2;
	}
	n = hw_utf8_char(bytes + *i, len - *i);
	if (!n) {
		*valid = false;
		(*i)++;
		return 3;
	}
	*i += n;
	return is_c1(bytes + *i - n, n) ? 6 : n;
}

void hw_json_measure_chars(struct hw_json_text *text)
{
	text->written = 0;
	text->plain = false;
	text->valid = true;
	for (size_t i = 0; i < text->len;)
		text->written += measure_char(text->bytes, text->len, &i, &text->valid);
}

static char *write_u(char *out, unsigned code)
{
	memcpy(out, "\\u00", 4);
	out[4] = hex_digits[code >> 4 & 15];
	out[5] = hex_digits[code & 15];
	return out + 6;
}

static char *write_ascii(char *out, unsigned char c)
{
	if (!escapes[c]) {
		*out = (char)c;
		return out + 1;
	}
	if (escapes[c] == 'u')
		return write_u(out, c);
	out[0] = '\\';
	out[1] = escapes[c];
	return out + 2;
}

char *hw_json_write_escaped(char *out, const struct hw_json_text *text)
{
	const char *bytes = text->bytes;
	size_t len = text->len;

	for (size_t i = 0; i < len;) {
		unsigned n = hw_utf8_char(bytes + i, len - i);

		if (n == 1) {
			out = write_ascii(out, (unsigned char)bytes[i]);
		} else if (is_c1(bytes + i, n)) {
			out = write_u(out, (unsigned char)bytes[i + 1]);
		} else {
			memcpy(out, n ? bytes + i : "\xef\xbf\xbd", n ? n : 3);
			out += n ? n : 3;
		}
		i += n ? n : 1;
	}
	return out;
}

size_t hw_json_base64_size(size_t len)
{
	return (len + 2) / 3 * 4;
}

char *hw_json_write_base64(char *out, const char *bytes, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *s = (const unsigned char *)bytes;

	for (; len; out += 4) {
		unsigned w = (unsigned)s[0] << 16 | (len > 1 ? (unsigned)s[1] << 8 : 0) |
			     (len > 2 ? s[2] : 0);
		size_t n = len < 3 ? len : 3;

		out[0] = digits[w >> 18];
		out[1] = digits[w >> 12 & 63];
		out[2] = n > 1 ? digits[w >> 6 & 63] : '=';
		out[3] = n > 2 ? digits[w & 63] : '=';
		s += n;
		len -= n;
	}
	return out;
}

/* Returns eight digits, the first one in the lowest byte. Divides all parts of the word at the same
 * time: two of four digits, then four of two digits. The factors are exact for such parts. */
static uint64_t eight_digits(uint32_t value)
{
	uint64_t parts = value / 10000 | (uint64_t)(value % 10000) << 32;
	uint64_t high = (parts * 10486) >> 20 & UINT64_C(0x0000007f0000007f);

	parts = high | (parts - high * 100) << 16;
	high = (parts * 103) >> 10 & UINT64_C(0x000f000f000f000f);
	return high | (parts - high * 10) << 8;
}

/* Writes eight bytes: the digits without the first `skip`. Returns their end. */
static char *write_digits(char *out, uint64_t digits, unsigned skip)
{
	uint64_t text = htole64((digits + EACH('0')) >> 8 * skip);

	memcpy(out, &text, sizeof(text));
	return out + sizeof(text) - skip;
}

/* Leaves out leading zeros, but not the last digit. */
static char *write_first(char *out, uint32_t value)
{
	uint64_t digits = eight_digits(value);

	return write_digits(out, digits, (unsigned)__builtin_ctzll(digits | UINT64_C(1) << 56) / 8);
}

#define EIGHT UINT32_C(100000000)

char *hw_json_write_u64(char *out, uint64_t value)
{
	uint64_t high = value / EIGHT;

	if (!high)
		return write_first(out, (uint32_t)value);
	if (high < EIGHT) {
		out = write_first(out, (uint32_t)high);
	} else {
		out = write_first(out, (uint32_t)(high / EIGHT));
		out = write_digits(out, eight_digits((uint32_t)(high % EIGHT)), 0);
	}
	return write_digits(out, eight_digits((uint32_t)(value % EIGHT)), 0);
}
