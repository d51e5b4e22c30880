/*
 * soak.c - rounds of a group whose every futex call goes wrong in legal ways
 *
 *     soak [ROUNDS [SEED]]
 *
 * Defines the seam. At random a wait returns without having slept (as after
 * EINTR, EAGAIN or a spurious wake), or with a timeout, truly passed on a clock
 * that this program owns, at once or after the release has come. In some
 * rounds the wake is late: it comes when the memory is gone. In some nobody
 * registers, all poll. Checked in each round:
 *
 *   - no wait has returned true before all dones: their writes are there
 *   - no wait has reported a timeout that began after the release
 *   - the group is at counter 0, waiters 0, and word is cleared again; or says
 *     that somebody sleeps, if a wait has timed out since it was last cleared
 *   - one wake at most; none if all polled
 *
 * A lost wake-up hangs, and SIGALRM ends the program.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int futex_wait(void *word, uint32_t expected, int64_t deadline_ns,
                      bool shared);
static void futex_wake(void *word, bool shared);
static int64_t now_ns(void);
#define WG_FUTEX_WAIT futex_wait
#define WG_FUTEX_WAKE futex_wake
#define WG_NOW_NS now_ns
#define WG_SPIN 1 /* most waits are to get as far as the futex */
#include "wg.h"

enum { WORKERS = 3, WAITERS = 3, THREADS = WORKERS + WAITERS, PAGE = 4096 };
enum disposal { KEEP, POISON, FREE, UNMAP, DISPOSALS };

/* ---- The round, set by the main thread between two barriers ---- */

static pthread_barrier_t begin, returned, end;
static wg_t *wg;
static bool last, late, polled;
static int round_number;
static int written[WORKERS]; /* plain, so that ThreadSanitizer watches it */
static int disposed;         /* the last round whose group is gone, atomic */
static bool gave_up;         /* a wait, since word was last 0; atomic */
static int wakes, faults, timeouts, releases_in_time, late_wakes;

static int64_t clock_ns = 1;
static _Thread_local uint64_t random_state;
static _Thread_local bool released; /* before the timeout that was reported */

static void count(int *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void check(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "round %d: not so: %s\n", round_number, what);
        abort();
    }
}

/* splitmix64 */
static unsigned random_below(unsigned limit)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (unsigned)((z ^ z >> 31) >> 32) % limit;
}

static void pause_at_random(void)
{
    for (unsigned i = random_below(4); i > 0; i--) {
        sched_yield();
    }
}

/* ---- The seam ---- */

static int64_t now_ns(void)
{
    return __atomic_load_n(&clock_ns, __ATOMIC_RELAXED);
}

/* The caller is registered, so the object is there until word is 2. */
static bool counter_is_zero(void *word)
{
    wg_t *const group = (wg_t *)((char *)word - offsetof(wg_t, word));
    return wg_count(group) == 0;
}

