/* Looks up what a user pasted: a number in any form, a name, a message.
 *
 *     cc status.c $(pkg-config --cflags --libs libikebana) -o status
 *     ./status 0x8007362C */
#include <stdio.h>

#include <ikebana/status.h>

int main(int argc, char *argv[])
{
    struct ikebana_match match;

    if (argc != 2) {
        fprintf(stderr, "usage: %s STATUS\n", argv[0]);
        return 2;
    }
    if (!ikebana_status_find(argv[1], &match)) {
        fprintf(stderr, "%s: no such status\n", argv[1]);
        return 1;
    }
    const struct ikebana_status *s = match.status;
    printf("%u 0x%X %s\n", s->code, s->code, s->symbol);
    printf("meaning %s\n", s->meaning);
    printf("found as %s\n", match.form);
    if (match.comment[0] != '\0')
        printf("note    %s\n", match.comment);
    if (match.also != NULL)
        printf("or      %u %s\n", match.also->code, match.also->symbol);
    return 0;
}
