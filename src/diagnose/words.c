/* Names, times and texts. */
#include "diagnose/words.h"

#include <inttypes.h>

#include "finding/finding.h"
#include "wire/wire.h"

const char *diagnose_kind_name(enum record_kind kind)
{
    switch (kind) {
    case RECORD_IKE:
        return "ike";
    case RECORD_CHILD:
        return "child";
    case RECORD_CHILD_REKEY:
        return "child-rekey";
    case RECORD_IKE_REKEY:
        return "ike-rekey";
    case RECORD_LIVENESS:
        return "liveness";
    case RECORD_CLOSE:
        return "close";
    case RECORD_COMMAND:
        return "command";
    }
    return "unknown";
}

const char *diagnose_result_name(enum record_result result)
{
    switch (result) {
    case RESULT_PENDING:
        return "pending";
    case RESULT_UP:
        return "up";
    case RESULT_PARTIAL:
        return "partial";
    case RESULT_FAILED:
        return "failed";
    case RESULT_CLOSED:
        return "closed";
    }
    return "unknown";
}

const char *diagnose_kind_words(const char *kind_name)
{
    static const char *const words[][2] = {
        {"ike", "negotiation"},
        {"child", "CHILD SA negotiation"},
        {"child-rekey", "CHILD SA rekeying"},
        {"ike-rekey", "IKE SA rekeying"},
        {"liveness", "liveness check"},
        {"close", "close"},
        {"command", "command"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(kind_name, words[i][0]) == 0)
            return words[i][1];
    return "record";
}

const char *diagnose_duration(uint64_t ms, struct arena *a)
{
    uint64_t s = ms / 1000;
    if (ms < 1000)
        return arena_text(a, "%" PRIu64 " ms", ms);
    if (s < 60)
        return arena_text(a, "%" PRIu64 ".%02" PRIu64 " s", s, ms % 1000 / 10);
    if (s < 3600)
        return arena_text(a, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    return arena_text(a, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
}

/* The civil date of a day number, counted in years that begin in March: the leap day is then the
 * last of its year. No locale, no time zone, no libc. */
const char *diagnose_time(int64_t wall_s, struct arena *a)
{
    static const int64_t last = 253402300799; /* 9999-12-31T23:59:59Z */
    int64_t s = wall_s < 0 ? 0 : wall_s > last ? last : wall_s;
    int64_t days = s / 86400 + 719468, clock = s % 86400; /* days since 0000-03-01 */
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
    int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    int64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
    return arena_text(a, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)year, (int)month, (int)day,
                      (int)(clock / 3600), (int)(clock / 60 % 60), (int)(clock % 60));
}

const char *diagnose_auth_name(uint8_t method, struct arena *a)
{
    switch (method) {
    case 0:
        return NULL;
    case AUTH_METHOD_SHARED_KEY_MIC:
        return "psk";
    case AUTH_METHOD_RSA_DIGITAL_SIGNATURE:
    case AUTH_METHOD_ECDSA_SHA256_P256:
    case AUTH_METHOD_ECDSA_SHA384_P384:
    case AUTH_METHOD_ECDSA_SHA512_P521:
    case AUTH_METHOD_DIGITAL_SIGNATURE:
        return "pubkey";
    }
    return wire_auth_method_name(method, a);
}

const char *diagnose_payload_name(uint8_t type, bool is_response, struct arena *a)
{
    /* The registry has one number for both nonces. */
    if (type == PAYLOAD_NONCE)
        return is_response ? "Nr" : "Ni";
    return wire_payload_name(type, a);
}

const char *diagnose_status_symbol(uint16_t code)
{
    const struct ikebana_status *status = ikebana_status_by_code(code);
    return status == NULL ? "" : status->symbol;
}

const char *diagnose_status_words(uint16_t code)
{
    switch (code) {
    case IKEBANA_STATUS_BEGIN:
        return "the initial phase failed";
    case IKEBANA_STATUS_PROCESSING:
        return "a message could not be processed";
    case IKEBANA_STATUS_END:
        return "a later phase failed";
    }
    return "";
}

/* The length of the UTF-8 character at s, 0 when there is none. RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF. */
static size_t character_len(struct span s)
{
    struct reader r = reader_of(s);
    uint8_t first = take_u8(&r), second = take_u8(&r);
    if (first < 0x80)
        return s.len > 0 ? 1 : 0;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    size_t len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (s.len < len || second < low || second > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((take_u8(&r) & 0xc0) != 0x80)
            return 0;
    return len;
}

const char *diagnose_utf8(const char *text, struct arena *a)
{
    static const char hex[] = "0123456789abcdef";
    if (text == NULL)
        return "";
    struct reader r = reader_of(span_text(text));
    while (r.left.len > 0) {
        size_t len = character_len(r.left);
        if (len == 0)
            break;
        take(&r, len);
    }
    if (r.left.len == 0)
        return text;
    size_t size = strlen(text) * 4 + 1;
    char *out = arena_alloc(a, size);
    if (out == NULL)
        return "";
    struct writer w = writer_of(out, size);
    r = reader_of(span_text(text));
    while (r.left.len > 0) {
        size_t len = character_len(r.left);
        if (len > 0) {
            put_span(&w, take(&r, len));
            continue;
        }
        uint8_t octet = take_u8(&r);
        put_span(&w, span_text("\\x"));
        put_u8(&w, (uint8_t)hex[octet >> 4]);
        put_u8(&w, (uint8_t)hex[octet & 15]);
    }
    put_u8(&w, 0);
    return out;
}

/* C0, DEL, and C1 as UTF-8 (0xc2 0x80 … 0xc2 0x9f). */
static size_t control_len(const char *text, size_t len)
{
    unsigned char first = (unsigned char)text[0];
    if (first < 0x20 || first == 0x7f)
        return 1;
    return first == 0xc2 && len > 1 && (unsigned char)text[1] < 0xa0 ? 2 : 0;
}

const char *diagnose_printable(const char *text, struct arena *a)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = strlen(text), i = 0;
    while (i < len && control_len(text + i, len - i) == 0)
        i++;
    if (i == len)
        return text;
    struct writer w = writer_of(arena_alloc(a, len * 4 + 1), len * 4 + 1);
    if (w.at == NULL)
        return "";
    for (i = 0; i < len;) {
        size_t control = control_len(text + i, len - i);
        if (control == 0) {
            put_u8(&w, (uint8_t)text[i++]);
            continue;
        }
        i += control;
        uint8_t octet = (uint8_t)text[i - 1];
        put_span(&w, span_text("\\x"));
        put_u8(&w, (uint8_t)hex[octet >> 4]);
        put_u8(&w, (uint8_t)hex[octet & 15]);
    }
    return (const char *)w.at; /* the arena's zeros end it */
}

const char *diagnose_cut(const char *text, size_t max, struct arena *a)
{
    size_t len = strlen(text);
    if (len <= max)
        return text;
    len = max;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return arena_text(a, "%.*s…", (int)len, text);
}

const char *diagnose_fix_text(const struct finding *f, const char *peer, const char *conn,
                              const char *child, struct arena *a)
{
    const char *const values[] = {"peer", peer, "conn", conn, "child", child, NULL};
    size_t len = ikebana_finding_fix(f, values, NULL, 0);
    char *text = arena_alloc(a, len + 1);
    if (text == NULL)
        return "";
    ikebana_finding_fix(f, values, text, len + 1);
    return text;
}

const struct finding *diagnose_main_finding(const struct record *r)
{
    const struct finding *f = record_verdict(r);
    return f != NULL || r->finding_count == 0 ? f : r->findings[0];
}
