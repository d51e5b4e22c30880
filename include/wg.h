/*
 * wg.h - Go's sync.WaitGroup for C11 and C++11 on Linux
 *
 * A wait group counts what is still running. One thread adds, each worker
 * counts down when its work is done, and any number of threads wait until
 * nothing is left. 16 bytes, no allocation, no destroy call, nothing to link.
 *
 *     static wg_t wg = WG_INIT;
 *     wg_add(&wg, 3);        before the three workers start
 *     wg_done(&wg);          in each worker, when its work is done
 *     wg_wait(&wg);          returns once all three have called wg_done
 *
 * This comment is the manual. After it come the interface with a comment for
 * each call, the layout of the object, the memory order, and then the code.
 *
 * CONTRACT
 *   First add     An add that finds the counter at 0 comes before the waits
 *                 that are meant for it: add first, then start the worker.
 *                 While the counter is above 0, anybody may add at any time.
 *                 wg_try_add and wg_go may be called at any time at all.
 *   Reuse         The next round's first wg_add comes after every wait of the
 *                 last round has returned. wg_try_add and wg_go wait for that
 *                 themselves.
 *   Lifetime      A group may live anywhere, on the stack too. It may be freed
 *                 by the thread whose own wait has returned true, as soon as
 *                 no other thread is inside a call on it or can still begin
 *                 one. The wg_done that released the wait does not count: it
 *                 does not touch the group any more. A thread that has joined
 *                 all others may free it, too. wg_close does not keep others
 *                 from calling wg_try_add once more.
 *   Timeouts      After a timed wait has returned false, the group is still in
 *                 use: the workers have yet to count down. A function that
 *                 holds the group on its stack must not return then.
 *   Not a join    A wait says that the work is done, not that the threads have
 *                 ended. They may still be on their way out, through your code
 *                 and their exit destructors. Join them before dlclose, and
 *                 where you need what those destructors do.
 *   Address       After its first add, a group must not be copied or moved.
 *   Signals       wg_add, wg_done, wg_try_wait and wg_count may be called in
 *                 signal handlers. A wait goes on after a handler has run.
 *                 Do not leave a wait by siglongjmp: it stays counted.
 *   Cancellation  No call is a cancellation point. Asynchronous cancellation
 *                 inside a call leaves the group unusable.
 *   errno         Every call but wg_go leaves errno as it was.
 *   Processes     A group in memory that several processes map is initialised
 *                 by wg_init_shared, by one of them, before the others use it.
 *                 Memory full of zeros is a valid private group, so keep them
 *                 out by other means until then. 32-bit and 64-bit processes
 *                 may share a group.
 *   Fork          The child has none of the parent's other threads. A private
 *                 group that was in use has to be initialised again there.
 *   Killed        A process that is killed before it has counted down leaves
 *                 the count up: use timed waits. One that is killed inside a
 *                 call leaves the group unusable. Both end with wg_init_shared,
 *                 once nobody uses the group.
 *
 * ORDER
 *   What a thread did before its wg_done happens before the return of every
 *   wait that it helped to release, and before the return of the wg_done that
 *   returned true. A wg_try_add that returned false comes after wg_close.
 *   Positive adds give no order.
 *
 * COST
 *   An add or done is one atomic operation on one word that all threads share.
 *   wg_add(&wg, -k) is cheaper than k calls of wg_done. System calls: none,
 *   unless a thread has to sleep, and one to wake any number of sleepers. A
 *   wait that has to wait pauses for a bounded time, then sleeps. Nothing
 *   yields. "Waiting", below, says how long.
 *
 * MISUSE
 *   writes one line to standard error by a single write, then calls abort():
 *
 *     wg: negative counter (wg 0x7ffd5e8f1c20, counter -1, waiters 0)
 *
 *   invalid argument: ...
 *       wg_try_add of less than 1, or a tv_nsec outside 0..999999999.
 *   copied or moved after first use, or never initialised
 *       The group is not where its first add found it, or the memory holds
 *       garbage. Also: a private group that two processes map at different
 *       addresses, and one that is shared with version 1 of this header.
 *   negative counter
 *       More was counted down than was added.
 *   counter overflow
 *       The counter would pass INT32_MAX.
 *   wg_add on a closed group
 *       An add from 0 after wg_close.
 *   wg_add called concurrently with wg_wait
 *       An add from 0 while a waiter of the last round is still inside.
 *   reused before previous wg_wait has returned
 *       The same, found by that waiter. One line or both may appear.
 *   clock failed: ...
 *       The system does not tell the time: a seccomp filter, for example.
 *   too many waiters
 *       More than 1048575 at once.
 *   futex wait failed: ...
 *       The system does not let threads sleep.
 *
 *   The numbers are those that the failing call has seen. Where several texts
 *   fit, the one that stands first above is written.
 *
 *   Not caught:
 *   - An add inside the worker, which may come after the wait. Builds with
 *     ThreadSanitizer report it.
 *   - A done too many while others are still counted.
 *   - A copy, once in 1024 pairs of addresses; a copy of a shared group; a
 *     copy that nobody adds to or counts down, and that is waited for at 0.
 *   - A group that is gone, such as one on the stack of a function that
 *     returned after a timed-out wait. wg_init on a group in use.
 *   - A private group that several processes map at the same address.
 *
 * CONFIGURATION
 *   by macros before the #include. None changes the layout.
 *   WG_PANIC(message)   is called with the line of a misuse, without its
 *                       newline, in place of the write. If it returns, abort()
 *                       follows.
 *   WG_SPIN             how often a wait pauses before it sleeps, a number;
 *                       0: it sleeps at once. 1000 unless defined, 0 with the
 *                       three macros below. See "Waiting".
 *   WG_NO_THREADS       leaves out wg_go and <pthread.h>.
 *   WG_FUTEX_WAIT, WG_FUTEX_WAKE, WG_NOW_NS
 *                       replace the system. See "The seam". The header then
 *                       includes no system header. wg_wait_until is there if
 *                       <time.h> came first, and wg_go if <pthread.h> did; for
 *                       wg_go, <errno.h> and <stdlib.h> are included.
 *   WG_VALGRIND         tells Helgrind and DRD what is ordered.
 *   WG_ALLOW_LIBATOMIC  see the #error that names it.
 *
 * SPDX-License-Identifier: MIT-0
 */

/* ---- May it be compiled? ---- */
/* Each #error is the only one: the rest of the file is left out then. Cppcheck
   knows neither the compiler nor the system, and shall read on. */
#if defined(WG_VERSION) && WG_VERSION != 20000 /* 2.0.0, as below */
#error "wg.h: two different versions in one translation unit; keep one"
#elif !defined(__CPPCHECK__) && (!defined(__ATOMIC_ACQ_REL) || \
    (defined(__cplusplus) && __cplusplus < 201103L) || \
    (!defined(__cplusplus) && __STDC_VERSION__ + 0 < 201112L) || \
    (!defined(__cplusplus) && defined(__STDC_NO_ATOMICS__)))
#error "wg.h: needs C11 or C++11 or later, by gcc, clang or their like"
#elif !defined(__CPPCHECK__) && \
    (defined(WG_FUTEX_WAIT) != defined(WG_FUTEX_WAKE) || \
     defined(WG_FUTEX_WAIT) != defined(WG_NOW_NS))
