/* Reading a configuration in tests, and comparing whole findings. */
#include "settings_helper.h"

#include "policy/policy.h"

struct setup {
    struct arena arena;
    struct findings found;
};

static inline int set_up(void **state)
{
    struct setup *s = calloc(1, sizeof *s);
    *state = s;
    if (s == NULL || !arena_init(&s->arena))
        return -1;
    s->found.arena = &s->arena;
    return 0;
}

static inline int tear_down(void **state)
{
    struct setup *s = *state;
    arena_clear(&s->arena);
    free(s);
    return 0;
}

static inline void forget_findings(struct setup *s)
{
    s->found = (struct findings){.arena = &s->arena};
}

static inline struct section *parse(struct setup *s, const char *text)
{
    struct section *root = NULL;
    struct finding why;
    if (!settings_parse_text(span_text(text), "t.conf", NULL, &s->arena, &root, &why))
        fail_msg("%s: expected %s, seen %s", why.param, why.expected, why.seen);
    return root;
}

static inline void print_findings(const struct findings *found)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct finding *f = &found->at[i];
        print_message("  %s %s | expected %s | seen %s | nearest %s\n",
                      ikebana_cause_row(f->cause)->id, f->param, f->expected, f->seen, f->nearest);
    }
}

/* The one finding of a case, all of it. */
static inline void assert_finding(const struct findings *found, enum cause cause, const char *param,
                                  const char *expected, const char *seen, const char *nearest)
{
    if (found->count != 1)
        print_findings(found);
    assert_int_equal(found->count, 1);
    const struct finding *f = &found->at[0];
    assert_string_equal(ikebana_cause_row(f->cause)->id, ikebana_cause_row(cause)->id);
    assert_string_equal(f->param, param);
    assert_string_equal(f->expected, expected);
    assert_string_equal(f->seen, seen);
    assert_string_equal(f->nearest, nearest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
