/*
 * wg.h - Go's sync.WaitGroup for C11 and C++11 on Linux
 *
 * A wait group counts what is still running: one thread adds, each worker
 * counts down as its last act, any number of threads wait until nothing is
 * left. 16 bytes, no allocation, no destroy call, nothing to link.
 *
 *     static wg_t wg = WG_INIT;
 *     wg_add(&wg, 3);        before the three workers start
 *     wg_done(&wg);          in each worker, last
 *     wg_wait(&wg);          returns once all three have called wg_done
 *
 * CONTRACT
 *   First add     A wg_add that finds the counter at 0 comes before the waits
 *                 that are meant for it: add, then start the workers. While
 *                 the counter is above 0, anybody may add at any time.
 *   Reuse         The next round's first add comes after every wait of the
 *                 last round has returned.
 *   Lifetime      A group may live anywhere, the stack included. Free it once
 *                 your own wait has returned and no other thread is still
 *                 inside one, or once you have joined the others. The wg_done
 *                 that released you does not touch it any more by then.
 *   Address       After its first add a group must not be copied or moved.
 *   Processes     What several processes map is initialised as shared. In a
 *                 forked child, wg_init a group that others were waiting on.
 *   Signals       wg_add, wg_done, wg_try_wait and wg_count may be called in
 *                 handlers; waits go on after one. Only wg_go changes errno.
 *   Cancellation  No call is a cancellation point. Asynchronous: not supported.
 *   Order         What a thread did before its wg_done happens before the
 *                 return of every wait that the wg_done helped to release.
 *   Cost          A done is one atomic operation, on one word for all threads.
 *                 wg_add(&wg, -k) is cheaper than k of them.
 *
 * MISUSE writes one line to standard error by one write, then calls abort():
 *     wg: negative counter (wg 0x7ffd5e8f1c20, counter -1, waiters 0)
 *   negative counter: more dones than adds
 *   counter overflow: it would pass INT32_MAX
 *   wg_add called concurrently with wg_wait: an add from 0, a waiter inside
 *   reused before previous wg_wait has returned: the same, seen by the waiter
 *   copied or moved after first use, or never initialised: a wait sees every
 *     copy, an add or done all but one in 1024
 *   wg_add on a closed group: an add from 0 after wg_close
 *   invalid argument: ... to wg_try_add or wg_wait_until
 *   too many waiters: more than 1048575 at once
 *   futex wait failed: ... the system lets no thread sleep
 *
 * CONFIGURATION by macros before the #include; none changes the layout
 *   WG_PANIC(message)   called with that line, less its newline, in place of
 *                       the write; if it returns, abort() follows
 *   WG_SPIN             how often a wait looks again before it sleeps: so often
 *                       after a pause, then after a yield; 64 unless defined
 *   WG_NO_THREADS       leaves out wg_go and <pthread.h>
 *   WG_FUTEX_WAIT, WG_FUTEX_WAKE, WG_NOW_NS, WG_YIELD   see "The seam". With
 *                       these no system header is included; wg_wait_until and
 *                       wg_go need <time.h> and <pthread.h> included before
 *   WG_VALGRIND         tells Helgrind and DRD what is ordered
 *   WG_ALLOW_LIBATOMIC  see the #error that names it
 * SPDX-License-Identifier: MIT-0
 */
#if defined(WG_VERSION) && WG_VERSION != 10000 /* 1.0.0, as below */
#error "wg.h: two different versions in one translation unit; keep one"
#elif !defined(__CPPCHECK__) && (!defined(__ATOMIC_ACQ_REL) || \
    (defined(__cplusplus) && __cplusplus < 201103L) || \
    (!defined(__cplusplus) && __STDC_VERSION__ + 0 < 201112L))
#error "wg.h: needs C11 or C++11 or later, by gcc, clang or their like"
#elif !defined(__linux__) && !defined(WG_FUTEX_WAIT) && !defined(__CPPCHECK__)
#error "wg.h: needs Linux, or your own WG_FUTEX_WAIT and the rest of the seam"
#elif !defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8) && \
    !defined(WG_ALLOW_LIBATOMIC) && !defined(__CPPCHECK__)
