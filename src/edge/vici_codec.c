/* VICI packets and messages, both ways. See vici_codec.h. */
#include "edge/vici_codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static bool is_printable(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] < 0x20 || s.at[i] > 0x7e)
            return false;
    return true;
}

static bool has_name(enum vici_type type)
{
    switch (type) {
    case VICI_CMD_REQUEST:
    case VICI_EVENT_REGISTER:
    case VICI_EVENT_UNREGISTER:
    case VICI_EVENT:
        return true;
    case VICI_CMD_RESPONSE:
    case VICI_CMD_UNKNOWN:
    case VICI_EVENT_CONFIRM:
    case VICI_EVENT_UNKNOWN:
        return false;
    }
    return false;
}

bool vici_parse_packet(struct span body, struct vici_packet *out, const char **why)
{
    struct reader r = reader_of(body);
    unsigned type = take_u8(&r);
    *out = (struct vici_packet){.type = VICI_CMD_UNKNOWN};
    if (!good(&r)) {
        *why = "the packet is empty";
        return false;
    }
    if (type > VICI_EVENT) {
        *why = "the packet type is not known";
        return false;
    }
    out->type = (enum vici_type)type;
    if (has_name(out->type)) {
        size_t len = take_u8(&r);
        out->name = take(&r, len);
        if (!good(&r)) {
            *why = "the name is longer than the packet";
            return false;
        }
        if (!is_printable(out->name)) {
            *why = "the name is not printable";
            return false;
        }
    }
    out->message = take_rest(&r);
    return true;
}

bool vici_take_element(struct reader *r, struct vici_element *out)
{
    *out = (struct vici_element){.kind = VICI_SECTION_END};
    if (r->bad || r->left.len == 0)
        return false;
    unsigned kind = take_u8(r);
    if (kind < VICI_SECTION_START || kind > VICI_LIST_END) {
        r->bad = true;
        return false;
    }
    out->kind = (enum vici_element_kind)kind;
    if (kind == VICI_SECTION_START || kind == VICI_KEY_VALUE || kind == VICI_LIST_START) {
        size_t len = take_u8(r);
        out->name = take(r, len);
        if (!is_printable(out->name))
            r->bad = true;
    }
    if (kind == VICI_KEY_VALUE || kind == VICI_LIST_ITEM) {
        size_t len = take_u16(r);
        out->value = take(r, len);
    }
    return good(r);
}

/* ---- the tree ---- */

static struct section *node_new(struct arena *a, struct span name)
{
    struct section *s = arena_alloc(a, sizeof *s);
    const char *copy = arena_text(a, "%.*s", (int)name.len, (const char *)name.at);
    if (s == NULL || arena_is_exhausted(a))
        return NULL;
    s->name = copy;
    s->file = "vici";
    s->settings_end = &s->settings;
    s->sections_end = &s->sections;
    return s;
}

/* Appends without a look for a namesake: that would be quadratic in what a client sends. The last
 * one counts, as settings_find() says. */
static struct setting *leaf_new(struct arena *a, struct section *in, struct span name)
{
    struct setting *s = arena_alloc(a, sizeof *s);
    const char *copy = arena_text(a, "%.*s", (int)name.len, (const char *)name.at);
    if (s == NULL || arena_is_exhausted(a))
        return NULL;
    s->name = copy;
    s->file = "vici";
    *in->settings_end = s;
    in->settings_end = &s->next;
    return s;
}

/* The items behind LIST_START, up to LIST_END: counted on a copy of the reader, then taken. */
static bool take_list(struct reader *r, struct arena *a, struct setting *list, const char **why)
{
    struct reader ahead = *r;
    struct vici_element e;
    size_t count = 0;
    *why = "a list is not closed";
    while (vici_take_element(&ahead, &e) && e.kind == VICI_LIST_ITEM)
        count++;
    if (!good(&ahead) || e.kind != VICI_LIST_END) {
        if (good(&ahead) && e.kind != VICI_SECTION_END)
            *why = "a list holds something else than items";
        return false;
    }
    list->is_list = true;
    list->items = arena_array(a, count == 0 ? 1 : count, sizeof *list->items);
    if (list->items == NULL) {
        *why = "no memory";
        return false;
    }
    while (list->item_count < count && vici_take_element(r, &e))
        list->items[list->item_count++] = e.value;
    return vici_take_element(r, &e);
}

