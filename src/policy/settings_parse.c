/* Text to tree. No recursion: files that include each other and sections inside each other are
 * two small stacks, both bounded.
 *
 *   statement := NAME "=" value | NAME [":" path {"," path}] "{" {statement} "}" | "include"
 * pattern
 *
 * A value ends at the end of its line, at "#" or at "}": it is made of words and "strings", joined
 * by one blank. In a string \n \r \t are what they are in C, backslash and end of line join two
 * lines, and before anything else a backslash is left out. "key =" without a value unsets the key.
 * A file must close what it opens. Checked against swanctl 5.9.8; stricter than that one in what
 * is surely a mistake (a file to include that is not there, a reference to nothing or in a circle).
 *
 * Nothing here quotes a value in a finding: it may be a secret. */
#include "base/secret.h"
#include "finding/finding.h"
#include "policy/settings_tree.h"

struct file {
    const char *path;
    struct span text;
    size_t at;
    unsigned line;
    size_t base; /* sections that were open when it began */
    /* what an include statement in it still has to read */
    const char **pending;
    size_t pending_count;
};

struct parser {
    struct arena *arena;
    const struct settings_source *source;
    struct finding *why;
    struct file files[SETTINGS_INCLUDE_DEPTH_MAX + 1];
    size_t file_count, files_read;
    struct section *open[SETTINGS_DEPTH_MAX + 1]; /* [0] is the root */
    unsigned opened_at[SETTINGS_DEPTH_MAX + 1];
    size_t open_count;
    size_t nodes;
};

enum { END_OF_FILE = -1 };

static struct file *current(struct parser *p)
{
    return &p->files[p->file_count - 1];
}

static int peek(const struct file *f)
{
    return f->at < f->text.len ? f->text.at[f->at] : END_OF_FILE;
}

