/* The causes that ikebana reports: all of them, those of one status, or one.
 *
 *     ./causes list
 *     ./causes 13868
 *     ./causes auth.psk-mismatch */
#include <stdio.h>
#include <string.h>

#include <ikebana/finding.h>
#include <ikebana/status.h>

static void print(const struct cause_row *row)
{
    printf("%-28s %u %-8s %s\n", row->id, row->reason, ikebana_severity_name(row->severity),
           row->sentence);
}

int main(int argc, char *argv[])
{
    struct ikebana_match match = {0};

    if (argc != 2) {
        fprintf(stderr, "usage: %s list | STATUS | CAUSE\n", argv[0]);
        return 2;
    }
    const struct cause_row *one = ikebana_cause_by_id(argv[1]);
    if (one != NULL) {
        print(one);
        return 0;
    }
    int all = strcmp(argv[1], "list") == 0;
    if (!all && !ikebana_status_find(argv[1], &match)) {
        fprintf(stderr, "%s: no such cause\n", argv[1]);
        return 1;
    }
    for (int i = 0; i < CAUSE_COUNT; i++) {
        const struct cause_row *row = ikebana_cause_row((enum cause)i);
        if (all || row->reason == match.status->code)
            print(row);
    }
    return 0;
}
