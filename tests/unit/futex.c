/*
 * futex.c - the system calls themselves: which, how often, and with what
 *
 * Linked so that the calls come through __wrap_syscall and
 * __wrap_clock_gettime, which note all arguments and answer as a test has it:
 * one thread, no kernel. Without cmocka, which there is for one word size only:
 * the program is built for 64 bits and for 32, and with -DONLY_TIME64 as if on
 * riscv32, whose only futex call is the one with 64-bit time.
 */
#define _GNU_SOURCE
#define WG_SPIN 0
#include <sys/syscall.h>
#ifdef ONLY_TIME64
#undef SYS_futex
#endif
#include "wg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

static void fail(int line, const char *condition)
{
    printf("futex.c:%d: not so: %s\n", line, condition);
    exit(1);
}

/* ---- What is expected ---- */

enum { WAKE = 1, WAIT_BITSET = 9, PRIVATE = 128 }; /* the kernel's ABI */

enum { IS_32 = sizeof(long) == 4 };

/* The call without a time, the call with one, and what is tried if that fails:
   0 where there is nothing else. */
#ifdef ONLY_TIME64
enum { UNTIMED = SYS_futex_time64, TIMED = SYS_futex_time64, FALLBACK = 0 };
#elif defined(SYS_futex_time64)
enum { UNTIMED = SYS_futex, TIMED = SYS_futex_time64, FALLBACK = SYS_futex };
#else
enum { UNTIMED = SYS_futex, TIMED = SYS_futex, FALLBACK = 0 };
#endif

static const int64_t SECOND = 1000000000;

/* ---- The scripted system ---- */

/* An answer of a wait: an errno value, or RELEASED: the last worker counts down
   meanwhile, which makes a wake of its own, and the wait is woken. */
enum { RELEASED = 0, NO_MORE = -1, CALLS = 8 };

static struct {
    wg_t wg;
    struct {
        long number, args[6];
        int64_t seconds, ns; /* what args[3] points to */
    } calls[CALLS];
    int count;
    const int *answers;
    int wake_error;   /* 0 if wakes succeed */
    long now[2];      /* what the clock says, as the C library's symbol */
    int clocks;       /* how often it was asked */
    bool clock_fails; /* with an answer that is not to be used */
    bool may_panic;
    jmp_buf panicked;
    char line[256];
} kernel;

long __wrap_syscall(long number, ...);
int __wrap_clock_gettime(int clock, long *now);

static bool is_64_bit_time(long number)
{
    return !IS_32 || number != FALLBACK;
}

