/*
 * wg.h - Go's sync.WaitGroup for C11 and C++11 on Linux
 *
 * A wait group counts what is still running: one thread adds, each worker
 * counts down as its last act, and any number of threads wait until nothing
 * is left. 16 bytes, no allocation, no destroy call, nothing to link.
 *
 * USE
 *
 *     #include "wg.h"
 *
 *     static wg_t wg = WG_INIT;
 *
 *     wg_add(&wg, 3);        before the three workers are started
 *     wg_done(&wg);          in each worker, last
 *     wg_wait(&wg);          returns once all three have called wg_done
 *
 * CONTRACT
 *
 *   Who may call   Any thread, any of these calls, at any time, but for:
 *   First add      A positive wg_add that finds the counter at 0 comes before
 *                  the waits that are meant for it: add, then start workers.
 *                  While the counter is above 0, anybody may add.
 *   Reuse          The next round's first add comes after every wait of the
 *                  last round has returned.
 *   Lifetime       A wait group may live anywhere, the stack included. Free
 *                  it once your own wait has returned and no other thread is
 *                  still inside one, or once you have joined the others. The
 *                  wg_done that releases you may still be returning then: it
 *                  does not touch the object any more.
 *   Address        After its first add it must not be copied or moved.
 *   fork           In the child, wg_init a group that others waited on.
 *   Signals        wg_add, wg_done, wg_try_wait and wg_count may be called
 *                  in signal handlers. wg_wait goes on after a handler ran.
 *   Cancellation   No call is a cancellation point. Asynchronous
 *                  cancellation inside a wait is not supported.
 *   errno          No call changes it.
 *
 * ORDER
 *
 *   What a thread did before its wg_done happens before the return of every
 *   wait that the wg_done helped to release. A wg_done that returns true also
 *   happens after all the others of its round.
 *
 * MISUSE
 *
 *   Misuse never corrupts or hangs. It writes one line to standard error,
 *       wg: negative counter (wg 0x7ffd5e8f1c20, counter -1, waiters 0)
 *   and calls abort(), with NDEBUG too. What is caught, always:
 *
 *   negative counter                   more wg_done than wg_add
 *   counter overflow                   the counter would pass INT32_MAX
 *   wg_add called concurrently with    an add from 0 while a waiter of the
 *     wg_wait                          last round is still inside wg_wait
 *   reused before previous wg_wait     the same, found by that waiter
 *     has returned
 *   copied or moved after first use,   the object is not where its first add
 *     or never initialised             was, or holds garbage
 *
 * CONFIGURATION, by macros defined before the first #include. None changes
 * the layout, so files that were compiled with different ones may share
 * objects.
 *
 *   WG_PANIC(message)   Called with the line above, without its newline,
 *                       in place of writing it. If it returns, abort()
 *                       follows.
 *   WG_SPIN             How often a wait looks at the counter, yielding the
 *                       processor after each look, before it sleeps.
 *   WG_FUTEX_WAIT, WG_FUTEX_WAKE, WG_NOW_NS, WG_YIELD
 *                       The seam: all that this file asks of the system. See
 *                       "The seam" below. With the four defined, no system
 *                       header is included.
 *   WG_ALLOW_LIBATOMIC  See the first #error below.
 *
 * SPDX-License-Identifier: MIT-0
 */
#if defined(WG_VERSION) && WG_VERSION != 10000 /* 1.0.0, as below */
#error "wg.h: two different versions in one translation unit; keep one"
#elif !defined(__cplusplus) &&                                   \
    (!defined(__STDC_VERSION__) || __STDC_VERSION__ < 201112L || \
     defined(__STDC_NO_ATOMICS__))
