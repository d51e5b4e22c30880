/* model [CALLS [SEED]] - random sequences of calls of wg.h against the model.
   Steps are made up when they are first needed, and kept, so that a sequence
   can be run again without some of them. */
#define _XOPEN_SOURCE 700
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

static struct step steps[STEPS];
static int made, next; /* steps made up, steps taken */
static int length;     /* of the sequence */
static int64_t start_time;
static sigjmp_buf over;   /* 1: a failure; 2: no step is left */
static char failure[800]; /* the first of the sequence */

/* ---- What came of the calls ---- */

enum outcome {
    NO = TEXTS,
    YES,
    CANCELED,
    NO_THREAD,
    OUT_OF_MEMORY,
    NO_AFTER_SLEEP,
    YES_AFTER_SLEEP
};
static const char *const outcomes[] = {
    [INVALID_DELTA] = "bad delta",
    [INVALID_NSEC] = "bad tv_nsec",
    [COPIED] = "copied",
    [NEGATIVE] = "negative",
    [OVERFLOW] = "overflow",
    [CLOSED] = "closed",
    [CONCURRENT] = "concurrently",
    [REUSED] = "reused",
    [TOO_MANY] = "too many",
    [FUTEX] = "futex",
    [CLOCK] = "clock",
    [NO] = "0",
    [YES] = "1",
    [CANCELED] = "ECANCELED",
    [NO_THREAD] = "EAGAIN",
    [OUT_OF_MEMORY] = "ENOMEM",
    [NO_AFTER_SLEEP] = "0 after a sleep",
    [YES_AFTER_SLEEP] = "1 after a sleep",
};
enum { OUTCOMES = sizeof outcomes / sizeof *outcomes };
enum { ENOUGH = 100000 }; /* calls for all of them to come up */

#define BIT(outcome) (1U << (outcome))
#define BROKEN (BIT(COPIED) | BIT(NEGATIVE))
#define WAITS                                                                 \
    (BROKEN | BIT(YES) | BIT(YES_AFTER_SLEEP) | BIT(REUSED) | BIT(TOO_MANY) | \
     BIT(FUTEX))
#define TIMED (WAITS | BIT(NO) | BIT(NO_AFTER_SLEEP) | BIT(CLOCK))
#define NAPS                                                                  \
    (BROKEN | BIT(OVERFLOW) | BIT(FUTEX) | BIT(CLOCK) | BIT(NO_AFTER_SLEEP) | \
     BIT(YES_AFTER_SLEEP))
/* What can come of each call. */
static const unsigned possible[CALLS] = {
    [INIT] = BIT(NO),
    [INIT_SHARED] = BIT(NO),
    [STATIC] = BIT(NO),
    [STATIC_SHARED] = BIT(NO),
    [ADD] = BROKEN | BIT(OVERFLOW) | BIT(CLOSED) | BIT(CONCURRENT) | BIT(NO),
    [DONE] = BROKEN | BIT(NO) | BIT(YES),
    [DEFER_DONE] = BROKEN | BIT(YES),
    [WAIT] = WAITS,
    [TRY_WAIT] = BIT(NO) | BIT(YES),
    [WAIT_FOR] = TIMED,
    [WAIT_UNTIL] = TIMED | BIT(INVALID_NSEC),
    [CLOSE] = BROKEN | BIT(NO),
    [TRY_ADD] = NAPS | BIT(INVALID_DELTA) | BIT(NO) | BIT(YES),
    [GO] = NAPS | BIT(CANCELED) | BIT(NO_THREAD) | BIT(OUT_OF_MEMORY) | BIT(NO),
    [COUNT] = BIT(NO) | BIT(YES),
    [RUN_JOB] = BROKEN | BIT(NO),
};
static uint64_t counts[CALLS][OUTCOMES];
static uint64_t made_calls;
static bool counting = true;

static enum outcome outcome_of(const struct frame *f)
{
    const int64_t result = f->answer.result;
    if (f->answer.what == ABORTS)
        return (enum outcome)f->answer.text;
    if (f->slept)
        return result != 0 ? YES_AFTER_SLEEP : NO_AFTER_SLEEP;
    if (f->step->call != GO || result == 0)
        return result != 0 ? YES : NO;
    return result == ECANCELED ? CANCELED
           : result == EAGAIN  ? NO_THREAD
                               : OUT_OF_MEMORY;
}

void count_outcome(const struct frame *f)
{
    if (!counting)
        return;
    made_calls++;
    counts[f->step->call][outcome_of(f)]++;
}

/* ---- Sequences ---- */

void fail(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(failure, sizeof failure, format, values);
    va_end(values);
    siglongjmp(over, 1);
}

