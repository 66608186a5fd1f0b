// SPDX-License-Identifier: MIT
// Places in a script of SQL statements, so that an error can name its line.
#ifndef COMMON_DB_SQL_TEXT_H
#define COMMON_DB_SQL_TEXT_H

// Line (from 1) of the character `position` (from 1, as PostgreSQL counts) of UTF-8 `text`.
int sql_text_line_of(const char *text, int position);

// Line (from 1) at which statement `index` (from 0) of the script begins; 0 when it has fewer.
int sql_text_statement_line(const char *text, int index);

#endif
