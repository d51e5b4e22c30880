/*
 * neighbours.c - no call changes a byte beside its group
 *
 * Makes each call on the middle one of three groups, through its slow paths,
 * and looks at the other two after each. The seam plays the other threads.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int sleep_on(void *word, uint32_t expected, int64_t deadline_ns,
                    bool shared);
static void (*others)(void);
static int64_t now;

#define WG_FUTEX_WAIT sleep_on
#define WG_FUTEX_WAKE(word, shared) ((void)(word))
#define WG_NOW_NS() now
#include "wg.h"

static wg_t three[3];
static wg_t *const wg = &three[1];
static char before[sizeof three];
static int status;

static int sleep_on(void *word, uint32_t expected, int64_t deadline_ns,
                    bool shared)
{
    (void)word, (void)expected, (void)shared;
    if (deadline_ns != INT64_MAX)
        now = deadline_ns;
    if (others != NULL)
        others();
    return deadline_ns != INT64_MAX;
}

static void look(int line, bool holds, const char *condition)
{
    const char *const bytes = (char *)(void *)three;
    if (!holds)
        printf("neighbours.c:%d: not so: %s\n", line, condition);
    if (memcmp(bytes, before, sizeof *wg) != 0 ||
        memcmp(bytes + 2 * sizeof *wg, before + 2 * sizeof *wg, sizeof *wg) !=
            0) {
        printf("neighbours.c:%d: a neighbour has changed: %s\n", line,
               condition);
        holds = false;
    }
    if (!holds)
        status = 1;
}

#define LOOK(condition) look(__LINE__, condition, #condition)

static void done(void)
{
    LOOK(wg_done(wg));
}

static void nothing(void *arg)
{
    *(bool *)arg = true;
}

static void make_all_calls(void)
{
    const struct timespec past = {0, 0}, future = {5, 0};
    bool ran = false;
    now = 1;
    LOOK((wg_add(wg, 2), wg_count(wg) == 2));
    LOOK((wg_add(wg, 0), wg_count(wg) == 2));
    LOOK(!wg_done(wg));
    LOOK(!wg_try_wait(wg));
    LOOK(wg_try_add(wg, 1));
    LOOK((wg_add(wg, -1), wg_count(wg) == 1));
    others = NULL;
    LOOK(!wg_wait_for(wg, 1000));
    LOOK(!wg_wait_until(wg, &past));
    LOOK(!wg_wait_until(wg, &future));
    others = done;
    LOOK((wg_wait(wg), true));
    LOOK(wg_try_add(wg, 1));
    LOOK(wg_wait_for(wg, 1000));
    LOOK(wg_try_add(wg, 1));
    now = 1;
    LOOK(wg_wait_until(wg, &future));
    LOOK(wg_go(wg, nothing, &ran) == 0);
    while (!wg_try_wait(wg))
        sched_yield();
    LOOK(ran);
    {
        wg_add(wg, 1);
        WG_DEFER_DONE(wg);
    }
    LOOK((wg_close(wg), true));
    LOOK(!wg_try_add(wg, 1));
    LOOK(wg_go(wg, nothing, &ran) != 0);
}

int main(void)
{
    static const unsigned char fills[] = {0x00, 0xff, 0x5a};
    for (size_t i = 0; i < sizeof fills; i++)
        for (int shared = 0; shared < 2; shared++) {
            memset((void *)three, fills[i], sizeof three);
            memcpy(before, (void *)three, sizeof three);
            if (shared)
                wg_init_shared(wg);
            else
                wg_init(wg);
            LOOK(wg_count(wg) == 0);
            make_all_calls();
        }
    if (status == 0)
        puts("untouched");
    return status;
}