long __wrap_syscall(long number, ...)
{
    long *const args = kernel.calls[kernel.count].args;
    va_list list;
    CHECK(kernel.count < CALLS);
    kernel.calls[kernel.count].number = number;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        args[i] = va_arg(list, long);
    va_end(list);
    errno = EIO; /* which a success may do, too */
    if (number == SYS_write) {
        CHECK(args[0] == 2 && args[2] < (long)sizeof kernel.line);
        memcpy(kernel.line, (const char *)args[1], (size_t)args[2]);
        if (!kernel.may_panic)
            fail(__LINE__, kernel.line);
        longjmp(kernel.panicked, 1);
    }
    if (args[3] != 0 && is_64_bit_time(number)) {
        kernel.calls[kernel.count].seconds = ((const int64_t *)args[3])[0];
        kernel.calls[kernel.count].ns = ((const int64_t *)args[3])[1];
    } else if (args[3] != 0) {
        kernel.calls[kernel.count].seconds = ((const long *)args[3])[0];
        kernel.calls[kernel.count].ns = ((const long *)args[3])[1];
    }
    kernel.count++;
    int error = kernel.wake_error;
    if ((args[1] & ~(long)PRIVATE) != WAKE) {
        error = *kernel.answers++;
        CHECK(error != NO_MORE);
        if (error == RELEASED)
            CHECK(wg_done(&kernel.wg));
    }
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

int __wrap_clock_gettime(int clock, long *now)
{
    CHECK(clock == 1); /* CLOCK_MONOTONIC */
    kernel.clocks++;
    errno = EIO;
    if (kernel.clock_fails)
        return -1;
    now[0] = kernel.now[0];
    now[1] = kernel.now[1];
    return 0;
}

/* ---- A wait, and what it asked for ---- */

static void begin(const int *answers, bool shared)
{
    memset(&kernel.line, 0, sizeof kernel.line);
    memset(&kernel.calls, 0, sizeof kernel.calls);
    kernel.count = kernel.clocks = 0;
    kernel.answers = answers;
    if (shared)
        wg_init_shared(&kernel.wg);
    else
        wg_init(&kernel.wg);
    wg_add(&kernel.wg, 1);
    errno = 4711;
}

static void wait_untimed(const int *answers, bool shared)
{
    begin(answers, shared);
    wg_wait(&kernel.wg);
    CHECK(errno == 4711 && kernel.clocks == 0);
}

/* From a clock at 0, so that timeout_ns is the deadline. */
static bool wait_timed(const int *answers, bool shared, int64_t timeout_ns)
{
    kernel.now[0] = kernel.now[1] = 0;
    begin(answers, shared);
    const bool result = wg_wait_for(&kernel.wg, timeout_ns);
    CHECK(errno == 4711 && kernel.clocks == 1);
    CHECK(wg_count(&kernel.wg) == !result);
    return result;
}

/* Call number i was this wait, of all waiters of the word, without a time. */
static bool was_wait(int i, long number, bool shared)
{
    const long *const args = kernel.calls[i].args;
    return kernel.calls[i].number == number &&
           args[0] == (long)&kernel.wg + 8 &&
           args[1] == (WAIT_BITSET | (shared ? 0 : PRIVATE)) && args[2] == 1 &&
           args[5] == -1; /* FUTEX_BITSET_MATCH_ANY */
}

static bool was_untimed_wait(int i, bool shared)
{
    return was_wait(i, UNTIMED, shared) && kernel.calls[i].args[3] == 0;
}

static bool was_timed_wait(int i, long number, bool shared, int64_t deadline)
{
    return was_wait(i, number, shared) && kernel.calls[i].args[3] != 0 &&
           kernel.calls[i].seconds == deadline / SECOND &&
           kernel.calls[i].ns == deadline % SECOND;
}

static bool was_wake(int i, bool shared)
{
    const long *const args = kernel.calls[i].args;
    return kernel.calls[i].number == UNTIMED &&
           args[0] == (long)&kernel.wg + 8 &&
           args[1] == (WAKE | (shared ? 0 : PRIVATE)) && args[2] == INT32_MAX &&
           args[3] == 0;
}

/* ---- The tests ---- */

static void an_untimed_wait_and_its_wake_are_one_call_each(void)
{
    static const int woken[] = {RELEASED, NO_MORE};
    for (int shared = 0; shared < 2; shared++) {
        wait_untimed(woken, shared);
        CHECK(kernel.count == 2);
        CHECK(was_untimed_wait(0, shared) && was_wake(1, shared));
    }
}

static void an_untimed_wait_looks_again_after_any_other_error(void)
{
    static const int errors[] = {EAGAIN, EINTR, ETIMEDOUT, ENOMEM, EIO};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const int answers[] = {errors[i], RELEASED, NO_MORE};
        wait_untimed(answers, false);
        CHECK(kernel.count == 3);
        CHECK(was_untimed_wait(0, false) && was_untimed_wait(1, false));
        CHECK(was_wake(2, false));
    }
}

static void a_wake_is_one_call_whatever_it_says(void)
{
    static const int errors[] = {ENOSYS, EPERM, EFAULT, EINVAL, EAGAIN};
    static const int woken[] = {RELEASED, NO_MORE};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        for (int shared = 0; shared < 2; shared++) {
            kernel.wake_error = errors[i];
            wait_untimed(woken, shared);
            kernel.wake_error = 0;
            CHECK(kernel.count == 2 && was_wake(1, shared));
        }
}

static void a_timed_wait_is_one_call_with_64_bit_time(void)
{
    static const int timed_out[] = {ETIMEDOUT, NO_MORE},
                     woken[] = {RELEASED, NO_MORE};
    const int64_t deadlines[] = {
        1,
        SECOND - 1,
        SECOND,
        SECOND + 1,
        0x7fffffff * SECOND,
        0x80000000 * SECOND,
        INT64_MAX / SECOND * SECOND,
        INT64_MAX - 1,
    };
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++)
        for (int shared = 0; shared < 2; shared++) {
            CHECK(!wait_timed(timed_out, shared, deadlines[i]));
            CHECK(kernel.count == 1);
            CHECK(was_timed_wait(0, TIMED, shared, deadlines[i]));
            CHECK(wait_timed(woken, shared, deadlines[i]));
            CHECK(kernel.count == 2 && was_wake(1, shared));
            CHECK(was_timed_wait(0, TIMED, shared, deadlines[i]));
        }
}

