/*
 * parity.c - the wait-group cases of Go's race detector suite, by their names
 *
 *     parity           prints the names
 *     parity NAME      runs that one. Where the case leaves it open, the dones
 *                      come first; with "waits" after the name, the wait does
 *
 * ThreadSanitizer is to report each Race..., and nothing else. Channels have
 * become joins, goroutines threads, panic and recover longjmp out of WG_PANIC.
 * Where a join would order what the case leaves in the open, it comes last.
 *
 * Go's Add gives no order to later Adds. Here it does, as every change of the
 * word is acquire and release. So a Race... is a data race where the accesses
 * come after both adds, and that is how the turns arrange it.
 *
 * In two cases Go has no data race, but reports Add against Wait on a hidden
 * word. Their names end in _Bare and say what happens here instead. Under Go's
 * names they have plain data that the misuse lets race.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Thread_local jmp_buf recover;
static _Thread_local bool recovers;

static void panic(const char *message);
static int futex_wait(void *word, uint32_t expected, int64_t deadline_ns,
                      bool shared);
static void futex_wake(void *word, bool shared);
static int64_t now_ns(void);

#define WG_PANIC(message) panic(message)
#define WG_FUTEX_WAIT futex_wait
#define WG_FUTEX_WAKE futex_wake
#define WG_NOW_NS now_ns
#define WG_YIELD (void)sched_yield
#include "order.h"

static void panic(const char *message)
{
    if (recovers) {
        expect(strncmp(message, "wg: negative counter (", 22) == 0, message);
        longjmp(recover, 1);
    }
    fprintf(stderr, "%s\n", message);
    _Exit(3);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

static void futex_wake(void *word, bool shared)
{
    (void)shared;
    (void)syscall(SYS_futex, word, 1 | 128, INT_MAX, NULL, NULL, 0);
}

static bool hold; /* those who have been woken, inside their wait */

static int futex_wait(void *word, uint32_t expected, int64_t deadline_ns,
                      bool shared)
{
    (void)deadline_ns; /* no wait here has one, */
    (void)shared;      /* and one process is enough */
    if (hold) {
        take_turn();
    }
    (void)syscall(SYS_futex, word, 0 | 128, expected, NULL, NULL, 0);
    while (hold && __atomic_load_n((uint32_t *)word, __ATOMIC_RELAXED) !=
                       expected) {
        sched_yield();
    }
    return 0;
}

/* ---- What the cases are made of ---- */

enum { P = 3, T = 3 };

static wg_t wg = WG_INIT;
static int x, y;
static int data[P];
static bool wait_comes_first;

static void done(void)
{
    await_waiters(&wg, wait_comes_first);
    wg_done(&wg);
}

static void await_group(void)
{
    if (!wait_comes_first) {
        await_zero(&wg);
    }
    wg_wait(&wg);
}

/* One of two threads that write x, the second after the first. */
static void write_in_turn(int turn)
{
    await_turns(turn);
    x = turn;
    take_turn();
}

/* ---- One data word ---- */

static void *set_x_done(void *arg)
{
    (void)arg;
    x = 1;
    done();
    return NULL;
}

static void NoRaceWaitGroup(void)
{
    wg_add(&wg, 1);
    const pthread_t thread = start(set_x_done, NULL);
    await_group();
    join(thread);
}

static void NoRaceWaitGroup2(void)
{
    wg_add(&wg, 1);
    const pthread_t thread = start(set_x_done, NULL);
    await_group();
    x = 2;
    join(thread);
}

static void *write_in_turn_done(void *arg)
{
    write_in_turn(*(int *)arg);
    done();
    return NULL;
}

static void RaceWaitGroup(void)
{
    int turn[2] = {1, 2};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        wg_add(&wg, 1);
        threads[i] = start(write_in_turn_done, &turn[i]);
    }
    take_turn();
    await_group();
    join(threads[0]);
    join(threads[1]);
}

static void RaceWaitGroup2(void)
{
    int turn[2] = {1, 2};
    wg_add(&wg, 2);
    const pthread_t first = start(write_in_turn_done, &turn[0]);
    const pthread_t second = start(write_in_turn_done, &turn[1]);
    take_turn();
    await_group();
    join(first);
    join(second);
}

static void *lock_by_group(void *arg)
{
    wg_wait(&wg);
    take_turn();
    await_turns(2);
    wg_add(&wg, 1);
    take_turn();
    await_turns(4);
    write_in_turn(*(int *)arg);
    wg_add(&wg, -1);
    return NULL;
}

