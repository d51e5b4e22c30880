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

/* The sanitizer's calls are only how the explorer sees what is done: the header
   must not touch the byte that it has for the sanitizer itself. */
#undef __SANITIZE_THREAD__
#include WG_HEADER

enum { SECOND = 1000000000 };
static const uint64_t CLOSED = 0x80000000; /* of state */

static struct {
    wg_t wg, copy;
    int data[4];
    int results[4];
    _Atomic uint32_t flag;
    /* Noted by watch, at the moment of a change. */
    unsigned ended;    /* rounds that had waiters */
    unsigned released; /* how often the word became 2 */
    unsigned wakes;    /* that there have to be: the word was 1 before */
    int misused;       /* an add from 0 with waiters inside, or closed */
    int stale;         /* an add from 0 with the word still at 1 */
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

/* With WG_SPIN 1 all waits look, whatever the thread's numbers say. That covers
   those that do not: a look in vain, right after registering, has no effect. */
static void look(void)
{
#if WG_SPIN > 0
    wg_skips_ = 0;
#endif
}

static void wait(void)
{
    look();
    wg_wait(&w.wg);
}

static bool wait_for(int64_t timeout_ns)
{
    look();
    return wg_wait_for(&w.wg, timeout_ns);
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

static void publish_1_twice(void)
{
    w.data[1] = 1;
    wg_add(&w.wg, -2);
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
    wait();
    read_data(2);
}

static void wait_and_read_0(void)
{
    wait();
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
    wait();
    die();
}

/* Of two waiters, the last to have returned. */
static void last_frees(void)
{
    wait();
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
    if (!wait_for(SECOND)) {
        wait();
    }
    die();
}

/* ---- Timed waits ---- */

static void timed(int i)
{
    const int64_t start = x_now();
    if (wait_for(SECOND)) {
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
    look();
    if (wg_wait_until(&w.wg, &deadline)) {
        CHECK(w.data[0] == 1);
    } else {
        CHECK(x_now() >= end);
        w.results[0] = 1;
    }
}

static void no_limit(void)
{
    CHECK(wait_for(INT64_MAX));
    CHECK(w.data[0] == 1);
}

static void no_limit_until(void)
{
    const struct timespec deadline = {INT64_MAX / SECOND, SECOND - 1};
    look();
    CHECK(wg_wait_until(&w.wg, &deadline));
    CHECK(w.data[0] == 1);
}

static void too_late(void)
{
    const struct timespec past = {1, 0}, before_all = {-9223372037, 0};
    CHECK(!wg_wait_for(&w.wg, 0) && !wg_wait_for(&w.wg, INT64_MIN));
    CHECK(!wg_wait_until(&w.wg, &past) && !wg_wait_until(&w.wg, &before_all));
    wg_done(&w.wg);
    CHECK(wg_wait_for(&w.wg, 0) && wg_wait_for(&w.wg, INT64_MIN));
    CHECK(wg_wait_until(&w.wg, &past) && wg_wait_until(&w.wg, &before_all));
    CHECK(!x_napped() && x_now() < (int64_t)1 << 42); /* it never slept */
}

static void bad_deadline(void)
{
    CHECK(wg_wait_until(&w.wg, &(struct timespec){1, SECOND}));
}

static void bad_deadline_below(void)
{
    CHECK(wg_wait_until(&w.wg, &(struct timespec){1, -1}));
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
    wait();
    CHECK(w.data[0] == 1);
    wg_add(&w.wg, 1);
    raise_flag();
    wait();
    CHECK(w.data[1] == 1);
}

static void timed_twice(void)
{
    timed(0);
    wait(); /* of the same round, if the first timed out */
    wg_add(&w.wg, 1);
    raise_flag();
    w.results[1] = !wait_for(SECOND);
}

/* Who has timed out leaves the word at 1. Once its round is over, with nobody
   registered, it begins the next one. */
static void timed_then_add(void)
{
    timed(0);
    while (!wg_try_wait(&w.wg)) {
        x_poll();
    }
    wg_add(&w.wg, 1);
    raise_flag();
}

static void timed_then_wait(void)
{
    timed_then_add();
    wait();
    CHECK(w.data[1] == 1);
}

static void tell_stale(void)
{
    x_outcome(w.stale ? "word at 1" : "word at 0");
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
    wait();
    CHECK(w.data[1] == 1);
}

/* The next round's add may come before the last wait has returned: misuse if,
   and only if, that wait is registered, looking or asleep. */
static void add_too_soon(void)
{
    wg_done(&w.wg);
    wg_add(&w.wg, 1);
    wg_done(&w.wg);
}

static void wait_unmisused(void)
{
    wait();
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

/* Two first adds at once: each may set the mark. */
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
    wait();
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

/* Closed is closed, above 0 too; an add above 0 is allowed all the same. */
static void close_and_be_refused(void)
{
    wg_close(&w.wg);
    wg_close(&w.wg);
    CHECK(!wg_try_add(&w.wg, 1));
    CHECK(wg_count(&w.wg) == 1);
    wg_add(&w.wg, 1);
    CHECK(!wg_try_add(&w.wg, 1));
    wg_add(&w.wg, -2);
    CHECK(!wg_try_add(&w.wg, 1) && wg_count(&w.wg) == 0);
}

static void close_after_write(void)
{
    w.data[3] = 1;
    wg_close(&w.wg);
}

/* As wg_go and its thread do. Nobody closes, so it gets in at any time: before
   the end of the round, or after the last waiter has left. */
static void go(void)
{
    CHECK(wg_try_add(&w.wg, 1));
    CHECK(w.misused == 0);
    wg_done(&w.wg);
}

static void done_then_go(void)
{
    wg_done(&w.wg);
    go();
}

static void done_then_go_and_tell(void)
{
    wg_done(&w.wg);
    CHECK(wg_try_add(&w.wg, 1));
    raise_flag();
    w.data[1] = 1;
    wg_done(&w.wg);
}

/* While the counter is above 0, waiters are no reason to let anybody wait. */
static void go_while_waited_on(void)
{
    CHECK(wg_try_add(&w.wg, 1));
    wg_done(&w.wg);
    w.data[0] = 1;
    wg_done(&w.wg);
}

static void tell_naps(void)
{
    x_outcome(x_napped() ? "napped" : "no nap");
}

static void no_naps(void)
{
    CHECK(!x_napped());
}

/* Frees once the try_add has returned and all is done. */
static void wait_twice_and_free(void)
{
    wait();
    await_flag();
    wait();
    die();
}

static void done_go_tell_done(void)
{
    wg_done(&w.wg);
    CHECK(wg_try_add(&w.wg, 1));
    raise_flag();
    wg_done(&w.wg);
}

static void try_add_0_more(void)
{
    CHECK(wg_try_add(&w.wg, 0));
}
static void try_add_max(void)
{
    CHECK(wg_try_add(&w.wg, INT32_MAX));
}

/* ---- Policy ---- */

/* After a look in vain a thread leaves out the looks of its next waits. */
static void look_in_vain(void)
{
#if WG_SPIN > 0
    const int skips[] = {3, 15, 63, 255, 255};
    for (int i = 0; i < 5; i++) {
        wg_skips_ = 0;
        CHECK(!wg_wait_for(&w.wg, SECOND));
        CHECK(wg_skips_ == skips[i]);
    }
    CHECK(!wg_wait_for(&w.wg, SECOND)); /* without a look */
    CHECK(wg_skips_ == 254 && wg_misses_ == 4);
#endif
}

/* One that is answered forgets that. */
static void look_again(void)
{
#if WG_SPIN > 0
    wg_misses_ = 1;
    wg_wait(&w.wg);
    CHECK(wg_skips_ == (wg_misses_ == 2 ? 15 : 0));
    x_outcome(wg_misses_ == 0   ? "answered"
              : wg_misses_ == 1 ? "nothing to wait for"
                                : "in vain");
#else
    wg_wait(&w.wg);
#endif
}

#if WG_SPIN > 0
#define LOOKS "answered|nothing to wait for|in vain"
#else
#define LOOKS "done"
#endif

/* ---- Objects that are not well, made by hand ---- */

static void be_state(int32_t counter, uint64_t rest)
{
    atomic_store_explicit(&w.wg.state, wg_ones_(counter) | rest,
                          memory_order_relaxed);
}

static void be_word(uint32_t word)
{
    atomic_store_explicit(&w.wg.word, word, memory_order_relaxed);
}

/* As if a wg_add had gone wrong, and were about to say so. */
static void be_negative(void)
{
    be_state(-1, wg_mark_(&w.wg));
}

static void be_full(void)
{
    be_state(1, wg_mark_(&w.wg) | WG_WAITERS_);
}

static void be_full_less_1(void)
{
    be_state(1, wg_mark_(&w.wg) | (WG_WAITERS_ - 1));
}

static void be_waited_on_by_1(void)
{
    be_state(1, wg_mark_(&w.wg) | 1);
}
static void be_waited_on_by_2(void)
{
    be_state(1, wg_mark_(&w.wg) | 2);
}

/* The second waiter looks, the third one does not. */
static void look_as_second(void)
{
    CHECK(!wg_wait_for(&w.wg, SECOND));
#if WG_SPIN > 0
    CHECK(wg_misses_ == 1);
#endif
    be_state(1, 0);
}

static void look_as_third(void)
{
    CHECK(!wg_wait_for(&w.wg, SECOND));
#if WG_SPIN > 0
    CHECK(wg_misses_ == 0);
#endif
    be_state(1, 0);
}

static void timed_out_is_gone(void)
{
    CHECK(!wg_wait_for(&w.wg, SECOND));
    CHECK(wg_waiters_(atomic_load_explicit(
              &w.wg.state, memory_order_relaxed)) == WG_WAITERS_ - 1);
    be_state(1, 0);
}

static void be_unmarked_at_1(void)
{
    be_state(1, 0);
}
static void be_unmarked_with_waiters(void)
{
    be_state(0, 1);
}
static void be_garbage_in_word(void)
{
    be_word(3);
}
static void be_garbage_in_race(void)
{
    atomic_store_explicit(&w.wg.race, 1, memory_order_relaxed);
}
static void be_garbage_in_spare_0(void)
{
    w.wg.spare[0] = 1;
}
static void be_garbage_in_spare_1(void)
{
    w.wg.spare[1] = 0x80;
}
static void be_garbage_in_spare_2(void)
{
    w.wg.spare[2] = 1;
}
static void be_garbage_in_used_spare(void)
{
    add_1();
    be_garbage_in_spare_0();
}
static void be_garbage_in_used_word(void)
{
    add_1();
    be_word(3);
}
static void be_even_mark(void)
{
    be_state(1, WG_MARK_ & ~WG_MARK_ODD_ & ~WG_MARK_SHARED_);
}
static void be_neighbour(void) /* all but this group's mark, by one bit */
{
    be_state(1, wg_mark_(&w.wg) ^ 0x40000000);
}

/* ---- Shared, copied, garbage ---- */

static void shared_0(void)
{
    wg_init_shared(&w.wg);
}

static void shared_1(void)
{
    shared_0();
    wg_add(&w.wg, 1);
}

static void shared_3(void)
{
    shared_0();
    wg_add(&w.wg, 3);
}

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

static void init_shared_1(void)
{
    garbage();
    shared_1();
}

static void copy_1(void)
{
    wg_add(&w.wg, 1);
    memcpy(&w.copy, &w.wg, sizeof w.wg);
}

static void copy_2(void)
{
    wg_add(&w.wg, 2);
    memcpy(&w.copy, &w.wg, sizeof w.wg);
}

static void copy_tried_1(void)
{
    CHECK(wg_try_add(&w.wg, 1));
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
    CHECK(wg_try_add(&w.copy, 1));
}

/* ---- The suite ---- */

#define TOO_SOON "abort: wg_add called concurrently with wg_wait"
#define REUSED "abort: reused before previous wg_wait has returned"
#define NEGATIVE "abort: negative counter"
#define OVERFLOW "abort: counter overflow"
#define ON_CLOSED "abort: wg_add on a closed group"
#define COPIED "abort: copied or moved after first use, or never initialised"
#define INVALID "abort: invalid argument: "
#define FULL "abort: too many waiters"

/* The cheap ones first: most mistakes are found by them. */
static const struct scenario scenarios[] = {
    /* name, setup, threads, final, outcomes, flags */
    {"one", add_1, {wait_and_read_0, publish_0}, NULL, "done", SMALL},
    {"publish", add_2, {wait_and_read, publish_0, publish_1}, NULL, "done", 0},
    {"publish-by-add",
     add_3,
     {wait_and_read, publish_0, publish_1_twice},
     NULL,
     "done",
     0},
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
     CALM | FREES},
    {"free-timed", add_1, {timed_free, done}, NULL, "done", FREES},
    {"free-closed",
     add_1,
     {wait_and_free, close_then_done},
     NULL,
     "done",
     FREES},

    {"nested", add_1, {wait_and_read_0, nested}, NULL, "done", 0},
    {"add-0", add_1, {wait, done, add_0}, NULL, "done", 0},
    {"subtract", add_2, {wait, wait, subtract_2}, NULL, "done", CALM},
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
    {"add-closed", add_1, {close_then_add}, NULL, ON_CLOSED, 0},
    {"first-add-and-wait",
     nothing,
     {add_and_done, wait},
     add_and_done,
     "done",
     SMALL},
    {"first-add-and-go", nothing, {add_and_done, go}, NULL, "done", SMALL},
    {"first-add-and-close",
     nothing,
     {add_and_done, close},
     NULL,
     "done|" ON_CLOSED,
     0},
    {"negative-first", nothing, {done}, NULL, NEGATIVE, 0},
    {"negative-unmarked", nothing, {done, done}, NULL, NEGATIVE, 0},
    {"negative-add",
     add_1,
     {wait, subtract_2, add_1},
     NULL,
     "done|" NEGATIVE,
     0},
    {"negative-add-released",
     add_1,
     {wait, done, done, add_1},
     NULL,
     "done|" NEGATIVE "|" TOO_SOON "|" REUSED,
     CALM},
    {"negative-leaving", add_1, {wait, done, done}, NULL, NEGATIVE, 0},
    {"negative-wait", be_negative, {wait}, NULL, NEGATIVE, 0},
    {"negative-close", be_negative, {close}, NULL, NEGATIVE, 0},
    {"negative-try", be_negative, {try_add_0}, NULL, NEGATIVE, 0},
    {"not-too-many",
     be_full_less_1,
     {timed_out_is_gone},
     NULL,
     "done",
     TIMED | CALM},

    {"close-1",
     nothing,
     {close_and_wait, try_add_0},
     tell_adds,
     "0 got in|1 got in",
     CALM},
    {"close-shared",
     shared_0,
     {close_and_wait, try_add_0},
     tell_adds,
     "0 got in|1 got in",
     SHARED},
    {"close-refuses", add_1, {close_and_be_refused, wait}, NULL, "done", 0},
    {"close-waited-on",
     add_1,
     {wait_and_read_0, publish_0, close},
     NULL,
     "done",
     0},

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
    {"no-limit", add_1, {no_limit, publish_0}, NULL, "done", 0},
    {"no-limit-until", add_1, {no_limit_until, publish_0}, NULL, "done", TIMED},
    {"too-late", add_1, {too_late}, NULL, "done", TIMED},
    {"bad-deadline",
     add_1,
     {bad_deadline},
     NULL,
     INVALID "tv_nsec is not in 0..999999999",
     TIMED},
    {"bad-deadline-below",
     add_1,
     {bad_deadline_below},
     NULL,
     INVALID "tv_nsec is not in 0..999999999",
     TIMED},

    {"rounds", add_1, {wait_twice, publish_0_then_1}, NULL, "done", 0},
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
    {"too-many", be_full, {wait}, NULL, FULL, 0},

    {"garbage", garbage, {add_1}, NULL, COPIED, 0},
    {"garbage-word", be_garbage_in_word, {add_1}, NULL, COPIED, 0},
    {"garbage-word-close", be_garbage_in_word, {close}, NULL, COPIED, 0},
    {"garbage-word-try", be_garbage_in_word, {try_add_0}, NULL, COPIED, 0},
    {"garbage-word-sleep", be_garbage_in_used_word, {wait}, NULL, COPIED, 0},
    {"garbage-release",
     be_garbage_in_used_spare,
     {wait, done},
     NULL,
     "done|" COPIED,
     0},
    {"garbage-race", be_garbage_in_race, {add_1}, NULL, COPIED, 0},
    {"garbage-spare-0", be_garbage_in_spare_0, {add_1}, NULL, COPIED, 0},
    {"garbage-spare-1", be_garbage_in_spare_1, {add_1}, NULL, COPIED, 0},
    {"garbage-spare-2", be_garbage_in_spare_2, {add_1}, NULL, COPIED, 0},
    {"unmarked-done", be_unmarked_at_1, {done}, NULL, COPIED, 0},
    {"unmarked-waited-on-add",
     be_unmarked_with_waiters,
     {add_1},
     NULL,
     COPIED,
     0},
    {"unmarked-waited-on-close",
     be_unmarked_with_waiters,
     {close},
     NULL,
     COPIED,
     0},
    {"unmarked-waited-on-try",
     be_unmarked_with_waiters,
     {try_add_0},
     NULL,
     COPIED,
     0},
    {"marked-even", be_even_mark, {done}, NULL, COPIED, 0},
    {"marked-by-neighbour", be_neighbour, {done}, NULL, COPIED, 0},
    {"copy-done", copy_1, {done_on_copy}, NULL, COPIED, 0},
    {"copy-done-of-2", copy_2, {done_on_copy}, NULL, COPIED, 0},
    {"copy-add", copy_1, {add_to_copy}, NULL, COPIED, 0},
    {"copy-tried", copy_tried_1, {done_on_copy}, NULL, COPIED, 0},
    {"copy-wait", copy_1, {wait_on_copy}, NULL, COPIED, 0},
    {"copy-close", copy_1, {close_copy}, NULL, COPIED, 0},
    {"copy-try", copy_1, {try_add_on_copy}, NULL, COPIED, 0},
    {"copy-shared", copy_shared_1, {done_on_copy}, NULL, "done", SHARED},

    {"shared", shared_1, {wait_and_read_0, publish_0}, NULL, "done", SHARED},
    {"shared-done-true",
     shared_3,
     {done_and_read_0, done_and_read_1, done_and_read_2},
     one_was_true,
     "done",
     SHARED},
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
    {"shared-too-soon",
     shared_1,
     {wait_unmisused, add_too_soon},
     NULL,
     "done|" TOO_SOON "|" REUSED,
     SHARED},
    {"shared-rounds",
     shared_1,
     {wait_twice, publish_0_then_1},
     NULL,
     "done",
     SHARED},
    {"init", init_1, {wait_and_read_0, publish_0}, NULL, "done", 0},
    {"init-shared",
     init_shared_1,
     {wait_and_read_0, publish_0},
     NULL,
     "done",
     SHARED},

    {"look-in-vain", add_1, {look_in_vain}, done, "done", CALM},
    {"look-answered", add_1, {look_again, done}, NULL, LOOKS, CALM},
    {"look-as-second", be_waited_on_by_1, {look_as_second}, NULL, "done", CALM},
    {"look-as-third", be_waited_on_by_2, {look_as_third}, NULL, "done", CALM},

    {"timed-rounds",
     add_1,
     {timed_twice, publish_0_then_1},
     tell_timeouts,
     "released|1 timed out|2 timed out",
     0},
    {"timed-stale",
     add_1,
     {timed_then_wait, publish_0_then_1},
     tell_stale,
     "word at 0|word at 1",
     0},
    {"timed-stale-shared",
     shared_1,
     {timed_then_wait, publish_0_then_1},
     tell_stale,
     "word at 0|word at 1",
     SHARED},
    {"timed-stale-other",
     add_1,
     {timed_then_add, publish_0_then_1, wait_in_round_2},
     tell_stale,
     "word at 0|word at 1",
     CALM},

    {"close-leaving", add_1, {wait, wait, done, close}, NULL, "done", CALM},
    {"close-leaving-shared",
     shared_1,
     {wait, wait, done, close},
     NULL,
     "done",
     CALM | LARGE | SHARED},
    {"close-leaving-try",
     add_1,
     {wait, done, close_after_write, try_add_0},
     tell_adds,
     "0 got in|1 got in",
     CALM | LARGE},

    {"go-waited-on",
     add_1,
     {wait_and_read_0, go_while_waited_on},
     no_naps,
     "done",
     0},
    {"go-leaving", add_1, {wait, done, go}, tell_naps, "no nap|napped", CALM},
    {"go-leaving-shared",
     shared_1,
     {wait, done, go},
     tell_naps,
     "no nap|napped",
     CALM | SHARED},
    {"go-after-done",
     add_1,
     {wait, done_then_go},
     tell_naps,
     "no nap|napped",
     CALM | SMALL},
    {"go-next-round",
     add_1,
     {wait, done_then_go_and_tell, wait_in_round_2},
     tell_naps,
     "no nap|napped",
     CALM},
    {"go-next-round-shared",
     shared_1,
     {wait, done_then_go_and_tell, wait_in_round_2},
     tell_naps,
     "no nap|napped",
     CALM | SHARED},
    {"go-late-waiter",
     add_1,
     {wait, wait, done_then_go},
     tell_naps,
     "no nap|napped",
     CALM | LARGE},
    {"go-free",
     add_1,
     {wait_twice_and_free, done_go_tell_done},
     NULL,
     "done",
     FREES | LARGE},

    {"two-waiters",
     add_2,
     {wait_and_read, wait_and_read, publish_0, publish_1},
     NULL,
     "done",
     CALM | LARGE},
    {"timed-two",
     add_1,
     {timed_0, timed_1, publish_0},
     tell_timeouts,
     "released|1 timed out|2 timed out",
     CALM | LARGE},
    {"timed-and-not",
     add_1,
     {timed_0, wait_and_read_0, publish_0},
     tell_timeouts,
     "released|1 timed out",
     CALM | LARGE},
    {"rounds-2-waiters",
     add_1,
     {wait_twice, publish_0_then_1, wait_in_round_2},
     NULL,
     "done",
     CALM | LARGE},
    {"too-soon-2-waiters",
     add_1,
     {wait, wait, add_too_soon},
     NULL,
     "done|" TOO_SOON "|" REUSED,
     CALM | LARGE},
    {"close-2",
     nothing,
     {close_and_wait, try_add_0, try_add_1},
     tell_adds,
     "0 got in|1 got in|2 got in",
     CALM | LARGE},
    {0},
};

#define VARIABLE(v)          \
    {                        \
#v, &w.v, sizeof w.v \
    }
static const struct variable variables[] = {
    VARIABLE(wg.state),   VARIABLE(wg.word),    VARIABLE(wg.race),
    VARIABLE(wg.spare),   VARIABLE(copy.state), VARIABLE(flag),
    VARIABLE(data[0]),    VARIABLE(data[1]),    VARIABLE(data[2]),
    VARIABLE(data[3]),    VARIABLE(results[0]), VARIABLE(results[1]),
    VARIABLE(results[2]), VARIABLE(misused),    {0},
};

/* Without a step. */
static uint64_t peek_state(void)
{
    uint64_t state;
    memcpy(&state, (const void *)&w.wg.state, sizeof state);
    return state;
}

static uint32_t peek_word(void)
{
    uint32_t word;
    memcpy(&word, (const void *)&w.wg.word, sizeof word);
    return word;
}

static void watch_state(uint64_t old, uint64_t now)
{
    const uint32_t waiters = wg_waiters_(now);
    const bool waited_on = wg_waiters_(old) != 0;
    const bool begins = wg_counter_(old) == 0 && wg_counter_(now) > 0;
    const bool leaves = waiters + 1 == wg_waiters_(old);
    w.ended += waited_on && wg_counter_(old) > 0 && wg_counter_(now) == 0;
    w.misused |= begins && (waited_on || (old & CLOSED) != 0);
    w.stale |= begins && peek_word() == WG_ASLEEP_;
    if (leaves && wg_counter_(old) == 0)
        CHECK(peek_word() == (waiters == 0 ? WG_AWAKE_ : WG_RELEASED_));
}

static void watch_word(uint32_t old, uint32_t now)
{
    if (w.misused)
        return; /* an abort is on its way */
    CHECK(now != WG_ASLEEP_ || old == WG_AWAKE_);
    CHECK(now != WG_AWAKE_ || old != WG_ASLEEP_);
    if (now == WG_RELEASED_) {
        CHECK(old != WG_RELEASED_);
        w.released++;
        w.wakes += old == WG_ASLEEP_;
        CHECK(w.released <= w.ended);
    }
}

static void watch(const void *address, uint64_t old, uint64_t now)
{
    if (address == &w.wg.state)
        watch_state(old, now);
    if (address == &w.wg.word)
        watch_word((uint32_t)old, (uint32_t)now);
}

/* After every execution that was not aborted. */
static void final(void)
{
    CHECK(wg_waiters_(peek_state()) == 0);
    CHECK((peek_state() & WG_MARK_) == 0 || wg_is_marked_(&w.wg, peek_state()));
    CHECK(peek_word() != WG_RELEASED_);
    CHECK(w.released == w.ended);
    CHECK(x_wakes() == w.wakes);
    CHECK(w.misused == 0);
}

static uint16_t swap_locals(uint16_t locals)
{
#if WG_SPIN > 0
    const uint16_t old = (uint16_t)(wg_misses_ << 8 | wg_skips_);
    wg_misses_ = (unsigned char)(locals >> 8);
    wg_skips_ = (unsigned char)locals;
    return old;
#else
    return locals;
#endif
}

const struct suite SUITE = {scenarios, &w,    sizeof w,   variables,
                            final,     watch, swap_locals};
