/* How a wait waits: it pauses, then sleeps, and asks for nothing else. Pauses
   and system calls are counted, and hooks in them play the other threads, so
   that nothing is left to timing. What pauses is x86's: elsewhere the tests
   that count pauses are skipped, and say so. */
#define _GNU_SOURCE
#include "check.h"

#if defined(__x86_64__) || defined(__i386__)
#define COUNTS_PAUSES 1
static void on_pause(void);
#define __builtin_ia32_pause() on_pause()
#else
#define COUNTS_PAUSES 0
#endif
#ifndef WG_SPIN
#define SPIN_BY_DEFAULT
#endif
#include "wg.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <semaphore.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static wg_t wg = WG_INIT;

/* Calls of this thread since it last asked. */
static _Thread_local struct {
    int pauses, sleeps, others, clocks;
} made;

/* What other threads do meanwhile: at this pause, or in each sleep. */
static _Thread_local struct {
    int pause;
    void (*at_pause)(void);
    void (*in_sleep)(void);
} meanwhile;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e,
                    long f);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_futex && (b & 127) == 9) {
        made.sleeps++;
        if (meanwhile.in_sleep != NULL) {
            meanwhile.in_sleep();
            return 0;
        }
    } else if (number != SYS_write) {
        made.others++;
    }
    return __real_syscall(number, a, b, c, d, e, f);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    made.clocks++;
    return __real_clock_gettime(clock, now);
}

#if COUNTS_PAUSES
static void on_pause(void)
{
    if (++made.pauses == meanwhile.pause && meanwhile.at_pause != NULL)
        meanwhile.at_pause();
}
#endif

static void done(void)
{
    (void)wg_done(&wg);
}

/* Adds 1, and waits beside so many others until a hook counts it down. The
   others are not there: they are put into the state, and out again. */
static void wait_beside(int others)
{
    memset(&made, 0, sizeof made);
    wg_add(&wg, 1);
    atomic_fetch_add(&wg.state, (uint64_t)others);
    wg_wait(&wg);
    atomic_fetch_sub(&wg.state, (uint64_t)others);
    atomic_store(&wg.word, WG_AWAKE_);
    assert_int_equal(made.clocks, 0);
}

static void wait_for_one(void)
{
    wait_beside(0);
}

/* Each test on a thread of its own, which has not waited before. */
static void *run_it(void *test)
{
    memset(&made, 0, sizeof made);
    memset(&meanwhile, 0, sizeof meanwhile);
    ((void (*)(void))(uintptr_t)test)();
    return NULL;
}

static void on_a_fresh_thread(void (*test)(void))
{
    if (COUNTS_PAUSES)
        join(start(run_it, (void *)(uintptr_t)test));
    else
        skip();
}

static void look_then_sleep(void)
{
    meanwhile.in_sleep = done;
    wait_for_one();
    assert_int_equal(made.pauses, WG_SPIN);
    assert_int_equal(made.sleeps, 1);
    assert_int_equal(made.others,
                     1); /* the wake, as the done found it asleep */
}

static void a_wait_pauses_WG_SPIN_times_then_sleeps(void **state)
{
    (void)state;
    on_a_fresh_thread(look_then_sleep);
}

/* Each pause, and more looks than a byte can count; fewer of long ones. */
enum {
    STRIDE = WG_SPIN > 1000 ? WG_SPIN / 100 : 1,
    LOOKS = WG_SPIN > 1000 ? 5 : 300
};

static void answered_at_pauses(void)
{
    for (int pause = 1; pause <= WG_SPIN; pause += STRIDE) {
        meanwhile.pause = pause;
        meanwhile.at_pause = done;
        wait_for_one();
        assert_int_equal(made.pauses, pause);
        assert_int_equal(made.sleeps + made.others, 0);
    }
}

static void a_release_while_it_looks_costs_no_system_call(void **state)
{
    (void)state;
    on_a_fresh_thread(answered_at_pauses);
}

static void done_in_the_second_sleep(void)
{
    if (made.sleeps == 2)
        done();
}

static void sleep_twice(void)
{
    meanwhile.in_sleep = done_in_the_second_sleep;
    wait_for_one();
    assert_int_equal(made.pauses, WG_SPIN);
    assert_int_equal(made.sleeps, 2);
}

