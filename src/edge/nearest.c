#include "edge/nearest.h"

enum { LETTERS_MAX = 48 };

/* Optimal string alignment, row by row. */
size_t nearest_distance(const char *x, const char *y)
{
    size_t rows[3][LETTERS_MAX + 1];
    size_t xn = strnlen(x, LETTERS_MAX), yn = strnlen(y, LETTERS_MAX);
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= yn; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= xn; i++) {
        now[0] = i;
        for (size_t j = 1; j <= yn; j++) {
            size_t best = last[j - 1] + (x[i - 1] != y[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[yn];
}

const char *nearest_word(const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t least = strlen(word) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        /* A word that was broken off is as good as a slip. */
        bool is_begun = *word != '\0' && strncmp(word, words[i], strlen(word)) == 0;
        size_t distance = is_begun ? 1 : nearest_distance(word, words[i]);
        if (distance < least) {
            least = distance;
            best = words[i];
        }
    }
    return best;
}

const char *nearest_list(const char *word, const char **words, size_t count, size_t max,
                         struct arena *a)
{
    const char *text = "";
    for (size_t i = 0; i < count && i < max; i++) {
        size_t best = i;
        for (size_t n = i + 1; n < count; n++)
            if (nearest_distance(word, words[n]) < nearest_distance(word, words[best]))
                best = n;
        const char *name = words[best];
        words[best] = words[i];
        words[i] = name;
        text = i == 0 ? name : arena_text(a, "%s, %s", text, name);
    }
    return count > max ? arena_text(a, "%s, …", text) : text;
}