#error "wg.h: define all of WG_FUTEX_WAIT, WG_FUTEX_WAKE, WG_NOW_NS, or none"
#elif !defined(__CPPCHECK__) && !defined(__linux__) && !defined(WG_FUTEX_WAIT)
#error "wg.h: needs Linux, or your own WG_FUTEX_WAIT and the rest of the seam"
#elif !defined(__CPPCHECK__) && !defined(WG_ALLOW_LIBATOMIC) && \
    !defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8)
#error "wg.h: no lock-free 64-bit atomics here. With libatomic's locks, adds get lost between processes and hang in signal handlers; for neither, define WG_ALLOW_LIBATOMIC and link -latomic"
#elif !defined(WG_VERSION)

/* The layout of wg_t is an ABI between translation units, languages, processes
   and releases. MAJOR names it: it changes whenever the meaning of a bit does.
   Groups that two MAJOR versions share abort instead of misunderstanding. */
#define WG_VERSION_MAJOR 2
#define WG_VERSION_MINOR 0
#define WG_VERSION_PATCH 0
#define WG_VERSION /* 1.2.3 is 10203 */ \
    (WG_VERSION_MAJOR * 10000 + WG_VERSION_MINOR * 100 + WG_VERSION_PATCH)

/* What is declared from here on is not ours to hide, whatever the includer has
   said before: it is in the C library. */
#pragma GCC visibility push(default)
#ifdef __cplusplus /* warnings that ask for C++ where this has to be C, too */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wzero-as-null-pointer-constant"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wuseless-cast"
#endif
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifndef WG_FUTEX_WAIT
#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>
#ifndef WG_NO_THREADS
#include <pthread.h>
#endif
#endif

/* ---- C and C++ ---- */
/* C uses the standard's atomics. C++ works on the same bits by the operations
   that gcc and clang build them from: std::atomic would be another type, and
   its groups would not all be initialised before the program starts. All
   private names end in an underscore; private macros are undefined at the
   end. */
