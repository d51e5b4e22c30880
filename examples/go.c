/*
 * go.c - wg_go: counting and starting in one call, as Go's wg.Go
 *
 *     cc -std=c11 -O2 -pthread -I../include go.c -o go && ./go
 *
 * Sums ranges of numbers in parallel. To make it yours, change struct task and
 * sum().
 */
#include "wg.h"

#include <stdio.h>
#include <string.h>

enum { TASKS = 10 };

struct task {
    long from, to, sum;
};

static void sum(void *arg)
{
    struct task *task = arg;
    for (long i = task->from; i < task->to; i++)
        task->sum += i;
} /* the count goes down by itself, by whichever way the thread ends */

int main(void)
{
    struct task tasks[TASKS];
    wg_t wg = WG_INIT; /* on the stack: it is waited for before main returns */

    for (int i = 0; i < TASKS; i++) {
        tasks[i] = (struct task){.from = i * 1000, .to = (i + 1) * 1000};
        const int error = wg_go(&wg, sum, &tasks[i]);
        if (error != 0) {
            fprintf(stderr, "go: no thread for task %d: %s\n", i,
                    strerror(error));
            sum(&tasks[i]); /* do it here instead */
        }
    }
    wg_wait(&wg);

    long total = 0;
    for (int i = 0; i < TASKS; i++)
        total += tasks[i].sum;
    printf("total %ld\n", total);
    return 0;
}
