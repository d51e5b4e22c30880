/*
 * faults.h - includes wg.h, and lets all go wrong around it that may
 *
 * With SEAM defined, through the header's seam; without, through system calls
 * (link with -Wl,--wrap=syscall,--wrap=clock_gettime).
 *
 * Sleeps   end for no reason, by EINTR, EAGAIN or an error not known today; by
 *          ETIMEDOUT at once, just after the release, or without a deadline.
 * Wakes    come late, when the memory is gone, and are said to have failed.
 * errno    is spoiled by every system call, those that succeed too.
 * Clock    this file's own. It advances when a deadline is to have passed.
 * wg_go    gets no memory or no thread.
 * Delays   before and after every atomic operation of the header, and longer
 *          ones where the object may be gone. A weak compare-exchange fails for
 *          no reason.
 *
 * Each of these is counted, and so is how each compare-exchange ended. Chance
 * hangs on the seed alone, and so does the schedule (turns.h).
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- Failure ---- */

static unsigned long long seed;
static int current_round; /* of the program that is running; atomic */
static char where[64];    /* both, as a text */
static int where_length;

static void begin_round(int number)
{
    where_length =
        snprintf(where, sizeof where, "seed %llu, round %d", seed, number);
    __atomic_store_n(&current_round, number, __ATOMIC_RELAXED);
}

/* All failures end here. In a signal handler, perhaps. */
static _Noreturn void fail(const char *what)
{
    dprintf(2, "%s: not so: %s\n", where, what);
    _exit(1);
}

static void check(bool truth, const char *what)
{
    if (!truth) {
        fail(what);
    }
}

/* ---- Chance ---- */

static _Thread_local uint64_t random_state;

/* splitmix64 */
static unsigned random_below(unsigned limit)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (unsigned)((z ^ z >> 31) >> 32) % limit;
}

static bool one_in(unsigned n)
{
    return random_below(n) == 0;
}

/* Not one of those that go wrong. */
#ifdef SEAM
#define real_syscall syscall
#else
long __real_syscall(long call, ...);
#define real_syscall __real_syscall
#endif

#include "turns.h"

/* ---- What has happened ---- */

/* What has to happen in every run of some length, and how it is printed. */
/* clang-format off */
#define EVENTS(event)                                                \
    event(SLEPT, "sleeps ended by a wake")                           \
    event(NO_REASON, "ended for no reason")                          \
    event(INTERRUPTED, "by EINTR")                                   \
    event(AGAIN, "by EAGAIN")                                        \
    event(UNKNOWN, "by an unknown error")                            \
    event(TIMED_OUT, "by a timeout")                                 \
    event(RELEASED_FIRST, "by a timeout after the release")          \
    event(NO_DEADLINE, "by ETIMEDOUT without a deadline")            \
    event(NAPPED, "naps")                                            \
    event(WOKEN, "wakes")                                            \
    event(WOKEN_LATE, "wakes when the memory was gone")              \
    event(NO_MEMORY, "wg_go without memory")                         \
    event(NO_THREAD, "wg_go without a thread")                       \
    event(WENT, "wg_go")                                             \
    event(GO_REFUSED, "wg_go on a closed group")                     \
    event(TRIED, "wg_try_add")                                       \
    event(REFUSED, "wg_try_add on a closed group")                   \
    event(LAST_DONE, "wg_done that returned true")                   \
    event(GAVE_UP, "waits that returned false")                      \
    event(REACHED, "waits that returned true")                       \
    event(LEFT_EARLY, "units that outlived their thread's last use")
/* clang-format on */
#define EVENT_NAME(name, text) name,
#define EVENT_TEXT(name, text) text,
enum event { EVENTS(EVENT_NAME) EVENT_KINDS };
static const char *const event_texts[] = {EVENTS(EVENT_TEXT)};
static int events[EVENT_KINDS];