#error "wg.h: no lock-free 64-bit atomics here. With libatomic's locks, adds get lost between processes and hang in signal handlers; for neither, define WG_ALLOW_LIBATOMIC and link -latomic"
#elif !defined(WG_VERSION)
#define WG_VERSION_MAJOR 1
#define WG_VERSION_MINOR 0
#define WG_VERSION_PATCH 0
#define WG_VERSION /* 1.2.3 is 10203 */ \
    (WG_VERSION_MAJOR * 10000 + WG_VERSION_MINOR * 100 + WG_VERSION_PATCH)
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
#elif !defined(WG_FUTEX_WAKE) || !defined(WG_NOW_NS) || !defined(WG_YIELD)
#error "wg.h: define all of WG_FUTEX_WAIT, WG_FUTEX_WAKE, WG_NOW_NS, WG_YIELD"
#endif
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

/* ---- The object ---- */
/* The layout is an ABI between translation units, languages, processes and
   versions of this file. Once in use, the members are for __atomic builtins
   only, which C and C++ share; _Atomic and std::atomic would be two types. */
typedef struct wg {
    uint64_t state __attribute__((aligned(8)));
    uint32_t released __attribute__((aligned(4)));
    uint32_t tag __attribute__((aligned(4)));
#ifdef __cplusplus
    constexpr wg(uint64_t s = 0, uint32_t r = 0, uint32_t t = 0)
        : state(s), released(r), tag(t) {}
#endif
} wg_t;

/* ---- The word ----
 *
 *   state     changed by every call, always by one atomic read-modify-write
 *     bits 63..32  counter  int32; outside 0..INT32_MAX is misuse
 *     bit  31      closed   set by wg_close, cleared by wg_init only
 *     bits 30..20  mark     0: no add yet, or shared; else odd, a hash of tag
 *     bits 19..0   waiters  registered to be released and not yet off again
 *   released  the futex word: 1 while the waiters of a finished round leave.
 *             Set by the call that brings the counter to 0 when there are any,
 *             cleared by the last of them, before it takes itself off state
 *   tag       0: unused; 1: shared between processes; else bits 34..3 of the
 *             address, stored by the first add
 *
 * Tag and mark find copies: legal to miss one, illegal to accuse what did not
 * move. A done goes by the mark, which comes with the counter: later the object
 * may be gone, and to read tag before would fetch a contended line twice.
 */
#define WG_CLOSED_ ((uint64_t)1 << 31)
enum { WG_MARK_ = 0x7ff00000, WG_ODD_ = 1 << 20, WG_WAITERS_ = WG_ODD_ - 1,
       WG_SHARED_ = 1, WG_SECOND_ = 1000000000 };
typedef char wg_layout_[sizeof(wg_t) == 16 && __alignof__(wg_t) == 8 &&
    offsetof(wg_t, released) == 8 && offsetof(wg_t, tag) == 12 ? 1 : -1];

static inline int32_t wg_counter_(uint64_t s) { return (int32_t)(s >> 32); }
/* What to add to the word to add n to the counter. */
static inline uint64_t wg_ones_(int n) { return (uint64_t)(int64_t)n << 32; }
static inline uint32_t wg_tag_(const wg_t *wg)
{
    return (uint32_t)((uintptr_t)wg >> 3);
}
/* Fibonacci hashing: less than 2440 bytes apart, no two addresses agree. */
static inline uint64_t wg_mark_(const wg_t *wg)
{
    return ((wg_tag_(wg) * 0x9e3779b9) & WG_MARK_) | WG_ODD_;
}

