/* VICI on the wire: packets and messages (strongSwan's control protocol).
 *
 * A packet is a 32-bit length, a type, for some types a name, and a message. A message is a
 * sequence of elements: sections that nest, keys with values, lists of items. There are three ways
 * to look at one: element by element (vici_take_element(), loses nothing), as a tree of
 * policy/settings.h (vici_parse_message(), for requests), and as a buffer that grows while it is
 * written (struct vici_out). Everything that comes in is hostile: names must be printable, nesting
 * is limited, lengths are checked by base/span.h. */
#ifndef IKEBANA_EDGE_VICI_CODEC_H
#define IKEBANA_EDGE_VICI_CODEC_H

#include <stdarg.h>

#include "base/arena.h"
#include "policy/settings.h"

enum {
    VICI_PACKET_MAX = 512 * 1024, /* octets behind the length field */
    VICI_VALUE_MAX = 65535,
    VICI_NAME_MAX = 255,
    VICI_DEPTH_MAX = 32, /* sections in sections; the protocol names no limit, memory does */
};

enum vici_type {
    VICI_CMD_REQUEST,
    VICI_CMD_RESPONSE,
    VICI_CMD_UNKNOWN,
    VICI_EVENT_REGISTER,
    VICI_EVENT_UNREGISTER,
    VICI_EVENT_CONFIRM,
    VICI_EVENT_UNKNOWN,
    VICI_EVENT,
};

/* ---- packets ---- */

struct vici_packet {
    enum vici_type type;
    struct span name; /* empty for types without one */
    struct span message;
};

/* body: what follows the length field. false: why says what is wrong with it. */
bool vici_parse_packet(struct span body, struct vici_packet *out, const char **why);

/* ---- messages, element by element ---- */

enum vici_element_kind {
    VICI_SECTION_START = 1,
    VICI_SECTION_END,
    VICI_KEY_VALUE,
    VICI_LIST_START,
    VICI_LIST_ITEM,
    VICI_LIST_END,
};

struct vici_element {
    enum vici_element_kind kind;
    struct span name;
    struct span value;
};

/* The next element; false at the end or when the reader is bad (ask done()). */
bool vici_take_element(struct reader *r, struct vici_element *out);

/* ---- messages as a tree ---- */

/* The root has no name. Strings of the tree point into message, names are copied to the arena.
 * false: why says what is wrong (unclosed section, list in a list …), out is NULL. */
bool vici_parse_message(struct span message, struct arena *a, const struct section **out,
                        const char **why);

/* The last value of a key as text in the arena; fallback when it is not there. NULs end it. */
const char *vici_get_text(const struct section *in, const char *name, struct arena *a,
                          const char *fallback);
/* yes/true/enabled/1 and no/false/disabled/0; fallback for anything else. */
bool vici_get_bool(const struct section *in, const char *name, bool fallback);
int64_t vici_get_number(const struct section *in, const char *name, int64_t fallback);
/* A text of any length: as a value, or, beyond 65535 octets, as a list of its pieces. */
struct span vici_get_long(const struct section *in, const char *name, struct arena *a);

/* ---- writing ---- */

/* A growing packet on the heap. Once too large or out of memory it is bad and stays bad. */
struct vici_out {
    uint8_t *at;
    size_t len, room;
    bool is_bad;
};

/* Leaves room for the length field. name: NULL for packets without one. */
void vici_begin_packet(struct vici_out *o, enum vici_type type, const char *name);
/* Fills the length in. false: bad, nothing is to be sent. The octets are o->at, o->len. */
bool vici_end_packet(struct vici_out *o);
void vici_out_clear(struct vici_out *o);

void vici_section(struct vici_out *o, const char *name);
void vici_section_end(struct vici_out *o);
void vici_value(struct vici_out *o, const char *name, struct span value);
void vici_text(struct vici_out *o, const char *name, const char *text);
/* Only when text is neither NULL nor "". */
void vici_text_if(struct vici_out *o, const char *name, const char *text);
void vici_format(struct vici_out *o, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void vici_list(struct vici_out *o, const char *name);
void vici_item(struct vici_out *o, const char *text);
void vici_item_span(struct vici_out *o, struct span item);
void vici_list_end(struct vici_out *o);
/* See vici_get_long(). */
void vici_long(struct vici_out *o, const char *name, struct span text);
/* A whole tree: in each section first its keys and lists, then its sections. */
void vici_tree(struct vici_out *o, const struct section *root);

#endif