static void count(int *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* A compare-exchange of the header: how often it exchanged, found another
   value, and failed for no reason. */
struct exchange {
    const char *function;
    int done, lost, spurious, listed;
    struct exchange *next;
};
static struct exchange *exchanges;

static void list(struct exchange *e, const char *function)
{
    if (__atomic_exchange_n(&e->listed, 1, __ATOMIC_RELAXED) == 0) {
        e->function = function;
        e->next = __atomic_load_n(&exchanges, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&exchanges, &e->next, e, true,
                                            __ATOMIC_RELEASE,
                                            __ATOMIC_RELAXED)) {
        }
    }
}

/* ---- Delays ---- */

static bool calm;       /* in this round there are few, and short ones */
static unsigned stride; /* in this round one step of so many may end a turn */
static int disposed;    /* the last round whose group is gone; atomic */

static void pause_at_random(void)
{
    stand_aside((int)random_below(12));
}

/* Longer than most others take for all that they do. */
static void long_delay(void)
{
    stand_aside(calm ? 0 : (int)random_below(400));
}

static void delay(void)
{
    const unsigned dice = random_below(64);
    if (dice == 0) {
        long_delay();
    } else if (dice < (calm ? 4 : 12)) {
        pause_at_random();
    } else if (one_in(stride)) {
        stand_aside(0);
    }
}

/* Lets the others go on for so many steps at most, or until all that they can
   do is done. Returns whether the group is gone then. */
static bool outlive_the_group(int most)
{
    stand_aside(most);
    return __atomic_load_n(&disposed, __ATOMIC_RELAXED) >=
           __atomic_load_n(&current_round, __ATOMIC_RELAXED);
}

/* After what may have been the last access to the object. */
static void delay_of_the_last(void)
{
    if (!calm && one_in(3)) {
        stand_aside(1000);
    } else {
        delay();
    }
}

/* The header's operations, as <stdatomic.h> has them, with the delays. */
#ifdef __clang__
#define LOAD(object, order) __c11_atomic_load(object, order)
#define STORE __c11_atomic_store
#define EXCHANGE __c11_atomic_exchange
#define FETCH_ADD __c11_atomic_fetch_add
#define FETCH_OR __c11_atomic_fetch_or
#define COMPARE_EXCHANGE __c11_atomic_compare_exchange_weak
#else
#define LOAD(object, order) __atomic_load_n(object, order)
#define STORE __atomic_store_n
#define EXCHANGE __atomic_exchange_n
#define FETCH_ADD __atomic_fetch_add
#define FETCH_OR __atomic_fetch_or
#define COMPARE_EXCHANGE(object, expected, value, success, failure) \
    __atomic_compare_exchange_n(object, expected, value, true, success, failure)
#endif
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_or_explicit
#undef atomic_compare_exchange_weak_explicit
#define atomic_load_explicit(object, order)     \
    __extension__({                             \
        delay();                                \
        __auto_type was_ = LOAD(object, order); \
        delay();                                \
        was_;                                   \
    })
#define atomic_store_explicit(object, value, order) \
    __extension__({                                 \
        long_delay();                               \
        STORE(object, value, order);                \
        long_delay();                               \
    })
#define atomic_exchange_explicit(object, value, order)     \
    __extension__({                                        \
        delay();                                           \
        __auto_type was_ = EXCHANGE(object, value, order); \
        delay_of_the_last();                               \
        was_;                                              \
    })
#define atomic_fetch_add_explicit(object, value, order)       \
    __extension__({                                           \
        const uint64_t value_ = (value);                      \
        delay();                                              \
        __auto_type was_ = FETCH_ADD(object, value_, order);  \
        (int64_t) value_ < 0 ? delay_of_the_last() : delay(); \
        was_;                                                 \
    })
#define atomic_fetch_or_explicit(object, value, order)     \
    __extension__({                                        \
        delay();                                           \
        __auto_type was_ = FETCH_OR(object, value, order); \
        delay();                                           \
        was_;                                              \
    })
#define atomic_compare_exchange_weak_explicit(object, expected, value,       \
                                              success, failure)              \
    __extension__({                                                          \
        static struct exchange exchange_;                                    \
        bool done_ = false;                                                  \
        list(&exchange_, __func__);                                          \
        delay();                                                             \
        if (!calm && one_in(8)) {                                            \
            *(expected) = LOAD(object, failure);                             \
            count(&exchange_.spurious);                                      \
        } else {                                                             \
            done_ =                                                          \
                COMPARE_EXCHANGE(object, expected, value, success, failure); \
            count(done_ ? &exchange_.done : &exchange_.lost);                \
        }                                                                    \
        delay();                                                             \
        done_;                                                               \
    })