static void a_wait_that_is_woken_for_no_reason_does_not_look_again(void **state)
{
    (void)state;
    on_a_fresh_thread(sleep_twice);
}

static void all_done(void)
{
    wg_add(&wg, -wg_count(&wg));
}

static void shared(void)
{
    wg_init_shared(&wg);
    wg_add(&wg, 1);
}

static void for_many(void)
{
    wg_add(&wg, INT32_MAX);
}

static void when_closed(void)
{
    wg_add(&wg, 1);
    wg_close(&wg);
}

/* As a waiter that sleeps, or has timed out, leaves it. */
static void beside_a_sleeper(void)
{
    wg_add(&wg, 1);
    atomic_store(&wg.word, WG_ASLEEP_);
}

static void look_at_each_kind(void)
{
    static void (*const kinds[])(void) = {shared, for_many, when_closed,
                                          beside_a_sleeper};
    meanwhile.pause = 2;
    meanwhile.at_pause = meanwhile.in_sleep = all_done;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        memset(&made, 0, sizeof made);
        kinds[i]();
        wg_wait(&wg);
        assert_int_equal(made.pauses, 2);
        assert_int_equal(made.sleeps, 0);
        wg_init(&wg);
    }
}

static void what_kind_of_group_it_is_makes_no_difference(void **state)
{
    (void)state;
    on_a_fresh_thread(look_at_each_kind);
}

static void skips_after_looks_in_vain(void)
{
    static const int skips[] = {3, 15, 63, 255};
    meanwhile.in_sleep = done;
    for (int round = 0; round < 2; round++) {
        for (int look = 0; look < LOOKS; look++) {
            wait_for_one();
            assert_int_equal(made.pauses, WG_SPIN);
            for (int skip = 0; skip < skips[look < 3 ? look : 3]; skip++) {
                wait_for_one();
                assert_int_equal(made.pauses, 0);
                assert_int_equal(made.sleeps, 1);
            }
        }
        /* A look that is answered forgets all that, for the second round. */
        meanwhile.pause = WG_SPIN;
        meanwhile.at_pause = done;
        wait_for_one();
        assert_int_equal(made.pauses, WG_SPIN);
        assert_int_equal(made.sleeps, 0);
        meanwhile.at_pause = NULL;
    }
}

static void looks_in_vain_are_made_less_and_less_often(void **state)
{
    (void)state;
    on_a_fresh_thread(skips_after_looks_in_vain);
}

/* Whose look it was that was answered makes no difference. */
static void answered_as_second(void)
{
    meanwhile.in_sleep = done;
    for (int wait = 0; wait < 1 + 3; wait++) /* in vain, then without a look */
        wait_for_one();
    meanwhile.pause = 1;
    meanwhile.at_pause = done;
    wait_beside(1);
    assert_int_equal(made.pauses, 1);
    meanwhile.at_pause = NULL;
    for (int wait = 0; wait < 1 + 3 + 1; wait++) { /* first in a row again */
        wait_for_one();
        assert_int_equal(made.pauses, wait % 4 == 0 ? WG_SPIN : 0);
    }
}

static void the_second_waiters_answer_forgets_looks_in_vain_too(void **state)
{
    (void)state;
    on_a_fresh_thread(answered_as_second);
}

static void beside_none_one_two(void)
{
    static const int others[] = {0, 1, 2, WG_WAITERS_ - 1};
    meanwhile.pause = 1;
    meanwhile.at_pause = done;
    meanwhile.in_sleep = done;
    for (int i = 0; i < 4; i++) {
        wait_beside(others[i]);
        assert_int_equal(made.pauses, i < 2);
        assert_int_equal(made.sleeps, i >= 2);
    }
}

/* Who does not look has not looked in vain, so the next wait does. */
static void third_then_first(void)
{
    meanwhile.in_sleep = done;
    for (int i = 0; i < 5; i++)
        wait_beside(2);
    wait_for_one();
    assert_int_equal(made.pauses, WG_SPIN);
}

static void a_wait_that_does_not_look_is_no_look_in_vain(void **state)
{
    (void)state;
    on_a_fresh_thread(third_then_first);
}

static void at_most_two_waiters_of_a_group_look(void **state)
{
    (void)state;
    on_a_fresh_thread(beside_none_one_two);
}

