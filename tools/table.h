/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables for people. Columns are as wide as their contents. If the table is wider than the
 * terminal, flexible columns are truncated; if that is not enough, each row is printed as a
 * paragraph. */
#ifndef HW_TABLE_H
#define HW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct hw_column {
	const char *title;
	bool right; /* align right, for numbers */
	bool flexible; /* may be truncated */
};

struct hw_row {
	char **cells; /* owned, one for each column */
	char *note; /* owned; printed below the row, wrapped; NULL: none */
};

struct hw_table {
	const struct hw_column *columns; /* borrowed */
	size_t column_count;
	struct hw_row *rows; /* owned */
	size_t count;
	size_t filled; /* number of cells set in the last row */
	bool failed; /* memory was short */
};

#define HW_TABLE(list)                                                                             \
	((struct hw_table){ .columns = (list), .column_count = sizeof(list) / sizeof((list)[0]) })

/* Begins a row; its cells follow, one for each column. Texts are copied and must be printable. */
void hw_table_row(struct hw_table *table);
void hw_table_text(struct hw_table *table, const char *text);
void hw_table_count(struct hw_table *table, uint64_t count); /* 12.3M */
void hw_table_exact(struct hw_table *table, uint64_t number);
void hw_table_bytes(struct hw_table *table, uint64_t bytes);
void hw_table_note(struct hw_table *table, const char *text);

/* Prints the table with at most `width` columns; 0: unlimited. */
void hw_table_print(const struct hw_table *table, FILE *to, size_t width);
void hw_table_free(struct hw_table *table);

/* Prints text in lines of at most `width` columns, each after `indent` spaces. */
void hw_table_wrap(FILE *to, const char *text, size_t indent, size_t width);

#endif