/* ---- Memory order ----
 *
 * The order that the contract promises holds because state changes by atomic
 * read-modify-writes only. They form one release sequence, so whoever acquires
 * a value of state synchronises with every call that released an earlier one.
 * The futex is for sleeping, never for ordering.
 *
 * What makes it tricky is the object's death: a waiter may free it as soon as
 * it returns. So a waiter that has registered leaves only when it has seen
 * released set, the releasing call's last access. Were it to go by the counter:
 *
 *     wg_done                              wg_wait
 *     state: counter 1 -> 0
 *                                          counter is 0: returns, object freed
 *     released 0 -> 1: into freed memory
 *
 * Waiters take themselves off state. While one is inside, no new round begins,
 * by misuse unseen or by wg_try_add, and released stays set until all saw it.
 */

/* ---- The calls ---- */
/* Private names end in an underscore; private macros are undefined at the end.
   Cold: out of line, seldom called, and defined below. */
#define WG_COLD_ static __attribute__((noinline, cold, unused))
WG_COLD_ __attribute__((noreturn)) void
wg_panic_(const wg_t *wg, const char *text, uint64_t state);
WG_COLD_ bool wg_add_slow_(wg_t *wg, int delta, uint64_t old);
WG_COLD_ bool wg_wait_slow_(wg_t *wg, int64_t deadline_ns, bool from_now);
static inline uint64_t wg_claim_(wg_t *wg);

/* Initialisers: all zeros will do; shared is for memory that processes share.
   At run time, no other thread may be using the object. */
#define WG_INIT {0}
#define WG_INIT_SHARED {0, 0, 1}
static inline void wg_init(wg_t *wg) { wg->state = wg->released = wg->tag = 0; }
static inline void wg_init_shared(wg_t *wg) { wg_init(wg); wg->tag = 1; }

/* Returns true if it made the counter 0. delta is not 0. */
static inline bool wg_add_(wg_t *wg, int delta)
{
    WG_RELEASES_(wg);
    const uint64_t ones = wg_ones_(delta), mark = wg_mark_(wg);
    /* Release: what came before a done. Partners: all that acquire state.
       Acquire: who reaches 0 comes after all other dones. */
    const uint64_t old = __atomic_fetch_add(&wg->state, ones, __ATOMIC_ACQ_REL);
    WG_ACQUIRED_(wg);
    /* ---- Unless waiters are inside, the object may be gone after a done. */
    const uint64_t now = old + ones;
    /* Nothing to do, nothing to complain of? Legal to say no by mistake. */
    const bool above_0 = wg_counter_(now) > 0, was = wg_counter_(old) > 0;
    if (above_0 ? (now & WG_MARK_) == mark && (delta < 0 || was || old == mark)
                : now == mark && delta < 0)
        return !above_0;
    return wg_add_slow_(wg, delta, old);
}

/* Adds delta to the counter; 0 does nothing. If a negative delta makes the
   counter 0, all waiting threads are released. */
static inline void wg_add(wg_t *wg, int delta)
{
    if (delta != 0)
        (void)wg_add_(wg, delta);
}

/* Subtracts 1. Returns true to the one caller in each round who made it 0, and
   happens after all other dones of the round: the place for a continuation,
   which must not touch a group that a waiter may free. */
static inline bool wg_done(wg_t *wg) { return wg_add_(wg, -1); }

/* Go's `defer wg.Done()`: a declaration that calls wg_done(wg) when its scope
   is left. In C, pthread_exit leaves it so only under -fexceptions. */
#define WG_DEFER_DONE(wg) WG_DEFER_DONE_AT_(wg, __LINE__)
#define WG_DEFER_DONE_AT_(wg, line) WG_DEFER_DONE_AS_(wg, line)
#define WG_DEFER_DONE_AS_(wg, line) wg_t *const wg_deferred_##line##_ \
    __attribute__((cleanup(wg_deferred_done_), unused)) = (wg)
static inline void wg_deferred_done_(wg_t *const *wg) { (void)wg_done(*wg); }

/* Returns whether the counter is 0, then ordered as wg_wait. Never blocks. */
static inline bool wg_try_wait(wg_t *wg)
{
    /* Acquire: at 0, what came before the dones. Partner: wg_add_. */
    const uint64_t state = __atomic_load_n(&wg->state, __ATOMIC_ACQUIRE);
    WG_ACQUIRED_(wg);
    return wg_counter_(state) == 0;
}

