/* The status catalogue: the 153 codes of the Windows IPsec block of winerror.h, the names and
 * numbers under which people meet them, and the codes that this project reports.
 *
 * All data is static: pointers stay valid, nothing is to be freed, every function may be called
 * from any thread. */
#ifndef IKEBANA_STATUS_H
#define IKEBANA_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ikebana/api.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    IKEBANA_STATUS_BEGIN = 13800,      /* the initial phase of the negotiation failed */
    IKEBANA_STATUS_PROCESSING = 13804, /* a message could not be processed */
    IKEBANA_STATUS_END = 13897,        /* a later phase failed, or an SA ended by failure */
};

/* How sure the link between a status and its condition is. */
enum ikebana_basis { IKEBANA_DOCUMENTED, IKEBANA_OBSERVED, IKEBANA_ASSIGNED };

struct ikebana_status {
    uint32_t code;      /* decimal number, 13000 … 13932 */
    const char *symbol; /* "ERROR_IPSEC_IKE_POLICY_MATCH" */
    const char *phase;  /* "main-mode", "auth", … */
    const char *meaning;
    const char *condition;  /* what makes an IKEv2 implementation report it */
    const char *applies_to; /* both, ikev1, ikev2, authip, data, none */
    enum ikebana_basis basis;
};

/* How a look-up found its status, when it was not by the canonical number or symbol. */
struct ikebana_match {
    const struct ikebana_status *status;
    const char *form;    /* "decimal", "hex", "HRESULT", "NTSTATUS", "symbol", "alias", "text" */
    const char *comment; /* what is wrong or special with the name or number given; "" = nothing */
    const struct ikebana_status
        *also; /* a second reading (13802: ATTRIB_FAIL, and the wrong number of END); or NULL */
};

/* NULL: no such code in the block. */
IKEBANA_API const struct ikebana_status *ikebana_status_by_code(uint32_t code);

/* Anything a user may paste: "13868", "0x362C", "362C", "0x8007362C", "-2147011028", "2147956268",
 * "ERROR_IPSEC_IKE_POLICY_MATCH", with or without the prefix and in any case, an alias, a message
 * text. false: nothing fits. */
IKEBANA_API bool ikebana_status_find(const char *text, struct ikebana_match *out);

/* All of them in ascending order: i from 0 while the answer is not NULL. */
IKEBANA_API const struct ikebana_status *ikebana_status_at(size_t i);

/* 0x80070000 + code. */
IKEBANA_API uint32_t ikebana_status_hresult(uint32_t code);

/* The library's version, "0.1.0". */
IKEBANA_API const char *ikebana_version(void);

#ifdef __cplusplus
}
#endif
#endif
