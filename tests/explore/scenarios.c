/*
 * scenarios.c - small programs that use the real wg.h, to be run in every order
 *
 * What their threads share lives in w, which is cleared before each execution:
 * an all-zero group is valid. Setup and final run alone, and the threads' own
 * results may be plain variables. The table at the end says who runs what.
 */
#include "explore.h"

#include <stdatomic.h>
#include <string.h>

#include WG_HEADER

enum { SECOND = 1000000000 };

static struct {
    wg_t wg, copy;
    int data[4];
    int results[4];
    _Atomic uint32_t flag;
    /* Noted by watch, at the moment of a change. */
    unsigned releases; /* that had waiters */
    int misused;       /* an add from 0 with waiters still inside */
} w;

/* ---- Building blocks ---- */

static void nothing(void) {}
static void add_1(void)
{
    wg_add(&w.wg, 1);
}
static void add_2(void)
{
    wg_add(&w.wg, 2);
}
static void add_0(void)
{
    wg_add(&w.wg, 0);
}
static void subtract_2(void)
{
    wg_add(&w.wg, -2);
}
static void done(void)
{
    (void)wg_done(&w.wg);
}
static void wait(void)
{
    wg_wait(&w.wg);
}
static void close(void)
{
    wg_close(&w.wg);
}

static void publish_0(void)
{
    WG_DEFER_DONE(&w.wg);
    w.data[0] = 1;
}

static void publish_1(void)
{
    w.data[1] = 1;
    CHECK(wg_count(&w.wg) > 0);
    wg_done(&w.wg);
}

static void raise_flag(void)
{
    atomic_store_explicit(&w.flag, 1, memory_order_release);
}

static void await_flag(void)
{
    while (atomic_load_explicit(&w.flag, memory_order_acquire) == 0) {
        x_poll();
    }
}

static void die(void)
{
    x_free(&w.wg, sizeof w.wg);
}

/* ---- What came before the dones is there after the wait ---- */

static void read_data(int count)
{
    for (int i = 0; i < count; i++)
        CHECK(w.data[i] == 1);
}

static void wait_and_read(void)
{
    wg_wait(&w.wg);
    read_data(2);
}

static void wait_and_read_0(void)
{
    wg_wait(&w.wg);
    CHECK(w.data[0] == 1);
}

/* The same for who polls. The poller may free as well. */
static void poll_and_free(void)
{
    while (!wg_try_wait(&w.wg)) {
        x_poll();
    }
    read_data(2);
    die();
}

/* And for the done that returns true, as just one of them does. */
static void done_and_read(int i)
{
    w.data[i] = 1;
    if (wg_done(&w.wg)) {
        read_data(3);
        w.results[i] = 1;
    }
}

static void done_and_read_0(void)
{
    done_and_read(0);
}
static void done_and_read_1(void)
{
    done_and_read(1);
}
static void done_and_read_2(void)
{
    done_and_read(2);
}

static void add_3(void)
{
    wg_add(&w.wg, 3);
}

static void one_was_true(void)
{
    CHECK(w.results[0] + w.results[1] + w.results[2] == 1);
}

/* ---- The object may die as soon as the wait has returned ---- */

static void wait_and_free(void)
{
    wg_wait(&w.wg);
    die();
}

/* Of two waiters, the last to have returned. */
static void last_frees(void)
{
    wg_wait(&w.wg);
    if (atomic_fetch_add_explicit(&w.flag, 1, memory_order_acq_rel) == 1) {
        die();
    }
}

static void close_then_done(void)
{
    wg_close(&w.wg);
    wg_done(&w.wg);
}

static void timed_free(void)
{
    if (!wg_wait_for(&w.wg, SECOND)) {
        wg_wait(&w.wg);
    }
    die();
}

/* ---- Timed waits ---- */

static void timed(int i)
{
    const int64_t start = x_now();
    if (wg_wait_for(&w.wg, SECOND)) {
        CHECK(w.data[0] == 1);
    } else {
        CHECK(x_now() >= start + SECOND);
        w.results[i] = 1;
    }
}