static int advance(struct file *f)
{
    int c = peek(f);
    if (c != END_OF_FILE)
        f->at++;
    if (c == '\n')
        f->line++;
    return c;
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_name_char(int c)
{
    switch (c) {
    case END_OF_FILE:
    case '#':
    case '{':
    case '}':
    case ':':
    case ',':
    case '=':
    case '"':
    case '\n':
    case '\0':
        return false;
    default:
        return !is_blank(c);
    }
}

static void skip_blanks(struct file *f)
{
    while (is_blank(peek(f)))
        advance(f);
}

/* Blanks, comments and line ends. */
static void skip_space(struct file *f)
{
    for (;;) {
        int c = peek(f);
        if (c == '#') {
            while (peek(f) != '\n' && peek(f) != END_OF_FILE)
                advance(f);
        } else if (c == '\n' || is_blank(c)) {
            advance(f);
        } else {
            return;
        }
    }
}

static bool refuse_at(struct parser *p, unsigned line, const char *expected, const char *seen)
{
    return settings_refuse(p->why, p->arena, current(p)->path, line, expected, seen);
}

static bool refuse_here(struct parser *p, const char *expected, const char *seen)
{
    return refuse_at(p, current(p)->line, expected, seen);
}

static const char *seen_char(struct parser *p, int c)
{
    if (c == END_OF_FILE)
        return "the end of the file";
    if (c == '\n')
        return "the end of the line";
    if (c == '"')
        return "a quoted string";
    if (c > ' ' && c < 127 && !is_name_char(c))
        return arena_text(p->arena, "\"%c\"", c);
    if (c > ' ' && c < 127)
        return "another word";
    return arena_text(p->arena, "the octet 0x%02x", (unsigned)c);
}

static bool count_node(struct parser *p)
{
    if (++p->nodes <= SETTINGS_NODES_MAX)
        return true;
    return refuse_here(
        p, arena_text(p->arena, "at most %d keys and sections in all", SETTINGS_NODES_MAX),
        "more than that");
}

static struct span take_name(struct file *f)
{
    size_t from = f->at;
    while (is_name_char(peek(f)))
        advance(f);
    struct reader r = reader_of(f->text);
    take(&r, from);
    return take(&r, f->at - from);
}

/* The inside of a string, its opening quote being read already. out may be NULL. */
static bool read_string(struct parser *p, struct writer *out)
{
    struct file *f = current(p);
    unsigned began = f->line;
    for (;;) {
        int c = advance(f);
        if (c == END_OF_FILE)
            return refuse_at(p, began, "a closing quote for the string that begins in this line",
                             "the end of the file");
        if (c == '"')
            return true;
        if (c == '\\') {
            c = advance(f);
            if (c == '\r' && peek(f) == '\n')
                c = advance(f);
            if (c == '\n' || c == END_OF_FILE)
                continue;
            c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
        }
        if (out != NULL)
            put_u8(out, (uint8_t)c);
    }
}

/* Words and strings up to the end of the value. out NULL: only to see where it ends. */
static bool read_value(struct parser *p, struct writer *out, bool *is_unset)
{
    struct file *f = current(p);
    *is_unset = true;
    for (;;) {
        skip_blanks(f);
        int c = peek(f);
        if (c == END_OF_FILE || c == '\n' || c == '#' || c == '}')
            return true;
        if (!*is_unset && out != NULL)
            put_u8(out, ' ');
        *is_unset = false;
        if (c == '"') {
            advance(f);
            if (!read_string(p, out))
                return false;
            continue;
        }
        while (c != END_OF_FILE && c != '\n' && c != '#' && c != '}' && c != '"' && !is_blank(c)) {
            if (out != NULL)
                put_u8(out, (uint8_t)c);
            advance(f);
            c = peek(f);
        }
    }
}

/* Reads it twice: a value is never longer than its text, the blanks between pieces included. */
static bool parse_value(struct parser *p, struct span name, unsigned line)
{
    struct file *f = current(p);
    struct file start = *f;
    bool is_unset;
    if (!read_value(p, NULL, &is_unset))
        return false;
    size_t most = 2 * (f->at - start.at) + 1;
    *f = start;
    uint8_t *room = arena_alloc(p->arena, most);
    struct section *in = p->open[p->open_count - 1];
    struct setting *s = room == NULL ? NULL : settings_place_for(p->arena, in, name);
    if (s == NULL)
        return settings_no_memory(p->why);
    struct writer w = writer_of(room, most);
    if (!read_value(p, &w, &is_unset))
        return false;
    s->value = writer_span(&w);
    s->is_unset = is_unset;
    s->file = f->path;
    s->line = line;
    return count_node(p);
}

static bool parse_references(struct parser *p, struct section *s)
{
    struct file *f = current(p);
    for (;;) {
        skip_space(f);
        unsigned line = f->line;
        struct span path = take_name(f);
        if (path.len == 0)
            return refuse_here(p, "the path of a section to inherit from", seen_char(p, peek(f)));
        struct section_reference *ref = arena_alloc(p->arena, sizeof *ref);
        char *text = arena_alloc(p->arena, path.len + 1);
        if (ref == NULL || text == NULL)
            return settings_no_memory(p->why);
        memcpy(text, path.at, path.len);
        ref->path = text;
        ref->file = f->path;
        ref->line = line;
        *s->references_end = ref;
        s->references_end = &ref->next;
        if (!count_node(p))
            return false;
        skip_space(f);
        if (peek(f) == '{')
            return true;
        if (peek(f) != ',')
            return refuse_here(p, "\",\" or \"{\" after a section to inherit from",
                               seen_char(p, peek(f)));
        advance(f);
    }
}

static bool open_section(struct parser *p, struct span name, unsigned line)
{
    struct file *f = current(p);
    if (p->open_count > SETTINGS_DEPTH_MAX)
        return refuse_at(
            p, line,
            arena_text(p->arena, "at most %d sections inside each other", SETTINGS_DEPTH_MAX),
            "one more");
    struct section *in = p->open[p->open_count - 1];
    struct section *s = settings_child(in, name);
    if (s == NULL) {
        s = settings_append_section(p->arena, in, name);
        if (s == NULL)
            return settings_no_memory(p->why);
        s->file = f->path;
        s->line = line;
        if (!count_node(p))
            return false;
    }
    if (peek(f) == ':') {
        advance(f);
        if (!parse_references(p, s))
            return false;
    }
    advance(f); /* the brace */
    p->open[p->open_count] = s;
    p->opened_at[p->open_count++] = line;
    return true;
}

/* ---- include ---- */

static bool refuse_file(struct parser *p, unsigned line, const char *expected, const char *seen)
{
    finding_set(p->why, CAUSE_CONF_FILE);
    p->why->param =
        p->file_count > 0 ? settings_place(p->arena, current(p)->path, line) : "--config";
    p->why->expected = expected;
    p->why->seen = seen;
    return false;
}

static bool has_wildcards(const char *pattern)
{
    return strpbrk(pattern, "*?[") != NULL;
}

static const char *beside(struct arena *a, const char *path, const char *pattern)
{
    const char *slash = strrchr(path, '/');
    if (pattern[0] == '/' || slash == NULL)
        return pattern;
    return arena_text(a, "%.*s/%s", (int)(slash - path), path, pattern);
}

static bool push_file(struct parser *p, const char *path, unsigned line)
{
    if (p->file_count > SETTINGS_INCLUDE_DEPTH_MAX)
        return refuse_at(p, line,
                         arena_text(p->arena, "at most %d files that include each other",
                                    SETTINGS_INCLUDE_DEPTH_MAX),
                         arena_text(p->arena, "one more, %s", path));
    for (size_t i = 0; i < p->file_count; i++) {
        if (strcmp(p->files[i].path, path) == 0)
            return refuse_at(p, line, "a file that does not lead back to this one",
                             arena_text(p->arena, "%s, which includes itself", path));
    }
    if (++p->files_read > SETTINGS_FILES_MAX)
        return refuse_at(p, line, arena_text(p->arena, "at most %d files", SETTINGS_FILES_MAX),
                         "more than that");
    struct file next = {.path = path, .line = 1, .base = p->open_count};
    const char *error = NULL;
    if (p->source == NULL || p->source->read == NULL ||
        !p->source->read(p->source->context, path, p->arena, &next.text, &error))
        return refuse_file(p, line, "a file that can be read",
                           arena_text(p->arena, "%s: %s", path,
                                      error == NULL ? "files are not read here" : error));
    p->files[p->file_count++] = next;
    return true;
}

static bool next_pending(struct parser *p)
{
    struct file *f = current(p);
    f->pending_count--;
    return push_file(p, *f->pending++, f->line);
}

static bool parse_include(struct parser *p)
{
    struct file *f = current(p);
    unsigned line = f->line;
    skip_blanks(f);
    struct span pattern;
    if (peek(f) == '"') {
        struct file start = *f;
        advance(f);
        if (!read_string(p, NULL))
            return false;
        size_t room = f->at - start.at;
        *f = start;
        uint8_t *at = arena_alloc(p->arena, room);
        if (at == NULL)
            return settings_no_memory(p->why);
        struct writer w = writer_of(at, room);
        advance(f);
        if (!read_string(p, &w))
            return false;
        pattern = writer_span(&w);
    } else {
        size_t from = f->at;
        while (peek(f) != END_OF_FILE && peek(f) != '\n' && peek(f) != '"' && !is_blank(peek(f)))
            advance(f);
        struct reader r = reader_of(f->text);
        take(&r, from);
        pattern = take(&r, f->at - from);
    }
    if (pattern.len == 0 || memchr(pattern.at, 0, pattern.len) != NULL)
        return refuse_at(p, line, "the name or pattern of files to include", "nothing");
    const char *text =
        beside(p->arena, f->path,
               arena_text(p->arena, "%.*s", (int)pattern.len, (const char *)pattern.at));
    const char **paths = NULL;
    size_t count = 0;
    if (!has_wildcards(text))
        return push_file(p, text, line);
    const char *error = NULL;
    if (p->source == NULL || p->source->glob == NULL ||
        !p->source->glob(p->source->context, text, p->arena, &paths, &count, &error))
        return refuse_file(p, line, "a pattern whose folder can be read",
                           arena_text(p->arena, "%s: %s", text,
                                      error == NULL ? "files are not read here" : error));
    f->pending = paths;
    f->pending_count = count;
    return true;
}

/* ---- statements ---- */

static bool end_file(struct parser *p)
{
    struct file *f = current(p);
    if (p->open_count > f->base)
        return refuse_at(p, p->opened_at[p->open_count - 1],
                         arena_text(p->arena,
                                    "\"}\" to close the section %s that begins in this line",
                                    p->open[p->open_count - 1]->name),
                         "the end of the file");
    if (f->text.len > 0) {
        void *at; /* it is in our arena, made for us */
        memcpy(&at, &f->text.at, sizeof at);
        secret_wipe(at, f->text.len);
    }
    p->file_count--;
    return true;
}

static bool close_section(struct parser *p)
{
    struct file *f = current(p);
    if (p->open_count == f->base)
        return refuse_here(p, "a section, a key or the end of the file",
                           "\"}\" although no section is open");
    advance(f);
    p->open_count--;
    return true;
}

static bool parse_statement(struct parser *p)
{
    struct file *f = current(p);
    unsigned line = f->line;
    struct span name = take_name(f);
    if (name.len == 0)
        return refuse_here(p, "the name of a key or section", seen_char(p, peek(f)));
    if (span_is(name, "include") && is_blank(peek(f)))
        return parse_include(p);
    skip_space(f);
    int c = peek(f);
    if (c == '{' || c == ':')
        return open_section(p, name, line);
    if (c != '=')
        return refuse_here(p, "\"=\", \"{\" or \":\" after a name", seen_char(p, c));
    advance(f);
    return parse_value(p, name, line);
}

static bool step(struct parser *p)
{
    struct file *f = current(p);
    if (f->pending_count > 0)
        return next_pending(p);
    skip_space(f);
    int c = peek(f);
    if (c == END_OF_FILE)
        return end_file(p);
    return c == '}' ? close_section(p) : parse_statement(p);
}

static bool parse_all(struct parser *p, struct section **out)
{
    struct section *root = p->open[0];
    struct file *f = current(p);
    struct reader r = reader_of(f->text);
    if (take_u8(&r) == 0xef && take_u8(&r) == 0xbb && take_u8(&r) == 0xbf)
        f->at = 3; /* the byte order mark that some editors leave */
    while (p->file_count > 0) {
        if (!step(p))
            return false;
        if (arena_is_exhausted(p->arena))
            return settings_no_memory(p->why);
    }
    if (!settings_resolve(root, p->arena, &p->nodes, p->why))
        return false;
    if (arena_is_exhausted(p->arena))
        return settings_no_memory(p->why);
    *out = root;
    return true;
}

static bool begin(struct parser *p, const char *file)
{
    p->open[0] = settings_section_new(p->arena, "");
    if (p->open[0] == NULL)
        return settings_no_memory(p->why);
    p->open[0]->file = file;
    p->open_count = 1;
    return true;
}

bool settings_parse_file(const char *path, const struct settings_source *source, struct arena *a,
                         struct section **out, struct finding *why)
{
    struct parser p = {.arena = a, .source = source, .why = why};
    return begin(&p, path) && push_file(&p, path, 0) && parse_all(&p, out);
}

bool settings_parse_text(struct span text, const char *file, const struct settings_source *source,
                         struct arena *a, struct section **out, struct finding *why)
{
    struct parser p = {.arena = a, .source = source, .why = why};
    if (!begin(&p, file))
        return false;
    /* A copy, because a text that was read is wiped. */
    struct span copy = arena_copy(a, text);
    if (copy.at == NULL)
        return settings_no_memory(why);
    p.files[p.file_count++] = (struct file){.path = file, .text = copy, .line = 1, .base = 1};
    return parse_all(&p, out);
}