#ifdef __cplusplus
#define WG_ATOMIC_
#define WG_STATIC_ASSERT_ static_assert
enum {
    wg_relaxed_ = __ATOMIC_RELAXED,
    wg_acquire_ = __ATOMIC_ACQUIRE,
    wg_release_ = __ATOMIC_RELEASE,
    wg_acq_rel_ = __ATOMIC_ACQ_REL
};
#define wg_load_(object, order) __atomic_load_n(object, wg_##order##_)
#define wg_store_(object, value, order) \
    __atomic_store_n(object, value, wg_##order##_)
#define wg_exchange_(object, value, order) \
    __atomic_exchange_n(object, value, wg_##order##_)
#define wg_fetch_add_(object, value, order) \
    __atomic_fetch_add(object, value, wg_##order##_)
#define wg_fetch_or_(object, value, order) \
    __atomic_fetch_or(object, value, wg_##order##_)
#define wg_compare_exchange_weak_(object, expected, value, order, failure) \
    __atomic_compare_exchange_n(object, expected, value, true, \
                                wg_##order##_, wg_##failure##_)
#else
#include <stdatomic.h>
#define WG_ATOMIC_ _Atomic
#define WG_STATIC_ASSERT_ _Static_assert
#define wg_load_(object, order) \
    atomic_load_explicit(object, memory_order_##order)
#define wg_store_(object, value, order) \
    atomic_store_explicit(object, value, memory_order_##order)
#define wg_exchange_(object, value, order) \
    atomic_exchange_explicit(object, value, memory_order_##order)
#define wg_fetch_add_(object, value, order) \
    atomic_fetch_add_explicit(object, value, memory_order_##order)
#define wg_fetch_or_(object, value, order) \
    atomic_fetch_or_explicit(object, value, memory_order_##order)
#define wg_compare_exchange_weak_(object, expected, value, order, failure) \
    atomic_compare_exchange_weak_explicit(object, expected, value, \
                                          memory_order_##order, \
                                          memory_order_##failure)
#endif

/* ---- The object ---- */

/* The bits of state and the values of word; "The words", below, has the
   meaning of each. */
enum wg_bits_ {
    WG_MARK_ = 0x7ff00000,
    WG_MARK_ODD_ = 1 << 20,
    WG_MARK_SHARED_ = 2 << 20,
    WG_WAITERS_ = (1 << 20) - 1,

    WG_AWAKE_ = 0,
    WG_ASLEEP_ = 1,
    WG_RELEASED_ = 2
};

/* A wait group: a counter that threads can wait for. Initialise it by WG_INIT
   or wg_init; memory full of zeros will do, too. It needs no destroying. It
   must not be copied or moved once it is in use; in C++ it cannot be. Use it by
   the calls below only: the members are private. */
typedef struct wg {
    WG_ATOMIC_ uint64_t state __attribute__((__aligned__(8)));
    WG_ATOMIC_ uint32_t word __attribute__((__aligned__(4)));
    WG_ATOMIC_ uint8_t race; /* for ThreadSanitizer: see "The detector" */
    uint8_t spare[3];        /* 0 */
#ifdef __cplusplus
    constexpr wg() : state(0), word(0), race(0), spare() {}
    /* Of two arguments, so that nothing converts to a group. */
    constexpr wg(wg_bits_ mark, int) : state(mark), word(0), race(0), spare() {}
    wg(const wg &) = delete;
    wg &operator=(const wg &) = delete;
#endif
} wg_t;

WG_STATIC_ASSERT_(sizeof(wg_t) == 16 && __alignof__(wg_t) == 8 &&
                  offsetof(wg_t, word) == 8 && offsetof(wg_t, race) == 12,
                  "the layout of wg_t is an ABI");

/* ---- The interface ---- */
#define WG_CHECK_RESULT_ __attribute__((__warn_unused_result__))

/* WG_INIT initialises a private group, which the threads of one process use:
       static wg_t wg = WG_INIT;
   WG_INIT_SHARED initialises a group in memory that several processes map. */
#ifdef __cplusplus
#define WG_INIT {}
#define WG_INIT_SHARED {WG_MARK_SHARED_, 0}
#else
#define WG_INIT {0}
#define WG_INIT_SHARED {WG_MARK_SHARED_, 0, 0, {0}}
#endif

/* Makes *wg a private group whose counter is 0, whatever the memory held
   before. Use it for memory that has just been allocated, to open a closed
   group again, and in a forked child for a group that was in use.
   No other thread may be inside a call on the group, or begin one before this
   has returned. Nothing checks that. It gives no order: tell the other threads
   of the group by something that does, such as starting them. */
static inline void wg_init(wg_t *wg);

/* Makes *wg a group whose counter is 0, for all processes that map its memory,
   at whatever addresses.
   One process calls it, and the others must be kept out until it has returned;
   to them, memory full of zeros looks like a private group. It also repairs a
   group that a killed process has left behind, once nobody uses it any more.
   Nothing checks that. It gives no order by itself. */
static inline void wg_init_shared(wg_t *wg);

/* Adds delta to the counter; 0 does nothing. If a negative delta brings the
   counter to 0, all waiting threads are released.
   Any thread may call it, and signal handlers. A positive delta that finds the
   counter at 0 begins a round: it comes before the waits that are meant for it,
   and after all waits of the last round have returned.
   What the caller did before a negative delta happens before the return of each
   wait that it helps to release. A positive delta gives no order.
   Aborts if the counter would become negative or pass INT32_MAX, if the group
   was copied, or if a round begins while the group is closed or while waiters
   of the last round are still inside. */
static inline void wg_add(wg_t *wg, int delta);

/* Subtracts 1 from the counter: one of those that were added is done. If that
   brings the counter to 0, all waiting threads are released.
   Any thread may call it, and signal handlers.
   Returns true to the one call of a round that brought the counter to 0, false
   to all others. That call is the place to go on from, where no thread waits: a
   callback, an eventfd. It must not touch the group if a waiter may free it.
   What the caller did before happens before the return of each wait that this
   helps to release. A call that returns true comes after all other wg_done
   calls of the round.
   Aborts if there was nothing to count down, or if the group was copied. */
static inline bool wg_done(wg_t *wg);

/* Waits until the counter is 0; returns at once if it is. It pauses for a
   while, then sleeps.
   Any thread may call it, beside other waits too; signal handlers may not. It
   goes on after a signal handler has run. It is no cancellation point.
   All that was done before the wg_done calls of the round has happened before
   it returns. The group may be freed then, unless other threads are inside a
   call on it or may still begin one. The workers have counted down, but may not
   have ended: where that matters, join them.
   Aborts if a new round begins while this wait is still inside, if the group
   was copied, if more than 1048575 threads wait, or if the system lets no
   thread sleep. */
static inline void wg_wait(wg_t *wg);

/* Returns true if the counter is 0, false if not. Never blocks, never aborts.
   Any thread may call it, and signal handlers.
   If it returns true, all that was done before the wg_done calls of the round
   has happened before, and the group may be freed, unless other threads are
   inside a call on it or may still begin one. False gives no order. */
static inline bool wg_try_wait(wg_t *wg);

/* Waits until the counter is 0, for timeout_ns nanoseconds at most. With 0 or
   less it only looks; INT64_MAX is no limit. It pauses for a while, then
   sleeps, so it may last longer by those pauses.
   Any thread may call it, beside other waits too; signal handlers may not. It
   goes on after a signal handler has run. It is no cancellation point.
   Returns true if the counter reached 0. Then all that was done before the
   wg_done calls of the round has happened before, and the group may be freed,
   unless other threads are inside a call on it or may still begin one.
   Returns false if the time was up. The caller does not count as a waiter any
   more, but the group is still in use, by those who have yet to count down: it
   must not be freed, and a function that holds it must not return.
   Aborts if a new round begins while this wait is still inside, if the group
   was copied, if more than 1048575 threads wait, or if the system lets no
   thread sleep or read the clock. */
static inline bool wg_wait_for(wg_t *wg, int64_t timeout_ns) WG_CHECK_RESULT_;

#ifdef CLOCKS_PER_SEC /* <time.h> is there */
/* Waits until the counter is 0, until a time of CLOCK_MONOTONIC at most. With a
   time that has passed it only looks. It pauses for a while, then sleeps, so it
   may last longer by those pauses.
   deadline comes from clock_gettime(CLOCK_MONOTONIC, ...), which -std=c11 hides
   unless _POSIX_C_SOURCE is defined. The clock of timespec_get, C11's only one,
   will not do: its times are decades away.
   Any thread may call it, beside other waits too; signal handlers may not. It
   goes on after a signal handler has run. It is no cancellation point.
   Returns true if the counter reached 0. Then all that was done before the
   wg_done calls of the round has happened before, and the group may be freed,
   unless other threads are inside a call on it or may still begin one.
   Returns false if the time has come. The caller does not count as a waiter any
   more, but the group is still in use, by those who have yet to count down: it
   must not be freed, and a function that holds it must not return.
   Aborts if tv_nsec is not in 0..999999999, if a new round begins while this
   wait is still inside, if the group was copied, if more than 1048575 threads
   wait, or if the system lets no thread sleep or read the clock. */
static inline bool wg_wait_until(wg_t *wg, const struct timespec *deadline)
    WG_CHECK_RESULT_;
#endif

/* Closes the group: from now on wg_try_add returns false, wg_go returns
   ECANCELED, and a wg_add that finds the counter at 0 is misuse. Those who are
   counted may go on, and may add. wg_init opens the group again.
   Any thread may call it, at any time and more than once; signal handlers may
   not. To close and then wait is safe against any number of wg_try_add calls:
   each returns false, or is waited for.
   What the caller did before happens before a wg_try_add returns false.
   Aborts if the group was copied. */
static inline void wg_close(wg_t *wg);

/* Adds delta, 1 or more, to the counter, unless the group is closed.
   Any thread may call it, at any time; signal handlers may not. While waiters
   of a finished round are on their way out, it waits until they have left.
   Returns false if and only if the group is closed. Then nothing has changed,
   and what came before the wg_close has happened before. True gives no order.
   Aborts if delta is less than 1, if the counter would pass INT32_MAX, or if
   the group was copied. */
static inline bool wg_try_add(wg_t *wg, int delta) WG_CHECK_RESULT_;

#if defined(PTHREAD_CREATE_DETACHED) && !defined(WG_NO_THREADS)
/* Go's wg.Go: adds 1, runs fn(arg) in a new detached thread, and subtracts 1
   when fn returns, or ends its thread by pthread_exit or cancellation.
   Any thread may call it, at any time; signal handlers may not. While waiters
   of a finished round are on their way out, it waits until they have left.
   Returns 0, or an errno value with the counter as it was: ECANCELED if the
   group is closed, ENOMEM or EAGAIN if there is no memory or no thread to be
   had. Then the caller may run fn(arg) itself, unless such tasks wait for each
   other. It may change errno.
   What the caller did before happens before fn, and fn happens before the
   return of each wait that it helps to release. The thread may outlive the
   wait.
   The thread has the default attributes: the size of its stack is that of
   pthread_setattr_default_np or, without it, of `ulimit -s`. If fn aborts, or a
   C++ exception leaves it, the program ends and no wait returns.
   Aborts if the counter would pass INT32_MAX, or if the group was copied. */
static inline int wg_go(wg_t *wg, void (*fn)(void *), void *arg)
    WG_CHECK_RESULT_;
#endif

/* Go's `defer wg.Done()`: a declaration that calls wg_done(wg) when its scope
   is left by return, break, goto, its end, or a C++ exception. wg is evaluated
   once, at the declaration. In C, pthread_exit and cancellation leave the scope
   that way only in code that is compiled with -fexceptions. */
#define WG_DEFER_DONE(wg) WG_DEFER_DONE_AT_(wg, __LINE__)
#define WG_DEFER_DONE_AT_(wg, line) WG_DEFER_DONE_AS_(wg, line)
#define WG_DEFER_DONE_AS_(wg, line) \
    wg_t *const wg_deferred_##line##_ \
        __attribute__((__cleanup__(wg_deferred_done_), __unused__)) = (wg)

/* Returns the counter as it was a moment ago, for progress displays and logs.
   By the time it returns, the counter may be another: do not decide by it.
   Any thread may call it, and signal handlers. It never aborts. It gives no
   order. */
static inline int wg_count(const wg_t *wg);

/* ---- The words ----
 *
 * state   changed by every call, always by one atomic read-modify-write
 *   bits 63..32  counter  int32. Below 0 only when an abort is on its way.
 *   bit  31      closed   Set by wg_close, cleared by wg_init.
 *   bits 30..20  mark     0: no add has been made yet. 2: shared between
 *                         processes, from initialisation on. Odd: a hash of the
 *                         object's address, set by the first add.
 *   bits 19..0   waiters  How many have registered and not left yet. Each adds
 *                         and subtracts itself.
 *
 * word    what waiters sleep on
 *   0 awake     Nobody sleeps.
 *   1 asleep    Somebody sleeps or is about to. Set by a waiter before it
 *               sleeps. Legal to be set without need, as by a waiter that has
 *               timed out: the next release makes one system call in vain.
 *               Illegal to clear: the wake of a later sleeper would get lost.
 *   2 released  The round is over. Set by the call that brings the counter to 0
 *               while there are waiters. Cleared by the last of them, before it
 *               takes itself off state.
 *
 * The mark finds copies, and says who has to be woken: it comes with the value
 * that a read-modify-write returns, so a done need not read anything else of an
 * object that may be gone by then. Legal to miss a copy, illegal to accuse what
 * did not move.
 */
#define WG_CLOSED_ ((uint64_t)1 << 31)

static inline int32_t wg_counter_(uint64_t state)
{
    return (int32_t)(state >> 32);
}

/* What to add to state to add n to the counter. */
static inline uint64_t wg_ones_(int n)
{
    return (uint64_t)(int64_t)n << 32;
}

static inline uint32_t wg_waiters_(uint64_t state)
{
    return (uint32_t)state & WG_WAITERS_;
}

/* Whether waiters of a finished round are still on their way out. */
static inline bool wg_is_leaving_(uint64_t state)
{
    return wg_counter_(state) == 0 && wg_waiters_(state) != 0;
}

static inline bool wg_is_shared_(uint64_t state)
{
    return (state & WG_MARK_) == WG_MARK_SHARED_;
}

/* The mark of a private group at this address. Bits 33..3 count: none of them
   is part of a pointer's tag. The multiplier is the golden ratio of 2^31, which
   keeps neighbours apart: no two groups less than 2440 bytes apart agree. It is
   not that of version 1, so groups that both use are found. */
static inline uint64_t wg_mark_(const wg_t *wg)
{
    return (((uint32_t)((uintptr_t)wg >> 3) * 0x4f1bbcddU) & WG_MARK_) |
           WG_MARK_ODD_;
}

/* Whether state has the mark that a group in use has here. Reads no memory. */
static inline bool wg_is_marked_(const wg_t *wg, uint64_t state)
{
    return (state & WG_MARK_) == wg_mark_(wg) || wg_is_shared_(state);
}

/* Whether the bytes that this version never writes are 0 still. */
static inline bool wg_is_clean_(const wg_t *wg)
{
    return (wg->spare[0] | wg->spare[1] | wg->spare[2]) == 0;
}

/* Whether state may be that of an initialised group without a mark: one whose
   first add has not been made, or is just being made. Relaxed: it looks for
   garbage, which was there before all threads. */
static inline bool wg_is_unmarked_(wg_t *wg, uint64_t state)
{
    return (state & WG_MARK_) == 0 && !wg_is_leaving_(state) &&
           wg_load_(&wg->word, relaxed) <= WG_RELEASED_ &&
           wg_load_(&wg->race, relaxed) == 0 && wg_is_clean_(wg);
}

/* ---- Memory order ----
 *
 * The one guarantee: what came before a done happens before the return of the
 * waits that it helps to release. Dones are releases, waits are acquires, and
 * the link between them is state. It changes by atomic read-modify-writes only,
 * so all its values form one release sequence: who acquires any of them comes
 * after every call that has released an earlier one, whatever lies between. So
 * positive adds, registering and leaving may be weaker where nobody is promised
 * order by them.
 *
 * What makes it tricky is the death of the object: a waiter may free it as soon
 * as it returns. Were a waiter to go by the counter, this would happen:
 *
 *     wg_done                              wg_wait
 *     state: counter 1 -> 0
 *                                          counter is 0: returns, group freed
 *     word 1 -> 2: into freed memory
 *
 * So a registered waiter leaves only when it has seen word at 2, which is the
 * releasing call's last access; or when it has taken itself off state while the
 * counter was still above 0. A wait that is not registered goes by the counter:
 * without registered waiters, the operation that brings the counter to 0 is the
 * last access of its call.
 *
 * Waiters register first and take themselves off last. While one is inside, no
 * new round begins: wg_add aborts, wg_try_add waits. So word stays at 2 until
 * all have seen it.
 *
 * The futex is for sleeping, never for ordering.
 */

/* ---- Race detectors ---- */
#ifdef WG_VALGRIND
#include <valgrind/helgrind.h>
/* Off by one: DRD objects if a dead group's address becomes a mutex's. */
#define WG_RELEASES_(wg) \
    VALGRIND_HG_DISABLE_CHECKING(wg, sizeof(wg_t)); \
    ANNOTATE_HAPPENS_BEFORE((char *)(wg) + 1)
#define WG_ACQUIRED_(wg) ANNOTATE_HAPPENS_AFTER((char *)(wg) + 1)
#else
#define WG_RELEASES_(wg) (void)0
#define WG_ACQUIRED_(wg) (void)0
#endif

/* The detector: ThreadSanitizer sees an add inside the worker, the commonest
   mistake, by a race on a byte that nothing else uses. An add from 0 stores it
   as it is, atomically, so that two such adds do not race; a wait reads it,
   plainly. If nothing orders the add before the wait, that is a data race, in
   whatever order they happen to run. Positive adds are relaxed, so that they do
   not order it either. Both touch the byte first, before a done can have
   ordered anything, and again at their end: the detector remembers only the
   last few accesses to a place. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define WG_TSAN_
#endif
#endif
#if defined(WG_TSAN_) || defined(__SANITIZE_THREAD__)
static inline void wg_touch_as_adder_(wg_t *wg)
{
    const uint8_t garbage = wg_exchange_(&wg->race, 0, relaxed);
    if (garbage != 0) /* is for wg_is_unmarked_ to find */
        wg_store_(&wg->race, garbage, relaxed);
}

static inline void wg_touch_as_waiter_(wg_t *wg)
{
    (void)*((const volatile char *)wg + offsetof(wg_t, race));
}
#else
static inline void wg_touch_as_adder_(wg_t *wg)
{
    (void)wg;
}

static inline void wg_touch_as_waiter_(wg_t *wg)
{
    (void)wg;
}
#endif

/* ---- The fast paths ---- */
/* Cold: out of line, seldom called, and defined below. */
#define WG_COLD_ static __attribute__((__noinline__, __cold__, __unused__))
WG_COLD_ __attribute__((__noreturn__)) void
wg_panic_(const wg_t *wg, const char *text, uint64_t state);
WG_COLD_ __attribute__((__noreturn__)) void
wg_panic_now_(const wg_t *wg, const char *text);
WG_COLD_ bool wg_add_slow_(wg_t *wg, int delta, uint64_t old);
WG_COLD_ bool wg_wait_slow_(wg_t *wg, int64_t deadline_ns);
WG_COLD_ bool wg_wait_for_slow_(wg_t *wg, int64_t timeout_ns);
WG_COLD_ bool wg_wait_until_slow_(wg_t *wg, int64_t deadline_ns);
WG_COLD_ int wg_await_leavers_(wg_t *wg, bool shared, int turn);
static inline void wg_check_(wg_t *wg, uint64_t state);

static inline void wg_init(wg_t *wg)
{
    /* Relaxed: nobody else is there, and nobody is promised order. */
    wg_store_(&wg->state, 0, relaxed);
    wg_store_(&wg->word, WG_AWAKE_, relaxed);
    wg_store_(&wg->race, 0, relaxed);
    wg->spare[0] = wg->spare[1] = wg->spare[2] = 0;
}

static inline void wg_init_shared(wg_t *wg)
{
    wg_init(wg);
    wg_store_(&wg->state, WG_MARK_SHARED_, relaxed); /* as in wg_init */
}

/* Adds delta, which is not 0. Returns true if it brought the counter to 0. */
static inline bool wg_add_(wg_t *wg, int delta)
{
    const uint64_t ones = wg_ones_(delta), mark = wg_mark_(wg);
    uint64_t old;
    bool usual; /* nothing else to do or to complain of; false does no harm */
    if (delta < 0) {
        WG_RELEASES_(wg);
        /* Release: what came before the done. Partners: the acquires of state
           in waits, and of word, which the release of the waiters passes on.
           Acquire: who brings it to 0 comes after all other dones, for its
           continuation and for those whom it releases. */
        old = wg_fetch_add_(&wg->state, ones, acq_rel);
        WG_ACQUIRED_(wg);
        /* ---- The object may be gone now, unless waiters are inside. ---- */
        usual = wg_counter_(old) > -(int64_t)delta ? (old & WG_MARK_) == mark
                                                   : old + ones == mark;
    } else {
        /* Relaxed: nobody is promised order by an add, and it continues the
           release sequence of the dones before it all the same. */
        old = wg_fetch_add_(&wg->state, ones, relaxed);
        if (wg_counter_(old) == 0)
            wg_touch_as_adder_(wg);
        usual = wg_counter_(old) > 0
                    ? wg_counter_(old) <= INT32_MAX - delta &&
                          (old & WG_MARK_) == mark
                    : old == mark;
    }
    if (usual)
        return wg_counter_(old + ones) == 0;
    return wg_add_slow_(wg, delta, old);
}

static inline void wg_add(wg_t *wg, int delta)
{
    if (delta != 0)
        (void)wg_add_(wg, delta);
}

static inline bool wg_done(wg_t *wg)
{
    return wg_add_(wg, -1);
}

/* For WG_DEFER_DONE. */
static inline void wg_deferred_done_(wg_t *const *wg)
{
    (void)wg_done(*wg);
}

static inline int wg_count(const wg_t *wg)
{
    /* Relaxed: it is promised to order nothing. */
    return wg_counter_(wg_load_(&wg->state, relaxed));
}

static inline bool wg_try_wait(wg_t *wg)
{
    /* Acquire: at 0, what came before the dones. Partner: their release. */
    const uint64_t state = wg_load_(&wg->state, acquire);
    WG_ACQUIRED_(wg);
    return wg_counter_(state) == 0;
}

static inline void wg_wait(wg_t *wg)
{
    wg_touch_as_waiter_(wg);
    if (!wg_try_wait(wg))
        (void)wg_wait_slow_(wg, INT64_MAX);
}

static inline bool wg_wait_for(wg_t *wg, int64_t timeout_ns)
{
    wg_touch_as_waiter_(wg);
    return wg_try_wait(wg) ||
           (timeout_ns > 0 && wg_wait_for_slow_(wg, timeout_ns));
}

#ifdef CLOCKS_PER_SEC
static inline bool wg_wait_until(wg_t *wg, const struct timespec *deadline)
{
    const int64_t second = 1000000000, seconds = deadline->tv_sec;
    const int64_t ns = deadline->tv_nsec;
    wg_touch_as_waiter_(wg);
    if (ns < 0 || ns >= second)
        wg_panic_now_(wg, "invalid argument: tv_nsec is not in 0..999999999");
    if (wg_try_wait(wg))
        return true;
    if (seconds < 0)
        return false;
    return wg_wait_until_slow_(wg, seconds <= (INT64_MAX - ns) / second
                                       ? seconds * second + ns
                                       : INT64_MAX);
}
#endif

static inline void wg_close(wg_t *wg)
{
    WG_RELEASES_(wg);
    /* Release: what came before, for those who are turned away. Partner: the
       acquire in wg_try_add. Not acquire: nothing is done on what it finds. */
    wg_check_(wg, wg_fetch_or_(&wg->state, WG_CLOSED_, release));
}

static inline bool wg_try_add(wg_t *wg, int delta)
{
    /* Acquire: if it is closed, what came before that. Partner: wg_close. */
    uint64_t state = wg_load_(&wg->state, acquire);
    if (delta < 1)
        wg_panic_(wg, "invalid argument: wg_try_add of less than 1", state);
    for (int turn = 0;;) {
        wg_check_(wg, state);
        if ((state & WG_CLOSED_) != 0) {
            WG_ACQUIRED_(wg);
            return false;
        }
        if (wg_counter_(state) > INT32_MAX - delta)
            wg_panic_(wg, "counter overflow", state);
        if (wg_is_leaving_(state)) {
            turn = wg_await_leavers_(wg, wg_is_shared_(state), turn);
            state = wg_load_(&wg->state, acquire); /* as above */
            continue;
        }
        const uint64_t mark = wg_is_shared_(state) ? 0 : wg_mark_(wg);
        /* Acquire on failure: as above. On success relaxed would do, as in
           wg_add_, but C11 wants it to be as strong as failure. */
        if (wg_compare_exchange_weak_(&wg->state, &state,
                                      (state + wg_ones_(delta)) | mark,
                                      acquire, acquire))
            return true;
    }
}

/* ---- wg_go ---- */
#if defined(PTHREAD_CREATE_DETACHED) && !defined(WG_NO_THREADS)
#include <errno.h>
#include <stdlib.h>

struct wg_job_ {
    wg_t *wg;
    void (*fn)(void *);
    void *arg;
};

static inline void wg_job_done_(void *wg)
{
    (void)wg_done((wg_t *)wg);
}

static inline void *wg_job_run_(void *memory)
{
    const struct wg_job_ job = *(struct wg_job_ *)memory;
    free(memory);
    (void)pthread_detach(pthread_self());
    pthread_cleanup_push(wg_job_done_, job.wg);
    job.fn(job.arg);
    pthread_cleanup_pop(1);
    return NULL;
}

static inline int wg_go(wg_t *wg, void (*fn)(void *), void *arg)
{
    if (!wg_try_add(wg, 1))
        return ECANCELED;
    const struct wg_job_ job = {wg, fn, arg};
    void *const memory = malloc(sizeof job);
    pthread_t thread;
    int error = ENOMEM;
    if (memory != NULL) {
        *(struct wg_job_ *)memory = job;
        error = pthread_create(&thread, NULL, wg_job_run_, memory);
    }
    if (error != 0) {
        free(memory);
        (void)wg_done(wg);
    }
    return error;
}
#endif

/* ---- The seam ----
 *
 * All that the header asks of the system, as three macros. Define all or none.
 * They leave errno as it was. shared says that threads of other processes may
 * use the word as well. A number below 0 says that the system cannot do it; the
 * caller then aborts.
 *
 *   int WG_FUTEX_WAIT(void *word, uint32_t expected, int64_t deadline_ns,
 *                     bool shared)
 *       Sleeps while the 32-bit word equals expected. Compares and falls asleep
 *       in one step, as seen by WG_FUTEX_WAKE. Returns 0 when woken, when the
 *       word is another, or for no reason; above 0, such as ETIMEDOUT, once
 *       CLOCK_MONOTONIC has reached deadline_ns, an absolute time. INT64_MAX is
 *       no deadline.
 *   void WG_FUTEX_WAKE(void *word, bool shared)
 *       Wakes all who sleep on the word. Never reads it: it may be gone.
 *   int64_t WG_NOW_NS(void)
 *       CLOCK_MONOTONIC in nanoseconds.
 *
 * The names in the three functions that use them end in an underscore, so that
 * a macro's own names cannot be meant.
 */
#ifdef WG_FUTEX_WAIT
static inline int wg_futex_wait_(void *word_, uint32_t expected_,
                                 int64_t deadline_ns_, bool shared_)
{
    (void)word_, (void)expected_, (void)deadline_ns_, (void)shared_;
    return WG_FUTEX_WAIT(word_, expected_, deadline_ns_, shared_);
}

static inline void wg_futex_wake_(void *word_, bool shared_)
{
    (void)word_, (void)shared_;
    WG_FUTEX_WAKE(word_, shared_);
}

static inline int64_t wg_now_ns_(void)
{
    return WG_NOW_NS();
}

/* write() would end a thread here whose cancellation is pending: it is held
   back. The C library's own names would need their headers. */
extern long wg_write_(int fd, const void *data, size_t size) __asm__("write");
#ifdef __linux__
extern int wg_setcancelstate_(int state, int *old)
    __asm__("pthread_setcancelstate");
#endif

WG_COLD_ void wg_print_(const char *line, size_t size)
{
#ifdef __linux__
    int old;
    (void)wg_setcancelstate_(1 /* PTHREAD_CANCEL_DISABLE */, &old);
#endif
    (void)wg_write_(2, line, size);
}
#else
/* syscall() and clock_gettime(), which -std=c11 hides. All arguments of the
   first have to be longs. */
extern long wg_syscall_(long number, ...) __asm__("syscall");

/* Returns the result or -errno, and leaves errno alone. */
WG_COLD_ long wg_call_(long number, long a, long b, long c, long d)
{
    const int saved_errno = errno;
    const long result = wg_syscall_(number, a, b, c, d, 0L, -1L);
    const long outcome = result < 0 ? -(long)errno : result;
    errno = saved_errno;
    return outcome;
}

/* The C library's symbols and the oldest system calls take a time as two of
   these. 32-bit systems have a *_time64 call besides, which old kernels and
   filters refuse; riscv32 has no others. */
#if (defined(__x86_64__) && defined(__ILP32__)) || \
    (defined(__riscv_xlen) && __riscv_xlen == 32)
typedef int64_t wg_native_;
#else
typedef long wg_native_;
#endif
extern int wg_clock_gettime_(int clock, wg_native_ *time)
    __asm__("clock_gettime");

/* A futex call, of the flavour that shared asks for. until is an absolute time
   of CLOCK_MONOTONIC; INT64_MAX is none. Returns the result or -errno. */
WG_COLD_ long wg_futex_(void *word, long operation, uint32_t value,
                        int64_t until, bool shared)
{
    const int64_t second = 1000000000;
    const int64_t time64[2] = {until / second, until % second};
    const bool timed = until != INT64_MAX;
    long result = -ENOSYS;
    operation |= shared ? 0 : 128; /* FUTEX_PRIVATE_FLAG */
#if defined(SYS_futex_time64) && defined(SYS_futex)
    if (timed) /* without a time, the two are the same */
#endif
#ifdef SYS_futex_time64
        result = wg_call_(SYS_futex_time64, (long)word, operation, (long)value,
                          timed ? (long)time64 : 0);
#endif
#ifdef SYS_futex
    const wg_native_ time[2] = {
        (wg_native_)(time64[0] < LONG_MAX ? time64[0] : LONG_MAX),
        (wg_native_)time64[1]};
    if (result < 0 && result != -ETIMEDOUT && result != -EAGAIN &&
        result != -EINTR)
        result = wg_call_(SYS_futex, (long)word, operation, (long)value,
                          timed ? (long)time : 0);
#endif
    return result;
}

/* What each outcome means:
     0            woken, by a release or by what used this address before
     EAGAIN       the word was another already
     EINTR        a signal handler has run; those that restart are not seen
     ETIMEDOUT    the deadline has passed
     EFAULT, EINVAL, ENOSYS, EPERM   no thread can sleep here
     all others   not known today: look again */
static inline int wg_futex_wait_(void *word, uint32_t expected,
                                 int64_t deadline_ns, bool shared)
{
    const long result = /* FUTEX_WAIT_BITSET: its time is absolute */
        wg_futex_(word, 9, expected, deadline_ns, shared);
    if (result == -EFAULT || result == -EINVAL || result == -ENOSYS ||
        result == -EPERM)
        return -1;
    return result == -ETIMEDOUT ? ETIMEDOUT : 0;
}

/* Every error is ignored: the memory may be gone, or be another's by now. */
static inline void wg_futex_wake_(void *word, bool shared)
{
    (void)wg_futex_(word, 1 /* FUTEX_WAKE */, INT32_MAX, INT64_MAX, shared);
}

static inline int64_t wg_now_ns_(void)
{
    const int saved_errno = errno; /* which C allows a success to change */
    wg_native_ time[2] = {0, 0};
    const int failed = wg_clock_gettime_(1 /* CLOCK_MONOTONIC */, time);
    errno = saved_errno;
    return failed ? -1 : (int64_t)time[0] * 1000000000 + time[1];
}

/* By syscall(): write() would end a thread whose cancellation is pending. */
WG_COLD_ void wg_print_(const char *line, size_t size)
{
    (void)wg_call_(SYS_write, 2, (long)line, (long)size, 0);
}
#endif

/* ---- Misuse ---- */

WG_COLD_ void wg_panic_(const wg_t *wg, const char *text, uint64_t state)
{
    /* In a signal handler, perhaps: for these conversions, neither glibc nor
       musl allocates or locks in snprintf. */
    char line[192];
    const int size = __builtin_snprintf(
        line, sizeof line, "wg: %s (wg %p, counter %d, waiters %u)\n", text,
        (const void *)wg, (int)wg_counter_(state),
        (unsigned)wg_waiters_(state));
#ifdef WG_PANIC
    line[size - 1] = '\0';
    WG_PANIC(line);
#else
    wg_print_(line, (size_t)size);
#endif
    __builtin_abort();
}

/* As wg_panic_, where no atomic operation has just returned a state. */
WG_COLD_ __attribute__((__noreturn__)) void
wg_panic_now_(const wg_t *wg, const char *text)
{
    wg_panic_(wg, text, wg_load_(&wg->state, relaxed)); /* for the text */
}

WG_COLD_ __attribute__((__noreturn__)) void
wg_panic_copied_(const wg_t *wg, uint64_t state)
{
    wg_panic_(wg, "copied or moved after first use, or never initialised",
              state);
}

/* Panics unless state is that of a group that is well, and is here. Always
   inlined: a copy of its own would lie between warm code and cold. */
static inline __attribute__((__always_inline__)) void
wg_check_(wg_t *wg, uint64_t state)
{
    if (!wg_is_marked_(wg, state) && !wg_is_unmarked_(wg, state))
        wg_panic_copied_(wg, state);
    if (wg_counter_(state) < 0)
        wg_panic_(wg, "negative counter", state);
}

/* Panics as the system refuses something; or, as that is said first, because of
   what is wrong with the group itself. */
WG_COLD_ __attribute__((__noreturn__)) void
wg_panic_refused_(wg_t *wg, const char *text)
{
    wg_check_(wg, wg_load_(&wg->state, relaxed)); /* for the text */
    wg_panic_now_(wg, text);
}

/* What a futex call is given. A cast of &wg->word would drop _Atomic. */
static inline void *wg_address_(wg_t *wg)
{
    return (char *)wg + offsetof(wg_t, word);
}

/* As wg_now_ns_. A clock that fails is as fatal as a futex that fails. */
static inline int64_t wg_now_(wg_t *wg)
{
    const int64_t now = wg_now_ns_();
    if (now < 0)
        wg_panic_refused_(wg, "clock failed: CLOCK_MONOTONIC cannot be read");
    return now;
}

/* Sleeps as wg_futex_wait_ does. Returns whether the deadline has passed. */
static inline bool wg_sleep_(wg_t *wg, uint32_t expected, int64_t deadline_ns,
                             bool shared)
{
    const int result =
        wg_futex_wait_(wg_address_(wg), expected, deadline_ns, shared);
    if (result < 0)
        wg_panic_refused_(wg,
                          "futex wait failed: EFAULT, EINVAL, ENOSYS or EPERM");
    return result > 0 && deadline_ns != INT64_MAX;
}

/* ---- The slow paths of adds ---- */

/* RELEASE: lets all registered waiters go. */
static inline void wg_release_waiters_(wg_t *wg, bool shared)
{
    void *const address = wg_address_(wg);
    /* Release: all accesses of this call, and what it has acquired from the
       other dones, come before what a waiter does with the memory. Partner: the
       acquire loads of word in wg_look_ and wg_sleep_until_released_. Not
       acquire: of what others did, only the value counts, which an exchange
       finds up to date. It and the 0 -> 1 of a sleeper come one after the
       other: either this finds 1, or the sleeper finds 2. */
    if (wg_exchange_(&wg->word, WG_RELEASED_, release) == WG_ASLEEP_) {
        /* ---- The object may be gone now; the wake has its address. ---- */
        wg_futex_wake_(address, shared);
    }
}

/* MARK: sets the mark of a private group, at its first add. */
static inline void wg_set_mark_(wg_t *wg)
{
    /* The object is still there: nobody may count down what the caller has just
       added before the caller's wg_add has returned. Relaxed: it is for those
       whom the caller tells of what it added; two first adds set the same. */
    (void)wg_fetch_or_(&wg->state, wg_mark_(wg), relaxed);
}

/* All but the usual: the first add, a release of waiters, misuse, and whatever
   is shared. delta has been added already; old is the state before. */
WG_COLD_ bool wg_add_slow_(wg_t *wg, int delta, uint64_t old)
{
    /* ---- After a done, the object may be gone, unless waiters are inside. */
    const uint64_t now = old + wg_ones_(delta);
    const int64_t counter = (int64_t)wg_counter_(old) + delta;
    const bool from_0 = wg_counter_(old) == 0;
    if (!wg_is_marked_(wg, old)) {
        /* Without a mark, there is nothing to count down. Only for an add is it
           safe to look at the rest of the object. */
        const bool is_new = delta > 0 ? wg_is_unmarked_(wg, old)
                                      : (old & WG_MARK_) == 0 &&
                                            wg_counter_(old) <= 0 &&
                                            wg_waiters_(old) == 0;
        if (!is_new)
            wg_panic_copied_(wg, old);
    }
    if (wg_counter_(old) < 0 || counter < 0)
        wg_panic_(wg, "negative counter", counter < 0 ? now : old);
    if (counter > INT32_MAX)
        wg_panic_(wg, "counter overflow", old);
    if (from_0 && (old & WG_CLOSED_) != 0)
        wg_panic_(wg, "wg_add on a closed group", now);
    if (from_0 && wg_waiters_(old) != 0)
        wg_panic_(wg, "wg_add called concurrently with wg_wait", now);

    if (wg_is_leaving_(now)) {
        /* The object is there, as waiters are inside. One of version 1 leaves
           something in the spare bytes, and would not hear of this release. */
        if (!wg_is_clean_(wg))
            wg_panic_copied_(wg, old);
        wg_release_waiters_(wg, wg_is_shared_(old));
    } else if ((old & WG_MARK_) == 0) {
        wg_set_mark_(wg);
    }
    if (from_0)
        wg_touch_as_adder_(wg);
    return counter == 0;
}

/* ---- Waiting ----
 *
 * A wait pauses up to WG_SPIN times and looks at word after each pause; then it
 * sleeps. To sleep and be woken costs 5 to 50 us, so a worker that is done
 * sooner is joined sooner, by up to ten times. What that may cost is bounded:
 *
 * - A wait burns at most one look, some 25 us. No clock is read, and nothing
 *   yields: a yield beside a busy program costs a whole time slice.
 * - At most two waiters of a group look. More would only keep each other, and
 *   the workers, off the processors.
 * - After a look in vain, the thread does not look in its next 3 waits; after a
 *   second one in a row, in its next 15, then 63, then 255. A look that ends in
 *   a release forgets that. So threads whose waits are long burn next to
 *   nothing, and nothing depends on how others are scheduled.
 */
#ifndef WG_SPIN
#ifdef WG_FUTEX_WAIT
#define WG_SPIN 0
#else
#define WG_SPIN 1000
#endif
#endif

/* Tells the processor that a loop waits for another one. */
static inline void wg_pause_(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* pauses, where "yield" does nothing */
#endif
}

/* Which looks a thread leaves out. With the seam, a thread may be a fiber that
   changes its thread inside a call, so nothing is kept. */
#if WG_SPIN > 0 && !defined(WG_FUTEX_WAIT)
static __thread unsigned char wg_misses_; /* looks in vain in a row, up to 4 */
static __thread unsigned char wg_skips_;  /* waits that are not to look */

static inline bool wg_skips_look_(void)
{
    if (wg_skips_ == 0)
        return false;
    wg_skips_--;
    return true;
}

static inline void wg_note_look_(bool answered)
{
    if (answered) {
        wg_misses_ = 0;
        return;
    }
    if (wg_misses_ < 4)
        wg_misses_++;
    wg_skips_ = (unsigned char)((1U << 2 * wg_misses_) - 1);
}
#else
static inline bool wg_skips_look_(void)
{
    return false;
}

static inline void wg_note_look_(bool answered)
{
    (void)answered;
}
#endif

/* REGISTER: becomes a waiter. Returns false if there is nothing to wait for.
   *before is the state that it was added to. From the load on, nothing stands
   in between that takes time: until it is registered, a wait has not begun. */
static inline bool wg_register_(wg_t *wg, uint64_t *before)
{
    /* Acquire, here and below. For a counter of 0, what came before the dones.
       Partner: their release. For a counter above 0, that word is no longer
       what the last round left there. Partner: the release in wg_leave_. */
    uint64_t state = wg_load_(&wg->state, acquire);
    do {
        wg_check_(wg, state);
        if (wg_counter_(state) == 0) {
            WG_ACQUIRED_(wg);
            return false;
        }
        if (wg_waiters_(state) == WG_WAITERS_)
            wg_panic_(wg, "too many waiters", state);
    } while (!wg_compare_exchange_weak_(&wg->state, &state, state + 1, acquire,
                                        acquire));
    *before = state;
    return true;
}

/* LOOK: returns true if the release came while it was looking. */
static inline bool wg_look_(wg_t *wg, uint64_t before)
{
    if (WG_SPIN == 0 || wg_waiters_(before) >= 2 || wg_skips_look_())
        return false;
    for (int pauses = 0; pauses < WG_SPIN; pauses++) {
        wg_pause_();
        /* Acquire: the releasing call is through with the object, and all dones
           came before it. Partner: the release in wg_release_waiters_. */
        if (wg_load_(&wg->word, acquire) == WG_RELEASED_) {
            wg_note_look_(true);
            return true;
        }
    }
    wg_note_look_(false);
    return false;
}

/* WITHDRAW: time is up. Returns true if this thread is no waiter any more;
   false if the counter is at 0: then the release is on its way, has word still
   to change, and is to be waited for. */
static inline bool wg_withdraw_(wg_t *wg)
{
    /* Relaxed, all: who gives up is promised no order. A stale value only makes
       the exchange fail; and a 0 cannot be stale, as this round has but one. */
    uint64_t state = wg_load_(&wg->state, relaxed);
    while (wg_counter_(state) != 0)
        if (wg_compare_exchange_weak_(&wg->state, &state, state - 1, relaxed,
                                      relaxed))
            return true;
    return false;
}

/* SLEEP: until the waiters are released, or the deadline has passed and this
   thread has withdrawn; then it returns false. */
static inline bool wg_sleep_until_released_(wg_t *wg, int64_t deadline_ns,
                                            bool shared)
{
    uint32_t word;
    /* Acquire: as in wg_look_. */
    while ((word = wg_load_(&wg->word, acquire)) != WG_RELEASED_) {
        if (word > WG_RELEASED_) /* Relaxed: for the text. */
            wg_panic_copied_(wg, wg_load_(&wg->state, relaxed));
        /* Relaxed, both: it carries nothing but the request for a wake, and the
           exchange of the releasing call finds it or makes it fail. */
        if (word == WG_AWAKE_ &&
            !wg_compare_exchange_weak_(&wg->word, &word, WG_ASLEEP_, relaxed,
                                       relaxed))
            continue; /* it has changed: look again */
        if (wg_sleep_(wg, WG_ASLEEP_, deadline_ns, shared)) {
            if (wg_withdraw_(wg))
                return false;
            deadline_ns = INT64_MAX;
        }
    }
    return true;
}

/* LEAVE: takes a released waiter off state. The last one clears word first. */
static inline void wg_leave_(wg_t *wg)
{
    /* Relaxed: all that is promised was acquired with word. That load also
       makes sure that this one finds the counter at 0, unless a new round
       began. */
    uint64_t state = wg_load_(&wg->state, relaxed);
    do {
        wg_check_(wg, state); /* one done too many is not a new round */
        if (wg_counter_(state) != 0)
            wg_panic_(wg, "reused before previous wg_wait has returned", state);
        /* Relaxed: nobody can join, so who finds itself alone stays alone; and
           the release below comes after it. */
        if (wg_waiters_(state) == 1)
            wg_store_(&wg->word, WG_AWAKE_, relaxed);
        /* Release: the next round finds word cleared. Partner: the acquire in
           wg_register_. */
    } while (!wg_compare_exchange_weak_(&wg->state, &state, state - 1, release,
                                        relaxed));
    WG_ACQUIRED_(wg);
}

/* Returns false if the deadline has passed with the counter above 0. */
WG_COLD_ bool wg_wait_slow_(wg_t *wg, int64_t deadline_ns)
{
    uint64_t before;
    if (!wg_register_(wg, &before))
        return true;
    if (!wg_look_(wg, before) &&
        !wg_sleep_until_released_(wg, deadline_ns, wg_is_shared_(before)))
        return false;
    wg_leave_(wg);
    wg_touch_as_waiter_(wg);
    return true;
}

WG_COLD_ bool wg_wait_for_slow_(wg_t *wg, int64_t timeout_ns)
{
    const int64_t now = wg_now_(wg);
    return wg_wait_slow_(wg, timeout_ns < INT64_MAX - now ? now + timeout_ns
                                                          : INT64_MAX);
}

WG_COLD_ bool wg_wait_until_slow_(wg_t *wg, int64_t deadline_ns)
{
    return deadline_ns > wg_now_(wg) ? wg_wait_slow_(wg, deadline_ns)
                                     : wg_try_wait(wg);
}

/* For wg_try_add: lets waiters of a finished round leave, a moment a turn. They
   are awake and on their way. It pauses as often as a wait would, then naps, so
   that it cannot starve a waiter of lower priority on the same processor.
   Returns the next turn. It stays the same after the pauses: a waiter that is
   stopped may take days to leave. */
WG_COLD_ int wg_await_leavers_(wg_t *wg, bool shared, int turn)
{
    const int64_t nap_ns = 50000;
    if (turn < WG_SPIN) {
        wg_pause_();
        return turn + 1;
    }
    /* Relaxed: any value will do, as nobody is to wake it. */
    (void)wg_sleep_(wg, wg_load_(&wg->word, relaxed), wg_now_(wg) + nap_ns,
                    shared);
    return turn;
}

#undef WG_ACQUIRED_
#undef WG_ATOMIC_
#undef WG_CHECK_RESULT_
#undef WG_CLOSED_
#undef WG_COLD_
#undef WG_RELEASES_
#undef WG_STATIC_ASSERT_
#undef WG_TSAN_
#undef wg_compare_exchange_weak_
#undef wg_exchange_
#undef wg_fetch_add_
#undef wg_fetch_or_
#undef wg_load_
#undef wg_store_
#ifdef __cplusplus
#pragma GCC diagnostic pop
#endif
#pragma GCC visibility pop
#endif
