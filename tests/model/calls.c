/* All calls of wg.h, behind one function. Compiled as C and as C++, without and
   with pauses; CALLER is the function's name. */
#include "calls.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The system's side of wg_go. The thread's attributes have to be the default
   ones, so they say nothing. */
#define pthread_create(thread, attributes, run, arg) \
    ((void)(thread), (attributes) == NULL ? system_create(run, arg) : EINVAL)
#define pthread_detach(thread) ((void)(thread), system_detach(), 0)
#define malloc(size) system_malloc(size)
#define free(memory) system_free(memory)

#define WG_FUTEX_WAIT seam_wait
#define WG_FUTEX_WAKE seam_wake
#define WG_NOW_NS seam_now_ns
#define WG_PANIC seam_panic
#include "wg.h"

/* Other memory becomes what a static group is from the start. */
static void init_as(void *memory, const wg_t *initialised)
{
    memcpy(memory, (const void *)initialised, sizeof *initialised);
}

static int64_t done_by_scope(wg_t *wg)
{
    WG_DEFER_DONE(wg);
    return wg_count(wg);
}

int64_t CALLER(enum call call, void *memory, int64_t a, int64_t b)
{
    static const wg_t fresh = WG_INIT, fresh_shared = WG_INIT_SHARED;
    wg_t *const wg = (wg_t *)memory;
    struct timespec time;
    time.tv_sec = (time_t)a;
    time.tv_nsec = (long)b;
    switch (call) {
    case INIT:
        wg_init(wg);
        return 0;
    case INIT_SHARED:
        wg_init_shared(wg);
        return 0;
    case STATIC:
        init_as(wg, &fresh);
        return 0;
    case STATIC_SHARED:
        init_as(wg, &fresh_shared);
        return 0;
    case ADD:
        wg_add(wg, (int)a);
        return 0;
    case DONE:
        return wg_done(wg);
    case DEFER_DONE:
        return done_by_scope(wg);
    case WAIT:
        wg_wait(wg);
        return 1;
    case TRY_WAIT:
        return wg_try_wait(wg);
    case WAIT_FOR:
        return wg_wait_for(wg, a);
    case WAIT_UNTIL:
        return wg_wait_until(wg, &time);
    case CLOSE:
        wg_close(wg);
        return 0;
    case TRY_ADD:
        return wg_try_add(wg, (int)a);
    case GO:
        return wg_go(wg, task, wg + 1);
    case COUNT:
        return wg_count(wg);
    case RUN_JOB:
    case CALLS:
        break;
    }
    abort();
}
