/* The other translation unit of contract.c. */
#include "wg.h"

void add_in_another_unit(wg_t *wg, int delta);
void wait_in_another_unit(wg_t *wg);

void add_in_another_unit(wg_t *wg, int delta)
{
    wg_add(wg, delta);
}

void wait_in_another_unit(wg_t *wg)
{
    wg_wait(wg);
}