static void timed_0(void)
{
    timed(0);
}
static void timed_1(void)
{
    timed(1);
}

static void timed_until(void)
{
    const int64_t end = x_now() + SECOND / 2;
    const struct timespec deadline = {end / SECOND, end % SECOND};
    if (wg_wait_until(&w.wg, &deadline)) {
        CHECK(w.data[0] == 1);
    } else {
        CHECK(x_now() >= end);
        w.results[0] = 1;
    }
}

static void no_limit(void)
{
    CHECK(wg_wait_for(&w.wg, INT64_MAX));
    CHECK(w.data[0] == 1);
}

static void no_limit_until(void)
{
    const struct timespec deadline = {INT64_MAX / SECOND, 0};
    CHECK(wg_wait_until(&w.wg, &deadline));
    CHECK(w.data[0] == 1);
}

static void too_late(void)
{
    const struct timespec past = {1, 0}, before_all = {-1, 0};
    CHECK(!wg_wait_for(&w.wg, 0) && !wg_wait_for(&w.wg, INT64_MIN));
    CHECK(!wg_wait_until(&w.wg, &past) && !wg_wait_until(&w.wg, &before_all));
    wg_done(&w.wg);
    CHECK(wg_wait_for(&w.wg, 0) && wg_wait_for(&w.wg, INT64_MIN));
    CHECK(wg_wait_until(&w.wg, &past) && wg_wait_until(&w.wg, &before_all));
}

static void bad_deadline(void)
{
    wg_wait_until(&w.wg, &(struct timespec){1, SECOND});
}

static void tell_timeouts(void)
{
    const int count = w.results[0] + w.results[1];
    x_outcome(
        (const char *[]){"released", "1 timed out", "2 timed out"}[count]);
}

/* ---- Rounds ---- */

static void wait_twice(void)
{
    wg_wait(&w.wg);
    CHECK(w.data[0] == 1);
    wg_add(&w.wg, 1);
    raise_flag();
    wg_wait(&w.wg);
    CHECK(w.data[1] == 1);
}

static void timed_twice(void)
{
    timed(0);
    wg_wait(&w.wg); /* of the same round, if the first timed out */
    wg_add(&w.wg, 1);
    raise_flag();
    w.results[1] = !wg_wait_for(&w.wg, SECOND);
}

static void publish_0_then_1(void)
{
    publish_0();
    await_flag();
    publish_1();
}

static void wait_in_round_2(void)
{
    await_flag();
    wg_wait(&w.wg);
}

/* The next round's add may come before the last wait has returned: misuse if,
   and only if, that wait is registered. */
static void add_too_soon(void)
{
    wg_done(&w.wg);
    wg_add(&w.wg, 1);
    wg_done(&w.wg);
}

static void wait_unmisused(void)
{
    wg_wait(&w.wg);
    CHECK(w.misused == 0);
}

/* ---- Adds ---- */

static void nested(void)
{
    wg_add(&w.wg, 2);
    wg_done(&w.wg);
    w.data[0] = 1;
    wg_add(&w.wg, -2);
}

static void add_max(void)
{
    wg_add(&w.wg, INT32_MAX);
}
static void add_max_twice(void)
{
    wg_add(&w.wg, INT32_MAX), add_max();
}

static void close_then_add(void)
{
    wg_close(&w.wg);
    wg_add(&w.wg, 1); /* from 1: allowed */
    wg_add(&w.wg, -2);
    wg_add(&w.wg, 1);
}

/* Two first adds at once: each may store the mark. */
static void add_and_done(void)
{
    wg_add(&w.wg, 1);
    wg_done(&w.wg);
}

/* ---- Close and try_add ---- */

static void close_and_wait(void)
{
    w.data[3] = 1;
    wg_close(&w.wg);
    wg_wait(&w.wg);
    w.data[0] = w.data[1] = 2; /* whoever got in is out again */
}

