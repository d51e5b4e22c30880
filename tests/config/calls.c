/*
 * calls.c - every call of wg.h, by the type that the manual gives it
 *
 * Compiled only, in C and in C++. wg_wait_until and wg_go are left out by
 * -DNO_UNTIL and -DNO_GO.
 */
#include "wg.h"

#ifdef __cplusplus
extern "C" {
#endif
int use_all(wg_t *wg, const wg_t *constant, int64_t timeout_ns);
#ifdef __cplusplus
}
#endif

static void (*const init)(wg_t *) = wg_init;
static void (*const init_shared)(wg_t *) = wg_init_shared;
static void (*const add)(wg_t *, int) = wg_add;
static bool (*const done)(wg_t *) = wg_done;
static void (*const wait)(wg_t *) = wg_wait;
static bool (*const try_wait)(wg_t *) = wg_try_wait;
static bool (*const wait_for)(wg_t *, int64_t) = wg_wait_for;
static void (*const close_group)(wg_t *) = wg_close;
static bool (*const try_add)(wg_t *, int) = wg_try_add;
static int (*const count)(const wg_t *) = wg_count;
#ifndef NO_UNTIL
static bool (*const wait_until)(wg_t *,
                                const struct timespec *) = wg_wait_until;
#endif
#ifndef NO_GO
static int (*const go)(wg_t *, void (*)(void *), void *) = wg_go;

static void work(void *arg)
{
    *(int *)arg = 1;
}
#endif

static wg_t private_group = WG_INIT;
static wg_t shared_group = WG_INIT_SHARED;

int use_all(wg_t *wg, const wg_t *constant, int64_t timeout_ns)
{
    WG_DEFER_DONE(wg);
    int result = 0;
    init(&private_group);
    init_shared(&shared_group);
    add(wg, 1);
    result += done(wg);
    wait(wg);
    result += try_wait(wg);
    result += wait_for(wg, timeout_ns);
    close_group(wg);
    result += try_add(wg, 1);
    result += count(constant);
#ifndef NO_UNTIL
    const struct timespec deadline = {0, 0};
    result += wait_until(wg, &deadline);
#endif
#ifndef NO_GO
    result += go(wg, work, &result);
#endif
    return result + WG_VERSION;
}