/* ---- Timed waits, and wg_try_add beside waiters that leave ---- */

static void look_then_sleep_for(void)
{
    static const struct timespec end_of_time = {INT32_MAX, 0};
    meanwhile.in_sleep = done;
    wg_add(&wg, 1);
    assert_true(wg_wait_for(&wg, INT64_MAX / 2));
    assert_int_equal(made.pauses, WG_SPIN);
    assert_int_equal(made.sleeps, 1);
    assert_int_equal(made.clocks, 1);
    for (int skip = 0; skip < 3; skip++)
        wait_for_one();
    memset(&made, 0, sizeof made);
    wg_add(&wg, 1);
    assert_true(wg_wait_until(&wg, &end_of_time));
    assert_int_equal(made.pauses, WG_SPIN);
    assert_int_equal(made.sleeps, 1);
    assert_int_equal(made.clocks, 1);
}

static void timed_waits_look_as_others_do(void **state)
{
    (void)state;
    on_a_fresh_thread(look_then_sleep_for);
}

/* Answered at the last pause, so that none of them is a look in vain. */
static void look_for_short(void)
{
    static const int64_t timeouts[] = {1, 1000, 49999, 1000000, 1000000000};
    meanwhile.pause = WG_SPIN;
    meanwhile.at_pause = meanwhile.in_sleep = done;
    for (unsigned i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        memset(&made, 0, sizeof made);
        wg_add(&wg, 1);
        assert_true(wg_wait_for(&wg, timeouts[i]));
        assert_int_equal(made.pauses, WG_SPIN);
        assert_int_equal(made.sleeps + made.others, 0);
        assert_int_equal(made.clocks, 1);
    }
}

static void a_timed_wait_looks_however_short_it_is(void **state)
{
    (void)state;
    on_a_fresh_thread(look_for_short);
}

static void wait_for_one_with_a_limit(void)
{
    memset(&made, 0, sizeof made);
    wg_add(&wg, 1);
    assert_true(wg_wait_for(&wg, INT64_MAX / 2));
}

/* The second look in vain of a thread, then the 15 waits without one. */
static void timed_waits_in_vain(void)
{
    meanwhile.in_sleep = done;
    for (int wait = 0; wait < 1 + 3 + 1 + 15 + 1; wait++) {
        wait_for_one_with_a_limit();
        assert_int_equal(made.pauses,
                         wait == 0 || wait == 4 || wait == 20 ? WG_SPIN : 0);
    }
}

static void timed_waits_count_their_looks_in_vain(void **state)
{
    (void)state;
    on_a_fresh_thread(timed_waits_in_vain);
}

/* A waiter that is on its way out, as it stands in the object. */
static void put_a_leaver_inside(void)
{
    atomic_fetch_add(&wg.state, 1);
    atomic_store(&wg.word, WG_RELEASED_);
}

static void let_the_leaver_leave(void)
{
    atomic_store(&wg.word, WG_AWAKE_);
    atomic_fetch_sub(&wg.state, 1);
}

enum { NAPS = WG_SPIN + 2000 };

static void let_the_leaver_leave_in_the_last_nap(void)
{
    if (made.sleeps == NAPS)
        let_the_leaver_leave();
}

/* The leaver leaves at the last pause, just before a nap. */
static void try_add_without_a_nap(void)
{
    memset(&made, 0, sizeof made);
    put_a_leaver_inside();
    meanwhile.pause = WG_SPIN;
    meanwhile.at_pause = let_the_leaver_leave;
    assert_true(wg_try_add(&wg, 1));
    meanwhile.at_pause = NULL;
    assert_int_equal(made.pauses, WG_SPIN);
    assert_int_equal(made.sleeps + made.others + made.clocks, 0);
    assert_true(wg_done(&wg));
}

static void pause_then_nap(void)
{
    try_add_without_a_nap();
    memset(&made, 0, sizeof made);
    put_a_leaver_inside();
    meanwhile.in_sleep = let_the_leaver_leave_in_the_last_nap;
    assert_true(wg_try_add(&wg, 1));
    assert_int_equal(made.pauses, WG_SPIN);
    assert_int_equal(made.sleeps, NAPS);
    assert_int_equal(made.clocks, NAPS);
    assert_int_equal(made.others, 0);
    assert_true(wg_done(&wg));
}