static void RaceWaitGroupAsMutex(void)
{
    int turn[2] = {4, 5};
    const pthread_t first = start(lock_by_group, &turn[0]);
    const pthread_t second = start(lock_by_group, &turn[1]);
    join(first);
    join(second);
}

/* ---- Adds that come too late ---- */

static void *add_late_and_write(void *arg)
{
    wg_add(&wg, 1);
    take_turn();
    await_turns(2);
    write_in_turn(*(int *)arg);
    wg_done(&wg);
    return NULL;
}

static void RaceWaitGroupWrongWait(void)
{
    int turn[2] = {2, 3};
    const pthread_t first = start(add_late_and_write, &turn[0]);
    const pthread_t second = start(add_late_and_write, &turn[1]);
    wg_wait(&wg);
    join(first);
    join(second);
}

static void *add_late(void *arg)
{
    (void)arg;
    wg_add(&wg, 1);
    take_turn();
    done();
    return NULL;
}

/* Go: add before wait, but by the clock alone. All the waiting thread does is
   ordered by atomics, so this is no data race in C, and nothing is reported. */
static void NoRaceWaitGroupWrongAdd_Bare(void)
{
    const pthread_t first = start(add_late, NULL);
    const pthread_t second = start(add_late, NULL);
    await_turns(2);
    await_group();
    join(first);
    join(second);
}

static void *add_too_late_and_write(void *arg)
{
    (void)arg;
    await_turns(1);
    wg_add(&wg, 1);
    x = 1;
    wg_done(&wg);
    return NULL;
}

/* Its harm: the wait does not see the add, and so does not wait for x. */
static void RaceWaitGroupWrongAdd(void)
{
    const pthread_t thread = start(add_too_late_and_write, NULL);
    wg_wait(&wg);
    y = x;
    take_turn();
    join(thread);
}

/* ---- Several waits ---- */

static void *only_wait(void *arg)
{
    (void)arg;
    wg_wait(&wg);
    return NULL;
}

static void NoRaceWaitGroupMultipleWait(void)
{
    const pthread_t first = start(only_wait, NULL);
    const pthread_t second = start(only_wait, NULL);
    wg_wait(&wg);
    join(first);
    join(second);
}

static void *done_and_wait(void *arg)
{
    (void)arg;
    done();
    wg_wait(&wg);
    return NULL;
}

static void NoRaceWaitGroupMultipleWait2(void)
{
    wg_add(&wg, 2);
    const pthread_t first = start(done_and_wait, NULL);
    const pthread_t second = start(done_and_wait, NULL);
    await_group();
    join(first);
    join(second);
}

static void *set_element_done(void *element)
{
    *(int *)element = 42;
    done();
    return NULL;
}

static void *wait_and_read(void *arg)
{
    (void)arg;
    await_group();
    for (int i = 0; i < P; i++) {
        expect(data[i] == 42, "what came before the dones");
    }
    return NULL;
}

static void NoRaceWaitGroupMultipleWait3(void)
{
    pthread_t workers[P];
    pthread_t waiters[P];
    wg_add(&wg, P);
    for (int i = 0; i < P; i++) {
        workers[i] = start(set_element_done, &data[i]);
    }
    for (int i = 0; i < P; i++) {
        waiters[i] = start(wait_and_read, NULL);
    }
    for (int i = 0; i < P; i++) {
        join(waiters[i]);
        join(workers[i]);
    }
}

/* ---- Panic ---- */

static void NoRaceWaitGroupPanicRecover(void)
{
    x = 1;
    recovers = true;
    if (setjmp(recover) == 0) {
        wg_add(&wg, -1);
        expect(false, "a panic");
    }
    x = 2;
}

static void *set_x_to_2(void *arg)
{
    (void)arg;
    x = 2;
    return NULL;
}

static void *panic_and_go_on(void *arg)
{
    x = 1;
    recovers = true;
    if (setjmp(recover) == 0) {
        wg_add(&wg, -1);
        expect(false, "a panic");
    }
    *(pthread_t *)arg = start(set_x_to_2, NULL);
    return NULL;
}

static void NoRaceWaitGroupPanicRecover2(void)
{
    pthread_t next;
    join(start(panic_and_go_on, &next));
    join(next);
}

/* ---- Through others, and over rounds ---- */

