/* Which deliberate fault is awake: the number in IKEBANA_MUTANT, 0 for none. Tests only. */
#include <stdlib.h>

extern unsigned ike2_mutant;
unsigned ike2_mutant;

__attribute__((constructor)) static void choose(void)
{
    const char *number = getenv("IKEBANA_MUTANT");
    ike2_mutant = number == NULL ? 0 : (unsigned)strtoul(number, NULL, 10);
}
