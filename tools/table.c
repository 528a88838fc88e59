/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"
#include "human.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2u /* spaces between columns */
#define CUT_MIN 10u /* remaining columns of a truncated cell */
#define COLUMNS_MAX 16u
#define CUT '~' /* replaces the rest of a truncated cell */

/* ---- filling ---- */

void hw_table_row(struct hw_table *table)
{
	struct hw_row *rows = reallocarray(table->rows, table->count + 1, sizeof(*rows));

	if (!rows) {
		table->failed = true;
		return;
	}
	table->rows = rows;
	rows[table->count] =
		(struct hw_row){ .cells = calloc(table->column_count, sizeof(*rows->cells)) };
	table->failed |= !rows[table->count].cells;
	table->count += !table->failed;
	table->filled = 0;
}

void hw_table_text(struct hw_table *table, const char *text)
{
	char *copy = strdup(text);

	if (!copy || table->failed) {
		table->failed = true;
		free(copy);
		return;
	}
	table->rows[table->count - 1].cells[table->filled++] = copy;
}

void hw_table_count(struct hw_table *table, uint64_t count)
{
	char text[HW_HUMAN_MAX];

	hw_table_text(table, hw_human_count(text, count));
}

void hw_table_exact(struct hw_table *table, uint64_t number)
{
	char text[HW_HUMAN_MAX];

	(void)snprintf(text, sizeof(text), "%" PRIu64, number);
	hw_table_text(table, text);
}

void hw_table_bytes(struct hw_table *table, uint64_t bytes)
{
	char text[HW_HUMAN_MAX];

	hw_table_text(table, hw_human_bytes(text, bytes));
}

void hw_table_note(struct hw_table *table, const char *text)
{
	char *copy = strdup(text);

	if (!copy || table->failed) {
		table->failed = true;
		free(copy);
		return;
	}
	table->rows[table->count - 1].note = copy;
}

void hw_table_free(struct hw_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		for (size_t j = 0; j < table->column_count; j++)
			free(table->rows[i].cells[j]);
		free(table->rows[i].cells);
		free(table->rows[i].note);
	}
	free(table->rows);
	table->rows = NULL;
	table->count = table->filled = 0;
}

/* ---- widths ---- */

/* Counts UTF-8 characters, assuming one column for each. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static size_t total_of(const size_t *widths, size_t count)
{
	size_t total = GAP * (count - 1);

	for (size_t i = 0; i < count; i++)
		total += widths[i];
	return total;
}

static size_t measure(const struct hw_table *table, size_t *widths)
{
	for (size_t j = 0; j < table->column_count; j++) {
		widths[j] = width_of(table->columns[j].title);
		for (size_t i = 0; i < table->count; i++) {
			size_t width = width_of(table->rows[i].cells[j]);

			widths[j] = width > widths[j] ? width : widths[j];
		}
	}
	return total_of(widths, table->column_count);
}

/* Shrinks the widest flexible columns until the table fits. Returns false if it cannot fit. */
static bool shrink(const struct hw_table *table, size_t *widths, size_t total, size_t width)
{
	while (total > width) {
		size_t widest = SIZE_MAX;

		for (size_t j = 0; j < table->column_count; j++) {
			if (table->columns[j].flexible && widths[j] > CUT_MIN &&
			    (widest == SIZE_MAX || widths[j] > widths[widest]))
				widest = j;
		}
		if (widest == SIZE_MAX)
			return false;
		widths[widest]--;
		total--;
	}
	return true;
}

/* ---- printing ---- */

static void print_blanks(FILE *to, size_t count)
{
	fprintf(to, "%*s", (int)count, "");
}

static void print_cut(FILE *to, const char *text, size_t width)
{
	const char *end = text;

	for (size_t left = width - 1; *end; end++) {
		if (((unsigned char)*end & 0xc0) == 0x80)
			continue;
		if (left-- == 0)
			break;
	}
	fwrite(text, 1, (size_t)(end - text), to);
	fputc(CUT, to);
}

static void print_cell(const struct hw_column *column, FILE *to, const char *text, size_t width,
		       bool last)
{
	size_t used = width_of(text);

	if (used > width) {
		print_cut(to, text, width);
		return;
	}
	if (column->right)
		print_blanks(to, width - used);
	fputs(text, to);
	if (!column->right && !last)
		print_blanks(to, width - used);
}

static void print_row(const struct hw_table *table, FILE *to, char *const *cells,
		      const size_t *widths)
{
	size_t last = table->column_count - 1;

	/* No spaces at the end of a line. */
	while (cells && last && !*cells[last])
		last--;
	for (size_t j = 0; j <= last; j++) {
		const struct hw_column *column = &table->columns[j];

		if (j)
			print_blanks(to, GAP);
		print_cell(column, to, cells ? cells[j] : column->title, widths[j], j == last);
	}
	fputc('\n', to);
}

/* Returns the number of bytes of the word that fit into this many columns; *ret_columns: the
 * columns that they use. */
static size_t fitting(const char *word, size_t len, size_t columns, size_t *ret_columns)
{
	size_t i = 0, used = 0;

	for (; i < len; i++) {
		bool begins = ((unsigned char)word[i] & 0xc0) != 0x80;

		if (begins && used == columns)
			break;
		used += begins;
	}
	*ret_columns = used;
	return i;
}

/* Words that are wider than a line are split. */
void hw_table_wrap(FILE *to, const char *text, size_t indent, size_t width)
{
	size_t room = width > indent ? width - indent : SIZE_MAX, at = 0;

	while (*(text += strspn(text, " "))) {
		size_t len = strcspn(text, " "), columns, fits;

		fits = fitting(text, len, room, &columns);
		if (at && columns > room - at - (at < room)) {
			fputc('\n', to);
			at = 0;
		}
		if (at)
			fputc(' ', to);
		else
			print_blanks(to, indent);
		at += columns + (at != 0);
		fwrite(text, 1, fits, to);
		text += fits;
		if (fits < len)
			at = room; /* the rest of the word starts a line */
	}
	if (at)
		fputc('\n', to);
}

/* Prints a row as a paragraph: "TITLE cell", then the other cells with their titles. */
static void print_upright(const struct hw_table *table, FILE *to, size_t width)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct hw_row *row = &table->rows[i];
		char text[4096] = "";
		size_t len = 0;

		(void)snprintf(text, sizeof(text), "%s %s", table->columns[0].title, row->cells[0]);
		if (*row->cells[0])
			hw_table_wrap(to, text, 0, width);
		text[0] = '\0';
		for (size_t j = 1; j < table->column_count && len < sizeof(text); j++) {
			if (*row->cells[j])
				len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s",
							len ? ", " : "", table->columns[j].title,
							row->cells[j]);
		}
		hw_table_wrap(to, text, 2, width);
		if (row->note)
			hw_table_wrap(to, row->note, 2, width);
	}
}

void hw_table_print(const struct hw_table *table, FILE *to, size_t width)
{
	size_t widths[COLUMNS_MAX];
	size_t total = measure(table, widths);

	if (width && !shrink(table, widths, total, width)) {
		print_upright(table, to, width);
		return;
	}
	print_row(table, to, NULL, widths);
	for (size_t i = 0; i < table->count; i++) {
		print_row(table, to, table->rows[i].cells, widths);
		if (table->rows[i].note)
			hw_table_wrap(to, table->rows[i].note, 2, width);
	}
}