/* ---- Sleeps and wakes ---- */

static bool late;         /* in this round nobody sleeps, and wakes are late */
static bool is_shared;    /* the group is for several processes */
static int sleeps, wakes; /* in this round, naps left out; atomic */
#define CLOCK_START_NS 1000000000
static int64_t clock_ns = CLOCK_START_NS;

/* Of the wait that this thread is in. */
static _Thread_local bool has_to_time_out; /* at its first sleep */
static _Thread_local bool timed_out;
static _Thread_local bool released; /* before it timed out */
static _Thread_local bool adding;   /* in wg_try_add or wg_go, not in a wait */

static int64_t now_ns(void)
{
    return __atomic_load_n(&clock_ns, __ATOMIC_RELAXED);
}

static void advance_clock(int64_t until_ns)
{
    int64_t now = now_ns();
    while (now < until_ns &&
           !__atomic_compare_exchange_n(&clock_ns, &now, until_ns, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

/* The counter of the group with this word. Its caller is registered, so the
   object is there, and a counter at 0 stays there. */
static int counter_of(const void *word);

static int time_out(const void *word, int64_t deadline_ns)
{
    advance_clock(deadline_ns);
    timed_out = true;
    released = counter_of(word) == 0;
    count(&events[released ? RELEASED_FIRST : TIMED_OUT]);
    return ETIMEDOUT;
}

/* Returns 0, or the error that the system call has. A wait sleeps without its
   deadline: this file's clock has not reached it, and the release comes. */
static int sleep_or_fail(void *word, uint32_t expected, int64_t deadline_ns,
                         bool shared)
{
    const bool timed = deadline_ns != INT64_MAX;
    check(shared == is_shared, "a sleep is of the group's flavour");
    check(deadline_ns >= CLOCK_START_NS, "a deadline is absolute");
    if (adding && timed) { /* a nap, from which nobody wakes it */
        count(&events[NAPPED]);
        pause_at_random();
        if (one_in(2)) {
            return one_in(2) ? EAGAIN : 0;
        }
        advance_clock(deadline_ns);
        return ETIMEDOUT;
    }
    count(&sleeps);
    if (timed && has_to_time_out) {
        return time_out(word, deadline_ns);
    }
    const int near = (int)random_below(2); /* to the release */
    switch (random_below(12)) {
    case 0:
        if (timed) {
            return time_out(word, deadline_ns);
        }
        count(&events[NO_DEADLINE]);
        return ETIMEDOUT;
    case 1:
        while (timed && counter_of(word) > near) {
            give_way();
        }
        if (timed) {
            return time_out(word, deadline_ns);
        }
        break;
    case 2:
        count(&events[INTERRUPTED]);
        pause_at_random();
        return EINTR;
    case 3:
        count(&events[AGAIN]);
        pause_at_random();
        return EAGAIN;
    case 4:
        count(&events[UNKNOWN]);
        return one_in(2) ? ENOMEM : EBUSY;
    case 5:
        count(&events[NO_REASON]);
        pause_at_random();
        return 0;
    }
    if (late) {
        pause_at_random();
        return EINTR;
    }
    if (!fall_asleep(word, expected)) {
        return EAGAIN;
    }
    count(&events[SLEPT]);
    return 0;
}

static void wake(void *word, bool shared)
{
    check(shared == is_shared, "a wake is of the group's flavour");
    count(&wakes);
    count(&events[WOKEN]);
    if (late && outlive_the_group(10000)) {
        count(&events[WOKEN_LATE]);
    } else {
        pause_at_random();
    }
    wake_up(word);
}

#ifdef SEAM
static int seam_wait(void *word, uint32_t expected, int64_t deadline_ns,
                     bool shared)
{
    const int saved_errno = errno;
    const int error = sleep_or_fail(word, expected, deadline_ns, shared);
    errno = saved_errno;
    return error == ETIMEDOUT ? ETIMEDOUT : 0;
}

static void seam_wake(void *word, bool shared)
{
    const int saved_errno = errno;
    wake(word, shared);
    errno = saved_errno;
}

#define WG_FUTEX_WAIT seam_wait
#define WG_FUTEX_WAKE seam_wake
#define WG_NOW_NS now_ns
#else
static void spoil_errno(void)
{
    errno = 1 + (int)random_below(100);
}

/* The header's calls. Where a time has two sizes, so have its numbers. */
static int64_t nanoseconds(long call, const void *time)
{
    if (time == NULL) {
        return INT64_MAX;
    }
#if defined(SYS_futex_time64)
    if (call == SYS_futex_time64) {
        const int64_t *const part = time;
        return part[0] * 1000000000 + part[1];
    }
#endif
    (void)call;
    const long *const part = time;
    return (int64_t)part[0] * 1000000000 + part[1];
}

long __wrap_syscall(long call, ...);
long __wrap_syscall(long call, ...)
{
    enum { WAKE = 1, WAIT_BITSET = 9, PRIVATE = 128 };
    long a[4];
    va_list arguments;
    va_start(arguments, call);
    for (int i = 0; i < 4; i++) {
        a[i] = va_arg(arguments, long);
    }
    va_end(arguments);
    const bool shared = (a[1] & PRIVATE) == 0;
    if ((a[1] & ~PRIVATE) == WAKE) {
        wake((void *)a[0], shared);
        spoil_errno();
        return one_in(2) ? 0 : -1;
    }
    check((a[1] & ~PRIVATE) == WAIT_BITSET, "a wait or a wake");
    const int error =
        sleep_or_fail((void *)a[0], (uint32_t)a[2],
                      nanoseconds(call, (const void *)a[3]), shared);
    spoil_errno();
    if (error == 0) {
        return 0;
    }
    errno = error;
    return -1;
}

int __wrap_clock_gettime(int clock, long *time);
int __wrap_clock_gettime(int clock, long *time)
{
    check(clock == CLOCK_MONOTONIC, "the clock is CLOCK_MONOTONIC");
    const int64_t now = now_ns();
    time[0] = (long)(now / 1000000000);
    time[1] = (long)(now % 1000000000);
    spoil_errno();
    return 0;
}
#endif

/* ---- Threads ---- */

static _Thread_local bool goes_wrong; /* this wg_go */

static void *allocate(size_t size)
{
    if (one_in(6)) {
        goes_wrong = true;
        count(&events[NO_MEMORY]);
        return NULL;
    }
    return malloc(size);
}

static int create(pthread_t *thread, const pthread_attr_t *attributes,
                  void *(*run)(void *), void *arg)
{
    const int error =
        one_in(6) ? EAGAIN : start_in_turn(thread, attributes, run, arg);
    if (error != 0) {
        goes_wrong = true;
        count(&events[NO_THREAD]);
    }
    return error;
}

#define malloc allocate
#define pthread_create create
#define WG_PANIC(message) fail(message)
#include "wg.h"
#undef malloc
#undef pthread_create

static int counter_of(const void *word)
{
    return wg_count((const wg_t *)((const char *)word - offsetof(wg_t, word)));
}

/* Prints all, and demands that nothing is missing. */
static void print_what_has_happened(bool demand)
{
    for (int i = 0; i < EVENT_KINDS; i++) {
        printf("    %d %s\n", events[i], event_texts[i]);
    }
    for (const struct exchange *e = exchanges; e != NULL; e = e->next) {
        printf("    %s: compare-exchange done %d times, lost %d, failed for no "
               "reason %d\n",
               e->function, e->done, e->lost, e->spurious);
        check(!demand || (e->done > 0 && e->lost > 0 && e->spurious > 0),
              "each compare-exchange has ended in each way");
    }
    for (int i = 0; demand && i < EVENT_KINDS; i++) {
        char text[80];
        if (i == NAPPED && WG_SPIN > 1) {
            continue; /* the pauses that come first make it rare */
        }
        snprintf(text, sizeof text, "this has happened: %s", event_texts[i]);
        check(events[i] > 0, text);
    }
}

#endif
