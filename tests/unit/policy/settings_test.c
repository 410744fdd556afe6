/* Syntax of swanctl.conf. What is accepted here was seen to be accepted, with the same result, by
 * swanctl 5.9.8, and what is refused here was refused there unless the test says otherwise. */
#include <stdio.h>

#include "settings_helper.h"

struct setup {
    struct arena arena;
};

static int set_up(void **state)
{
    struct setup *s = calloc(1, sizeof *s);
    *state = s;
    return s != NULL && arena_init(&s->arena) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct setup *s = *state;
    arena_clear(&s->arena);
    free(s);
    return 0;
}

static void reads_as(void **state, const char *text, const char *tree)
{
    struct setup *s = *state;
    struct section *root = NULL;
    struct finding why;
    if (!settings_parse_text(span_text(text), "t.conf", NULL, &s->arena, &root, &why))
        fail_msg("%s: %s: expected %s, seen %s", text, why.param, why.expected, why.seen);
    assert_string_equal(tree_text(&s->arena, root), tree);
}

static void is_refused(void **state, const char *text, const char *param, const char *expected,
                       const char *seen)
{
    struct setup *s = *state;
    struct section *root = NULL;
    struct finding why;
    if (settings_parse_text(span_text(text), "t.conf", NULL, &s->arena, &root, &why))
        fail_msg("%s: was accepted", text);
    assert_int_equal(why.cause, CAUSE_CONF_SYNTAX);
    assert_string_equal(why.param, param);
    assert_string_equal(why.expected, expected);
    assert_string_equal(why.seen, seen);
}

static void sections_keys_and_comments_are_read(void **state)
{
    reads_as(state, "# c\na {\n k = v # not this\n b { l = 2 } # nor this\n}\n#end",
             "a{k=v;b{l=2;}}");
    reads_as(state, "a\n{\n k\n = 2\n}\n", "a{k=2;}");
    reads_as(state, "a { k=1\r\n l = 2\r\n }\r\n", "a{k=1;l=2;}");
    reads_as(state, "", "");
    reads_as(state,
             "\xef\xbb\xbf"
             "a { }",
             "a{}");
}

static void an_unquoted_value_ends_with_its_line_a_comment_or_a_brace(void **state)
{
    reads_as(state, "a { k = x }", "a{k=x;}");
    reads_as(state, "a { k = x#y }\n }", "a{k=x;}");
    reads_as(state, "a { k = 1 l = 2\n }", "a{k=1 l = 2;}");
    reads_as(state, "a { k = x{y\n l = a=b:c,d\n }", "a{k=x{y;l=a=b:c,d;}");
    reads_as(state, "a { k =  CN=x,   O=y;\tz {\n }", "a{k=CN=x, O=y; z {;}");
}

static void strings_keep_blanks_and_know_escapes(void **state)
{
    reads_as(state, "k = \" a # } \"", "k= a # } ;");
    reads_as(state, "k = \"a\\tb\\n\\\"c\\\\ \\q\\r\"", "k=a\tb\n\"c\\ q\r;");
    reads_as(state, "k = \"two\nlines, \\\none\"", "k=two\nlines, one;");
    reads_as(state, "k = \"a\" \"b\" c\"d\"", "k=a b c d;");
    reads_as(state, "k = \"\"", "k=;");
}

static void the_last_of_two_definitions_counts_and_remembers_the_first(void **state)
{
    struct setup *s = *state;
    struct section *root;
    struct finding why;
    reads_as(state, "a { k = 1\n l = 2 }\na { k = 3\n m = 4 }", "a{k=3;l=2;m=4;}");
    assert_true(
        settings_parse_text(span_text("k = 1\n\nk = 2"), "t.conf", NULL, &s->arena, &root, &why));
    const struct setting *k = settings_find(root, "k");
    assert_int_equal(k->line, 3);
    assert_int_equal(k->earlier_line, 1);
    assert_string_equal(k->earlier_file, "t.conf");
}

static void a_key_without_a_value_is_unset(void **state)
{
    reads_as(state, "a { k = 1\n l = 2\n k =\n }", "a{l=2;}");
    reads_as(state, "a { k = # nothing\n }", "a{}");
    reads_as(state, "a { k = }", "a{}");
}

