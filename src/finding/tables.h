/* What stands beside the status catalogue: errors of the dial-up layer, the notify types of IKEv2
 * and the statuses that they are reported as, and the notifies by which Windows tells a status.
 * All static data. */
#ifndef IKEBANA_FINDING_TABLES_H
#define IKEBANA_FINDING_TABLES_H

#include <ikebana/status.h>

/* An error that users of the built-in client of Windows see instead of, or beside, the status. */
struct finding_ras {
    uint16_t code;
    uint16_t status; /* the likely IKE status behind it, 0 = none */
    const char *symbol, *meaning, *comment;
    enum ikebana_basis basis;
};

/* A private notify whose data is a status. */
struct finding_wire_status {
    uint16_t notify;
    const char *protocol, *name, *data, *source;
};

/* A notify or local event in an exchange, and the status it is reported as. */
struct finding_case {
    uint16_t notify; /* 0: a local event */
    uint16_t status; /* 0: success, or the value in the notify */
    const char *event, *exchange, *comment;
    enum ikebana_basis basis;
};

/* A registered or well-known private notify type of IKEv2. */
struct finding_notify {
    uint16_t number;
    bool is_error;
    const char *name, *rfc, *note;
};

/* NULL: behind the last. */
const struct finding_ras *finding_ras_at(size_t i);
const struct finding_wire_status *finding_wire_status_at(size_t i);
const struct finding_case *finding_case_at(size_t i);
const struct finding_notify *finding_notify_at(size_t i);

/* NULL: none. Names in any case; ERROR_ before a RAS error's name may be left out. */
const struct finding_ras *finding_ras_by_code(uint32_t code);
const struct finding_ras *finding_ras_by_name(const char *name);
const struct finding_notify *finding_notify_by_number(uint32_t number);
const struct finding_notify *finding_notify_by_name(const char *name);
/* For IKEv2 peers: 12345. NULL: this notify carries no status. */
const struct finding_wire_status *finding_wire_status_of(uint32_t notify);

/* "documented", "observed", "assigned". */
const char *finding_basis_name(enum ikebana_basis basis);

#endif
