/* A text that grows: labelled lines, wrapped at 100 columns, with or without colours.
 * Room-internal.
 *
 * Whatever is put is made safe for a terminal: control characters (also those of U+0080 to U+009F)
 * are written \xNN, so that no text of a peer or of an old history moves the cursor. */
#ifndef IKEBANA_DIAGNOSE_PAGE_H
#define IKEBANA_DIAGNOSE_PAGE_H

#include "base/arena.h"

enum { PAGE_WIDTH = 100, PAGE_LABEL = 12 };

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_YELLOW, STYLE_GREEN };

struct page {
    struct arena *arena;
    char *text;
    size_t len, size;
    size_t column; /* of the cursor */
    bool has_colour;
};

const char *page_text(const struct page *p);

/* Characters, which are columns here. */
size_t page_columns(const char *text);

/* In one piece, without a line end. */
void page_put(struct page *p, enum style style, const char *text);
/* Blanks up to the column; at least `least`. */
void page_fill(struct page *p, size_t column, size_t least);
/* Blanks at the end of the line are taken back. */
void page_end_line(struct page *p);

/* Words from the cursor on; the further lines begin at column `indent`. A word that is longer than
 * a line is cut at a mark between keywords (- , ;) or anywhere. */
void page_wrap(struct page *p, enum style style, size_t indent, const char *text);

/* "  label     text" with its line end. Nothing for an empty text. */
void page_line(struct page *p, enum style style, const char *label, const char *text);

#endif