static void a_section_inherits_what_it_has_not_itself(void **state)
{
    reads_as(state,
             "a : base, t.x { k = 1\n s { l = 2 } }\n"
             "base { k = 9\n m = 3\n s { l = 9\n n = 4 } u { } }\n"
             "t { x : t.y { m = 9\n o = 5 } y { o = 9\n p = 6 } }",
             "a{k=1;m=3;o=5;p=6;s{l=2;n=4;}u{}}base{k=9;m=3;s{l=9;n=4;}u{}}"
             "t{x{m=9;o=5;p=6;}y{o=9;p=6;}}");
    reads_as(state, "c { a { k = 1 } b :c.a{ l = 2 } }", "c{a{k=1;}b{l=2;k=1;}}");
    reads_as(state, "a :b,\nc\n{ }\nb { k = 1 } c { l = 2 }", "a{k=1;l=2;}b{k=1;}c{l=2;}");
    reads_as(state, "a : b { }\na : c { }\nb { k = 1 } c { l = 2 }", "a{k=1;l=2;}b{k=1;}c{l=2;}");
}

static void an_unset_key_hides_the_inherited_one(void **state)
{
    reads_as(state, "a : b { k = }\nb { k = 1\n l = 2 }", "a{l=2;}b{k=1;l=2;}");
    reads_as(state, "a : b { }\nb : c { k = }\nc { k = 1 }", "a{}b{}c{k=1;}");
}

static void a_section_that_only_an_inherited_one_has_can_be_inherited_from(void **state)
{
    reads_as(state, "a : b.s { }\nb : c { }\nc { s { k = 1 } }", "a{k=1;}b{s{k=1;}}c{s{k=1;}}");
}

static void a_section_that_others_inherit_from_is_marked(void **state)
{
    struct setup *s = *state;
    struct section *root;
    struct finding why;
    assert_true(settings_parse_text(span_text("a : t.x { } t { x { } } u { }"), "t.conf", NULL,
                                    &s->arena, &root, &why));
    assert_true(settings_find_section(root, "t")->is_referenced);
    assert_false(settings_find_section(root, "u")->is_referenced);
}

/* Not in swanctl 5.9.8, which does not take a dot in a name at all. */
static void a_dot_in_a_name_is_doubled_in_a_path(void **state)
{
    reads_as(state, "a : vpn..example { }\nvpn.example { k = 1 }", "a{k=1;}vpn.example{k=1;}");
}

/* strongSwan takes these two in silence. */
static void references_to_nothing_and_in_a_circle_are_refused(void **state)
{
    is_refused(state, "a {\n}\nb : a, nowhere {\n}", "t.conf:3",
               "the path of a section that exists, from the top of the file",
               "nowhere, which is not there");
    is_refused(state, "a : b { }\nb : a { }", "t.conf:2",
               "a section that does not itself inherit from this one", "a, which leads back to b");
    is_refused(state, "a : a { }", "t.conf:1",
               "a section that does not itself inherit from this one", "a, which leads back to a");
    is_refused(state, "a { b : a { } }", "t.conf:1",
               "a section that does not itself inherit from this one", "a, which leads back to b");
}

static void what_is_not_closed_is_named_where_it_begins(void **state)
{
    is_refused(state, "a {\n b {\n k = 1\n }\n", "t.conf:1",
               "\"}\" to close the section a that begins in this line", "the end of the file");
    is_refused(state, "a {\n k = \"x\n}\n", "t.conf:2",
               "a closing quote for the string that begins in this line", "the end of the file");
    is_refused(state, "a { k = \"x\\", "t.conf:1",
               "a closing quote for the string that begins in this line", "the end of the file");
    is_refused(state, "a { }\n}\n", "t.conf:2", "a section, a key or the end of the file",
               "\"}\" although no section is open");
}

static void a_name_must_be_followed_by_a_value_or_a_section(void **state)
{
    static const char after[] = "\"=\", \"{\" or \":\" after a name";
    is_refused(state, "a { version 2 }", "t.conf:1", after, "another word");
    is_refused(state, "a {\n x\n }", "t.conf:3", after, "\"}\"");
    is_refused(state, "a", "t.conf:1", after, "the end of the file");
    is_refused(state, "a b { }", "t.conf:1", after, "another word");
    is_refused(state, "a { = 2 }", "t.conf:1", "the name of a key or section", "\"=\"");
    is_refused(state, "\"a b\" { }", "t.conf:1", "the name of a key or section", "a quoted string");
    is_refused(state, "a, b { }", "t.conf:1", after, "\",\"");
    is_refused(state, "a::b { }", "t.conf:1", "the path of a section to inherit from", "\":\"");
    is_refused(state, "a : { }", "t.conf:1", "the path of a section to inherit from", "\"{\"");
    is_refused(state, "a : b = 1", "t.conf:1", "\",\" or \"{\" after a section to inherit from",
               "\"=\"");
    is_refused(state, "\x01{ }x\x02", "t.conf:1", after, "the end of the file");
}