bool vici_parse_message(struct span message, struct arena *a, const struct section **out,
                        const char **why)
{
    struct section *open[VICI_DEPTH_MAX + 1];
    size_t depth = 0;
    struct reader r = reader_of(message);
    struct vici_element e;

    *out = NULL;
    *why = "no memory";
    open[0] = node_new(a, span_text(""));
    if (open[0] == NULL)
        return false;
    while (vici_take_element(&r, &e)) {
        struct setting *leaf;
        switch (e.kind) {
        case VICI_SECTION_START:
            if (depth == VICI_DEPTH_MAX) {
                *why = "sections are nested too deep";
                return false;
            }
            open[depth + 1] = node_new(a, e.name);
            if (open[depth + 1] == NULL)
                return false;
            *open[depth]->sections_end = open[depth + 1];
            open[depth]->sections_end = &open[depth + 1]->next;
            depth++;
            break;
        case VICI_SECTION_END:
            if (depth == 0) {
                *why = "a section ends that was not begun";
                return false;
            }
            depth--;
            break;
        case VICI_KEY_VALUE:
            leaf = leaf_new(a, open[depth], e.name);
            if (leaf == NULL)
                return false;
            leaf->value = e.value;
            break;
        case VICI_LIST_START:
            leaf = leaf_new(a, open[depth], e.name);
            if (leaf == NULL || !take_list(&r, a, leaf, why))
                return false;
            *why = "no memory";
            break;
        case VICI_LIST_ITEM:
        case VICI_LIST_END:
            *why = "a list item stands outside a list";
            return false;
        }
    }
    if (!done(&r)) {
        *why = "an element is truncated or of an unknown type";
        return false;
    }
    if (depth != 0) {
        *why = "a section is not closed";
        return false;
    }
    *out = open[0];
    return true;
}

static const struct setting *find_value(const struct section *in, const char *name)
{
    const struct setting *found = NULL;
    for (const struct setting *s = in->settings; s != NULL; s = s->next)
        if (!s->is_list && strcmp(s->name, name) == 0)
            found = s;
    return found;
}

const char *vici_get_text(const struct section *in, const char *name, struct arena *a,
                          const char *fallback)
{
    const struct setting *s = find_value(in, name);
    if (s == NULL)
        return fallback;
    return arena_text(a, "%.*s", (int)s->value.len,
                      s->value.len == 0 ? "" : (const char *)s->value.at);
}

static bool is_one_of(struct span value, const char *const words[4])
{
    for (size_t i = 0; i < 4; i++)
        if (value.len == strlen(words[i]) &&
            strncasecmp((const char *)value.at, words[i], value.len) == 0)
            return true;
    return false;
}

bool vici_get_bool(const struct section *in, const char *name, bool fallback)
{
    static const char *const yes[4] = {"yes", "true", "enabled", "1"};
    static const char *const no[4] = {"no", "false", "disabled", "0"};
    const struct setting *s = find_value(in, name);
    if (s == NULL)
        return fallback;
    return is_one_of(s->value, yes) ? true : is_one_of(s->value, no) ? false : fallback;
}

int64_t vici_get_number(const struct section *in, const char *name, int64_t fallback)
{
    const struct setting *s = find_value(in, name);
    char text[32];
    if (s == NULL || s->value.len == 0 || s->value.len >= sizeof text)
        return fallback;
    memcpy(text, s->value.at, s->value.len);
    text[s->value.len] = '\0';
    char *end;
    long long number = strtoll(text, &end, 0);
    return *end == '\0' && end != text ? number : fallback;
}

struct span vici_get_long(const struct section *in, const char *name, struct arena *a)
{
    const struct setting *found = NULL;
    for (const struct setting *s = in->settings; s != NULL; s = s->next)
        if (strcmp(s->name, name) == 0)
            found = s;
    if (found == NULL)
        return (struct span){NULL, 0};
    if (!found->is_list)
        return found->value;
    size_t total = 0;
    for (size_t i = 0; i < found->item_count; i++)
        total += found->items[i].len;
    struct writer w = writer_of(arena_alloc(a, total + 1), total);
    if (w.at == NULL)
        return (struct span){NULL, 0};
    for (size_t i = 0; i < found->item_count; i++)
        put_span(&w, found->items[i]);
    return writer_span(&w);
}

/* ---- writing ---- */

