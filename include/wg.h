/*
 * wg.h - Go's sync.WaitGroup for C11 and C++11 on Linux
 *
 * A wait group counts what is still running: one thread adds, each worker
 * counts down as its last act, any number of threads wait until nothing is
 * left. 16 bytes, no allocation, no destroy call, nothing to link.
 *
 *     #include "wg.h"
 *
 *     static wg_t wg = WG_INIT;
 *
 *     wg_add(&wg, 3);        before the three workers start
 *     wg_done(&wg);          in each worker, last
 *     wg_wait(&wg);          returns once all three have called wg_done
 *
 * CONTRACT
 *
 *   First add      A wg_add that finds the counter at 0 comes before the waits
 *                  that are meant for it: add, then start the workers. While
 *                  the counter is above 0, anybody may add at any time.
 *   Reuse          The first add of the next round comes after every wait of
 *                  the last one has returned.
 *   Lifetime       A group may live anywhere, the stack included. Free it once
 *                  your own wait has returned and no other thread is still
 *                  inside one, or once you have joined the others. The wg_done
 *                  that released you may not have returned by then; it does
 *                  not touch the object any more.
 *   Address        After its first add a group must not be copied or moved.
 *   Processes      A group in memory that several processes map is initialised
 *                  as shared. A forked child calls wg_init before it uses a
 *                  group that others were waiting on.
 *   Signals        wg_add, wg_done, wg_try_wait and wg_count may be called in
 *                  signal handlers. Waits go on after a handler has run.
 *   Cancellation   No call is a cancellation point. Asynchronous cancellation
 *                  of a thread inside a wait is not supported.
 *   errno          No call but wg_go changes it.
 *   Order          What a thread did before its wg_done happens before the
 *                  return of every wait that the wg_done helped to release.
 *
 * MISUSE writes one line to standard error by one write, and calls abort():
 *
 *     wg: negative counter (wg 0x7ffd5e8f1c20, counter -1, waiters 0)
 *
 *   negative counter         more dones than adds
 *   counter overflow         it would pass INT32_MAX
 *   wg_add called concurrently with wg_wait
 *                            an add from 0 while a waiter of the last round
 *                            is still inside
 *   reused before previous wg_wait has returned
 *                            the same, found by the waiter
 *   copied or moved after first use, or never initialised
 *                            not at the address of its first add, or garbage
 *   wg_add on a closed group an add from 0 after wg_close
 *   invalid argument: ...    to wg_try_add or wg_wait_until
 *   futex wait failed: ...   the system does not let threads sleep
 *
 * CONFIGURATION, by macros before the first #include. None changes the layout.
 *
 *   WG_PANIC(message)    called with that line, less its newline, in place of
 *                        the write. If it returns, abort() follows.
 *   WG_SPIN              how often a wait yields the processor and looks again
 *                        before it sleeps; 64 unless defined.
 *   WG_NO_THREADS        leaves out wg_go and <pthread.h>.
 *   WG_FUTEX_WAIT, WG_FUTEX_WAKE, WG_NOW_NS, WG_YIELD
 *                        all that is asked of the system, to be replaced as a
 *                        whole: see "The seam". No system header is included
 *                        then; wg_wait_until and wg_go are there if <time.h>
 *                        and <pthread.h> have been included before.
 *   WG_ALLOW_LIBATOMIC   see the #error that names it.
 *
 * SPDX-License-Identifier: MIT-0
 */
#if defined(WG_VERSION) && WG_VERSION != 10000 /* as below: 1.0.0 */
#error "wg.h: two different versions in one translation unit; keep one"
#elif defined(__cplusplus) && __cplusplus < 201103L
#error "wg.h: needs C++11 or later"
#elif !defined(__cplusplus) && \
    (!defined(__STDC_VERSION__) || __STDC_VERSION__ < 201112L || \
     defined(__STDC_NO_ATOMICS__))
#error "wg.h: needs C11 or later, with atomics"
#elif !defined(__GNUC__) && !defined(__CPPCHECK__)
#error "wg.h: needs gcc or clang, or a compiler compatible with them"
#elif !defined(__linux__) && !defined(WG_FUTEX_WAIT) && !defined(__CPPCHECK__)
#error "wg.h: needs Linux, or your own WG_FUTEX_WAIT and the rest of the seam"
#elif !defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8) && \
    !defined(WG_ALLOW_LIBATOMIC) && !defined(__CPPCHECK__)
