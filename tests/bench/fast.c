/* One function around each call, for tests/bench/check to look at. */
#include "wg.h"

void call_add(wg_t *wg);
void call_sub(wg_t *wg);
bool call_done(wg_t *wg);
void call_wait(wg_t *wg);
bool call_try_wait(wg_t *wg);
void call_nothing(wg_t *wg);

void call_add(wg_t *wg)
{
    wg_add(wg, 1);
}

void call_sub(wg_t *wg)
{
    wg_add(wg, -2);
}

bool call_done(wg_t *wg)
{
    return wg_done(wg);
}

void call_wait(wg_t *wg)
{
    wg_wait(wg);
}

bool call_try_wait(wg_t *wg)
{
    return wg_try_wait(wg);
}

void call_nothing(wg_t *wg)
{
    (void)wg;
}
