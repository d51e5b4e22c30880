/*
 * correct.c - correct programs, in which no detector may see a race, and three
 * with a race planted, which each must see
 *
 *     correct          prints the names
 *     correct NAME     runs that one; "all" runs the correct ones
 */
#include "order.h"

enum { WORKERS = 3, ROUNDS = 3 };

struct work {
    wg_t *wg;
    int *data;
    int waiters; /* the done comes once so many are registered */
};

static void *add_one_and_done(void *arg)
{
    const struct work *work = arg;
    *work->data += 1;
    await_waiters(work->wg, work->waiters);
    wg_done(work->wg);
    return NULL;
}

/* Forks, waits and reads, over some rounds of one group. The wait comes first,
   which takes the slow path, or the dones do, which takes the fast one. */
static void fork_join(wg_t *wg, int waiters)
{
    int data[WORKERS] = {0};
    for (int round = 1; round <= ROUNDS; round++) {
        struct work work[WORKERS];
        pthread_t threads[WORKERS];
        wg_add(wg, WORKERS);
        for (int i = 0; i < WORKERS; i++) {
            work[i] = (struct work){wg, &data[i], waiters};
            threads[i] = start(add_one_and_done, &work[i]);
        }
        if (waiters == 0) {
            await_zero(wg);
        }
        wg_wait(wg);
        for (int i = 0; i < WORKERS; i++) {
            expect(data[i] == 2 * round - 1, "the data of this round");
            data[i] += 1;
        }
        for (int i = 0; i < WORKERS; i++) {
            join(threads[i]);
        }
    }
}

static void wait_comes_first(void)
{
    static wg_t wg = WG_INIT;
    fork_join(&wg, 1);
}

static void dones_come_first(void)
{
    static wg_t wg = WG_INIT;
    fork_join(&wg, 0);
}

static void shared_group(void)
{
    static wg_t wg = WG_INIT_SHARED;
    fork_join(&wg, 1);
}

/* The group's place on the stack is a mutex next. */
static void group_on_dying_stack(void)
{
    union {
        wg_t wg;
        pthread_mutex_t mutex;
    } place = {.wg = WG_INIT};
    fork_join(&place.wg, 1);
    pthread_mutex_init(&place.mutex, NULL);
    pthread_mutex_lock(&place.mutex);
    pthread_mutex_unlock(&place.mutex);
    pthread_mutex_destroy(&place.mutex);
}

/* The waiter frees the group at once, and writes to what it gets instead,
   while the last worker may still be inside wg_done. */
static void heap_group_freed_at_once(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        wg_t *const wg = malloc(sizeof *wg);
        int data = 0;
        struct work work = {wg, &data, 1};
        wg_init(wg);
        wg_add(wg, 1);
        const pthread_t thread = start(add_one_and_done, &work);
        wg_wait(wg);
        free(wg);
        char *const reused = malloc(sizeof *wg);
        memset(reused, 0xa5, sizeof *wg);
        expect(data == 1, "the worker's write");
        free(reused);
        join(thread);
    }
}

static int parts[WORKERS];
static int sum;
static wg_t continued = WG_INIT;

static void *part_then_continuation(void *arg)
{
    *(int *)arg = 1;
    if (wg_done(&continued)) {
        sum = parts[0] + parts[1] + parts[2];
    }
    return NULL;
}

static void done_true_continues(void)
{
    pthread_t threads[WORKERS];
    wg_add(&continued, WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        threads[i] = start(part_then_continuation, &parts[i]);
    }
    for (int i = 0; i < WORKERS; i++) {
        join(threads[i]);
    }
    expect(sum == WORKERS, "one continuation, after all dones");
}

static void timed_waits(void)
{
    static wg_t wg = WG_INIT;
    int data = 0;
    struct work work = {&wg, &data, 0};
    wg_add(&wg, 1);
    expect(!wg_wait_for(&wg, 1000), "a timeout while nobody works");
    pthread_t thread = start(add_one_and_done, &work);
    while (!wg_wait_for(&wg, 1000000)) {
    }
    expect(data == 1, "the worker's write");
    join(thread);

    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += 3600;
    work.waiters = 1;
    wg_add(&wg, 1);
    thread = start(add_one_and_done, &work);
    expect(wg_wait_until(&wg, &deadline), "a release within the hour");
    expect(data == 2, "the worker's write");
    join(thread);
}