static void no_limit_is_no_time(void)
{
    static const int woken[] = {RELEASED, NO_MORE};
    CHECK(wait_timed(woken, false, INT64_MAX));
    CHECK(kernel.count == 2 && was_untimed_wait(0, false));
}

static void a_timed_wait_looks_again_without_a_fallback(void)
{
    static const int errors[] = {EAGAIN, EINTR};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const int answers[] = {errors[i], errors[i], ETIMEDOUT, NO_MORE};
        CHECK(!wait_timed(answers, false, 123 * SECOND + 456));
        CHECK(kernel.count == 3);
        for (int call = 0; call < 3; call++)
            CHECK(was_timed_wait(call, TIMED, false, 123 * SECOND + 456));
    }
}

static void wait_until_hands_its_deadline_on(void)
{
    static const int timed_out[] = {ETIMEDOUT, NO_MORE};
    const struct timespec deadline = {0x7fffffff, 999999999};
    kernel.now[0] = 0x7fffffff;
    kernel.now[1] = 999999998;
    begin(timed_out, false);
    CHECK(!wg_wait_until(&kernel.wg, &deadline));
    CHECK(errno == 4711 && kernel.clocks == 1 && kernel.count == 1);
    CHECK(was_timed_wait(0, TIMED, false, 0x7fffffff * SECOND + 999999999));
}

static void the_clock_answers_in_two_longs(void)
{
    static const int timed_out[] = {ETIMEDOUT, NO_MORE};
    static const long now[][2] = {{0, 0},
                                  {5, 7},
                                  {0, 999999999},
                                  {LONG_MAX >> (IS_32 ? 0 : 30), 999999999}};
    for (size_t i = 0; i < sizeof now / sizeof *now; i++) {
        begin(timed_out, false);
        memcpy(kernel.now, now[i], sizeof now[i]);
        CHECK(!wg_wait_for(&kernel.wg, 1));
        CHECK(errno == 4711 && kernel.clocks == 1 && kernel.count == 1);
        CHECK(was_timed_wait(0, TIMED, false,
                             now[i][0] * SECOND + now[i][1] + 1));
    }
}

/* Runs a wait that must end in this line, and returns how many calls it made
   before it wrote. */
static int calls_before(const char *text, unsigned waiters, const int *answers,
                        bool shared, int64_t timeout_ns)
{
    char line[sizeof kernel.line];
    snprintf(line, sizeof line, "wg: %s (wg %p, counter 1, waiters %u)\n", text,
             (void *)&kernel.wg, waiters);
    kernel.now[0] = kernel.now[1] = 0;
    begin(answers, shared);
    kernel.may_panic = true;
    if (setjmp(kernel.panicked) == 0) {
        CHECK(!wg_wait_for(&kernel.wg, timeout_ns));
        CHECK(!"the wait returned");
    }
    kernel.may_panic = false;
    CHECK(strcmp(kernel.line, line) == 0);
    CHECK((size_t)kernel.calls[kernel.count].args[2] == strlen(line));
    return kernel.count;
}

static const char refused[] =
    "futex wait failed: EFAULT, EINVAL, ENOSYS or EPERM";
static const int fatal[] = {EFAULT, EINVAL, ENOSYS, EPERM};

static void a_refused_untimed_wait_is_fatal_at_once(void)
{
    for (int i = 0; i < 4; i++)
        for (int shared = 0; shared < 2; shared++) {
            const int answers[] = {fatal[i], NO_MORE};
            CHECK(calls_before(refused, 1, answers, shared, INT64_MAX) == 1);
            CHECK(was_untimed_wait(0, shared));
        }
}

static void a_refused_timed_wait_is_fatal(void)
{
    const int last = FALLBACK != 0;
    for (int i = 0; i < 4; i++)
        for (int shared = 0; shared < 2; shared++) {
            const int answers[] = {fatal[(i + 1) % 4], fatal[i], NO_MORE};
            CHECK(calls_before(refused, 1, answers + !last, shared, SECOND) ==
                  last + 1);
            CHECK(was_timed_wait(0, TIMED, shared, SECOND));
            CHECK(
                was_timed_wait(last, last ? FALLBACK : TIMED, shared, SECOND));
        }
}