static void a_finding_never_quotes_a_value(void **state)
{
    struct setup *s = *state;
    struct section *root;
    struct finding why;
    static const char *texts[] = {"secret = \"hunter2", "secret = \"a\"\nhunter2 x",
                                  "a { secret hunter2", "hunter2\n}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(
            settings_parse_text(span_text(texts[i]), "t.conf", NULL, &s->arena, &root, &why));
        assert_null(strstr(why.seen, "hunter2"));
        assert_null(strstr(why.expected, "hunter2"));
    }
}

/* ---- include ---- */

static bool parse_files(struct setup *s, const struct text_file *at, size_t count,
                        struct section **root, struct finding *why)
{
    struct text_files files = {at, count};
    struct settings_source source = text_source(&files);
    return settings_parse_file(at[0].path, &source, &s->arena, root, why);
}

static void files_are_included_where_the_statement_stands(void **state)
{
    struct setup *s = *state;
    static const struct text_file files[] = {
        {"/etc/swanctl.conf",
         "a { include part.conf }\ninclude conf.d/x*\ninclude \"/x y.conf\" # c\nz { }"},
        {"/etc/part.conf", "k = 1\n"},
        {"/etc/conf.d/x1", "b { include ../part.conf\n }"},
        {"/etc/conf.d/x2", "c { }\ninclude nothing*"},
        {"/x y.conf", "d { l = 2"
                      "}"},
        {"/etc/conf.d/../part.conf", "k = 3"},
    };
    struct section *root;
    struct finding why;
    if (!parse_files(s, files, 6, &root, &why))
        fail_msg("%s %s %s", why.param, why.expected, why.seen);
    assert_string_equal(tree_text(&s->arena, root), "a{k=1;}b{k=3;}c{}d{l=2;}z{}");
    const struct setting *k = settings_find(settings_find_section(root, "b"), "k");
    assert_string_equal(k->file, "/etc/conf.d/../part.conf");
    assert_int_equal(k->line, 1);
}

static void file_is_refused(void **state, const struct text_file *at, size_t count,
                            enum cause cause, const char *param, const char *expected,
                            const char *seen)
{
    struct setup *s = *state;
    struct section *root;
    struct finding why;
    assert_false(parse_files(s, at, count, &root, &why));
    assert_int_equal(why.cause, cause);
    assert_string_equal(why.param, param);
    assert_string_equal(why.expected, expected);
    assert_string_equal(why.seen, seen);
}

/* strongSwan goes on without it. */
static void a_file_that_is_not_there_is_refused(void **state)
{
    static const struct text_file files[] = {{"/e/a", "\ninclude b"},
                                             {"/e/c", "include /forbidden/*"}};
    file_is_refused(state, files, 1, CAUSE_CONF_FILE, "/e/a:2", "a file that can be read",
                    "/e/b: no such file");
    file_is_refused(state, &files[1], 1, CAUSE_CONF_FILE, "/e/c:1",
                    "a pattern whose folder can be read", "/forbidden/*: permission denied");
    struct setup *s = *state;
    struct section *root;
    struct finding why;
    struct text_files none = {files, 0};
    struct settings_source source = text_source(&none);
    assert_false(settings_parse_file("/e/x", &source, &s->arena, &root, &why));
    assert_int_equal(why.cause, CAUSE_CONF_FILE);
    assert_string_equal(why.param, "--config");
    assert_string_equal(why.seen, "/e/x: no such file");
    assert_false(settings_parse_text(span_text("include x"), "t", NULL, &s->arena, &root, &why));
    assert_string_equal(why.seen, "x: files are not read here");
}

static void files_that_include_each_other_are_refused(void **state)
{
    static const struct text_file files[] = {{"/e/a", "include b"}, {"/e/b", "k = 1\ninclude a"}};
    file_is_refused(state, files, 2, CAUSE_CONF_SYNTAX, "/e/b:2",
                    "a file that does not lead back to this one", "/e/a, which includes itself");
}

static void a_chain_of_more_than_ten_includes_is_refused(void **state)
{
    static const struct text_file files[] = {
        {"0", "include 1"}, {"1", "include 2"}, {"2", "include 3"}, {"3", "include 4"},
        {"4", "include 5"}, {"5", "include 6"}, {"6", "include 7"}, {"7", "include 8"},
        {"8", "include 9"}, {"9", "include A"}, {"A", "include B"}, {"B", "k = 1"}};
    file_is_refused(state, files, 12, CAUSE_CONF_SYNTAX, "A:1",
                    "at most 10 files that include each other", "one more, B");
    struct setup *s = *state;
    struct section *root;
    struct finding why;
    assert_true(parse_files(s, &files[1], 11, &root, &why));
}

