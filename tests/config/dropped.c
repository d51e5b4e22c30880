/*
 * dropped.c - whose result must be looked at
 *
 * Exactly the lines that end in "// warns" get a warning.
 */
#include "wg.h"

#include <pthread.h>
#include <time.h>

void drop_all(wg_t *wg, const struct timespec *deadline, void (*fn)(void *));

void drop_all(wg_t *wg, const struct timespec *deadline, void (*fn)(void *))
{
    wg_try_add(wg, 1);           // warns
    wg_wait_for(wg, 1);          // warns
    wg_wait_until(wg, deadline); // warns
    wg_go(wg, fn, wg);           // warns
    wg_done(wg);
    wg_try_wait(wg);
    wg_count(wg);
    wg_init(wg);
    wg_init_shared(wg);
    wg_add(wg, 1);
    wg_wait(wg);
    wg_close(wg);
    WG_DEFER_DONE(wg);
}