static int time_out(void *word, int64_t deadline_ns)
{
    int64_t now = now_ns();
    while (now < deadline_ns &&
           !__atomic_compare_exchange_n(&clock_ns, &now, deadline_ns, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    released = counter_is_zero(word);
    count(released ? &releases_in_time : &timeouts);
    return ETIMEDOUT;
}

static int futex_wait(void *word, uint32_t expected, int64_t deadline_ns,
                      bool shared)
{
    (void)shared;
    const bool timed = deadline_ns != INT64_MAX;
    const unsigned dice = random_below(8);
    if (timed && dice == 0) {
        return time_out(word, deadline_ns);
    }
    if (timed && dice <= 2) {
        while (!counter_is_zero(word)) {
            sched_yield();
        }
        return time_out(word, deadline_ns);
    }
    if (late || dice <= 5) {
        count(&faults);
        pause_at_random();
        return 0;
    }
    (void)syscall(SYS_futex, word, 0 | 128, expected, NULL, NULL, 0);
    return 0;
}

static void futex_wake(void *word, bool shared)
{
    (void)shared;
    count(&wakes);
    if (late) {
        count(&late_wakes);
        while (__atomic_load_n(&disposed, __ATOMIC_RELAXED) != round_number) {
            sched_yield();
        }
    } else {
        pause_at_random();
    }
    (void)syscall(SYS_futex, word, 1 | 128, INT_MAX, NULL, NULL, 0);
}

/* ---- The threads ---- */

static void work(int self)
{
    pause_at_random();
    if (random_below(4) == 0) {
        wg_add(wg, 1);
        pause_at_random();
        check(!wg_done(wg), "a worker that has not done yet keeps it above 0");
    }
    written[self] = round_number;
    wg_done(wg);
}

static void poll(void)
{
    while (!wg_try_wait(wg)) {
        sched_yield();
    }
}

static void wait_for_work(void)
{
    bool reached = false;
    pause_at_random();
    switch (polled ? 3 : random_below(3)) {
    case 3:
        poll();
        reached = true;
        break;
    case 0:
        wg_wait(wg);
        reached = true;
        break;
    case 1: /* gives up at the first timeout */
        released = false;
        reached = wg_wait_for(wg, 1 + random_below(1000));
        check(reached || !released, "released, and reports a timeout");
        if (!reached) {
            __atomic_store_n(&gave_up, true, __ATOMIC_RELAXED);
        }
        break;
    default:
        while (!reached) {
            released = false;
            reached = wg_wait_for(wg, 1 + random_below(1000));
            check(reached || !released, "released, and reports a timeout");
            if (!reached) {
                __atomic_store_n(&gave_up, true, __ATOMIC_RELAXED);
            }
        }
    }
    for (int i = 0; reached && i < WORKERS; i++) {
        check(written[i] == round_number, "returned after all dones");
    }
}

struct thread {
    int index;
    uint64_t seed;
};

static void *run(void *arg)
{
    const struct thread *self = arg;
    random_state = self->seed;
    for (;;) {
        pthread_barrier_wait(&begin);
        if (last) {
            return NULL;
        }
        if (self->index < WORKERS) {
            work(self->index);
        } else {
            wait_for_work();
            pthread_barrier_wait(&returned);
        }
        pthread_barrier_wait(&end);
    }
}

/* ---- The main thread ---- */

static void *fresh_memory(enum disposal disposal)
{
    void *memory = disposal == UNMAP ? mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                     : malloc(sizeof(wg_t));
    check(memory != NULL && memory != MAP_FAILED, "memory");
    wg_init(memory);
    return memory;
}

static void run_round(enum disposal *disposal)
{
    if (wg == NULL) {
        *disposal = (enum disposal)random_below(DISPOSALS);
        wg = fresh_memory(*disposal);
        gave_up = false;
    }
    /* Kept memory is not gone for good, and its waiters may as well sleep. */
    const bool over = *disposal != KEEP || random_below(8) == 0;
    late = random_below(2) == 0;
    polled = random_below(8) == 0;
    wakes = 0;
    wg_add(wg, WORKERS);

    pthread_barrier_wait(&begin);
    if (polled) {
        poll();
    } else {
        wg_wait(wg);
    }
    for (int i = 0; i < WORKERS; i++) {
        check(written[i] == round_number, "returned after all dones");
    }
    pthread_barrier_wait(&returned);

    const uint64_t state =
        atomic_load_explicit(&wg->state, memory_order_relaxed);
    const uint32_t word = atomic_load_explicit(&wg->word, memory_order_relaxed);
    check((state & ~(uint64_t)WG_MARK_) == 0, "back at (0,0)");
    check(word == WG_AWAKE_ || (word == WG_ASLEEP_ && gave_up),
          "word is cleared again");
    gave_up = gave_up && word == WG_ASLEEP_;
    if (over) {
        if (*disposal == UNMAP) {
            munmap(wg, PAGE);
        } else if (*disposal == POISON) {
            memset((void *)wg, 0xa5, sizeof *wg);
        } else {
            free(wg);
        }
    }
    __atomic_store_n(&disposed, round_number, __ATOMIC_RELAXED);
    pthread_barrier_wait(&end);
    check(wakes <= (polled ? 0 : 1), "one wake at most, if waited on");
    if (over) {
        if (*disposal == POISON) {
            const unsigned char *const byte = (const unsigned char *)wg;
            for (size_t i = 0; i < sizeof *wg; i++) {
                check(byte[i] == 0xa5, "nobody touched the dead group");
            }
            free(wg);
        }
        wg = NULL;
    }
}

int main(int argc, char **argv)
{
    const int rounds = argc > 1 ? atoi(argv[1]) : 40000;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0)
                                   : (uint64_t)time(NULL) << 16 ^ getpid();
    enum disposal disposal = KEEP;
    pthread_t threads[THREADS];
    struct thread self[THREADS];

    printf("%d rounds, seed %llu\n", rounds, (unsigned long long)seed);
    fflush(stdout);
    alarm(120);
    random_state = seed;
    pthread_barrier_init(&begin, NULL, THREADS + 1);
    pthread_barrier_init(&returned, NULL, WAITERS + 1);
    pthread_barrier_init(&end, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        self[i] = (struct thread){i, seed + 1 + (uint64_t)i};
        check(pthread_create(&threads[i], NULL, run, &self[i]) == 0, "threads");
    }
    for (round_number = 1; round_number <= rounds; round_number++) {
        run_round(&disposal);
    }
    last = true;
    pthread_barrier_wait(&begin);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    if (wg != NULL) {
        disposal == UNMAP ? (void)munmap(wg, PAGE) : free(wg);
    }
    printf("%d waits without sleep, %d timeouts, %d timeouts after the release,"
           " %d late wakes\n",
           faults, timeouts, releases_in_time, late_wakes);
    check(rounds < 1000 || (faults > 0 && timeouts > 0 &&
                            releases_in_time > 0 && late_wakes > 0),
          "each fault has been injected");
    return 0;
}