/* strongSwan joins the texts of all files before it looks at braces. */
static void a_file_closes_what_it_opens_and_no_more(void **state)
{
    static const struct text_file open[] = {{"/a", "include b\n}"}, {"/b", "x {\n"}};
    file_is_refused(state, open, 2, CAUSE_CONF_SYNTAX, "/b:1",
                    "\"}\" to close the section x that begins in this line", "the end of the file");
    static const struct text_file close[] = {{"/a", "x {\n include b\n"}, {"/b", "\n}"}};
    file_is_refused(state, close, 2, CAUSE_CONF_SYNTAX, "/b:2",
                    "a section, a key or the end of the file", "\"}\" although no section is open");
}

static void a_file_that_includes_thousands_is_refused(void **state)
{
    struct setup *s = *state;
    char *text = calloc(1, 20000);
    for (size_t i = 0; i < 1500; i++)
        memcpy(text + 10 * i, "include b\n", 10);
    struct text_file files[] = {{"/a", text}, {"/b", "k = 1"}};
    struct section *root;
    struct finding why;
    assert_false(parse_files(s, files, 2, &root, &why));
    assert_string_equal(why.expected, "at most 1000 files");
    free(text);
}

static bool remember_text(void *context, const char *path, struct arena *a, struct span *text,
                          const char **error)
{
    (void)path, (void)error;
    *text = arena_copy(a, span_text("secret = hunter2"));
    memcpy(context, text, sizeof *text);
    return true;
}

static void a_text_that_was_read_is_overwritten_and_values_can_be(void **state)
{
    struct setup *s = *state;
    struct span text = {NULL, 0};
    struct settings_source source = {&text, remember_text, NULL};
    struct section *root;
    struct finding why;
    assert_true(settings_parse_file("a", &source, &s->arena, &root, &why));
    assert_null(memmem(text.at, text.len, "hunter2", 7));
    const struct setting *k = settings_find(root, "secret");
    assert_true(span_is(k->value, "hunter2"));
    settings_wipe(root);
    assert_null(memmem(k->value.at, k->value.len, "hunter2", 7));
}

/* ---- size ---- */

static void sections_may_be_64_deep_and_no_deeper(void **state)
{
    char text[400] = "";
    for (int i = 0; i < 64; i++)
        strcat(text, "a{");
    for (int i = 0; i < 64; i++)
        strcat(text, "}");
    struct setup *s = *state;
    struct section *root;
    struct finding why;
    assert_true(settings_parse_text(span_text(text), "t.conf", NULL, &s->arena, &root, &why));
    char deeper[402] = "a{";
    strcat(deeper, text);
    is_refused(state, deeper, "t.conf:1", "at most 64 sections inside each other", "one more");
}

static void inheriting_cannot_make_a_small_file_large(void **state)
{
    struct setup *s = *state;
    struct arena *a = &s->arena;
    const char *text = "s0 { k = 1\n }\n";
    for (int i = 1; i < 30; i++)
        text = arena_text(a, "%ss%d { x : s%d { } y : s%d { } }\n", text, i, i - 1, i - 1);
    struct section *root;
    struct finding why;
    assert_false(settings_parse_text(span_text(text), "t.conf", NULL, a, &root, &why));
    assert_int_equal(why.cause, CAUSE_CONF_SYNTAX);
    assert_string_equal(why.expected, "at most 1000000 keys and sections in all");
}

static void inheriting_cannot_make_a_tree_deep_nor_a_chain_long(void **state)
{
    struct setup *s = *state;
    struct arena *a = &s->arena;
    const char *deep = "s0 { }\n";
    for (int i = 1; i < 100; i++)
        deep = arena_text(a, "%ss%d { x : s%d { } }\n", deep, i, i - 1);
    struct section *root;
    struct finding why;
    assert_false(settings_parse_text(span_text(deep), "t.conf", NULL, a, &root, &why));
    assert_string_equal(why.expected, "at most 64 sections inside each other");
    char *text = calloc(1, 40000);
    size_t len = 0;
    for (int i = 0; i < 2000; i++)
        len += (size_t)sprintf(text + len, "s%d : s%d { }\n", i, i + 1);
    strcat(text, "s2000 { }\n");
    assert_false(settings_parse_text(span_text(text), "t.conf", NULL, a, &root, &why));
    assert_string_equal(why.expected, "sections that inherit from few others");
    free(text);
}

