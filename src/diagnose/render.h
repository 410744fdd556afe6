/* Facts into words: a record as JSON, that JSON as a text for people, an event as one line.
 *
 *   struct record ──record_json.c──▶ JSON (docs/records.md) ──record_text.c──▶ text
 *   struct event ──event.c──▶ one line
 *
 * The JSON is the whole record and the only thing that is kept: the history stores it, VICI carries
 * it, the command renders it, perhaps years later and by another version. So the text is made from
 * JSON alone, and takes any JSON: what is missing or of another type is left out, what is not
 * printable is escaped.
 *
 * What a refusal, an error or silence may mean is ranked in hypotheses.c; which of two things
 * differ, in compare.c. Everything here is a pure function: equal records give equal octets. */
#ifndef IKEBANA_DIAGNOSE_RENDER_H
#define IKEBANA_DIAGNOSE_RENDER_H

#include <jansson.h>

#include "base/arena.h"
#include "step/step.h"

/* Every key of docs/records.md, in its order. The caller gives it back with json_decref(). NULL: no
 * memory. */
json_t *diagnose_record_to_json(const struct record *r);

/* Lines of at most 100 columns, each with its end, in UTF-8. colour: with ANSI sequences. Never
 * NULL; lives in the arena. */
const char *diagnose_json_to_text(const json_t *record, struct arena *a, bool colour);

/* One log line without time and end of line. Never NULL; "" = there is nothing to say. */
const char *diagnose_event_line(const struct event *e, struct arena *a);

#endif