#error "wg.h: needs C11 with atomics: compile with -std=c11 or later"
#elif defined(__cplusplus) && __cplusplus < 201103L
#error "wg.h: needs C++11: compile with -std=c++11 or later"
#elif !defined(__GNUC__) && !defined(__CPPCHECK__)
#error "wg.h: needs gcc, clang or a compiler compatible with them"
#elif !defined(__linux__) && !defined(WG_FUTEX_WAIT) && !defined(__CPPCHECK__)
#error "wg.h: needs Linux, or a seam (WG_FUTEX_WAIT ...) for another system"
#elif !defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8) && \
    !defined(WG_ALLOW_LIBATOMIC) && !defined(__CPPCHECK__)
/* libatomic replaces the missing instruction by a lock in each process: adds
   of two processes get lost, and a signal handler that adds may hang. */
#error \
    "wg.h: no lock-free 64-bit atomics on this target. One process, no calls from signal handlers: define WG_ALLOW_LIBATOMIC and link -latomic"
#elif !defined(WG_VERSION)

#define WG_VERSION_MAJOR 1
#define WG_VERSION_MINOR 0
#define WG_VERSION_PATCH 0
/* As one number to compare: 1.2.3 is 10203. */
#define WG_VERSION \
    (WG_VERSION_MAJOR * 10000 + WG_VERSION_MINOR * 100 + WG_VERSION_PATCH)

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Compilers ------------------------------------------------------------
 * Private names end in an underscore; private macros are undefined at the end.
 *
 * C++ has plain integers where C has _Atomic: same layout, and std::atomic
 * would cost static initialisation and compile time. Each operation names its
 * order, e.g. WG_LOAD_(&wg->state, ACQUIRE).
 */