/* Room for len more octets, or NULL and a bad packet. */
static uint8_t *grow(struct vici_out *o, size_t len)
{
    size_t max = VICI_PACKET_MAX + 4;
    if (o->is_bad || len > max - o->len) {
        o->is_bad = true;
        return NULL;
    }
    if (o->len + len > o->room) {
        size_t room = o->room == 0 ? 512 : o->room;
        while (room < o->len + len)
            room *= 2;
        uint8_t *at = realloc(o->at, room);
        if (at == NULL) {
            o->is_bad = true;
            return NULL;
        }
        o->at = at;
        o->room = room;
    }
    uint8_t *at = o->at + o->len;
    o->len += len;
    return at;
}

static void out_u8(struct vici_out *o, unsigned v)
{
    uint8_t *at = grow(o, 1);
    if (at != NULL)
        *at = (uint8_t)v;
}

static void out_span(struct vici_out *o, struct span s)
{
    uint8_t *at = grow(o, s.len);
    if (at != NULL && s.len > 0)
        memcpy(at, s.at, s.len);
}

static void out_name(struct vici_out *o, const char *name)
{
    struct span s = span_text(name);
    /* Names come from configurations too: a connection may be called what it likes. */
    if (s.len > VICI_NAME_MAX)
        s.len = VICI_NAME_MAX;
    out_u8(o, (unsigned)s.len);
    out_span(o, s);
}

static void out_value(struct vici_out *o, struct span value)
{
    if (value.len > VICI_VALUE_MAX)
        value.len = VICI_VALUE_MAX;
    out_u8(o, (unsigned)value.len >> 8);
    out_u8(o, (unsigned)value.len & 0xff);
    out_span(o, value);
}

void vici_begin_packet(struct vici_out *o, enum vici_type type, const char *name)
{
    *o = (struct vici_out){0};
    out_span(o, span_of("\0\0\0\0", 4));
    out_u8(o, type);
    if (name != NULL)
        out_name(o, name);
}

bool vici_end_packet(struct vici_out *o)
{
    if (o->is_bad)
        return false;
    struct writer w = writer_of(o->at, 4);
    put_u32(&w, (uint32_t)(o->len - 4));
    return true;
}

void vici_out_clear(struct vici_out *o)
{
    free(o->at);
    *o = (struct vici_out){0};
}

void vici_section(struct vici_out *o, const char *name)
{
    out_u8(o, VICI_SECTION_START);
    out_name(o, name);
}

void vici_section_end(struct vici_out *o)
{
    out_u8(o, VICI_SECTION_END);
}

void vici_value(struct vici_out *o, const char *name, struct span value)
{
    out_u8(o, VICI_KEY_VALUE);
    out_name(o, name);
    out_value(o, value);
}

void vici_text(struct vici_out *o, const char *name, const char *text)
{
    vici_value(o, name, span_text(text));
}

void vici_text_if(struct vici_out *o, const char *name, const char *text)
{
    if (text != NULL && *text != '\0')
        vici_text(o, name, text);
}

void vici_format(struct vici_out *o, const char *name, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0)
        len = 0;
    vici_value(o, name, span_of(text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1));
}

void vici_list(struct vici_out *o, const char *name)
{
    out_u8(o, VICI_LIST_START);
    out_name(o, name);
}

void vici_item(struct vici_out *o, const char *text)
{
    vici_item_span(o, span_text(text));
}

void vici_item_span(struct vici_out *o, struct span item)
{
    out_u8(o, VICI_LIST_ITEM);
    out_value(o, item);
}

void vici_list_end(struct vici_out *o)
{
    out_u8(o, VICI_LIST_END);
}

void vici_long(struct vici_out *o, const char *name, struct span text)
{
    if (text.len <= VICI_VALUE_MAX) {
        vici_value(o, name, text);
        return;
    }
    struct reader r = reader_of(text);
    vici_list(o, name);
    while (r.left.len > 0)
        vici_item_span(o, take(&r, r.left.len < VICI_VALUE_MAX ? r.left.len : VICI_VALUE_MAX));
    vici_list_end(o);
}

void vici_tree(struct vici_out *o, const struct section *root)
{
    for (const struct setting *s = root->settings; s != NULL; s = s->next) {
        if (!s->is_list) {
            vici_value(o, s->name, s->value);
            continue;
        }
        vici_list(o, s->name);
        for (size_t i = 0; i < s->item_count; i++)
            vici_item_span(o, s->items[i]);
        vici_list_end(o);
    }
    for (const struct section *s = root->sections; s != NULL; s = s->next) {
        vici_section(o, s->name);
        vici_tree(o, s);
        vici_section_end(o);
    }
}