/* Blocks until the counter is 0. */
static inline void wg_wait(wg_t *wg)
{
    if (!wg_try_wait(wg))
        (void)wg_wait_slow_(wg, INT64_MAX, false);
}

/* wg_wait for timeout_ns nanoseconds at most. Returns true if the counter
   reached 0, false if the time was up; then the wait has left no trace. 0 or
   less is wg_try_wait, INT64_MAX no limit. */
static inline bool wg_wait_for(wg_t *wg, int64_t timeout_ns)
{
    return wg_try_wait(wg) || wg_wait_slow_(wg, timeout_ns, true);
}

#ifdef CLOCKS_PER_SEC /* <time.h> is there */
/* The same until a time of CLOCK_MONOTONIC. A deadline in the past is
   wg_try_wait; a tv_nsec outside 0..999999999 is misuse. */
static inline bool wg_wait_until(wg_t *wg, const struct timespec *deadline)
{
    const int64_t s = deadline->tv_sec > 0 ? deadline->tv_sec : 0;
    const int64_t ns = deadline->tv_nsec, s_max = INT64_MAX / WG_SECOND_ - 1;
    if (ns < 0 || ns >= WG_SECOND_) /* Relaxed: for the text. */
        wg_panic_(wg, "invalid argument: tv_nsec is not in 0..999999999",
                  __atomic_load_n(&wg->state, __ATOMIC_RELAXED));
    const int64_t deadline_ns = s < s_max ? s * WG_SECOND_ + ns : INT64_MAX;
    return wg_try_wait(wg) || wg_wait_slow_(wg, deadline_ns, false);
}
#endif

/* The counter of a moment ago, to look at. Relaxed: it orders nothing. */
static inline int wg_count(const wg_t *wg)
{
    return wg_counter_(__atomic_load_n(&wg->state, __ATOMIC_RELAXED));
}

/* Shuts the group down: from now on wg_try_add fails, and an add from 0 is
   misuse. To close and then wait is safe against any number of wg_try_add. */
static inline void wg_close(wg_t *wg)
{
    WG_RELEASES_(wg);
    (void)wg_claim_(wg);
    /* Release: what came before, for those who are turned away. Partner: the
       acquire in wg_try_add. Not acquire: nothing is done on what it finds. */
    (void)__atomic_fetch_or(&wg->state, WG_CLOSED_, __ATOMIC_RELEASE);
}

/* wg_add at any time. Returns false and changes nothing if the group is closed
   (it then happens after wg_close), or while waiters of a finished round are
   still leaving. A delta below 1 is misuse. */
