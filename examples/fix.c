/* A finding of one's own, told as ikebana tells it: status, reason, what to do.
 *
 *     ./fix conf.bad-value */
#include <stdio.h>

#include <ikebana/finding.h>
#include <ikebana/status.h>

int main(int argc, char *argv[])
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CAUSE\n", argv[0]);
        return 2;
    }
    const struct cause_row *row = ikebana_cause_by_id(argv[1]);
    if (row == NULL) {
        fprintf(stderr, "%s: no such cause\n", argv[1]);
        return 1;
    }
    struct finding f = {
        .cause = row->cause,
        .at_fault = row->at_fault,
        .phase = PHASE_IKE_SA_INIT,
        .confidence = 100,
        .param = "connections.office.proposals",
        .expected = "aes256-sha256-modp2048",
        .seen = "aes256-sha256-ecp256",
        .nearest = "",
    };
    const char *values[] = {"peer", "192.0.2.7", "conn", "office", NULL};
    char text[256];

    ikebana_finding_fix(&f, values, text, sizeof text);
    printf("status  %u\n", ikebana_finding_status(&f));
    printf("reason  %u %s\n", row->reason, ikebana_status_by_code(row->reason)->symbol);
    printf("cause   %s\n", row->sentence);
    printf("fix     %s\n", text);
    return 0;
}
