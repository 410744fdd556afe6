/* Numbers to names by the generated tables: see wire.h. */
#include "wire/names.h"

#include "wire/wire.h"

static const char *name_of(const struct wire_names *names, uint16_t number, struct arena *a)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->at[middle].number == number)
            return names->at[middle].name;
        if (names->at[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return arena_text(a, "%u", (unsigned)number);
}

const char *wire_exchange_name(uint8_t exchange, struct arena *a)
{
    return name_of(&wire_exchange_names, exchange, a);
}

const char *wire_payload_name(uint8_t type, struct arena *a)
{
    return name_of(&wire_payload_names, type, a);
}

const char *wire_notify_name(uint16_t type, struct arena *a)
{
    return name_of(&wire_notify_names, type, a);
}

const char *wire_transform_name(uint8_t transform_type, uint16_t id, struct arena *a)
{
    switch (transform_type) {
    case TRANSFORM_ENCR:
        return name_of(&wire_encr_names, id, a);
    case TRANSFORM_PRF:
        return name_of(&wire_prf_names, id, a);
    case TRANSFORM_INTEG:
        return name_of(&wire_integ_names, id, a);
    case TRANSFORM_KE:
    case TRANSFORM_ADDKE1:
    case TRANSFORM_ADDKE2:
    case TRANSFORM_ADDKE3:
    case TRANSFORM_ADDKE4:
    case TRANSFORM_ADDKE5:
    case TRANSFORM_ADDKE6:
    case TRANSFORM_ADDKE7:
        return name_of(&wire_ke_names, id, a);
    case TRANSFORM_SN:
        return name_of(&wire_sn_names, id, a);
    default: /* a number from the network, no enumeration */
        return arena_text(a, "%u", (unsigned)id);
    }
}

const char *wire_transform_type_name(uint8_t transform_type, struct arena *a)
{
    return name_of(&wire_transform_type_names, transform_type, a);
}

const char *wire_protocol_name(uint8_t protocol, struct arena *a)
{
    return name_of(&wire_protocol_names, protocol, a);
}

const char *wire_id_type_name(uint8_t type, struct arena *a)
{
    return name_of(&wire_id_type_names, type, a);
}

const char *wire_auth_method_name(uint8_t method, struct arena *a)
{
    return name_of(&wire_auth_method_names, method, a);
}

const char *wire_cert_encoding_name(uint8_t encoding, struct arena *a)
{
    return name_of(&wire_cert_encoding_names, encoding, a);
}

const char *wire_ts_type_name(uint8_t type, struct arena *a)
{
    return name_of(&wire_ts_type_names, type, a);
}

const char *wire_cfg_type_name(uint8_t type, struct arena *a)
{
    return name_of(&wire_cfg_type_names, type, a);
}

const char *wire_cfg_attribute_name(uint16_t type, struct arena *a)
{
    return name_of(&wire_cfg_attribute_names, type, a);
}

const char *wire_hash_name(uint16_t hash, struct arena *a)
{
    return name_of(&wire_hash_names, hash, a);
}

const char *wire_eap_type_name(uint8_t type, struct arena *a)
{
    return name_of(&wire_eap_type_names, type, a);
}

/* Without the locale that tolower() asks. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_word(struct span text, const char *word)
{
    if (text.len != strlen(word))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (lower((char)text.at[i]) != lower(word[i]))
            return false;
    return true;
}

/* 16 where c is no hexadecimal digit. */
static unsigned digit(char c)
{
    c = lower(c);
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                  : 16;
}

static bool number_from(struct span text, uint16_t *out)
{
    bool is_hex = text.len > 2 && text.at[0] == '0' && lower((char)text.at[1]) == 'x';
    unsigned base = is_hex ? 16 : 10, value = 0;
    if (text.len == 0)
        return false;
    for (size_t i = is_hex ? 2 : 0; i < text.len; i++) {
        unsigned d = digit((char)text.at[i]);
        if (d >= base)
            return false;
        value = value * base + d;
        if (value > UINT16_MAX)
            return false;
    }
    *out = (uint16_t)value;
    return true;
}

bool wire_notify_by_name(struct span text, uint16_t *out)
{
    for (size_t i = 0; i < wire_notify_names.count; i++)
        if (same_word(text, wire_notify_names.at[i].name)) {
            *out = wire_notify_names.at[i].number;
            return true;
        }
    return number_from(text, out);
}