const struct step *next_step(void)
{
    if (next == length)
        siglongjmp(over, 2);
    if (next == made) {
        make_step(&steps[made], made > 0 ? &steps[made - 1] : NULL);
        made++;
    }
    return &steps[next++];
}

static void hangs(int signal)
{
    (void)signal;
    snprintf(failure, sizeof failure, "hangs");
    siglongjmp(over, 1);
}

/* Limits the processor time until the next call; 0: no limit. */
static void limit_time(int microseconds)
{
    const struct itimerval limit = {{0, 0}, {0, microseconds}};
    setitimer(ITIMER_VIRTUAL, &limit, NULL);
}

/* Runs the steps from the first to the last, on fresh memory. Returns whether
   all were as the model says. */
static bool run(void)
{
    next = 0;
    start_over(start_time);
    limit_time(counting ? 999999 : 50000);
    const int end = sigsetjmp(over, 1);
    if (end == 0)
        for (;;)
            take(next_step());
    limit_time(0);
    end_world();
    return end == 2;
}

/* A new sequence, whose steps are yet to be made up. */
static void begin(uint64_t seed)
{
    randomness = seed;
    length = STEPS / 2 + below(STEPS / 2 + 1);
    made = 0;
    start_time = (const int64_t[]){0, 1, 5000000000, INT64_MAX / 8}[below(4)];
    choose_places();
}

/* Leaves out what a failure does not need. */
static void shrink(void)
{
    struct step all[STEPS];
    length = made = next; /* what was not reached */
    for (int size = length / 2; size > 0;) {
        bool shorter = false;
        for (int start = 0; start + size <= length;) {
            const int before = length;
            memcpy(all, steps, sizeof all);
            memmove(&steps[start], &steps[start + size],
                    (size_t)(length - start - size) * sizeof *steps);
            length = made = before - size;
            if (run()) {
                memcpy(steps, all, sizeof steps);
                length = made = before;
                start += size;
            } else {
                length = made = next;
                shorter = true;
            }
        }
        if (!shorter || size > 1)
            size /= 2;
    }
}

static void report(uint64_t seed, uint64_t sequence)
{
    const int before = next;
    printf("FAIL sequence %" PRIu64 " of seed %" PRIu64 ", ", sequence, seed);
    fflush(stdout);
    counting = false;
    shrink();
    printf("%d steps, shrunk to %d:\n", before, length);
    tracing = true;
    (void)run();
    printf("\n%s\n", failure);
}

static void print_counts(void)
{
    for (int call = 0; call < CALLS; call++) {
        printf("%s:", call_names[call]);
        for (int i = 0; i < OUTCOMES; i++)
            if (counts[call][i] != 0)
                printf(" %s %" PRIu64, outcomes[i], counts[call][i]);
        printf("\n");
    }
}

/* Returns whether each outcome has come up, and no other. */
static bool all_came_up(void)
{
    bool all = true;
    for (int call = 0; call < CALLS; call++) {
        for (int i = 0; i < OUTCOMES; i++) {
            if ((counts[call][i] != 0) == (possible[call] >> i & 1))
                continue;
            printf("FAIL %s: %s %s\n", call_names[call], outcomes[i],
                   counts[call][i] != 0 ? "is not in the list of outcomes"
                                        : "never came up");
            all = false;
        }
    }
    return all;
}

__attribute__((noreturn)) static void usage(const char *what)
{
    fprintf(stderr, "model: what is \"%s\"?\nusage: model [CALLS [SEED]]\n",
            what);
    exit(2);
}

static uint64_t parse(const char *text)
{
    char *end;
    errno = 0;
    const uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || *text < '0' || *text > '9')
        usage(text);
    return value;
}

int main(int argc, char **argv)
{
    const uint64_t wanted = argc > 1 ? parse(argv[1]) : 1000000;
    const uint64_t seed = argc > 2 ? parse(argv[2]) : (uint64_t)time(NULL);
    uint64_t sequence = 0;
    if (argc > 3)
        usage(argv[3]);
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
    const struct sigaction ticks = {.sa_handler = hangs};
    sigaction(SIGVTALRM, &ticks, NULL);
    for (; made_calls < wanted; sequence++) {
        begin(seed * 0x2545f4914f6cdd1d + sequence);
        if (!run()) {
            report(seed, sequence);
            return 1;
        }
    }
    print_counts();
    if (wanted >= ENOUGH && !all_came_up())
        return 1;
    printf("%" PRIu64 " calls in %" PRIu64 " sequences, as the model says\n",
           made_calls, sequence);
    return 0;
}
