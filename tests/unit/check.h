/* What all unit tests share: cmocka, time limits, threads, death tests. */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

/* A test that may take this many seconds, on a loaded machine too. */
#define TEST(function) cmocka_unit_test_setup(function, start_time_limit)
#ifndef TIME_LIMIT
#define TIME_LIMIT 200
#endif
int start_time_limit(void **state);

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ /* as gcc has it */
#endif
#endif

/* ThreadSanitizer makes some system calls a hundred times slower. */
#ifdef __SANITIZE_THREAD__
enum { SLOW = 20 };
#else
enum { SLOW = 1 };
#endif

/* Starts a thread, or ends the test. */
pthread_t start(void *(*run)(void *), void *arg);
void join(pthread_t thread);

/* Waits until condition holds; the time limit ends it otherwise. */
#define UNTIL(condition) \
    for (unsigned looks_ = 0; !(condition); give_way(++looks_))

/* Lets others go on. Looks a while, for those on another processor; then it
   naps: on a busy machine a yield would cost a time slice of each busy program.
 */
void give_way(unsigned looks);

/* The state of a group, less the mark that its address leaves there. */
#define STATE(wg)                                               \
    (atomic_load_explicit(&(wg)->state, memory_order_relaxed) & \
     ~(uint64_t)WG_MARK_)
#define WAITERS(wg) (STATE(wg) & WG_WAITERS_)

/* Runs misuse in a child process and fails unless it makes exactly one write,
   of the line "wg: <text> (wg <its address>, <numbers>)", and dies by SIGABRT.
 */
void expect_panic_on(const void *wg, void (*misuse)(void), const char *text,
                     const char *numbers);

/* As above, of a group whose address only the child knows: it may be any. */
void expect_panic(void (*misuse)(void), const char *text, const char *numbers);

#endif