/* libatomic has locks instead, one set in each process: between processes
   adds get lost, and in a signal handler they hang. */
#error "wg.h: this target has no lock-free 64-bit atomics; for one process and no signal handlers, define WG_ALLOW_LIBATOMIC and link with -latomic"
#elif !defined(WG_VERSION)

#define WG_VERSION_MAJOR 1
#define WG_VERSION_MINOR 0
#define WG_VERSION_PATCH 0
#define WG_VERSION /* 1.2.3 is 10203 */ \
    (WG_VERSION_MAJOR * 10000 + WG_VERSION_MINOR * 100 + WG_VERSION_PATCH)

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if !defined(WG_FUTEX_WAIT) && !defined(WG_FUTEX_WAKE) && \
    !defined(WG_NOW_NS) && !defined(WG_YIELD)
#define WG_KERNEL_
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>
#ifndef WG_NO_THREADS
#include <pthread.h>
#endif
#elif !defined(WG_FUTEX_WAIT) || !defined(WG_FUTEX_WAKE) || \
    !defined(WG_NOW_NS) || !defined(WG_YIELD)
#error "wg.h: define all of WG_FUTEX_WAIT, WG_FUTEX_WAKE, WG_NOW_NS, WG_YIELD"
#endif
#if !defined(WG_NO_THREADS) && defined(PTHREAD_CREATE_DETACHED)
#define WG_THREADS_ /* <pthread.h> is there */
#include <stdlib.h>
#endif
#if defined(WG_KERNEL_) || defined(WG_THREADS_)
#include <errno.h>
#endif

/* ---- Compilers ----
 *
 * Private names end in an underscore; private macros are undefined at the end.
 *
 * C++ gets plain integers of the same layout: std::atomic would cost compile
 * time and, in some standards, static initialisation.
 */