static void try_wait_poller_frees(void)
{
    wg_t *const wg = malloc(sizeof *wg);
    int data = 0;
    struct work work = {wg, &data, 0};
    wg_init(wg);
    wg_add(wg, 1);
    const pthread_t thread = start(add_one_and_done, &work);
    while (!wg_try_wait(wg)) {
        sched_yield();
    }
    free(wg);
    expect(data == 1, "the worker's write");
    join(thread);
}

static void *wait_and_read(void *arg)
{
    const struct work *work = arg;
    wg_wait(work->wg);
    expect(*work->data == 1, "the worker's write");
    return NULL;
}

static void several_waiters(void)
{
    static wg_t wg = WG_INIT;
    int data = 0;
    struct work work = {&wg, &data, 2};
    wg_add(&wg, 1);
    const pthread_t first = start(wait_and_read, &work);
    const pthread_t second = start(wait_and_read, &work);
    const pthread_t worker = start(add_one_and_done, &work);
    join(first);
    join(second);
    join(worker);
}

/* First adds by several threads, with nothing to order them but that the wait
   comes after all of them. */
static wg_t added = WG_INIT;
static pthread_barrier_t all_added;

static void *add_before_the_wait(void *arg)
{
    wg_add(&added, 1);
    pthread_barrier_wait(&all_added);
    *(int *)arg += 1;
    wg_done(&added);
    return NULL;
}

static void first_adds_by_workers(void)
{
    int data[WORKERS] = {0};
    pthread_t threads[WORKERS];
    pthread_barrier_init(&all_added, NULL, WORKERS + 1);
    for (int i = 0; i < WORKERS; i++) {
        threads[i] = start(add_before_the_wait, &data[i]);
    }
    pthread_barrier_wait(&all_added);
    wg_wait(&added);
    for (int i = 0; i < WORKERS; i++) {
        expect(data[i] == 1, "the worker's write");
        join(threads[i]);
    }
    pthread_barrier_destroy(&all_added);
}

/* Adds above 0 come at any time, even while somebody waits. */
static wg_t growing = WG_INIT;

static void *add_while_waited_for(void *arg)
{
    await_waiters(&growing, 1);
    wg_add(&growing, 1);
    take_turn();
    *(int *)arg += 1;
    wg_done(&growing);
    return NULL;
}

static void *done_after_the_adds(void *arg)
{
    await_turns(WORKERS);
    wg_done(&growing);
    return arg;
}

static void adds_above_0(void)
{
    int data[WORKERS] = {0};
    pthread_t threads[WORKERS];
    turns = 0;
    wg_add(&growing, 1);
    for (int i = 0; i < WORKERS; i++) {
        threads[i] = start(add_while_waited_for, &data[i]);
    }
    const pthread_t last = start(done_after_the_adds, NULL);
    wg_wait(&growing);
    for (int i = 0; i < WORKERS; i++) {
        expect(data[i] == 1, "the worker's write");
        join(threads[i]);
    }
    join(last);
}

/* What may be called at any time accuses nobody, whatever it finds. */
static wg_t open_to_all = WG_INIT;

static void nothing(void *arg)
{
    (void)arg;
}

static void *add_at_any_time(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        expect(wg_try_add(&open_to_all, 1), "an open group");
        take_turn();
        await_turns(2 * i + 2);
        wg_done(&open_to_all);
        expect(wg_go(&open_to_all, nothing, NULL) == 0, "a thread");
    }
    return arg;
}

static void try_add_and_go_at_any_time(void)
{
    turns = 0;
    const pthread_t thread = start(add_at_any_time, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        await_turns(2 * i + 1);
        expect(!wg_wait_for(&open_to_all, 1000), "a timeout");
        take_turn();
    }
    join(thread);
    wg_wait(&open_to_all);
}

static void *add_and_done_once(void *arg)
{
    wg_add(arg, 1);
    take_turn();
    wg_done(arg);
    return NULL;
}

static void try_wait_at_any_time(void)
{
    static wg_t wg = WG_INIT;
    turns = 0;
    const pthread_t thread = start(add_and_done_once, &wg);
    (void)wg_try_wait(&wg);
    await_turns(1);
    (void)wg_try_wait(&wg);
    join(thread);
}

static wg_t started = WG_INIT;

static void add_one(void *data)
{
    *(int *)data += 1;
}

