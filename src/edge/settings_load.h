/* strongswan.conf, and what of it goes to the engine. Main thread, before the workers begin. */
#ifndef IKEBANA_EDGE_SETTINGS_LOAD_H
#define IKEBANA_EDGE_SETTINGS_LOAD_H

#include "engine/engine.h"
#include "policy/daemon_conf.h"

/* path NULL: the defaults. false: the file cannot be read, or a value of it is wrong; found says
 * which. Warnings and notices are in found either way. */
bool settings_load(const char *path, struct daemon_conf *out, struct findings *found);

/* Fills in what comes from the file; where 0 is a value of the file, UINT32_MAX stands for it. */
void settings_for_engine(const struct daemon_conf *c, struct engine_options *out);

#endif
