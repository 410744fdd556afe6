/* The keys of strongswan.conf's section charon, generated from data/spec/strongswan-conf.tsv. */
#ifndef IKEBANA_POLICY_DAEMON_KEYS_H
#define IKEBANA_POLICY_DAEMON_KEYS_H

#include "policy/daemon_conf.h"

enum daemon_verdict {
    DAEMON_KEY_READ,
    DAEMON_KEY_IDLE,  /* it has no meaning here: a notice */
    DAEMON_KEY_NEVER, /* known, not served: a warning, unless its value is `as` */
};

enum daemon_value {
    DAEMON_VALUE_MS,     /* seconds, with decimals; kept as milliseconds */
    DAEMON_VALUE_REAL,   /* kept as double */
    DAEMON_VALUE_NUMBER, /* uint32_t */
    DAEMON_VALUE_TIME,   /* with s, m, h or d; kept as seconds */
    DAEMON_VALUE_BOOL,
    DAEMON_VALUE_TEXT,
    DAEMON_VALUE_ANY, /* a section too */
};

struct daemon_key {
    const char *name;
    enum daemon_verdict verdict;
    enum daemon_value type;
    double least, most, fallback; /* as the field holds them */
    size_t at, size;              /* of the field in struct daemon_conf */
    const char *as;
    const char *least_text, *most_text; /* as the file writes them */
    const char *note;
};

extern const struct daemon_key daemon_keys[];
extern const size_t daemon_key_count;

#endif
