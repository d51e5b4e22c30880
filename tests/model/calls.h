/* What the test sees of wg.h: its calls, and the system that they ask. */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum call {
    INIT,
    INIT_SHARED,
    STATIC, /* by WG_INIT */
    STATIC_SHARED,
    ADD,
    DONE,
    DEFER_DONE,
    WAIT,
    TRY_WAIT,
    WAIT_FOR,
    WAIT_UNTIL,
    CLOSE,
    TRY_ADD,
    GO,
    COUNT,
    RUN_JOB, /* the thread that wg_go has asked for */
    CALLS
};

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the call on the group at wg. a is its number; WAIT_UNTIL has seconds in
   a and nanoseconds in b. Returns its result; 1 for a wg_wait, 0 where there is
   none. DEFER_DONE returns the counter as it was in the scope. One function for
   each language and each WG_SPIN. */
typedef int64_t caller(enum call call, void *wg, int64_t a, int64_t b);
caller call_in_c, call_in_c_with_pauses;
caller call_in_cxx, call_in_cxx_with_pauses;

/* The system, played by the test. */
int seam_wait(void *word, uint32_t expected, int64_t deadline_ns, bool shared);
void seam_wake(void *word, bool shared);
int64_t seam_now_ns(void);
void seam_panic(const char *message);
void *system_malloc(size_t size);
void system_free(void *memory);
int system_create(void *(*run)(void *), void *arg);
void system_detach(void);

/* What wg_go is to run. Its argument is just behind the group. */
void task(void *arg);

#ifdef __cplusplus
}
#endif
#endif
