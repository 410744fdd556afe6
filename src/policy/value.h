/* Values of swanctl.conf as charon reads them, its generosity included: what it takes and a user
 * would not expect is ODD, so that the caller warns. Checked against data/spec/swanctl-cases.tsv.
 */
#ifndef IKEBANA_POLICY_VALUE_H
#define IKEBANA_POLICY_VALUE_H

#include "base/arena.h"

enum value_fit { VALUE_BAD, VALUE_ODD, VALUE_GOOD };

/* yes, true, enabled, 1; no, false, disabled, 0; any case. Never ODD. */
enum value_fit value_bool(struct span text, bool *out);
/* C's base prefixes. ODD: nothing, a minus, a leading zero (octal), more than max (which is then
 * taken). */
enum value_fit value_number(struct span text, uint64_t max, uint64_t *out);
/* With s, m, h or d; seconds without. At most UINT32_MAX seconds: 136 years, to be added to a clock
 * without overflow. */
enum value_fit value_time(struct span text, uint64_t *seconds);
/* With k, m or g, of 1024. */
enum value_fit value_bytes(struct span text, uint64_t *bytes);
/* Binary digits, masked to six. */
enum value_fit value_bin6(struct span text, uint64_t *out);
/* "value[/mask]"; is_special for %unique, %unique-dir, %same. */
enum value_fit value_mark(struct span text, bool is_set_mark, uint64_t *value, uint64_t *mask,
                          bool *is_special);
/* Is text one of "a|b|c"? Any case. */
bool value_is_word(struct span text, const char *words);

/* Blanks at both ends left out. */
struct span value_trim(struct span text);
/* The next item of a comma separated list, trimmed, empty ones left out. false: no more. */
bool value_next_item(struct reader *list, struct span *item);

#endif
