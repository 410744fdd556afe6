/* The generated tables of names: one for each registry that is printed. Room-internal; others use
 * wire_*_name() of wire.h. */
#ifndef IKEBANA_WIRE_NAMES_H
#define IKEBANA_WIRE_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct wire_name {
    uint16_t number;
    const char *name;
};

/* In ascending order of numbers. */
struct wire_names {
    const struct wire_name *at;
    size_t count;
};

extern const struct wire_names wire_exchange_names, wire_payload_names, wire_protocol_names,
    wire_transform_type_names, wire_encr_names, wire_prf_names, wire_integ_names, wire_ke_names,
    wire_sn_names, wire_id_type_names, wire_cert_encoding_names, wire_auth_method_names,
    wire_notify_names, wire_ts_type_names, wire_cfg_type_names, wire_cfg_attribute_names,
    wire_hash_names, wire_eap_type_names;

#endif