static void try_add_pauses_as_often_as_a_wait_then_naps(void **state)
{
    (void)state;
    on_a_fresh_thread(pause_then_nap);
}

static void pause_after_a_look_in_vain(void)
{
    meanwhile.in_sleep = done;
    wait_for_one();
    try_add_without_a_nap();
    for (int wait = 0; wait < 4; wait++) {
        wait_for_one();
        assert_int_equal(made.pauses, wait < 3 ? 0 : WG_SPIN);
    }
}

static void pauses_of_try_add_are_no_look(void **state)
{
    (void)state;
    on_a_fresh_thread(pause_after_a_look_in_vain);
}

/* ---- Nothing else is asked of the system, in whatever way ---- */

#ifndef __SANITIZE_THREAD__ /* which asks for more itself */
/* _exit() under AddressSanitizer asks for more, too. */
static void end(int status)
{
    __real_syscall(SYS_exit_group, (long)status);
}

static void wait_in_each_way(void)
{
    /* The clock may be a system call where there is no vDSO. */
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(2);
    meanwhile.in_sleep = done;
    for (int i = 0; i < 5; i++) { /* looks, and does not */
        wg_add(&wg, 1);
        wg_wait(&wg);
    }
    wg_add(&wg, 1);
    if (!wg_wait_for(&wg, INT64_MAX / 2))
        end(3);
    put_a_leaver_inside();
    made.sleeps = 0;
    meanwhile.in_sleep = let_the_leaver_leave_in_the_last_nap;
    if (!wg_try_add(&wg, 1))
        end(4);
    end(0);
}

static void a_wait_asks_for_a_futex_and_a_clock_only(void **state)
{
    (void)state;
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        wait_in_each_way();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}
#endif

#ifdef SPIN_BY_DEFAULT
static void the_default_of_WG_SPIN_is_as_the_manual_says(void **state)
{
    (void)state;
    assert_int_equal(WG_SPIN, 1000);
}
#endif

/* ---- A reuse that comes too soon, while the waiter looks ---- */

static sem_t looks, go_on;

static void hold(void)
{
    sem_post(&looks);
    sem_wait(&go_on);
}

static void *held_waiter(void *arg)
{
    meanwhile.pause = 1;
    meanwhile.at_pause = hold;
    wg_wait(&wg);
    return arg;
}

static void reuse_while_the_waiter_looks(void)
{
    sem_init(&looks, 0, 0);
    sem_init(&go_on, 0, 0);
    wg_add(&wg, 1);
    start(held_waiter, NULL);
    sem_wait(&looks);
    wg_done(&wg);
    wg_add(&wg, 1);
}

static void reuse_is_caught_while_the_waiter_looks(void **state)
{
    (void)state;
    if (!COUNTS_PAUSES)
        skip();
    for (int i = 0; i < 100; i++)
        expect_panic(reuse_while_the_waiter_looks,
                     "wg_add called concurrently with wg_wait",
                     "counter 1, waiters 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_wait_pauses_WG_SPIN_times_then_sleeps),
        TEST(a_release_while_it_looks_costs_no_system_call),
        TEST(a_wait_that_is_woken_for_no_reason_does_not_look_again),
        TEST(what_kind_of_group_it_is_makes_no_difference),
        TEST(looks_in_vain_are_made_less_and_less_often),
        TEST(the_second_waiters_answer_forgets_looks_in_vain_too),
        TEST(at_most_two_waiters_of_a_group_look),
        TEST(a_wait_that_does_not_look_is_no_look_in_vain),
        TEST(timed_waits_look_as_others_do),
        TEST(a_timed_wait_looks_however_short_it_is),
        TEST(timed_waits_count_their_looks_in_vain),
        TEST(try_add_pauses_as_often_as_a_wait_then_naps),
        TEST(pauses_of_try_add_are_no_look),
#ifndef __SANITIZE_THREAD__
        TEST(a_wait_asks_for_a_futex_and_a_clock_only),
#endif
#ifdef SPIN_BY_DEFAULT
        TEST(the_default_of_WG_SPIN_is_as_the_manual_says),
#endif
        TEST(reuse_is_caught_while_the_waiter_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
