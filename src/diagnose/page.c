/* See page.h. */
#include "diagnose/page.h"

#include "diagnose/words.h"

static const char *const styles[] = {
    [STYLE_PLAIN] = "",         [STYLE_BOLD] = "\033[1m",    [STYLE_DIM] = "\033[2m",
    [STYLE_RED] = "\033[1;31m", [STYLE_YELLOW] = "\033[33m", [STYLE_GREEN] = "\033[1;32m",
};

static void put_raw(struct page *p, const char *text, size_t len)
{
    if (p->size - p->len <= len) {
        size_t size = (p->size + len) * 2 + 1024;
        char *bigger = arena_alloc(p->arena, size);
        if (bigger == NULL)
            return;
        if (p->len > 0)
            memcpy(bigger, p->text, p->len);
        p->text = bigger;
        p->size = size;
    }
    memcpy(p->text + p->len, text, len);
    p->len += len;
    p->text[p->len] = '\0';
}

const char *page_text(const struct page *p)
{
    return p->text == NULL ? "" : p->text;
}

static size_t columns(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

size_t page_columns(const char *text)
{
    return columns(text, strlen(text));
}

static void put_styled(struct page *p, enum style style, const char *text, size_t len)
{
    bool has_style = p->has_colour && style != STYLE_PLAIN && len > 0;
    if (has_style)
        put_raw(p, styles[style], strlen(styles[style]));
    put_raw(p, text, len);
    if (has_style)
        put_raw(p, "\033[0m", 4);
    p->column += columns(text, len);
}

void page_put(struct page *p, enum style style, const char *text)
{
    const char *s = diagnose_printable(text, p->arena);
    put_styled(p, style, s, strlen(s));
}

void page_fill(struct page *p, size_t column, size_t least)
{
    while (p->column < column || least > 0) {
        put_raw(p, " ", 1);
        p->column++;
        least -= least > 0 ? 1 : 0;
    }
}

void page_end_line(struct page *p)
{
    while (p->len > 0 && p->text[p->len - 1] == ' ')
        p->len--;
    put_raw(p, "\n", 1);
    p->column = 0;
}

/* How much of a word fits `room` columns: up to the last mark, else up to the last character. */
static size_t piece_len(const char *word, size_t len, size_t room)
{
    size_t fits = 0, mark = 0, count = 0;
    for (size_t i = 0; i < len; i++) {
        if (((unsigned char)word[i] & 0xc0) != 0x80 && count++ == room)
            break;
        fits = i + 1;
        if (word[i] == '-' || word[i] == ',' || word[i] == ';' || word[i] == '.')
            mark = i + 1;
    }
    while (fits < len && ((unsigned char)word[fits] & 0xc0) == 0x80)
        fits++;
    return mark > 0 ? mark : fits;
}

void page_wrap(struct page *p, enum style style, size_t indent, const char *text)
{
    const char *s = diagnose_printable(text, p->arena);
    bool is_first = true;
    while (*(s += strspn(s, " ")) != '\0') {
        size_t len = strcspn(s, " "), gap = is_first ? 0 : 1;
        size_t room = PAGE_WIDTH > p->column + gap ? PAGE_WIDTH - p->column - gap : 0;
        if (columns(s, len) > room && p->column > indent) {
            page_end_line(p);
            page_fill(p, indent, 0);
            is_first = true;
            continue;
        }
        if (columns(s, len) > room)
            len = piece_len(s, len, room > 0 ? room : 1);
        page_fill(p, 0, gap);
        put_styled(p, style, s, len);
        s += len;
        is_first = *s != ' ';
    }
}

void page_line(struct page *p, enum style style, const char *label, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    page_fill(p, 2, 0);
    page_put(p, STYLE_PLAIN, label);
    page_fill(p, PAGE_LABEL, 1);
    page_wrap(p, style, PAGE_LABEL, text);
    page_end_line(p);
}
