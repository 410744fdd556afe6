/* The status catalogue from inside: how numbers and names are read, and the aliases.
 *
 * status.c is part of the public library and needs no other room; <ikebana/status.h> is its public
 * face. */
#ifndef IKEBANA_FINDING_STATUS_H
#define IKEBANA_FINDING_STATUS_H

#include <ikebana/status.h>

enum alias_kind { ALIAS_NAME, ALIAS_TEXT };

/* A name and number met somewhere that are not the canonical pair, or a text of a message. */
struct finding_alias {
    enum alias_kind kind;
    const char *symbol;
    uint16_t code;  /* the number it is met with; perhaps no status at all */
    uint16_t named; /* the status that the name leads to */
    uint16_t other; /* what the number is taken for by mistake, 0 = nothing */
    const char *source;
    const char *verdict;
    const char *comment;   /* said when the name was given */
    const char *of_number; /* said when the number was given; "" = nothing */
};

struct ntstatus_row {
    uint32_t ntstatus;
    uint16_t code;
};

/* NULL behind the last. */
const struct finding_alias *finding_alias_at(size_t i);

struct finding_number {
    uint32_t value;
    const char *form; /* "decimal", "hex" */
};

enum { FINDING_NUMBERS_MAX = 2 };

/* The ways to read len characters as a number, likeliest first: "362C" is hex, "1380" first
 * decimal. Negative and sign-extended numbers become their 32 bits. Returns how many. */
size_t finding_numbers(const char *text, size_t len,
                       struct finding_number out[FINDING_NUMBERS_MAX]);

/* The Win32 code inside an HRESULT or NTSTATUS; form is changed to match. Anything else: the value
 * as it is. */
uint32_t finding_win32_of(uint32_t value, const char **form);

/* Upper case, with every run of other characters as one '_', none at the ends. Returns the length;
 * size when it does not fit (out is then cut). */
size_t finding_normal(const char *text, size_t len, char *out, size_t size);

#endif
