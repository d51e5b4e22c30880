/*
 * fibers.c - the seam at work: a wait parks a fiber, and the thread goes on
 *
 *     cc -std=c11 -O2 -I../include fibers.c -o fibers && ./fibers
 *
 * A small scheduler of fibers, all on one thread. wg_wait lets others run; the
 * wg_done that ends the wait makes the fiber runnable. Prints what a wake
 * costs. glibc only: musl has no ucontext. Nothing guards one stack from the
 * next. To make it yours, change worker() and conduct().
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <ucontext.h>

enum { FIBERS = 10000, STACK = 16384, SECOND = 1000000000 };

static struct fiber {
    ucontext_t context;
    struct fiber *next;  /* in one of the two lists */
    const void *word;    /* that it is parked on */
    int64_t deadline_ns; /* and until when */
    _Alignas(16) char stack[STACK];
} fibers[FIBERS + 1], *runnable, *parked, *current;
static ucontext_t scheduler;

static void push(struct fiber **list, struct fiber *fiber)
{
    fiber->next = *list;
    *list = fiber;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)SECOND + now.tv_nsec;
}

static int park(void *word, uint32_t expected, int64_t deadline_ns)
{
    const int saved_errno = errno;
    if (atomic_load((_Atomic uint32_t *)word) != expected)
        return 0; /* and no other fiber runs before the switch below */
    current->word = word;
    current->deadline_ns = deadline_ns;
    push(&parked, current);
    swapcontext(&current->context, &scheduler);
    errno = saved_errno;
    return deadline_ns <= now_ns() ? ETIMEDOUT : 0;
}

/* Makes runnable who is parked on the word, and whose time has come. */
static void unpark(const void *word, int64_t now)
{
    for (struct fiber **link = &parked, *fiber; (fiber = *link) != NULL;)
        if (fiber->word == word || fiber->deadline_ns <= now) {
            *link = fiber->next;
            push(&runnable, fiber);
        } else {
            link = &fiber->next;
        }
}

#define WG_FUTEX_WAIT(word, value, until, shared) park(word, value, until)
#define WG_FUTEX_WAKE(word, shared) unpark(word, INT64_MIN)
#define WG_NOW_NS() now_ns()
#include "wg.h"

static wg_t gate = WG_INIT, workers = WG_INIT;
static int through;

static void worker(void)
{
    wg_wait(&gate);
    through++;
    wg_done(&workers);
}

static void conduct(void)
{
    if (wg_wait_for(&workers, SECOND / 100)) /* so they all come to the gate */
        return;
    const int64_t start = now_ns();
    wg_done(&gate);
    wg_wait(&workers);
    printf("%d fibers woken, %lld ns each\n", through,
           (long long)(now_ns() - start) / FIBERS);
}

int main(void)
{
    wg_add(&gate, 1);
    wg_add(&workers, FIBERS);
    for (int i = 0; i <= FIBERS; i++) {
        ucontext_t *const to = &fibers[i].context;
        getcontext(to);
        to->uc_stack = (stack_t){.ss_sp = fibers[i].stack, .ss_size = STACK};
        to->uc_link = &scheduler;
        makecontext(to, i < FIBERS ? worker : conduct, 0);
        push(&runnable, &fibers[i]);
    }
    while (runnable != NULL || parked != NULL) {
        struct fiber *turn = runnable; /* each once, before any twice */
        for (runnable = NULL; (current = turn) != NULL;) {
            turn = current->next;
            swapcontext(&scheduler, &current->context);
        }
        unpark(NULL, now_ns());
        if (runnable == NULL) /* until a deadline has come; 0.1 ms at a time */
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    if (ferror(stdout) || fflush(stdout) != 0) {
        fputs("fibers: cannot write to stdout\n", stderr);
        return 1;
    }
}