static void *set_y_later_done(void *arg)
{
    (void)arg;
    while (wg_count(&wg) != 1) {
        sched_yield();
    }
    y = 42;
    wg_done(&wg);
    return NULL;
}

static void NoRaceWaitGroupTransitive(void)
{
    wg_add(&wg, 2);
    const pthread_t first = start(set_x_done, NULL);
    const pthread_t second = start(set_y_later_done, NULL);
    await_group();
    expect(x == 1 && y == 42, "what came before the dones");
    join(first);
    join(second);
}

static void *increment_done(void *element)
{
    *(int *)element += 1;
    done();
    return NULL;
}

static void *wait_and_increment(void *arg)
{
    (void)arg;
    await_group();
    for (int i = 0; i < P; i++) {
        data[i] += 1;
    }
    return NULL;
}

static void start_round(pthread_t *workers)
{
    wg_add(&wg, P);
    for (int i = 0; i < P; i++) {
        workers[i] = start(increment_done, &data[i]);
    }
}

static void end_round(const pthread_t *workers)
{
    for (int i = 0; i < P; i++) {
        join(workers[i]);
    }
}

static void NoRaceWaitGroupReuse(void)
{
    pthread_t workers[T][P];
    for (int try = 0; try < T; try++) {
        start_round(workers[try]);
        (void)wait_and_increment(NULL);
    }
    for (int try = 0; try < T; try++) {
        end_round(workers[try]);
    }
}

static void NoRaceWaitGroupReuse2(void)
{
    pthread_t workers[T][P];
    for (int try = 0; try < T; try++) {
        start_round(workers[try]);
        const pthread_t waiter = start(wait_and_increment, NULL);
        await_group();
        join(waiter);
        for (int i = 0; i < P; i++) {
            data[i] += 1;
        }
    }
    for (int try = 0; try < T; try++) {
        end_round(workers[try]);
    }
}

static void *wait_and_increment_in_turn(void *arg)
{
    wg_wait(&wg);
    await_turns(1);
    data[0] += 1;
    take_turn();
    return arg;
}

/* Go: the next round is begun while another thread may still be inside its
   wait. If it is, the add aborts, always and with no detector. */
static void PanicWaitGroupReuse_Bare(void)
{
    hold = true;
    wg_add(&wg, 1);
    (void)start(only_wait, NULL);
    await_turns(1);
    wg_done(&wg);
    wg_add(&wg, 1);
}

/* Its harm: what that thread does next races with the next round. */
static void RaceWaitGroupReuse(void)
{
    pthread_t workers[P];
    start_round(workers);
    const pthread_t waiter = start(wait_and_increment_in_turn, NULL);
    await_group();
    end_round(workers);
    take_turn();
    await_turns(2);
    start_round(workers);
    await_group();
    end_round(workers);
    join(waiter);
}

static void *add_and_done(void *arg)
{
    (void)arg;
    wg_add(&wg, 1);
    take_turn();
    done();
    return NULL;
}

static void NoRaceWaitGroupConcurrentAdd(void)
{
    pthread_t threads[P + 1];
    for (int i = 0; i <= P; i++) {
        threads[i] = start(add_and_done, NULL);
    }
    await_turns(P + 1);
    await_group();
    for (int i = 0; i <= P; i++) {
        join(threads[i]);
    }
}

#define TEST(name) {#name, name}

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        TEST(NoRaceWaitGroup),
        TEST(NoRaceWaitGroup2),
        TEST(RaceWaitGroup),
        TEST(RaceWaitGroup2),
        TEST(RaceWaitGroupAsMutex),
        TEST(RaceWaitGroupWrongWait),
        TEST(NoRaceWaitGroupWrongAdd_Bare),
        TEST(RaceWaitGroupWrongAdd),
        TEST(NoRaceWaitGroupMultipleWait),
        TEST(NoRaceWaitGroupMultipleWait2),
        TEST(NoRaceWaitGroupMultipleWait3),
        TEST(NoRaceWaitGroupPanicRecover),
        TEST(NoRaceWaitGroupPanicRecover2),
        TEST(NoRaceWaitGroupTransitive),
        TEST(NoRaceWaitGroupReuse),
        TEST(NoRaceWaitGroupReuse2),
        TEST(PanicWaitGroupReuse_Bare),
        TEST(RaceWaitGroupReuse),
        TEST(NoRaceWaitGroupConcurrentAdd),
        {NULL, NULL}};
    wait_comes_first = argc > 2;
    return order_main(argc, argv, tests);
}