static void many_keys_and_sections_are_found_by_name(void **state)
{
    struct setup *s = *state;
    struct arena *a = &s->arena;
    struct section *root = settings_section_new(a, "");
    char name[20];
    enum { MANY = 20000 };
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_non_null(settings_add(a, root, span_text(name), span_text(name)));
        assert_non_null(settings_section(a, root, span_text(name)));
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_true(span_is(settings_find(root, name)->value, name));
        assert_string_equal(settings_find_section(root, name)->name, name);
        assert_ptr_equal(settings_section(a, root, span_text(name)),
                         settings_find_section(root, name));
    }
    assert_null(settings_find(root, "n20000"));
    assert_null(settings_find_section(root, "n"));
}

static void a_list_keeps_its_items_and_their_octets(void **state)
{
    struct setup *s = *state;
    struct section *root = settings_section_new(&s->arena, "x");
    struct span items[] = {span_of("a\0b", 3), span_of("", 0)};
    const struct setting *list = settings_add_list(&s->arena, root, span_text("l"), items, 2);
    assert_true(list->is_list);
    assert_int_equal(list->item_count, 2);
    assert_memory_equal(list->items[0].at, "a\0b", 3);
    assert_string_equal(list->file, "vici");
    assert_int_equal(list->line, 0);
}

/* Every cut and many changes of a text that uses everything: read or refused, never worse. */
static void no_text_harms_the_reader(void **state)
{
    static const char text[] =
        "# c\na : b, c.d {\n k = v \"q\\n\\\n\" # x\n}\ninclude p*\nb { x =\n }"
        "c { d { e.f = 1 } }\ninclude \"q r\"\n";
    struct setup *s = *state;
    struct text_file files[] = {{"p1", "z { }"}, {"q r", "y = 1"}};
    struct text_files all = {files, 2};
    struct settings_source source = text_source(&all);
    struct section *root;
    struct finding why;
    for (size_t len = 0; len < sizeof text; len++) {
        settings_parse_text(span_of(text, len), "t", &source, &s->arena, &root, &why);
        arena_reset(&s->arena);
    }
    uint32_t seed = 1;
    static const char odd[] = "{}:,=\"\\\n# \0a.*";
    for (int i = 0; i < 20000; i++) {
        char changed[sizeof text];
        memcpy(changed, text, sizeof text);
        for (int j = 0; j < 3; j++) {
            seed = seed * 1103515245 + 12345;
            changed[(seed >> 8) % (sizeof text - 1)] = odd[(seed >> 20) % (sizeof odd - 1)];
        }
        settings_parse_text(span_of(changed, sizeof text - 1), "t", &source, &s->arena, &root,
                            &why);
        arena_reset(&s->arena);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sections_keys_and_comments_are_read),
        TEST(an_unquoted_value_ends_with_its_line_a_comment_or_a_brace),
        TEST(strings_keep_blanks_and_know_escapes),
        TEST(the_last_of_two_definitions_counts_and_remembers_the_first),
        TEST(a_key_without_a_value_is_unset),
        TEST(a_section_inherits_what_it_has_not_itself),
        TEST(an_unset_key_hides_the_inherited_one),
        TEST(a_section_that_only_an_inherited_one_has_can_be_inherited_from),
        TEST(a_section_that_others_inherit_from_is_marked),
        TEST(a_dot_in_a_name_is_doubled_in_a_path),
        TEST(references_to_nothing_and_in_a_circle_are_refused),
        TEST(what_is_not_closed_is_named_where_it_begins),
        TEST(a_name_must_be_followed_by_a_value_or_a_section),
        TEST(a_finding_never_quotes_a_value),
        TEST(files_are_included_where_the_statement_stands),
        TEST(a_file_that_is_not_there_is_refused),
        TEST(files_that_include_each_other_are_refused),
        TEST(a_chain_of_more_than_ten_includes_is_refused),
        TEST(a_file_closes_what_it_opens_and_no_more),
        TEST(a_file_that_includes_thousands_is_refused),
        TEST(a_text_that_was_read_is_overwritten_and_values_can_be),
        TEST(sections_may_be_64_deep_and_no_deeper),
        TEST(inheriting_cannot_make_a_small_file_large),
        TEST(inheriting_cannot_make_a_tree_deep_nor_a_chain_long),
        TEST(many_keys_and_sections_are_found_by_name),
        TEST(a_list_keeps_its_items_and_their_octets),
        TEST(no_text_harms_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
