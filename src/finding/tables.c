#include "finding/tables.h"

#include <string.h>
#include <strings.h>

#include "finding/neighbour_rows.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

const struct finding_ras *finding_ras_at(size_t i)
{
    return i < COUNT(ras_rows) ? &ras_rows[i] : NULL;
}

const struct finding_wire_status *finding_wire_status_at(size_t i)
{
    return i < COUNT(wire_rows) ? &wire_rows[i] : NULL;
}

const struct finding_case *finding_case_at(size_t i)
{
    return i < COUNT(case_rows) ? &case_rows[i] : NULL;
}

const struct finding_notify *finding_notify_at(size_t i)
{
    return i < COUNT(notify_rows) ? &notify_rows[i] : NULL;
}

const struct finding_ras *finding_ras_by_code(uint32_t code)
{
    for (size_t i = 0; i < COUNT(ras_rows); i++)
        if (ras_rows[i].code == code)
            return &ras_rows[i];
    return NULL;
}

const struct finding_ras *finding_ras_by_name(const char *name)
{
    static const char prefix[] = "ERROR_";
    for (size_t i = 0; i < COUNT(ras_rows); i++)
        if (strcasecmp(ras_rows[i].symbol, name) == 0 ||
            strcasecmp(ras_rows[i].symbol + sizeof prefix - 1, name) == 0)
            return &ras_rows[i];
    return NULL;
}

const struct finding_notify *finding_notify_by_number(uint32_t number)
{
    for (size_t i = 0; i < COUNT(notify_rows); i++)
        if (notify_rows[i].number == number)
            return &notify_rows[i];
    return NULL;
}

const struct finding_notify *finding_notify_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT(notify_rows); i++)
        if (strcasecmp(notify_rows[i].name, name) == 0)
            return &notify_rows[i];
    return NULL;
}

const struct finding_wire_status *finding_wire_status_of(uint32_t notify)
{
    for (size_t i = 0; i < COUNT(wire_rows); i++)
        if (wire_rows[i].notify == notify && strcmp(wire_rows[i].protocol, "ikev2") == 0)
            return &wire_rows[i];
    return NULL;
}

const char *finding_basis_name(enum ikebana_basis basis)
{
    switch (basis) {
    case IKEBANA_DOCUMENTED:
        return "documented";
    case IKEBANA_OBSERVED:
        return "observed";
    case IKEBANA_ASSIGNED:
        break;
    }
    return "assigned";
}