static inline bool wg_try_add(wg_t *wg, int delta)
{
    WG_RELEASES_(wg);
    /* Acquire: see wg_close. */
    uint64_t state = __atomic_load_n(&wg->state, __ATOMIC_ACQUIRE);
    if (delta < 1)
        wg_panic_(wg, "invalid argument: wg_try_add of less than 1", state);
    const uint64_t mark = wg_claim_(wg), ones = wg_ones_(delta);
    do {
        if ((state & WG_CLOSED_) != 0 ||
            (wg_counter_(state) == 0 && (state & WG_WAITERS_) != 0)) {
            WG_ACQUIRED_(wg);
            return false;
        }
        if (wg_counter_(state) > INT32_MAX - delta)
            wg_panic_(wg, "counter overflow", state);
        /* Orders: see wg_add_, and wg_close for failure. */
    } while (!__atomic_compare_exchange_n(&wg->state, &state,
                                          (state + ones) | mark, true,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return true;
}

#if defined(PTHREAD_CREATE_DETACHED) && !defined(WG_NO_THREADS)
#include <errno.h>
#include <stdlib.h>
struct wg_job_ { wg_t *wg; void (*fn)(void *); void *arg; };
static inline void wg_job_done_(void *wg) { (void)wg_done((wg_t *)wg); }
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

/* Go's wg.Go: adds 1, runs fn(arg) in a new detached thread, and subtracts 1
   when fn returns or ends the thread by pthread_exit or cancellation. Returns
   0, or an errno value with the counter as before: ECANCELED if the group is
   closed, ENOMEM or EAGAIN if there is no memory or no thread to be had. */
static inline int wg_go(wg_t *wg, void (*fn)(void *), void *arg)
{
    if (!wg_try_add(wg, 1)) {
        /* Relaxed: the closed bit, if wg_try_add has seen it, stays. */
        const uint64_t state = __atomic_load_n(&wg->state, __ATOMIC_RELAXED);
        if ((state & WG_CLOSED_) != 0)
            return ECANCELED;
        wg_panic_(wg, "wg_add called concurrently with wg_wait", state);
    }
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
 * Define all four or none. All preserve errno; shared says that threads of
 * other processes may use the word as well.
 *
 *   int WG_FUTEX_WAIT(void *word, uint32_t expected, int64_t deadline_ns,
 *                     bool shared)
 *       Sleeps while the 32-bit word equals expected; may return for no
 *       reason. Returns ETIMEDOUT once CLOCK_MONOTONIC has passed deadline_ns
 *       (INT64_MAX: no deadline), else 0; below 0 if the system cannot do it.
 *   void WG_FUTEX_WAKE(void *word, bool shared)
 *       Wakes all who sleep on the word. Never reads it: it may be gone.
 *   int64_t WG_NOW_NS(void)  CLOCK_MONOTONIC in nanoseconds.
 *   void WG_YIELD(void)      Lets another thread run.
 */
#ifdef WG_FUTEX_WAIT
extern long wg_write_(int fd, const void *data, long size) __asm__("write");
#define WG_WRITE_(data, size) wg_write_(2, data, size)
#else
#define WG_WRITE_(data, size) wg_call_(SYS_write, 2, (long)(data), size, 0)
#define WG_FUTEX_WAIT(word, expected, deadline_ns, shared) \
    wg_futex_(word, 9, expected, deadline_ns, shared) /* FUTEX_WAIT_BITSET */
#define WG_FUTEX_WAKE(word, shared) /* FUTEX_WAKE; no error matters */ \
    (void)wg_futex_(word, 1, INT32_MAX, INT64_MAX, shared)
#define WG_NOW_NS wg_now_ns_
#define WG_YIELD() (void)wg_call_(SYS_sched_yield, 0, 0, 0, 0)
/* syscall(), which -std=c11 hides; its arguments have to be longs. It writes
   too, as write() would end a thread whose cancellation is pending. */
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

/* Native calls take two of these for a time. 32-bit systems have *64 calls
   besides, which old kernels and filters refuse; riscv32 has no others. */
#if defined(__x86_64__) && defined(__ILP32__)
typedef int64_t wg_native_;
#else
typedef long wg_native_;
#endif

static inline int wg_futex_(void *word, long op, uint32_t value,
                            int64_t until, bool shared)
{
    const int64_t time64[2] = {until / WG_SECOND_, until % WG_SECOND_};
    const bool timed = until != INT64_MAX;
    long result = -ENOSYS;
    op |= shared ? 0 : 128; /* FUTEX_PRIVATE_FLAG */
#ifdef SYS_futex_time64
    result = wg_call_(SYS_futex_time64, (long)word, op, (long)value,
                      timed ? (long)time64 : 0);
#endif
#ifdef SYS_futex
    const wg_native_ time[2] = {
        (wg_native_)(time64[0] < LONG_MAX ? time64[0] : LONG_MAX),
        (wg_native_)time64[1]};
    if (result < 0 && result != -ETIMEDOUT && result != -EAGAIN &&
        result != -EINTR)
        result = wg_call_(SYS_futex, (long)word, op, (long)value,
                          timed ? (long)time : 0);
#endif
    if (result == -EFAULT || result == -EINVAL || result == -ENOSYS ||
        result == -EPERM)
        return -1;
    return result == -ETIMEDOUT ? ETIMEDOUT : 0; /* EAGAIN, EINTR: look again */
}

static inline int64_t wg_now_ns_(void) /* 1: CLOCK_MONOTONIC */
{
    wg_native_ time[2] = {0, 0};
#ifdef SYS_clock_gettime64
    int64_t time64[2] = {0, 0};
    if (wg_call_(SYS_clock_gettime64, 1, (long)time64, 0, 0) == 0)
        return time64[0] * WG_SECOND_ + time64[1];
#endif
#ifdef SYS_clock_gettime32 /* musl's name */
    (void)wg_call_(SYS_clock_gettime32, 1, (long)time, 0, 0);
#elif defined(SYS_clock_gettime)
    (void)wg_call_(SYS_clock_gettime, 1, (long)time, 0, 0);
#endif
    return (int64_t)time[0] * WG_SECOND_ + time[1];
}
#endif

/* ---- The slow paths ---- */
#ifndef WG_SPIN
#define WG_SPIN 64
#endif
WG_COLD_ void wg_panic_(const wg_t *wg, const char *text, uint64_t state)
{
    /* In a signal handler, perhaps: for these conversions, neither glibc nor
       musl allocates or locks in snprintf. */
    char line[192];
    const int size = __builtin_snprintf(
        line, sizeof line, "wg: %s (wg %p, counter %d, waiters %u)\n", text,
        (const void *)wg, wg_counter_(state), (unsigned)(state & WG_WAITERS_));
#ifdef WG_PANIC
    line[size - 1] = '\0';
    WG_PANIC(line);
#else
    (void)WG_WRITE_(line, size);
#endif
    __builtin_abort();
}

/* Stores the tag if there is none yet. Returns the mark: 0 if it is shared. */
static inline uint64_t wg_claim_(wg_t *wg)
{
    /* Relaxed, load and store: whoever stores here stores the same. */
    const uint32_t tag = __atomic_load_n(&wg->tag, __ATOMIC_RELAXED);
    if (tag == 0)
        __atomic_store_n(&wg->tag, wg_tag_(wg), __ATOMIC_RELAXED);
    else if (tag != wg_tag_(wg) && tag != WG_SHARED_) /* Below, for the text. */
        wg_panic_(wg, "copied or moved after first use, or never initialised",
                  __atomic_load_n(&wg->state, __ATOMIC_RELAXED));
    return tag == WG_SHARED_ ? 0 : wg_mark_(wg);
}

/* All but the usual: the first add, a release of waiters, misuse, and whatever
   is shared. delta has been added already; old is the word before. */
WG_COLD_ bool wg_add_slow_(wg_t *wg, int delta, uint64_t old)
{
    /* ---- Unless waiters are inside, the object may be gone after a done. */
    const uint64_t now = old + wg_ones_(delta);
    const int64_t counter = (int64_t)wg_counter_(old) + delta;
    const bool from_0 = wg_counter_(old) == 0, waiters = old & WG_WAITERS_;
    if ((old & WG_MARK_) != 0 && (old & WG_MARK_) != wg_mark_(wg))
        wg_panic_(wg, "copied or moved after first use, or never initialised",
                  old);
    if (counter < 0)
        wg_panic_(wg, "negative counter", now);
    if (counter > INT32_MAX)
        wg_panic_(wg, "counter overflow", old);
    if (from_0 && (old & WG_CLOSED_) != 0)
        wg_panic_(wg, "wg_add on a closed group", now);
    if (from_0 && waiters)
        wg_panic_(wg, "wg_add called concurrently with wg_wait", now);
    if (counter == 0 && waiters) {
        uint32_t *const word = &wg->released;
        const bool shared __attribute__((unused)) = wg_claim_(wg) == 0;
        /* Release: all accesses of this call come before what a waiter does
           with the memory. Partner: the acquire in wg_wait_slow_. */
        __atomic_store_n(word, 1, __ATOMIC_RELEASE);
        /* ---- The object may be gone now; the wake has its address. ---- */
        WG_FUTEX_WAKE(word, shared);
    } else if (delta > 0 && (old & WG_MARK_) == 0) {
        const uint64_t mark = wg_claim_(wg);
        /* Relaxed: for those whom the caller tells of what it added. Nobody
           counts that down before, so the object is still there. */
        if (mark != 0)
            (void)__atomic_fetch_or(&wg->state, mark, __ATOMIC_RELAXED);
    }
    return counter == 0;
}

/* Returns false if the deadline passed with the counter above 0. */
WG_COLD_ bool wg_wait_slow_(wg_t *wg, int64_t deadline_ns, bool from_now)
{
    const bool shared __attribute__((unused)) = wg_claim_(wg) == 0;
    const int64_t start = from_now ? WG_NOW_NS() : 0;
    deadline_ns = deadline_ns < INT64_MAX - start ? start + deadline_ns
                                                  : INT64_MAX;

    /* Not registered yet, so a counter of 0 is enough to leave. */
    for (int looks = 0; !wg_try_wait(wg) && looks < WG_SPIN; looks++) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb"); /* pauses, where "yield" does nothing */
#endif
    }
    /* A yield that took long let others run: sleep, and leave them to it. */
    int64_t yielded = INT64_MAX;
    for (int looks = 0; !wg_try_wait(wg); looks++) {
        const int64_t now = WG_NOW_NS();
        if (deadline_ns <= now)
            return wg_try_wait(wg);
        if (looks >= WG_SPIN || now - yielded > 10000) /* ns; usual are 300 */
            break;
        yielded = now;
        WG_YIELD();
    }

    /* Acquire: for a counter of 0 as in wg_try_wait; for a new round, to see
       released as the last leaver of the old one left it. */
    uint64_t state = __atomic_load_n(&wg->state, __ATOMIC_ACQUIRE);
    do {
        if (wg_counter_(state) == 0) {
            WG_ACQUIRED_(wg);
            return true;
        }
        if ((state & WG_WAITERS_) == WG_WAITERS_)
            wg_panic_(wg, "too many waiters", state);
    } while (!__atomic_compare_exchange_n(&wg->state, &state, state + 1, true,
                                          __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));

    /* Acquire: the releasing call is through with the object, and all dones
       came before it. Partner: the release in wg_add_slow_. */
    while (__atomic_load_n(&wg->released, __ATOMIC_ACQUIRE) == 0) {
        const int rc = WG_FUTEX_WAIT(&wg->released, 0, deadline_ns, shared);
        if (rc < 0)
            wg_panic_(wg, "futex wait failed: EFAULT, EINVAL, ENOSYS or EPERM",
                      state + 1);
        if (rc == 0)
            continue; /* woken, or for no reason */
        /* Time is up. But with the counter at 0 the release is on its way, and
           has released still to set. Relaxed: those who give up are promised
           no order, and from 0 the counter cannot rise while they are here. */
        state = __atomic_load_n(&wg->state, __ATOMIC_RELAXED);
        while (wg_counter_(state) != 0)
            if (__atomic_compare_exchange_n(&wg->state, &state, state - 1, true,
                                            __ATOMIC_RELAXED, __ATOMIC_RELAXED))
                return false;
        deadline_ns = INT64_MAX;
    }

    /* Relaxed, all but the leaving: nothing is read that has not been acquired
       above, and nobody joins, so who finds itself alone stays so. Release: the
       next round sees released cleared. Partners: its add and waits. */
    state = __atomic_load_n(&wg->state, __ATOMIC_RELAXED);
    do {
        if (wg_counter_(state) != 0)
            wg_panic_(wg, "reused before previous wg_wait has returned", state);
        if ((state & WG_WAITERS_) == 1)
            __atomic_store_n(&wg->released, 0, __ATOMIC_RELAXED);
    } while (!__atomic_compare_exchange_n(&wg->state, &state, state - 1, true,
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    WG_ACQUIRED_(wg);
    return true;
}

#undef WG_ACQUIRED_
#undef WG_CLOSED_
#undef WG_COLD_
#undef WG_RELEASES_
#undef WG_WRITE_
#endif
