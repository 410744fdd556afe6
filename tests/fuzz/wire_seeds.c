/* Writes the seeds of the wire targets: wire_seeds FOLDER, which must hold the folders wire_message
 * and wire_payloads. The result is checked in; run it again after a change of the samples. */
#include <stdio.h>
#include <stdlib.h>

#include "wire_samples.h"

static void put_file(const char *folder, const char *name, struct span octets)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(octets.at, 1, octets.len, f) != octets.len || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

/* One seed for each payload of a chain: its number from PAYLOAD_SA, then its body. */
static void put_bodies(const char *folder, const struct message *m)
{
    for (size_t i = 0; i < m->payload_count; i++) {
        const struct payload *p = &m->payloads[i];
        uint8_t room[4096];
        char name[64];
        struct writer w = writer_of(room, sizeof room);
        put_u8(&w, (uint8_t)(p->type - PAYLOAD_SA));
        put_span(&w, p->body);
        snprintf(name, sizeof name, "wire_payloads/%u-at-%u", p->type, p->offset);
        if (p->type >= PAYLOAD_SA && p->type <= PAYLOAD_EAP)
            put_file(folder, name, writer_span(&w));
    }
}

int main(int argc, char **argv)
{
    static void (*const samples[])(struct writer *) = {sample_init, sample_sk, sample_skf};
    static const char *const names[] = {"init", "sk", "skf"};
    if (argc != 2)
        return 2;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        static struct message m;
        uint8_t room[4096];
        char name[64];
        struct wire_error why;
        struct writer w = writer_of(room, sizeof room);
        samples[i](&w);
        snprintf(name, sizeof name, "wire_message/%s", names[i]);
        put_file(argv[1], name, writer_span(&w));
        if (!wire_parse_message(writer_span(&w), &m, &why) ||
            (m.has_sk && !wire_parse_inner(&m, m.sk_first_payload, m.sk_body, &why)))
            return 1;
        if (!m.is_fragment)
            put_bodies(argv[1], &m);
    }
    return 0;
}