static void try_add(int i)
{
    w.results[i] = wg_try_add(&w.wg, 1);
    if (w.results[i]) {
        w.data[i] = 1;
        wg_done(&w.wg);
    } else {
        CHECK(w.data[3] == 1); /* happens after the close */
    }
}

static void try_add_0(void)
{
    try_add(0);
}
static void try_add_1(void)
{
    try_add(1);
}

static void tell_adds(void)
{
    const int count = w.results[0] + w.results[1];
    x_outcome((const char *[]){"0 got in", "1 got in", "2 got in"}[count]);
}

/* Gets in before the end of the first round or after the last waiter left. */
static void try_add_any_time(void)
{
    w.results[0] = wg_try_add(&w.wg, 2);
    if (w.results[0]) {
        wg_add(&w.wg, -2);
    }
}

static void try_add_and_tell(void)
{
    w.results[0] = wg_try_add(&w.wg, 2);
    raise_flag();
    if (w.results[0]) {
        wg_add(&w.wg, -2);
    }
}

/* While the counter is above 0, waiters are no reason to turn anybody away. */
static void try_add_while_waited_on(void)
{
    CHECK(wg_try_add(&w.wg, 1));
    wg_done(&w.wg);
    w.data[0] = 1;
    wg_done(&w.wg);
}

/* A wait that has begun but not registered is in nobody's way: it joins the
   round that try_add begins, or none. */
static void wait_and_tell(void)
{
    wg_wait(&w.wg);
    atomic_fetch_add_explicit(&w.flag, 1, memory_order_acq_rel);
}

static void try_add_tell_done(void)
{
    w.results[0] = wg_try_add(&w.wg, 1);
    atomic_fetch_add_explicit(&w.flag, 1, memory_order_acq_rel);
    if (w.results[0]) {
        wg_done(&w.wg);
    }
}

/* Frees once the other wait and the try_add have returned and all is done. */
static void wait_for_all_and_free(void)
{
    wg_wait(&w.wg);
    while (atomic_load_explicit(&w.flag, memory_order_acquire) != 2) {
        x_poll();
    }
    wg_wait(&w.wg);
    die();
}

static void try_add_0_more(void)
{
    wg_try_add(&w.wg, 0);
}
static void try_add_max(void)
{
    wg_try_add(&w.wg, INT32_MAX);
}

/* ---- Shared, copied, garbage ---- */

static void shared_1(void)
{
    wg_init_shared(&w.wg);
    wg_add(&w.wg, 1);
}

/* Its mark is even, as no address makes it. */
static void garbage(void)
{
    memset(&w.wg, 0xa5, sizeof w.wg);
}

static void init_1(void)
{
    garbage();
    wg_init(&w.wg);
    wg_add(&w.wg, 1);
}

static void copy_1(void)
{
    wg_add(&w.wg, 1);
    memcpy(&w.copy, &w.wg, sizeof w.wg);
}

static void copy_tried_1(void)
{
    wg_try_add(&w.wg, 1);
    memcpy(&w.copy, &w.wg, sizeof w.wg);
}

static void copy_shared_1(void)
{
    shared_1();
    memcpy(&w.copy, &w.wg, sizeof w.wg);
}

static void done_on_copy(void)
{
    wg_done(&w.copy);
}
static void add_to_copy(void)
{
    wg_add(&w.copy, 1);
}
static void wait_on_copy(void)
{
    wg_wait(&w.copy);
}
static void close_copy(void)
{
    wg_close(&w.copy);
}
static void try_add_on_copy(void)
{
    wg_try_add(&w.copy, 1);
}

/* ---- The suite ---- */

#define TOO_SOON "abort: wg_add called concurrently with wg_wait"
#define REUSED "abort: reused before previous wg_wait has returned"
#define NEGATIVE "abort: negative counter"
#define OVERFLOW "abort: counter overflow"
#define CLOSED "abort: wg_add on a closed group"
#define COPIED "abort: copied or moved after first use, or never initialised"
#define INVALID "abort: invalid argument: "

