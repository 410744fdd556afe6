/* swanctl.conf into the running daemon.
 *
 * A file that cannot be read or parsed changes nothing. In one that can, each connection and each
 * secret stands for itself: what is wrong is told and left out (an older version of it stays), the
 * rest is loaded; what came from an earlier file and is no longer in this one is unloaded. What
 * start_action wants of a connection that is new or changed is done by the engine
 * (ike2/standing.h). What was loaded over VICI is not touched. Main thread. */
#ifndef IKEBANA_EDGE_CONFIG_LOAD_H
#define IKEBANA_EDGE_CONFIG_LOAD_H

#include "edge/daemon.h"
#include "policy/settings.h"

struct config_loader;

/* Files for settings_parse_file(): regular files of at most 16 MiB, patterns as glob(3) sorts them.
 */
struct settings_source config_source(void);

/* Borrows d. NULL: no memory. */
struct config_loader *config_loader_new(struct daemon *d);
void config_loader_free(struct config_loader *l);
/* false: nothing was changed (the file cannot be read or parsed). */
bool config_loader_load(struct config_loader *l, const char *path, struct findings *found);
/* The same for vici_server_set_loader(): context is a struct config_loader. */
void config_loader_serve(void *context, const char *path, struct findings *found);
/* Connections and secrets that the last file brought. */
size_t config_loader_conns(const struct config_loader *l);
size_t config_loader_psks(const struct config_loader *l);

#endif