#ifdef __cplusplus
#define WG_ASSERT_ static_assert
#define WG_ATOMIC_(type) type
#define WG_LOAD_(p, mo) __atomic_load_n(p, __ATOMIC_##mo)
#define WG_STORE_(p, v, mo) __atomic_store_n(p, v, __ATOMIC_##mo)
#define WG_ADD_(p, v, mo) __atomic_fetch_add(p, v, __ATOMIC_##mo)
#define WG_OR_(p, v, mo) __atomic_fetch_or(p, v, __ATOMIC_##mo)
#define WG_CAS_(p, old, v, mo, fail) \
    __atomic_compare_exchange_n(p, old, v, true, __ATOMIC_##mo, __ATOMIC_##fail)
#else
#include <stdatomic.h>
#define WG_ASSERT_ _Static_assert
#define WG_ATOMIC_(type) _Atomic type
#define WG_LOAD_(p, mo) atomic_load_explicit(p, __ATOMIC_##mo)
#define WG_STORE_(p, v, mo) atomic_store_explicit(p, v, __ATOMIC_##mo)
#define WG_ADD_(p, v, mo) atomic_fetch_add_explicit(p, v, __ATOMIC_##mo)
#define WG_OR_(p, v, mo) atomic_fetch_or_explicit(p, v, __ATOMIC_##mo)
#define WG_CAS_(p, old, v, mo, fail) \
    atomic_compare_exchange_weak_explicit(p, old, v, __ATOMIC_##mo, \
                                          __ATOMIC_##fail)
#endif

/* Out of line, out of the way, and its callers' way to it unlikely. gcc warns
   of noinline with inline, clang of unused on what is used. */
#ifdef __clang__
#define WG_COLD_ static inline __attribute__((noinline, cold))
#else
#define WG_COLD_ static __attribute__((noinline, cold, unused))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The object and the calls ---- */

/* The layout is an ABI between translation units, languages, processes and
   versions of this file. Some 32-bit targets need the attributes. */
typedef struct wg {
    WG_ATOMIC_(uint64_t) state __attribute__((aligned(8)));
    WG_ATOMIC_(uint32_t) epoch __attribute__((aligned(4)));
    WG_ATOMIC_(uint32_t) tag __attribute__((aligned(4)));
#ifdef __cplusplus
    constexpr wg(uint32_t with_tag = 0) : state(0), epoch(0), tag(with_tag) {}
#endif
} wg_t;

WG_ASSERT_(sizeof(wg_t) == 16 && __alignof__(wg_t) == 8 &&
               offsetof(wg_t, epoch) == 8 && offsetof(wg_t, tag) == 12,
           "wg.h: the layout is fixed");

/* Static initialisers: counter 0, nobody waiting. The first is all zeros; the
   second is for memory that several processes map. */
#ifdef __cplusplus
#define WG_INIT {}
#define WG_INIT_SHARED {1U}
#else
#define WG_INIT {0}
#define WG_INIT_SHARED {0, 0, 1}
#endif

/* The same at run time: for the heap, for memory that held something else,
   for a forked child. No other thread may be using the object. */
static inline void wg_init(wg_t *wg);
static inline void wg_init_shared(wg_t *wg);

/* Adds delta to the counter. If that makes it 0, which takes a negative delta,
   all waiting threads are released. A delta of 0 does nothing. */
static inline void wg_add(wg_t *wg, int delta);

/* Subtracts 1 from the counter. Returns true to the one caller in each round
   who made it 0, and happens after all the other dones of the round: the place
   to run a continuation. It must not touch a group that a waiter may free. */
static inline bool wg_done(wg_t *wg);

/* Blocks until the counter is 0. */
static inline void wg_wait(wg_t *wg);

/* Returns true, with the ordering of wg_wait, if the counter is 0. Never
   blocks. */
static inline bool wg_try_wait(wg_t *wg);

/* wg_wait, for timeout_ns nanoseconds at most. Returns true if the counter
   reached 0, or false if the time is up; then the wait has left no trace. 0 or
   less is wg_try_wait, INT64_MAX is no limit. */
static inline bool wg_wait_for(wg_t *wg, int64_t timeout_ns);

/* The same until a time of CLOCK_MONOTONIC. A deadline in the past is
   wg_try_wait; tv_nsec outside 0..999999999 is misuse. */
#ifdef CLOCKS_PER_SEC /* <time.h> is there */
static inline bool wg_wait_until(wg_t *wg, const struct timespec *deadline);
#endif

/* Shuts the group down: from now on wg_try_add fails, and an add from 0 is
   misuse. To close and then wait is safe against any number of wg_try_add. */
static inline void wg_close(wg_t *wg);

/* wg_add that may be called at any time. Returns false and changes nothing if
   the group is closed, or if waiters of a finished round are still leaving;
   the false of a closed group happens after wg_close. A delta below 1 is
   misuse. */
static inline bool wg_try_add(wg_t *wg, int delta);

#ifdef WG_THREADS_
/* Go's wg.Go: adds 1, runs fn(arg) in a new detached thread, and subtracts 1
   when fn returns or ends the thread by pthread_exit or cancellation. Returns
   0 or an errno value, with the counter as before: ECANCELED if the group is
   closed, else what pthread_create or malloc returned (EAGAIN, ENOMEM). */
static inline int wg_go(wg_t *wg, void (*fn)(void *), void *arg);
#endif

/* Go's `defer wg.Done()`: a declaration that calls wg_done(wg) when its scope
   is left. C code that is left by pthread_exit needs -fexceptions for that. */
#define WG_DEFER_DONE(wg) WG_DEFER_DONE_AT_(wg, __LINE__)
#define WG_DEFER_DONE_AT_(wg, line) WG_DEFER_DONE_AS_(wg, line)
#define WG_DEFER_DONE_AS_(wg, line) \
    __attribute__((cleanup(wg_deferred_done_), unused)) \
    wg_t *const wg_deferred_on_##line##_ = (wg)

/* The counter of a moment ago, for progress displays and logs. It orders
   nothing; wg_try_wait does. */
static inline int wg_count(const wg_t *wg);

/* ---- The word ----
 *
 *   state   changed by every call, always by one atomic read-modify-write
 *     bits 63..32  counter  int32; outside 0..INT32_MAX is misuse
 *     bit  31      closed   set by wg_close, cleared by wg_init only
 *     bits 30..0   waiters  registered to be released and not yet off again
 *   epoch   the futex word; moves once for each release that has waiters, by
 *           the call that brings the counter to 0
 *   tag     0: unused so far; 1: shared between processes; else bits 34..3 of
 *           the object's address, stored by the first positive add. Legal to
 *           miss a copy (32 GiB away, say), illegal to accuse a group that
 *           stayed where it was
 */
#define WG_ONE_ ((uint64_t)1 << 32)
#define WG_CLOSED_ ((uint64_t)1 << 31)
#define WG_WAITERS_ (WG_CLOSED_ - 1)
enum { WG_SHARED_ = 1 };

static inline int32_t wg_counter_(uint64_t state)
{
    return (int32_t)(uint32_t)(state >> 32);
}

static inline uint32_t wg_waiters_(uint64_t state)
{
    return (uint32_t)(state & WG_WAITERS_);
}

/* What to add to the word to add delta to the counter. */
static inline uint64_t wg_ones_(int delta)
{
    return (uint64_t)(int64_t)delta << 32;
}

/* True if the step from old to now by delta leaves nothing to do and nothing
   to complain of. Legal to say false, illegal to say true by mistake. */
static inline bool wg_is_plain_(uint64_t old, uint64_t now, int delta)
{
    if (delta < 0) {
        return (int64_t)now >= (int64_t)WG_ONE_ || now == 0;
    }
    return (int64_t)now > 0 && ((int64_t)old >= (int64_t)WG_ONE_ || old == 0);
}

static inline uint32_t wg_tag_here_(const wg_t *wg)
{
    return (uint32_t)((uintptr_t)wg >> 3);
}

static inline bool wg_tag_fits_(const wg_t *wg, uint32_t tag)
{
    return tag == wg_tag_here_(wg) || tag == WG_SHARED_;
}

static inline void *wg_futex_word_(wg_t *wg)
{
    return (char *)wg + offsetof(wg_t, epoch);
}

/* ---- Memory order ----
 *
 * One thing is promised: what came before a wg_done happens before the return
 * of each wait that it helped to release. It holds because state changes by
 * read-modify-writes only. They form one release sequence, so whoever acquires
 * a value of state synchronises with every call that released an earlier one.
 * The futex is for sleeping, never for ordering.
 *
 * What makes it tricky is the object's death: a waiter may free it as soon as
 * it returns, while the releasing call still has others to wake. Therefore a
 * registered waiter leaves when it has seen the epoch move, and that move is
 * the releasing call's last access. Were it to leave on the counter:
 *
 *     wg_done                              wg_wait
 *     state: counter 1 -> 0
 *                                          reads counter 0, returns, and the
 *                                          caller frees the object
 *     epoch 0 -> 1: into freed memory
 *
 * A waiter looks at the epoch before it registers: whichever call brings the
 * counter to 0 from then on moves the epoch away from what it saw. Were it to
 * look after that:
 *
 *     wg_wait                              wg_done
 *     state: registered
 *                                          state: counter 1 -> 0
 *                                          epoch 0 -> 1, wake: nobody sleeps
 *     reads epoch 1
 *     sleeps while the epoch is 1: for ever
 *
 * Waiters take themselves off the word. As long as one is inside, the word
 * says so, and an add that starts the next round too soon is always caught.
 */

/* ---- The seam ----
 *
 * Four primitives, to be defined all or none. All preserve errno. shared says
 * that other processes may use the word as well.
 *
 *   int WG_FUTEX_WAIT(void *word, uint32_t expected, int64_t deadline_ns,
 *                     bool shared)
 *       Sleeps while the 32-bit word equals expected; may return for no
 *       reason. Returns ETIMEDOUT once CLOCK_MONOTONIC has passed deadline_ns
 *       (INT64_MAX: no deadline), else 0.
 *   void WG_FUTEX_WAKE(void *word, bool shared)
 *       Wakes all who sleep on the word. Never reads it: it may be gone.
 *   int64_t WG_NOW_NS(void)
 *       CLOCK_MONOTONIC in nanoseconds.
 *   void WG_YIELD(void)
 *       Lets another thread run.
 */
WG_COLD_ __attribute__((noreturn)) void
wg_panic_(const wg_t *wg, const char *text, uint64_t state);

#ifndef WG_KERNEL_
extern long wg_write_(int fd, const void *data, size_t size) __asm__("write");
#define WG_WRITE_(data, size) wg_write_(2, data, size)
#else
/* syscall(), which -std=c11 hides. Every argument has to be a long. */
extern long wg_syscall_(long number, ...) __asm__("syscall");
/* Not write(): a thread with a cancellation pending would not return. */
#define WG_WRITE_(data, size) \
    wg_syscall_(SYS_write, 2L, (long)(data), (long)(size))
#define WG_FUTEX_WAIT wg_futex_wait_
#define WG_FUTEX_WAKE wg_futex_wake_
#define WG_NOW_NS wg_now_ns_
#define WG_YIELD wg_yield_

/* Kernel ABI. Not every C library comes with <linux/futex.h>. */
enum {
    WG_OP_WAKE_ = 1,
    WG_OP_WAIT_BITSET_ = 9, /* with an absolute, monotonic deadline */
    WG_OP_PRIVATE_ = 128,
    WG_CLOCK_MONOTONIC_ = 1
};

/* The native calls take their time as two of these. 32-bit systems have *64
   calls besides, that old kernels and filters refuse; riscv32 has no other. */
#if defined(__x86_64__) && defined(__ILP32__)
typedef int64_t wg_kernel_long_;
#else
typedef long wg_kernel_long_;
#endif
#ifdef SYS_futex
#define WG_SYS_FUTEX_ SYS_futex
#else
#define WG_SYS_FUTEX_ SYS_futex_time64
#endif
#ifdef SYS_clock_gettime32
#define WG_SYS_CLOCK_ SYS_clock_gettime32
#elif defined(SYS_clock_gettime)
#define WG_SYS_CLOCK_ SYS_clock_gettime
#endif

/* Returns 0 or an errno value. */
static inline int wg_futex_wait_by_(long number, void *word, uint32_t expected,
                                    const void *deadline, bool shared)
{
    const long op =
        shared ? WG_OP_WAIT_BITSET_ : WG_OP_WAIT_BITSET_ | WG_OP_PRIVATE_;
    return wg_syscall_(number, (long)word, op, (long)expected, (long)deadline,
                       0L, -1L) == 0 ? 0 : errno;
}

static inline int wg_futex_wait_(void *word, uint32_t expected,
                                 int64_t deadline_ns, bool shared)
{
    const bool timed = deadline_ns != INT64_MAX;
    const int64_t time64[2] = {deadline_ns / 1000000000,
                               deadline_ns % 1000000000};
    const int saved_errno = errno;
    int error = ENOSYS;
#ifdef SYS_futex_time64
    error = wg_futex_wait_by_(SYS_futex_time64, word, expected,
                              timed ? time64 : NULL, shared);
#endif
#ifdef SYS_futex
    if (error != 0 && error != ETIMEDOUT && error != EAGAIN && error != EINTR) {
        const wg_kernel_long_ time[2] = {
            (wg_kernel_long_)(time64[0] < LONG_MAX ? time64[0] : LONG_MAX),
            (wg_kernel_long_)time64[1]};
        error = wg_futex_wait_by_(SYS_futex, word, expected,
                                  timed ? time : NULL, shared);
    }
#endif
    errno = saved_errno;
    if (error == EFAULT || error == EINVAL || error == ENOSYS ||
        error == EPERM) {
        void *const object = (char *)word - offsetof(wg_t, epoch);
        wg_panic_((wg_t *)object,
                  "futex wait failed: EFAULT, EINVAL, ENOSYS or EPERM",
                  WG_LOAD_(&((wg_t *)object)->state, RELAXED));
    }
    return error == ETIMEDOUT ? error : 0; /* EAGAIN, EINTR: look again */
}

static inline void wg_futex_wake_(void *word, bool shared)
{
    const long op = shared ? WG_OP_WAKE_ : WG_OP_WAKE_ | WG_OP_PRIVATE_;
    const int saved_errno = errno;
    /* Any error says that the memory is gone, and so are its sleepers. */
    (void)wg_syscall_(WG_SYS_FUTEX_, (long)word, op, (long)INT32_MAX);
    errno = saved_errno;
}

static inline int64_t wg_now_ns_(void)
{
    const int saved_errno = errno;
    int64_t now[2] = {0, 0};
    long result = -1;
#ifdef SYS_clock_gettime64
    result = wg_syscall_(SYS_clock_gettime64, (long)WG_CLOCK_MONOTONIC_,
                         (long)now);
#endif
#ifdef WG_SYS_CLOCK_
    if (result != 0) {
        wg_kernel_long_ time[2] = {0, 0};
        (void)wg_syscall_(WG_SYS_CLOCK_, (long)WG_CLOCK_MONOTONIC_, (long)time);
        now[0] = time[0];
        now[1] = time[1];
    }
#endif
    errno = saved_errno;
    return now[0] * 1000000000 + now[1];
}

static inline void wg_yield_(void)
{
    (void)wg_syscall_(SYS_sched_yield);
}
#endif

#ifndef WG_SPIN
#define WG_SPIN 64
#endif

/* ---- Misuse ---- */

/* Appends text and, unless base is 0, the number in that base. Returns the new
   end. Not stdio, which signal handlers must not call. */
static inline char *wg_put_(char *end, const char *text, uintptr_t number,
                            unsigned base)
{
    char digits[20];
    int count = 0;
    while (*text != '\0') {
        *end++ = *text++;
    }
    for (; base != 0 && (number != 0 || count == 0); number /= base) {
        digits[count++] = "0123456789abcdef"[number % base];
    }
    while (count > 0) {
        *end++ = digits[--count];
    }
    return end;
}

WG_COLD_ void wg_panic_(const wg_t *wg, const char *text, uint64_t state)
{
    const int64_t counter = wg_counter_(state);
    char line[192];
    char *end = wg_put_(line, "wg: ", 0, 0);
    end = wg_put_(end, text, 0, 0);
    end = wg_put_(end, " (wg 0x", (uintptr_t)wg, 16);
    end = wg_put_(end, counter < 0 ? ", counter -" : ", counter ",
                  (uintptr_t)(counter < 0 ? -counter : counter), 10);
    end = wg_put_(end, ", waiters ", wg_waiters_(state), 10);
    end = wg_put_(end, ")", 0, 0);
#ifdef WG_PANIC
    *end = '\0';
    WG_PANIC(line);
#else
    *end++ = '\n';
    (void)WG_WRITE_(line, (size_t)(end - line));
#endif
    __builtin_abort();
}

/* Returns the tag to go by, which is stored first if there is none and the
   caller is about to add. */
static inline uint32_t wg_checked_tag_(wg_t *wg, bool adds)
{
    /* Relaxed: who sees a counter above 0 also sees the tag, which was stored
       before the add that it acquired. Others may see 0 and go by the address,
       from which the tag is made. */
    uint32_t tag = WG_LOAD_(&wg->tag, RELAXED);
    if (tag == 0) {
        tag = wg_tag_here_(wg);
        if (adds) {
            /* Relaxed: the add releases it. A race stores the same twice. */
            WG_STORE_(&wg->tag, tag, RELAXED);
        }
    } else if (!wg_tag_fits_(wg, tag)) {
        wg_panic_(wg, "copied or moved after first use, or never initialised",
                  WG_LOAD_(&wg->state, RELAXED)); /* Relaxed: for the text. */
    }
    return tag;
}

/* ---- Add and done ---- */

/* Adds delta to the counter and returns the word as it was. */
static inline uint64_t wg_fetch_add_(wg_t *wg, int delta)
{
    /* Release: what came before a done, and the tag. Partners: all that
       acquire state. Acquire: who reaches 0 comes after all other dones. */
    return WG_ADD_(&wg->state, wg_ones_(delta), ACQ_REL);
}

/* All but the usual: the first add, a release of waiters, misuse. If the tag
   fits, then delta has been added already, and old is the word before. */
WG_COLD_ bool wg_add_slow_(wg_t *wg, int delta, uint32_t tag, uint64_t old)
{
    if (!wg_tag_fits_(wg, tag)) {
        tag = wg_checked_tag_(wg, delta > 0);
        old = wg_fetch_add_(wg, delta);
    }
    /* ---- Unless waiters are registered, the object may be gone now. ---- */
    const uint64_t now = old + wg_ones_(delta);
    const int64_t counter = (int64_t)wg_counter_(old) + delta;
    if (counter < 0) {
        wg_panic_(wg, "negative counter", now);
    }
    if (counter > INT32_MAX) {
        wg_panic_(wg, "counter overflow", old);
    }
    if (wg_counter_(old) == 0 && (old & WG_CLOSED_) != 0) {
        wg_panic_(wg, "wg_add on a closed group", now);
    }
    if (wg_counter_(old) == 0 && wg_waiters_(old) != 0) {
        wg_panic_(wg, "wg_add called concurrently with wg_wait", now);
    }
    if (counter == 0 && wg_waiters_(old) != 0) {
        void *const word = wg_futex_word_(wg);
        /* Release: all accesses of this call come before what a waiter does
           with the memory. Partner: the acquire in wg_wait_slow_. */
        (void)WG_ADD_(&wg->epoch, 1, RELEASE);
        /* ---- The object may be gone now; the wake has its address. ---- */
        WG_FUTEX_WAKE(word, tag == WG_SHARED_);
    }
    return counter == 0;
}

/* Returns true if it made the counter 0. delta is not 0. */
static inline bool wg_add_(wg_t *wg, int delta)
{
    /* Relaxed: see wg_checked_tag_. Now, as later the object may be gone. */
    const uint32_t tag = WG_LOAD_(&wg->tag, RELAXED);
    uint64_t old = 0;
    if (wg_tag_fits_(wg, tag)) {
        old = wg_fetch_add_(wg, delta);
        /* ---- Unless waiters are registered, the object may be gone now. */
        const uint64_t now = old + wg_ones_(delta);
        if (wg_is_plain_(old, now, delta)) {
            return now == 0;
        }
    }
    return wg_add_slow_(wg, delta, tag, old);
}

static inline void wg_add(wg_t *wg, int delta)
{
    if (delta != 0) {
        (void)wg_add_(wg, delta);
    }
}

static inline bool wg_done(wg_t *wg)
{
    return wg_add_(wg, -1);
}

static inline void wg_deferred_done_(wg_t *const *wg)
{
    (void)wg_done(*wg);
}

/* ---- Wait ---- */

static inline bool wg_try_wait(wg_t *wg)
{
    /* Acquire: at 0, what came before the dones. Partner: wg_fetch_add_. */
    return wg_counter_(WG_LOAD_(&wg->state, ACQUIRE)) == 0;
}

/* Returns false if the deadline passed with the counter above 0. */
WG_COLD_ bool wg_wait_slow_(wg_t *wg, int64_t deadline_ns)
{
    void *const word = wg_futex_word_(wg);
    const bool shared = wg_checked_tag_(wg, false) == WG_SHARED_;

    /* Not registered yet, so a counter of 0 is enough to leave. */
    for (int look = 0; look < WG_SPIN; look++) {
        if (deadline_ns != INT64_MAX && deadline_ns <= WG_NOW_NS()) {
            return wg_try_wait(wg);
        }
        WG_YIELD();
        if (wg_try_wait(wg)) {
            return true;
        }
    }

    /* Acquire: comes before the registration. Relaxed, it could come after it
       under load buffering, see the moved epoch, and sleep on that. */
    const uint32_t epoch = WG_LOAD_(&wg->epoch, ACQUIRE);
    /* Acquire, load and failure alike: a counter of 0, as in wg_try_wait. On
       success relaxed would do, but must not be weaker than on failure. */
    uint64_t state = WG_LOAD_(&wg->state, ACQUIRE);
    do {
        if (wg_counter_(state) == 0) {
            return true;
        }
    } while (!WG_CAS_(&wg->state, &state, state + 1, ACQUIRE, ACQUIRE));

    /* Acquire: the releasing call is through with the object. Partner: the
       release in wg_add_slow_. */
    while (WG_LOAD_(&wg->epoch, ACQUIRE) == epoch) {
        if (WG_FUTEX_WAIT(word, epoch, deadline_ns, shared) == 0) {
            continue; /* woken, or for no reason */
        }
        /* Time is up. But with the counter at 0 the release is on its way, and
           has the epoch still to move. Relaxed: no order is promised to those
           who give up, and the counter cannot rise from 0 while this thread is
           registered. */
        state = WG_LOAD_(&wg->state, RELAXED);
        while (wg_counter_(state) != 0) {
            if (WG_CAS_(&wg->state, &state, state - 1, RELAXED, RELAXED)) {
                return false;
            }
        }
        deadline_ns = INT64_MAX;
    }

    /* Acquire: the dones, as in wg_try_wait. Release: a wg_try_add that this
       lets through, and its round's waiters, see the epoch no older than this
       thread did. Partner: wg_try_add. */
    state = WG_ADD_(&wg->state, (uint64_t)-1, ACQ_REL);
    if (wg_counter_(state) != 0) {
        wg_panic_(wg, "reused before previous wg_wait has returned", state - 1);
    }
    return true;
}

static inline void wg_wait(wg_t *wg)
{
    if (!wg_try_wait(wg)) {
        (void)wg_wait_slow_(wg, INT64_MAX);
    }
}

static inline bool wg_wait_for(wg_t *wg, int64_t timeout_ns)
{
    if (wg_try_wait(wg) || timeout_ns <= 0) {
        return wg_try_wait(wg);
    }
    const int64_t now = WG_NOW_NS();
    const bool limited = timeout_ns < INT64_MAX - now;
    return wg_wait_slow_(wg, limited ? now + timeout_ns : INT64_MAX);
}

#ifdef CLOCKS_PER_SEC
static inline bool wg_wait_until(wg_t *wg, const struct timespec *deadline)
{
    const int64_t seconds = deadline->tv_sec;
    const int64_t nanoseconds = deadline->tv_nsec;
    if (nanoseconds < 0 || nanoseconds > 999999999) {
        wg_panic_(wg, "invalid argument: tv_nsec is not in 0..999999999",
                  WG_LOAD_(&wg->state, RELAXED)); /* Relaxed: for the text. */
    }
    const bool limited = seconds < INT64_MAX / 1000000000;
    const int64_t deadline_ns =
        limited ? seconds * 1000000000 + nanoseconds : INT64_MAX;
    if (wg_try_wait(wg) || seconds < 0 || deadline_ns <= WG_NOW_NS()) {
        return wg_try_wait(wg);
    }
    return wg_wait_slow_(wg, deadline_ns);
}
#endif

static inline int wg_count(const wg_t *wg)
{
    return wg_counter_(WG_LOAD_(&wg->state, RELAXED)); /* Relaxed: to look at. */
}

/* ---- Close and try_add ---- */

static inline void wg_close(wg_t *wg)
{
    (void)wg_checked_tag_(wg, false);
    /* Release: what came before, for those who are turned away. Partner: the
       acquire in wg_try_add. Acquire: like all that others go on from. */
    (void)WG_OR_(&wg->state, WG_CLOSED_, ACQ_REL);
}

static inline bool wg_try_add(wg_t *wg, int delta)
{
    /* Acquire: see wg_close. */
    uint64_t state = WG_LOAD_(&wg->state, ACQUIRE);
    if (delta < 1) {
        wg_panic_(wg, "invalid argument: wg_try_add of less than 1", state);
    }
    (void)wg_checked_tag_(wg, true);
    do {
        if ((state & WG_CLOSED_) != 0 ||
            (wg_counter_(state) == 0 && wg_waiters_(state) != 0)) {
            return false;
        }
        if (wg_counter_(state) > INT32_MAX - delta) {
            wg_panic_(wg, "counter overflow", state);
        }
        /* Orders: see wg_fetch_add_, and wg_close for failure. */
    } while (!WG_CAS_(&wg->state, &state, state + wg_ones_(delta), ACQ_REL,
                      ACQUIRE));
    return true;
}

/* ---- Init ---- */

static inline void wg_init(wg_t *wg)
{
    /* Relaxed: nobody else uses the object. */
    WG_STORE_(&wg->state, 0, RELAXED);
    WG_STORE_(&wg->epoch, 0, RELAXED);
    WG_STORE_(&wg->tag, 0, RELAXED);
}

static inline void wg_init_shared(wg_t *wg)
{
    wg_init(wg);
    WG_STORE_(&wg->tag, WG_SHARED_, RELAXED); /* Relaxed, as in wg_init. */
}

#ifdef WG_THREADS_
/* ---- Go ---- */

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
    if (!wg_try_add(wg, 1)) {
        /* Relaxed: the closed bit never goes. */
        const uint64_t state = WG_LOAD_(&wg->state, RELAXED);
        if ((state & WG_CLOSED_) != 0) {
            return ECANCELED;
        }
        wg_panic_(wg, "wg_add called concurrently with wg_wait", state);
    }
    struct wg_job_ *const job = (struct wg_job_ *)malloc(sizeof *job);
    int error = ENOMEM;
    if (job != NULL) {
        pthread_t thread;
        job->wg = wg;
        job->fn = fn;
        job->arg = arg;
        error = pthread_create(&thread, NULL, wg_job_run_, job);
    }
    if (error != 0) {
        free(job);
        (void)wg_done(wg);
    }
    return error;
}
#endif

#ifdef __cplusplus
}
#endif

#undef WG_ADD_
#undef WG_ASSERT_
#undef WG_ATOMIC_
#undef WG_CAS_
#undef WG_CLOSED_
#undef WG_COLD_
#undef WG_KERNEL_
#undef WG_LOAD_
#undef WG_ONE_
#undef WG_OR_
#undef WG_STORE_
#undef WG_SYS_CLOCK_
#undef WG_SYS_FUTEX_
#undef WG_THREADS_
#undef WG_WAITERS_
#undef WG_WRITE_

#endif
