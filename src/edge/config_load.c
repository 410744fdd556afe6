#include "edge/config_load.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "finding/finding.h"

enum { FILE_MAX = 16 * 1024 * 1024 };

/* ---- files ---- */

static bool read_all(int fd, struct arena *a, size_t size, struct span *text)
{
    uint8_t *at = arena_alloc(a, size + 1);
    size_t len = 0;
    while (at != NULL && len < size) {
        ssize_t n = read(fd, at + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *text = (struct span){at, len};
    if (at == NULL)
        errno = ENOMEM;
    return at != NULL;
}

static bool read_file(void *context, const char *path, struct arena *a, struct span *text,
                      const char **error)
{
    (void)context;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        *error = arena_text(a, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool ok = false;
    if (!S_ISREG(st.st_mode))
        *error = "not a regular file";
    else if (st.st_size > FILE_MAX)
        *error = "larger than 16 MiB";
    else if (!(ok = read_all(fd, a, (size_t)st.st_size, text)))
        *error = arena_text(a, "%s", strerror(errno));
    close(fd);
    return ok;
}

static bool glob_files(void *context, const char *pattern, struct arena *a, const char ***paths,
                       size_t *count, const char **error)
{
    (void)context;
    glob_t found;
    int rc = glob(pattern, GLOB_ERR, NULL, &found);
    *count = 0;
    *paths = NULL;
    if (rc == GLOB_NOMATCH)
        return true;
    if (rc != 0) {
        *error = rc == GLOB_NOSPACE ? "out of memory" : "a folder cannot be read";
        return false;
    }
    const char **list = arena_array(a, found.gl_pathc, sizeof *list);
    for (size_t i = 0; i < found.gl_pathc && list != NULL; i++)
        list[i] = arena_text(a, "%s", found.gl_pathv[i]);
    *count = list == NULL ? 0 : found.gl_pathc;
    *paths = list;
    globfree(&found);
    if (list == NULL)
        *error = "out of memory";
    return list != NULL;
}

struct settings_source config_source(void)
{
    return (struct settings_source){NULL, read_file, glob_files};
}

/* ---- what the last file brought ---- */

struct names {
    char **at;
    size_t count;
};

struct config_loader {
    struct daemon *daemon;
    struct names conns, psks;
};

struct config_loader *config_loader_new(struct daemon *d)
{
    struct config_loader *l = calloc(1, sizeof *l);
    if (l != NULL)
        l->daemon = d;
    return l;
}

static void names_clear(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->at[i]);
    free(n->at);
    *n = (struct names){NULL, 0};
}

static bool names_have(const struct names *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->at[i], name) == 0)
            return true;
    return false;
}

/* A name that finds no memory is only never unloaded. */
static void names_add(struct names *n, const char *name)
{
    if (names_have(n, name))
        return;
    char **more = realloc(n->at, (n->count + 1) * sizeof *more);
    if (more == NULL)
        return;
    n->at = more;
    n->at[n->count] = strdup(name);
    if (n->at[n->count] != NULL)
        n->count++;
}

void config_loader_free(struct config_loader *l)
{
    if (l == NULL)
        return;
    names_clear(&l->conns);
    names_clear(&l->psks);
    free(l);
}

size_t config_loader_conns(const struct config_loader *l)
{
    return l->conns.count;
}

size_t config_loader_psks(const struct config_loader *l)
{
    return l->psks.count;
}

/* ---- loading ---- */

static bool is_in(const struct section *root, const char *section, const char *name)
{
    const struct section *s = settings_find_section(root, section);
    return s != NULL && settings_find_section(s, name) != NULL;
}

static void unload_gone(struct config_loader *l, const struct section *root,
                        const struct names *conns, const struct names *psks)
{
    for (size_t i = 0; i < l->conns.count; i++) {
        struct command c = {.kind = CMD_UNLOAD_CONN, .conn_name = l->conns.at[i]};
        if (names_have(conns, c.conn_name))
            continue;
        if (!is_in(root, "connections", c.conn_name))
            daemon_command(l->daemon, &c, NULL, NULL);
    }
    for (size_t i = 0; i < l->psks.count; i++) {
        struct command c = {.kind = CMD_UNLOAD_PSK, .conn_name = l->psks.at[i]};
        if (names_have(psks, c.conn_name))
            continue;
        if (!is_in(root, "secrets", c.conn_name))
            daemon_command(l->daemon, &c, NULL, NULL);
    }
}

/* A section that is there but wrong keeps its older version, and its name. */
static void keep_wrong(const struct section *root, const char *section, const struct names *old,
                       struct names *next)
{
    for (size_t i = 0; i < old->count; i++)
        if (is_in(root, section, old->at[i]))
            names_add(next, old->at[i]);
}

static void apply(struct config_loader *l, const struct section *root, const struct config *config)
{
    struct names conns = {NULL, 0}, psks = {NULL, 0};
    for (size_t i = 0; i < config->psk_count; i++) {
        struct command c = {.kind = CMD_LOAD_PSK, .psk = config->psks[i]};
        daemon_command(l->daemon, &c, NULL, NULL);
        names_add(&psks, config->psks[i]->id);
    }
    for (size_t i = 0; i < config->conn_count; i++) {
        struct command c = {.kind = CMD_LOAD_CONN, .conn = config->conns[i]};
        daemon_command(l->daemon, &c, NULL, NULL);
        names_add(&conns, config->conns[i]->name);
    }
    unload_gone(l, root, &conns, &psks);
    keep_wrong(root, "connections", &l->conns, &conns);
    keep_wrong(root, "secrets", &l->psks, &psks);
    names_clear(&l->conns);
    names_clear(&l->psks);
    l->conns = conns;
    l->psks = psks;
}

static void wipe_secrets(struct section *root)
{
    for (struct section *s = root->sections; s != NULL; s = s->next)
        if (strcmp(s->name, "secrets") == 0)
            settings_wipe(s);
}

bool config_loader_load(struct config_loader *l, const char *path, struct findings *found)
{
    struct arena arena; /* of the tree */
    struct finding why;
    if (!arena_init(&arena)) {
        findings_add(found, CAUSE_RES_MEMORY);
        return false;
    }
    struct settings_source source = config_source();
    struct section *root = NULL;
    bool is_read = settings_parse_file(path, &source, &arena, &root, &why);
    if (is_read) {
        struct config config = {0};
        policy_config_read(root, &arena, &config, found);
        apply(l, root, &config);
        policy_config_clear(&config);
        wipe_secrets(root);
    } else {
        struct finding *row = findings_add(found, why.cause);
        if (row != NULL && !finding_copy(&why, found->arena, row))
            finding_set(row, why.cause);
    }
    arena_clear(&arena);
    return is_read;
}

void config_loader_serve(void *context, const char *path, struct findings *found)
{
    config_loader_load(context, path, found);
}
