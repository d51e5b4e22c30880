/*
 * half.c - two translation units that share wait groups, and both of them
 *
 * Each defines one group and sleeps on the other's; -DMAIN makes it the one
 * with main. They are compiled as C and as C++, by two compilers or with two
 * versions of wg.h, and linked.
 */
#include "wg.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif
extern wg_t gate, work;
extern int result;
void *worker(void *arg);
#ifdef __cplusplus
}
#endif

static inline uint64_t waiters(wg_t *wg)
{
#ifdef __cplusplus
    return __atomic_load_n(&wg->state, __ATOMIC_RELAXED) & WG_WAITERS_;
#else
    return atomic_load_explicit(&wg->state, memory_order_relaxed) & WG_WAITERS_;
#endif
}

static inline void done_once_waited_for(wg_t *wg)
{
    while (waiters(wg) == 0) {
        sched_yield();
    }
    (void)wg_done(wg);
}

#ifdef MAIN
wg_t gate = WG_INIT_SHARED;

int main(void)
{
    for (int round = 1; round <= 20; round++) {
        pthread_t thread;
        wg_add(&gate, 1);
        wg_add(&work, 1);
        if (pthread_create(&thread, NULL, worker, NULL) != 0) {
            return 1;
        }
        done_once_waited_for(&gate);
        wg_wait(&work);
        if (result != round || pthread_join(thread, NULL) != 0) {
            return 1;
        }
    }
    puts("shared");
    return 0;
}
#else
wg_t work = WG_INIT;
int result = 0;

void *worker(void *arg)
{
    wg_wait(&gate);
    result++;
    done_once_waited_for(&work);
    return arg;
}
#endif
