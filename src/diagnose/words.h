/* Small words that JSON, text and lines share. Room-internal. */
#ifndef IKEBANA_DIAGNOSE_WORDS_H
#define IKEBANA_DIAGNOSE_WORDS_H

#include "base/arena.h"
#include "step/record.h"

/* "ike", "child-rekey" … as in docs/records.md and in the history. */
const char *diagnose_kind_name(enum record_kind kind);
/* "up", "failed" … */
const char *diagnose_result_name(enum record_result result);
/* What the record is about, before its number: "negotiation", "CHILD SA rekeying". */
const char *diagnose_kind_words(const char *kind_name);

/* "41 ms", "4.07 s", "2 min 3 s", "3 h 0 min". */
const char *diagnose_duration(uint64_t ms, struct arena *a);
/* RFC 3339 in UTC: "2026-11-23T23:15:37Z". Years 1970 to 9999; what lies outside is put there. */
const char *diagnose_time(int64_t wall_s, struct arena *a);
/* "psk", "pubkey", or the registered name; NULL: not known (0). */
const char *diagnose_auth_name(uint8_t method, struct arena *a);
/* Of one message: "SA", "IDi", "Ni" in requests and "Nr" in responses. */
const char *diagnose_payload_name(uint8_t type, bool is_response, struct arena *a);
/* The symbol of a status, "" when it is none. */
const char *diagnose_status_symbol(uint16_t code);
/* What the three statuses of a record say. */
const char *diagnose_status_words(uint16_t code);

/* The text itself when it is UTF-8, else with every octet that is not part of a character as \xNN.
 * NULL gives "". */
const char *diagnose_utf8(const char *text, struct arena *a);
/* The same with control characters (also U+0080 to U+009F) as \xNN: nothing in it ends a line or
 * moves a cursor. text: UTF-8. */
const char *diagnose_printable(const char *text, struct arena *a);
/* At most max octets, cut between characters, then "…". */
const char *diagnose_cut(const char *text, size_t max, struct arena *a);

/* The fix with its places filled in; conn, child, peer: "" = not known. */
const char *diagnose_fix_text(const struct finding *f, const char *peer, const char *conn,
                              const char *child, struct arena *a);

/* The finding that a record's words begin with: its verdict, else its first finding. NULL: none. */
const struct finding *diagnose_main_finding(const struct record *r);

#endif