static const struct scenario scenarios[] = {
    /* name, setup, threads, final, outcomes, flags */
    {"one", add_1, {wait_and_read_0, publish_0}, NULL, "done", SMALL},
    {"publish", add_2, {wait_and_read, publish_0, publish_1}, NULL, "done", 0},
    {"two-waiters",
     add_2,
     {wait_and_read, wait_and_read, publish_0, publish_1},
     NULL,
     "done",
     CALM | LARGE},
    {"poll", add_2, {poll_and_free, publish_0, publish_1}, NULL, "done", FREES},
    {"done-true",
     add_3,
     {done_and_read_0, done_and_read_1, done_and_read_2},
     one_was_true,
     "done",
     SMALL},
    {"done-true-wait",
     add_3,
     {done_and_read_0, done_and_read_1, done_and_read_2, wait},
     one_was_true,
     "done",
     0},

    {"free", add_1, {wait_and_free, done}, NULL, "done", FREES | SMALL},
    {"free-2-dones", add_2, {wait_and_free, done, done}, NULL, "done", FREES},
    {"free-2-waiters",
     add_1,
     {last_frees, last_frees, done},
     NULL,
     "done",
     FREES},
    {"free-timed", add_1, {timed_free, done}, NULL, "done", FREES | TIMED},
    {"free-closed",
     add_1,
     {wait_and_free, close_then_done},
     NULL,
     "done",
     FREES},

    {"timed",
     add_1,
     {timed_0, publish_0},
     tell_timeouts,
     "released|1 timed out",
     SMALL | TIMED},
    {"timed-until",
     add_1,
     {timed_until, publish_0},
     tell_timeouts,
     "released|1 timed out",
     TIMED},
    {"timed-two",
     add_1,
     {timed_0, timed_1, publish_0},
     tell_timeouts,
     "released|1 timed out|2 timed out",
     CALM | LARGE | TIMED},
    {"timed-and-not",
     add_1,
     {timed_0, wait_and_read_0, publish_0},
     tell_timeouts,
     "released|1 timed out",
     LARGE | TIMED},
    {"timed-rounds",
     add_1,
     {timed_twice, publish_0_then_1},
     tell_timeouts,
     "released|1 timed out|2 timed out",
     TIMED},
    {"no-limit", add_1, {no_limit, publish_0}, NULL, "done", TIMED},
    {"no-limit-until", add_1, {no_limit_until, publish_0}, NULL, "done", TIMED},
    {"too-late", add_1, {too_late}, NULL, "done", TIMED},
    {"bad-deadline",
     add_1,
     {bad_deadline},
     NULL,
     INVALID "tv_nsec is not in 0..999999999",
     TIMED},

    {"rounds", add_1, {wait_twice, publish_0_then_1}, NULL, "done", 0},
    {"rounds-2-waiters",
     add_1,
     {wait_twice, publish_0_then_1, wait_in_round_2},
     NULL,
     "done",
     CALM | LARGE},
    {"rounds-add-0",
     add_1,
     {wait_twice, publish_0_then_1, add_0},
     NULL,
     "done",
     0},
    {"too-soon",
     add_1,
     {wait_unmisused, add_too_soon},
     NULL,
     "done|" TOO_SOON "|" REUSED,
     0},
    {"too-soon-2-waiters",
     add_1,
     {wait, wait, add_too_soon},
     NULL,
     "done|" TOO_SOON "|" REUSED,
     LARGE},

    {"nested", add_1, {wait_and_read_0, nested}, NULL, "done", 0},
    {"add-0", add_1, {wait, done, add_0}, NULL, "done", 0},
    {"subtract", add_2, {wait, wait, subtract_2}, NULL, "done", 0},
    {"first-adds",
     nothing,
     {add_and_done, add_and_done},
     add_and_done,
     "done",
     SMALL},
    {"negative", add_1, {done, done}, NULL, NEGATIVE, SMALL},
    {"negative-waited-on", add_1, {wait, subtract_2}, NULL, NEGATIVE, 0},
    {"overflow", nothing, {add_max_twice}, NULL, OVERFLOW, 0},
    {"overflow-try", add_1, {try_add_max}, NULL, OVERFLOW, 0},
    {"try-0",
     add_1,
     {try_add_0_more},
     NULL,
     INVALID "wg_try_add of less than 1",
     0},
    {"add-closed", add_1, {close_then_add}, NULL, CLOSED, 0},

    {"close-1",
     nothing,
     {close_and_wait, try_add_0},
     tell_adds,
     "0 got in|1 got in",
     0},
    {"close-2",
     nothing,
     {close_and_wait, try_add_0, try_add_1},
     tell_adds,
     "0 got in|1 got in|2 got in",
     CALM | LARGE},
    {"close-waited-on",
     add_1,
     {wait_and_read_0, publish_0, close},
     NULL,
     "done",
     0},
    {"try-waited-on",
     add_1,
     {wait_and_read_0, try_add_while_waited_on},
     NULL,
     "done",
     0},
    {"try-leaving",
     add_1,
     {wait, done, try_add_any_time},
     tell_adds,
     "0 got in|1 got in",
     0},
    {"try-next-round",
     add_1,
     {wait, done, try_add_and_tell, wait_in_round_2},
     tell_adds,
     "0 got in|1 got in",
     CALM},

    {"try-late-waiter",
     add_1,
     {wait, done, try_add_any_time, wait},
     tell_adds,
     "0 got in|1 got in",
     CALM},
    {"try-late-waiter-frees",
     add_1,
     {wait_and_tell, done, try_add_tell_done, wait_for_all_and_free},
     tell_adds,
     "0 got in|1 got in",
     CALM | LARGE | FREES},

    {"shared", shared_1, {wait_and_read_0, publish_0}, NULL, "done", SHARED},
    {"shared-free",
     shared_1,
     {wait_and_free, done},
     NULL,
     "done",
     SHARED | FREES},
    {"shared-timed",
     shared_1,
     {timed_0, publish_0},
     tell_timeouts,
     "released|1 timed out",
     SHARED | TIMED},
    {"init", init_1, {wait_and_read_0, publish_0}, NULL, "done", 0},
    {"garbage", garbage, {add_1}, NULL, COPIED, 0},
    {"copy-done", copy_1, {done_on_copy}, NULL, COPIED, 0},
    {"copy-add", copy_1, {add_to_copy}, NULL, COPIED, 0},
    {"copy-tried", copy_tried_1, {done_on_copy}, NULL, COPIED, 0},
    {"copy-wait", copy_1, {wait_on_copy}, NULL, COPIED, 0},
    {"copy-close", copy_1, {close_copy}, NULL, COPIED, 0},
    {"copy-try", copy_1, {try_add_on_copy}, NULL, COPIED, 0},
    {"copy-shared", copy_shared_1, {done_on_copy}, NULL, "done", SHARED},
    {0},
};

#define VARIABLE(v)          \
    {                        \
#v, &w.v, sizeof w.v \
    }
static const struct variable variables[] = {
    VARIABLE(wg.state),   VARIABLE(wg.released), VARIABLE(wg.tag),
    VARIABLE(copy.state), VARIABLE(copy.tag),    VARIABLE(flag),
    VARIABLE(data[0]),    VARIABLE(data[1]),     VARIABLE(data[2]),
    VARIABLE(data[3]),    VARIABLE(results[0]),  VARIABLE(results[1]),
    VARIABLE(results[2]), VARIABLE(misused),     {0},
};

static void watch(const void *address, uint64_t old, uint64_t now)
{
    if (address == &w.wg.state) {
        const bool waited_on = (old & WG_WAITERS_) != 0;
        w.releases += waited_on && old >> 32 != 0 && now >> 32 == 0;
        w.misused |= waited_on && old >> 32 == 0 && now >> 32 != 0;
    }
}

/* After every execution that was not aborted. */
static void final(void)
{
    CHECK((w.wg.state & WG_WAITERS_) == 0);
    CHECK(x_wakes() == w.releases);
    CHECK(w.misused == 0);
}

const struct suite SUITE = {scenarios, &w, sizeof w, variables, final, watch};