static void group_of_wg_go(void)
{
    int data[WORKERS] = {0};
    for (int i = 0; i < WORKERS; i++) {
        expect(wg_go(&started, add_one, &data[i]) == 0, "a thread");
    }
    wg_wait(&started);
    expect(data[0] + data[1] + data[2] == WORKERS, "the threads' writes");
}

/* Several first adds at a time, with nothing to order them, and a close that
   tells what came before to those whom it turns away. */
static wg_t closing = WG_INIT;
static int closed_because;
static int served[WORKERS];

static void *serve_until_closed(void *arg)
{
    take_turn();
    await_turns(WORKERS);
    while (wg_try_add(&closing, 1)) {
        *(int *)arg += 1;
        wg_done(&closing);
        take_turn();
        sched_yield();
    }
    expect(closed_because == 1, "what came before wg_close");
    return NULL;
}

static void close_against_try_add(void)
{
    pthread_t threads[WORKERS];
    turns = 0;
    for (int i = 0; i < WORKERS; i++) {
        threads[i] = start(serve_until_closed, &served[i]);
    }
    await_turns(4 * WORKERS);
    closed_because = 1;
    wg_close(&closing);
    wg_wait(&closing);
    int all = 0;
    for (int i = 0; i < WORKERS; i++) {
        all += served[i];
    }
    expect(all >= 3 * WORKERS, "what was served before the close");
    for (int i = 0; i < WORKERS; i++) {
        join(threads[i]);
    }
}

/* ---- Planted races ---- */

static wg_t planted = WG_INIT;
static int racy;

static void *write_in_turn(void *arg)
{
    await_turns(*(int *)arg);
    racy = *(int *)arg;
    take_turn();
    await_turns(3);
    wg_done(&planted);
    return NULL;
}

/* Two workers of one round write the same. */
static void race_two_workers_write(void)
{
    int first = 1;
    int second = 2;
    wg_add(&planted, 2);
    const pthread_t one = start(write_in_turn, &first);
    const pthread_t two = start(write_in_turn, &second);
    take_turn();
    wg_wait(&planted);
    join(one);
    join(two);
}

static void *write_then_done(void *arg)
{
    (void)arg;
    racy = 1;
    wg_done(&planted);
    take_turn();
    return NULL;
}

/* wg_count in place of a wait. */
static void race_wg_count_orders_nothing(void)
{
    wg_add(&planted, 1);
    const pthread_t thread = start(write_then_done, NULL);
    await_zero(&planted);
    expect(racy == 1, "the worker's write, on this machine");
    join(thread);
}

static void *write_without_done(void *arg)
{
    (void)arg;
    racy = 1;
    take_turn();
    return NULL;
}

/* The wait gave up, and the program reads all the same. */
static void race_after_a_timeout(void)
{
    wg_add(&planted, 1);
    const pthread_t thread = start(write_without_done, NULL);
    await_turns(1);
    expect(!wg_wait_for(&planted, 1000), "a timeout");
    expect(racy == 1, "the worker's write, on this machine");
    join(thread);
}

static void all(void);

static const struct test tests[] = {
    {"race_two_workers_write", race_two_workers_write},
    {"race_wg_count_orders_nothing", race_wg_count_orders_nothing},
    {"race_after_a_timeout", race_after_a_timeout},
    {"all", all},
    {"wait_comes_first", wait_comes_first},
    {"dones_come_first", dones_come_first},
    {"shared_group", shared_group},
    {"group_on_dying_stack", group_on_dying_stack},
    {"heap_group_freed_at_once", heap_group_freed_at_once},
    {"done_true_continues", done_true_continues},
    {"timed_waits", timed_waits},
    {"try_wait_poller_frees", try_wait_poller_frees},
    {"several_waiters", several_waiters},
    {"first_adds_by_workers", first_adds_by_workers},
    {"adds_above_0", adds_above_0},
    {"try_add_and_go_at_any_time", try_add_and_go_at_any_time},
    {"try_wait_at_any_time", try_wait_at_any_time},
    {"group_of_wg_go", group_of_wg_go},
    {"close_against_try_add", close_against_try_add},
    {NULL, NULL}};

static void all(void)
{
    const struct test *test = tests;
    while (test->run != all) {
        test++;
    }
    for (test++; test->name != NULL; test++) {
        test->run();
    }
}

int main(int argc, char **argv)
{
    return order_main(argc, argv, tests);
}
