/* Findings about a place of the configuration, in one form: param is the path of the key, seen is
 * "FILE:LINE: key = value". What a key's value must be comes from the table of keys. */
#ifndef IKEBANA_POLICY_REPORT_H
#define IKEBANA_POLICY_REPORT_H

#include "policy/keys.h"
#include "policy/policy.h"

/* Where we are while reading one section. */
struct place {
    struct findings *found;
    const char *scope; /* of the table: "connections.<conn>" */
    const char *path;  /* as configured, escaped: "connections.office" */
    bool is_secret;    /* no value is ever shown */
    bool failed;       /* a failure was reported here */
};

/* "connections.office" and "local-1" */
const char *policy_join_path(struct arena *a, const char *path, const char *name);

/* expected "" = what the table says of the key. more: behind the value in seen, "" = nothing. */
struct finding *policy_report_setting(struct place *p, enum cause cause, const struct setting *s,
                                      const char *expected, const char *more);
struct finding *policy_report_section(struct place *p, enum cause cause, const struct section *s,
                                      const char *expected, const char *more);
/* A key that is not in the file: seen = "FILE:LINE of the section: " more. */
struct finding *policy_report_missing(struct place *p, enum cause cause, const struct section *in,
                                      const char *name, const char *expected, const char *more);
/* Something was refused or warned about from `first` on by a reader that knows only texts: puts
 * FILE:LINE before what it saw. */
void policy_locate_findings(struct place *p, size_t first, const struct setting *s);

/* "a time such as 30s, 5m, 4h or 1d" */
const char *policy_expected_text(const struct policy_key *k, struct arena *a);

/* Keys that nobody reads: unknown ones, those that are not served, those whose value asks for what
 * is done anyway. true: the key is known and is one that is to be read. */
bool policy_wants_setting(struct place *p, const struct setting *s);
bool policy_wants_section(struct place *p, const struct section *s);

#endif