#ifdef __cplusplus
#define WG_STATIC_ASSERT_ static_assert
#define WG_ATOMIC_(type) type
#define WG_LOAD_(object, order) __atomic_load_n(object, __ATOMIC_##order)
#define WG_STORE_(object, value, order) \
    __atomic_store_n(object, value, __ATOMIC_##order)
#define WG_FETCH_ADD_(object, value, order) \
    __atomic_fetch_add(object, value, __ATOMIC_##order)
#define WG_CAS_(object, expected, value, order, failure)       \
    __atomic_compare_exchange_n(object, expected, value, true, \
                                __ATOMIC_##order, __ATOMIC_##failure)
#else
#include <stdatomic.h>
#define WG_STATIC_ASSERT_ _Static_assert
#define WG_ATOMIC_(type) _Atomic type
#define WG_LOAD_(object, order) atomic_load_explicit(object, __ATOMIC_##order)
#define WG_STORE_(object, value, order) \
    atomic_store_explicit(object, value, __ATOMIC_##order)
#define WG_FETCH_ADD_(object, value, order) \
    atomic_fetch_add_explicit(object, value, __ATOMIC_##order)
#define WG_CAS_(object, expected, value, order, failure) \
    atomic_compare_exchange_weak_explicit(               \
        object, expected, value, __ATOMIC_##order, __ATOMIC_##failure)
#endif

#define WG_LIKELY_(condition) __builtin_expect(condition, 1)

/* Out of line and away from hot code. gcc warns of an inline function that is
   noinline, clang of a used function that is marked unused. */
#ifdef __clang__
#define WG_COLD_ static inline __attribute__((noinline, cold))
#else
#define WG_COLD_ static __attribute__((noinline, cold, unused))
#endif

/* ---- Type and interface ---------------------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

/* The layout is an ABI: translation units, languages and processes that
   compiled different versions of this file may share an object. The attributes
   are for 32-bit targets, some of which align 64-bit members to 4. */
typedef struct wg {
    WG_ATOMIC_(uint64_t) state __attribute__((aligned(8)));
    WG_ATOMIC_(uint32_t) epoch __attribute__((aligned(4)));
    WG_ATOMIC_(uint32_t) tag __attribute__((aligned(4)));
#ifdef __cplusplus
    constexpr wg(uint32_t with_tag = 0) : state(0), epoch(0), tag(with_tag) {}
#endif
} wg_t;

WG_STATIC_ASSERT_(sizeof(wg_t) == 16 && __alignof__(wg_t) == 8 &&
                      offsetof(wg_t, epoch) == 8 && offsetof(wg_t, tag) == 12,
                  "wg.h: the layout is an ABI");

/* A static initialiser: counter 0, nobody waiting. All bytes zero will do as
   well. */
#ifdef __cplusplus
#define WG_INIT \
    {           \
    }
#else
#define WG_INIT \
    {           \
        0       \
    }
#endif

/* The same at run time, for memory from the heap, memory that held something
   else, and a forked child. No other thread may be using the object. */
static inline void wg_init(wg_t *wg);

/* Adds delta, which may be negative, to the counter; 0 does nothing. If the
   counter becomes 0, all waiting threads are released. */
static inline void wg_add(wg_t *wg, int delta);

/* Subtracts 1 from the counter. Returns true for the one call of a round that
   brings it to 0, and then happens after all the others: the place to run a
   continuation, which must not touch the group if a waiter may free it. */
static inline bool wg_done(wg_t *wg);

/* Blocks until the counter is 0. */
static inline void wg_wait(wg_t *wg);

/* Returns true if the counter is 0, with the ordering of wg_wait. Never
   blocks. */
static inline bool wg_try_wait(wg_t *wg);

/* The counter as it was a moment ago, for progress displays and logs. It
   orders nothing: to synchronise, use wg_try_wait. */
static inline int wg_count(const wg_t *wg);

/* Go's `defer wg.Done()`: calls wg_done(wg) when the enclosing scope is left
   by any way but pthread_exit, cancellation and longjmp. */
#define WG_DEFER_DONE(wg) WG_DEFER_DONE_ON_LINE_(wg, __LINE__)
#define WG_DEFER_DONE_ON_LINE_(wg, line) WG_DEFER_DONE_AS_(wg, line)
#define WG_DEFER_DONE_AS_(wg, line)                     \
    __attribute__((cleanup(wg_deferred_done_), unused)) \
    wg_t *const wg_deferred_##line##_ = (wg)

/* ---- The word -------------------------------------------------------------
 *
 *   state   changed by every call, always by one atomic read-modify-write
 *     bits 63..32  counter  int32; a value outside 0..INT32_MAX is misuse
 *     bit  31      closed   set by wg_close, cleared by nothing but wg_init
 *     bits 30..0   waiters  threads that registered to be released and have
 *                           not taken themselves off again
 *   epoch   the futex word. Moves once for each release that has waiters, and
 *           only by the call that brings the counter to 0.
 *   tag     0: not used yet; 1: shared between processes; else bits 34..3 of
 *           the object's address. Written by the first positive add. Legal to
 *           miss a copy (32 GiB away, say), illegal to accuse an object that
 *           stayed where it was.
 */
#define WG_ONE_ ((uint64_t)1 << 32)
#define WG_CLOSED_ ((uint64_t)1 << 31)
#define WG_WAITERS_ (WG_CLOSED_ - 1)
enum { WG_SHARED_ = 1 }; /* a tag */

static inline int32_t wg_counter_(uint64_t state)
{
    return (int32_t)(uint32_t)(state >> 32);
}

static inline uint32_t wg_waiters_(uint64_t state)
{
    return (uint32_t)(state & WG_WAITERS_);
}

/* What to add to the word for delta to be added to the counter. */
static inline uint64_t wg_times_one_(int delta)
{
    return (uint64_t)(int64_t)delta << 32;
}

/* True if adding delta to old leaves nothing to do and nothing to complain
   about. Legal to be false for such an addition, illegal to be true for
   another. */
static inline bool wg_is_plain_(uint64_t old, uint64_t now, int delta)
{
    if (delta < 0) {
        return (int64_t)now >= (int64_t)WG_ONE_ || now == 0;
    }
    return (int64_t)now > 0 && ((int64_t)old >= (int64_t)WG_ONE_ || old == 0);
}

/* The tag of an object at this address, unless it is shared. */
static inline uint32_t wg_tag_here_(const wg_t *wg)
{
    return (uint32_t)((uintptr_t)wg >> 3);
}

static inline bool wg_tag_fits_(const wg_t *wg, uint32_t tag)
{
    return tag == wg_tag_here_(wg) || tag == WG_SHARED_;
}

/* ---- Memory order ---------------------------------------------------------
 *
 * One promise is made: what came before a wg_done happens before the return of
 * each wait that it helped to release. It holds because state is only ever
 * changed by read-modify-writes. These form one unbroken release sequence, so
 * that whoever acquires a value of state synchronises with every call that
 * released one before it. The futex is for sleeping, never for ordering.
 *
 * What makes it tricky is the object's death: a waiter may free it as soon as
 * it returns, while the releasing call still has waiters to wake. Hence the
 * epoch. A registered waiter leaves only when it has seen the epoch move, and
 * that move is the releasing call's last access; the wake that follows uses an
 * address, not the object. Were a waiter to leave on the counter:
 *
 *     wg_done                             wg_wait
 *     state: counter 1 -> 0
 *                                         reads counter 0, returns
 *                                         the caller frees the object
 *     epoch += 1: writes freed memory
 *
 * For no wake to be lost, a waiter looks at the epoch before it registers:
 * once it is registered, the release that brings the counter to 0 moves the
 * epoch on from that value. The other way round:
 *
 *     wg_wait                             wg_done
 *     state: registered
 *                                         state: counter 1 -> 0
 *                                         epoch 0 -> 1, wake: nobody sleeps
 *     reads epoch 1
 *     sleeps while epoch is 1: for ever
 *
 * Waiters take themselves off the word. So as long as one is inside, the word
 * says so, and an add that would start the next round too soon is always seen.
 */

/* ---- The seam -------------------------------------------------------------
 *
 * Four primitives, all or none of which may be defined before the #include:
 *
 *   int WG_FUTEX_WAIT(void *word, uint32_t expected, int64_t deadline_ns,
 *                     bool shared)
 *       Sleeps while the 32-bit word equals expected. May return for no
 *       reason. Returns ETIMEDOUT once CLOCK_MONOTONIC has passed deadline_ns
 *       (INT64_MAX: no deadline), else 0.
 *   void WG_FUTEX_WAKE(void *word, bool shared)
 *       Wakes all who sleep on the word. Never reads it: it may be gone.
 *   int64_t WG_NOW_NS(void)
 *       CLOCK_MONOTONIC in nanoseconds.
 *   void WG_YIELD(void)
 *       Lets another thread run.
 *
 * shared: threads of other processes may be on the word. All preserve errno.
 */
/* Ends the program for misuse. */
WG_COLD_ __attribute__((noreturn)) void
wg_panic_(const wg_t *wg, const char *text, uint64_t state);

#if defined(WG_FUTEX_WAIT) && defined(WG_FUTEX_WAKE) && defined(WG_NOW_NS) && \
    defined(WG_YIELD)
extern long wg_write_(int fd, const void *data, size_t size) __asm__("write");
#define WG_WRITE_(data, size) wg_write_(2, data, size)
#elif defined(WG_FUTEX_WAIT) || defined(WG_FUTEX_WAKE) || \
    defined(WG_NOW_NS) || defined(WG_YIELD)
#error "wg.h: define all of WG_FUTEX_WAIT, WG_FUTEX_WAKE, WG_NOW_NS, WG_YIELD"
#else
#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>

#define WG_FUTEX_WAIT wg_futex_wait_
#define WG_FUTEX_WAKE wg_futex_wake_
#define WG_NOW_NS wg_now_ns_
#define WG_YIELD wg_yield_

/* syscall(), which -std=c11 hides. Each argument is to be passed as a long. */
extern long wg_syscall_(long number, ...) __asm__("syscall");

/* Not write(), in which a pending cancellation would pre-empt the abort. */
#define WG_WRITE_(data, size) \
    wg_syscall_(SYS_write, 2L, (long)(data), (long)(size))

/* The kernel's ABI, as <linux/futex.h> is not there with every C library. */
enum {
    WG_OP_WAKE_ = 1,
    WG_OP_WAIT_BITSET_ = 9, /* its deadline is absolute and monotonic */
    WG_OP_PRIVATE_ = 128,
    WG_CLOCK_MONOTONIC_ = 1
};

/* 32-bit systems have two sets of calls, with 32 and 64 bits of seconds. Old
   kernels and filters refuse the second, riscv32 has no other. What the first
   takes for a time is two of these: */
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
#ifdef SYS_clock_gettime32 /* musl's name */
#define WG_SYS_CLOCK_ SYS_clock_gettime32
#elif defined(SYS_clock_gettime)
#define WG_SYS_CLOCK_ SYS_clock_gettime
#endif

/* One system call. Returns 0 or an errno value. */
static inline int wg_futex_call_(long number, void *word, uint32_t expected,
                                 const void *deadline, bool shared)
{
    const long op =
        shared ? WG_OP_WAIT_BITSET_ : WG_OP_WAIT_BITSET_ | WG_OP_PRIVATE_;
    const long result = wg_syscall_(number, (long)word, op, (long)expected,
                                    (long)deadline, 0L, -1L);
    return result == 0 ? 0 : errno;
}

static inline int wg_futex_wait_(void *word, uint32_t expected,
                                 int64_t deadline_ns, bool shared)
{
    void *const object = (char *)word - offsetof(wg_t, epoch);
    const wg_t *const wg = (const wg_t *)object;
    const bool timed = deadline_ns != INT64_MAX;
    const int64_t seconds = deadline_ns / 1000000000;
    const int64_t nanoseconds = deadline_ns % 1000000000;
    const int saved_errno = errno;
    int error = ENOSYS;
#ifdef SYS_futex_time64
    const int64_t time64[2] = {seconds, nanoseconds};
    error = wg_futex_call_(SYS_futex_time64, word, expected,
                           timed ? time64 : NULL, shared);
#endif
#ifdef SYS_futex
    if (error != 0 && error != ETIMEDOUT && error != EAGAIN && error != EINTR) {
        const wg_kernel_long_ plain[2] = {
            (wg_kernel_long_)(seconds < LONG_MAX ? seconds : LONG_MAX),
            (wg_kernel_long_)nanoseconds};
        error = wg_futex_call_(SYS_futex, word, expected, timed ? plain : NULL,
                               shared);
    }
#endif
    errno = saved_errno;
    if (error == EFAULT || error == EINVAL) {
        wg_panic_(wg, "futex wait failed: EFAULT or EINVAL",
                  WG_LOAD_(&wg->state, RELAXED));
    }
    if (error == ENOSYS || error == EPERM) {
        wg_panic_(wg, "futex wait failed: ENOSYS or EPERM",
                  WG_LOAD_(&wg->state, RELAXED));
    }
    /* All else, EAGAIN and EINTR among it: the caller looks again. */
    return error == ETIMEDOUT ? ETIMEDOUT : 0;
}

static inline void wg_futex_wake_(void *word, bool shared)
{
    const long op = shared ? WG_OP_WAKE_ : WG_OP_WAKE_ | WG_OP_PRIVATE_;
    const int saved_errno = errno;
    /* An error says that the memory is gone, and so are its sleepers. */
    (void)wg_syscall_(WG_SYS_FUTEX_, (long)word, op, (long)INT32_MAX);
    errno = saved_errno;
}

static inline int64_t wg_now_ns_(void)
{
    const int saved_errno = errno;
    int64_t now[2] = {0, 0};
    long result = -1;
#ifdef SYS_clock_gettime64
    result =
        wg_syscall_(SYS_clock_gettime64, (long)WG_CLOCK_MONOTONIC_, (long)now);
#endif
#ifdef WG_SYS_CLOCK_
    if (result != 0) {
        wg_kernel_long_ plain[2] = {0, 0};
        (void)wg_syscall_(WG_SYS_CLOCK_, (long)WG_CLOCK_MONOTONIC_,
                          (long)plain);
        now[0] = plain[0];
        now[1] = plain[1];
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

/* ---- Misuse ---------------------------------------------------------- */

/* Appends text and, unless base is 0, the number in that base; returns the new
   end. Not stdio, for the sake of signal handlers. */
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

/* Returns the tag to go by. An object that has none yet gets one if claim. */
static inline uint32_t wg_checked_tag_(wg_t *wg, bool claim)
{
    /* Relaxed: whoever sees a count above 0 has it from a call that had stored
       the tag or seen it, and released it with the count. Others may see 0
       and go by the address, which gives what will be stored. */
    uint32_t tag = WG_LOAD_(&wg->tag, RELAXED);
    if (tag == 0) {
        tag = wg_tag_here_(wg);
        if (claim) {
            /* Relaxed, as above. First adds may race: they store the same. */
            WG_STORE_(&wg->tag, tag, RELAXED);
        }
    } else if (!wg_tag_fits_(wg, tag)) {
        wg_panic_(wg, "copied or moved after first use, or never initialised",
                  WG_LOAD_(&wg->state, RELAXED)); /* Relaxed: for the text. */
    }
    return tag;
}

/* ---- Add and done ---------------------------------------------------- */

/* Adds delta to the counter and returns the word before. */
static inline uint64_t wg_fetch_add_(wg_t *wg, int delta)
{
    /* Release: what came before a done is for the waits that it lets return,
       the tag for those who will use the count. Partner: every acquire of
       state. Acquire: the call that reaches 0 comes after all other dones,
       and may move the epoch and run the caller's continuation on that. */
    return WG_FETCH_ADD_(&wg->state, wg_times_one_(delta), ACQ_REL);
}

/* Lets all registered waiters go, and they may free the object. */
static inline void wg_release_(wg_t *wg, uint32_t tag)
{
    void *const word = (char *)wg + offsetof(wg_t, epoch);
    /* Release: all that this call did with the object comes before whatever a
       waiter does with the memory. Partner: the acquire in wg_wait_slow_. */
    (void)WG_FETCH_ADD_(&wg->epoch, 1, RELEASE);
    /* ---- The object may be gone from here on: an address, no access. ---- */
    WG_FUTEX_WAKE(word, tag == WG_SHARED_);
}

/* All but the usual: a first add, the release of waiters, misuse. If the tag
   fits then the addition has been made, and old is the word before it. */
WG_COLD_ bool wg_add_slow_(wg_t *wg, int delta, uint32_t tag, uint64_t old)
{
    if (!wg_tag_fits_(wg, tag)) {
        tag = wg_checked_tag_(wg, delta > 0);
        old = wg_fetch_add_(wg, delta);
    }
    /* ---- The object may be gone from here on, unless there are waiters. ----
     */
    const uint64_t now = old + wg_times_one_(delta);
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
        wg_release_(wg, tag);
    }
    return counter == 0;
}

/* Returns true if this call brought the counter to 0. delta is not 0. */
static inline bool wg_add_(wg_t *wg, int delta)
{
    /* Relaxed: see wg_checked_tag_. Before the addition, after which the
       object may be gone. */
    const uint32_t tag = WG_LOAD_(&wg->tag, RELAXED);
    uint64_t old = 0;
    if (WG_LIKELY_(wg_tag_fits_(wg, tag))) {
        old = wg_fetch_add_(wg, delta);
        const uint64_t now = old + wg_times_one_(delta);
        if (WG_LIKELY_(wg_is_plain_(old, now, delta))) {
            /* ---- The object may be gone from here on. ---- */
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

/* ---- Wait ------------------------------------------------------------ */

/* Acquire: a counter of 0 comes after all that came before the dones that
   brought it there. Partner: wg_fetch_add_. */
static inline bool wg_try_wait(wg_t *wg)
{
    return WG_LIKELY_(wg_counter_(WG_LOAD_(&wg->state, ACQUIRE)) == 0);
}

/* Returns false if the deadline has passed with the counter above 0. */
WG_COLD_ bool wg_wait_slow_(wg_t *wg, int64_t deadline_ns)
{
    void *const word = (char *)wg + offsetof(wg_t, epoch);
    const bool shared = wg_checked_tag_(wg, false) == WG_SHARED_;

    /* Not registered, and so free to leave on the counter. */
    for (int look = 0; look < WG_SPIN; look++) {
        if (deadline_ns != INT64_MAX && WG_NOW_NS() >= deadline_ns) {
            return wg_try_wait(wg);
        }
        WG_YIELD();
        if (wg_try_wait(wg)) {
            return true;
        }
    }

    /* Acquire: keeps this look ahead of the registration. Relaxed it could
       come later under load buffering, see the moved epoch, and sleep on it. */
    const uint32_t epoch = WG_LOAD_(&wg->epoch, ACQUIRE);

    /* Register. Acquire on failure: a counter of 0 ends the wait, as in
       wg_try_wait. Relaxed on success: all that the releasing call takes from
       it is the number, and this thread's ordering comes when it leaves. */
    uint64_t state = WG_LOAD_(&wg->state, ACQUIRE);
    do {
        if (wg_counter_(state) == 0) {
            return true;
        }
    } while (!WG_CAS_(&wg->state, &state, state + 1, ACQUIRE, ACQUIRE));

    /* Acquire: the releasing call has done all but its wake once the epoch has
       moved. Partner: wg_release_. */
    while (WG_LOAD_(&wg->epoch, ACQUIRE) == epoch) {
        if (WG_FUTEX_WAIT(word, epoch, deadline_ns, shared) == 0) {
            continue; /* Woken, or for no reason. */
        }
        /* Timed out. Leave, but not once the counter is 0: then the release
           is on its way, and its access to the epoch is still to come.
           Relaxed: nothing is promised to a wait that timed out, and the
           counter cannot rise from 0 while a waiter is registered. */
        state = WG_LOAD_(&wg->state, RELAXED);
        while (wg_counter_(state) != 0) {
            if (WG_CAS_(&wg->state, &state, state - 1, RELAXED, RELAXED)) {
                return false;
            }
        }
        deadline_ns = INT64_MAX;
    }

    /* Leave. Acquire: the dones of this round, as in wg_try_wait. Release: the
       next round's add may come right after it, and its waiters must not see
       the epoch as it was before. Partner: wg_fetch_add_. */
    state = WG_FETCH_ADD_(&wg->state, (uint64_t)-1, ACQ_REL);
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

static inline int wg_count(const wg_t *wg)
{
    /* Relaxed: a number to look at. */
    return wg_counter_(WG_LOAD_(&wg->state, RELAXED));
}

static inline void wg_init(wg_t *wg)
{
    /* Relaxed: nobody else is using the object. */
    WG_STORE_(&wg->state, 0, RELAXED);
    WG_STORE_(&wg->epoch, 0, RELAXED);
    WG_STORE_(&wg->tag, 0, RELAXED);
}

#ifdef __cplusplus
}
#endif

#undef WG_ATOMIC_
#undef WG_CAS_
#undef WG_CLOSED_
#undef WG_COLD_
#undef WG_FETCH_ADD_
#undef WG_LIKELY_
#undef WG_LOAD_
#undef WG_ONE_
#undef WG_STATIC_ASSERT_
#undef WG_STORE_
#undef WG_SYS_CLOCK_
#undef WG_SYS_FUTEX_
#undef WG_WAITERS_
#undef WG_WRITE_

#endif
