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
 * Adds give no order, as in Go. So in the Race... cases on plain data, x, it is
 * the same whether the accesses come before or after another thread's add. The
 * turns keep them from coming at the same instant, which the tool may miss. In
 * the other two, Go has no race of data, but reports an Add that nothing orders
 * against a Wait, on a hidden word. So does wg.h, on a hidden byte of the
 * group.
 */
#include <semaphore.h>
#include <setjmp.h>
#include <stdbool.h>

static _Thread_local jmp_buf recover;
static _Thread_local bool recovers;

static void panic(const char *message);
#define WG_PANIC(message) panic(message)
#include "order.h"

static void panic(const char *message)
{
    if (recovers) {
        expect(strncmp(message, "wg: negative counter (", 22) == 0, message);
        longjmp(recover, 1);
    }
    fprintf(stderr, "%s\n", message);
}

/* ---- What the cases are made of ---- */

enum { P = 3, T = 3 };

static wg_t wg = WG_INIT;
static int x, y;
static int data[T][P];
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

/* The second is through with its wait before the first adds, and adds once the
   first has let go. */
static void *lock_by_group(void *arg)
{
    wg_wait(&wg);
    take_turn();
    await_turns(*(int *)arg);
    wg_add(&wg, 1);
    x = *(int *)arg;
    wg_add(&wg, -1);
    take_turn();
    return NULL;
}

static void RaceWaitGroupAsMutex(void)
{
    int turn[2] = {2, 3};
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

/* The adds come before the wait, but by the clock alone. */
static void RaceWaitGroupWrongAdd(void)
{
    const pthread_t first = start(add_late, NULL);
    const pthread_t second = start(add_late, NULL);
    await_turns(2);
    await_group();
    join(first);
    join(second);
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
        expect(data[0][i] == 42, "what came before the dones");
    }
    return NULL;
}

static void NoRaceWaitGroupMultipleWait3(void)
{
    pthread_t workers[P];
    pthread_t waiters[P];
    wg_add(&wg, P);
    for (int i = 0; i < P; i++) {
        workers[i] = start(set_element_done, &data[0][i]);
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

static void increment_all(int *elements)
{
    for (int i = 0; i < P; i++) {
        elements[i] += 1;
    }
}

static void *wait_and_increment(void *elements)
{
    await_group();
    increment_all(elements);
    take_turn();
    return NULL;
}

static void start_round(pthread_t *workers, int *elements)
{
    wg_add(&wg, P);
    for (int i = 0; i < P; i++) {
        workers[i] = start(increment_done, &elements[i]);
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
        start_round(workers[try], data[0]);
        await_group();
        increment_all(data[0]);
    }
    for (int try = 0; try < T; try++) {
        end_round(workers[try]);
    }
}

static void NoRaceWaitGroupReuse2(void)
{
    pthread_t workers[T][P];
    for (int try = 0; try < T; try++) {
        start_round(workers[try], data[0]);
        const pthread_t waiter = start(wait_and_increment, data[0]);
        await_group();
        join(waiter);
        increment_all(data[0]);
    }
    for (int try = 0; try < T; try++) {
        end_round(workers[try]);
    }
}

/* Each round has its own data, but the next one begins with nothing to say that
   the last one's other wait has returned. It has, by the clock. */
static void RaceWaitGroupReuse(void)
{
    pthread_t workers[T][P];
    pthread_t waiters[T];
    for (int try = 0; try < T; try++) {
        start_round(workers[try], data[try]);
        waiters[try] = start(wait_and_increment, data[try]);
        await_group();
        await_turns(try + 1);
    }
    for (int try = 0; try < T; try++) {
        end_round(workers[try]);
        join(waiters[try]);
    }
}

static sem_t waiting; /* a channel with room for all */

static void *add_and_done(void *arg)
{
    (void)arg;
    wg_add(&wg, 1);
    sem_post(&waiting);
    done();
    return NULL;
}

static void NoRaceWaitGroupConcurrentAdd(void)
{
    pthread_t threads[P + 1];
    sem_init(&waiting, 0, 0);
    for (int i = 0; i <= P; i++) {
        threads[i] = start(add_and_done, NULL);
    }
    for (int i = 0; i <= P; i++) {
        sem_wait(&waiting);
    }
    await_group();
    for (int i = 0; i <= P; i++) {
        join(threads[i]);
    }
}

#define TEST(name)  \
    {               \
#name, name \
    }

int main(int argc, char **argv)
{
    static const struct test tests[] = {TEST(NoRaceWaitGroup),
                                        TEST(NoRaceWaitGroup2),
                                        TEST(RaceWaitGroup),
                                        TEST(RaceWaitGroup2),
                                        TEST(RaceWaitGroupAsMutex),
                                        TEST(RaceWaitGroupWrongWait),
                                        TEST(RaceWaitGroupWrongAdd),
                                        TEST(NoRaceWaitGroupMultipleWait),
                                        TEST(NoRaceWaitGroupMultipleWait2),
                                        TEST(NoRaceWaitGroupMultipleWait3),
                                        TEST(NoRaceWaitGroupPanicRecover),
                                        TEST(NoRaceWaitGroupPanicRecover2),
                                        TEST(NoRaceWaitGroupTransitive),
                                        TEST(NoRaceWaitGroupReuse),
                                        TEST(NoRaceWaitGroupReuse2),
                                        TEST(RaceWaitGroupReuse),
                                        TEST(NoRaceWaitGroupConcurrentAdd),
                                        {NULL, NULL}};
    wait_comes_first = argc > 2;
    return order_main(argc, argv, tests);
}