static void a_clock_that_fails_is_fatal(void)
{
    static const int none[] = {NO_MORE};
    kernel.clock_fails = true;
    for (int shared = 0; shared < 2; shared++)
        CHECK(calls_before("clock failed: CLOCK_MONOTONIC cannot be read", 0,
                           none, shared, SECOND) == 0);
    kernel.clock_fails = false;
}

/* ---- The fallback, where there is one ---- */

static void any_other_error_of_time64_is_tried_again_by_the_old_call(void)
{
    static const int errors[] = {ENOSYS, EPERM, EFAULT, EINVAL,
                                 ENOMEM, EIO,   EACCES, EOPNOTSUPP};
    const int64_t deadline = 250000000;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        for (int shared = 0; shared < 2; shared++) {
            const int timed_out[] = {errors[i], ETIMEDOUT, NO_MORE};
            const int woken[] = {errors[i], RELEASED, NO_MORE};
            CHECK(!wait_timed(timed_out, shared, deadline));
            CHECK(kernel.count == 2);
            CHECK(was_timed_wait(0, TIMED, shared, deadline));
            CHECK(was_timed_wait(1, FALLBACK, shared, deadline));
            CHECK(wait_timed(woken, shared, deadline));
            CHECK(kernel.count == 3 && was_wake(2, shared));
            CHECK(was_timed_wait(1, FALLBACK, shared, deadline));
        }
}

static void the_fallback_remembers_nothing(void)
{
    static const int errors[] = {EINTR, EAGAIN, ENOMEM};
    static const int timed_out[] = {ETIMEDOUT, NO_MORE};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const int answers[] = {ENOSYS, errors[i], ENOSYS, ETIMEDOUT, NO_MORE};
        CHECK(!wait_timed(answers, false, SECOND));
        CHECK(kernel.count == 4);
        for (int call = 0; call < 4; call++)
            CHECK(was_timed_wait(call, call % 2 == 0 ? TIMED : FALLBACK, false,
                                 SECOND));
        CHECK(!wait_timed(timed_out, false, SECOND));
        CHECK(kernel.count == 1 && was_timed_wait(0, TIMED, false, SECOND));
    }
}

static void the_fallback_clamps_seconds_to_a_long(void)
{
    static const int answers[] = {ENOSYS, ETIMEDOUT, NO_MORE};
    static const int64_t seconds[] = {0x7ffffffe, 0x7fffffff, 0x80000000,
                                      0x100000000, INT64_MAX / 1000000000};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        CHECK(!wait_timed(answers, false, seconds[i] * SECOND + 854775806));
        CHECK(kernel.count == 2 && was_wait(1, FALLBACK, false));
        CHECK(kernel.calls[0].seconds == seconds[i]);
        CHECK(kernel.calls[1].seconds ==
              (seconds[i] < 0x7fffffff ? seconds[i] : 0x7fffffff));
        /* Of a time that is clamped, these say nothing, but the kernel wants
           them to be right. */
        CHECK(kernel.calls[1].ns == 854775806);
    }
}

#define RUN(test) (printf("[ RUN      ] %s\n", #test), test()) /* as cmocka */

int main(void)
{
    RUN(an_untimed_wait_and_its_wake_are_one_call_each);
    RUN(an_untimed_wait_looks_again_after_any_other_error);
    RUN(a_wake_is_one_call_whatever_it_says);
    RUN(a_timed_wait_is_one_call_with_64_bit_time);
    RUN(no_limit_is_no_time);
    RUN(a_timed_wait_looks_again_without_a_fallback);
    RUN(wait_until_hands_its_deadline_on);
    RUN(the_clock_answers_in_two_longs);
    RUN(a_refused_untimed_wait_is_fatal_at_once);
    RUN(a_refused_timed_wait_is_fatal);
    RUN(a_clock_that_fails_is_fatal);
    if (FALLBACK != 0) {
        RUN(any_other_error_of_time64_is_tried_again_by_the_old_call);
        RUN(the_fallback_remembers_nothing);
        RUN(the_fallback_clamps_seconds_to_a_long);
    }
    return 0;
}
