/*
 * gate.c - a group as the signal that stops many threads
 *
 *     cc -std=c11 -O2 -pthread -I../include gate.c -o gate && \
 *         ./gate [WORKERS [MILLISECONDS]]
 *
 * The gate is shut while its counter is 1. Each of 8 WORKERS does a round every
 * 1000 MILLISECONDS, and between two rounds waits at the gate for so long. The
 * handler of SIGINT (Ctrl-C) counts down. Then all waits end at once, and so do
 * the workers. main is one of them.
 * To make it yours, change work().
 */
#define _POSIX_C_SOURCE 200809L
#include "wg.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

static wg_t gate = WG_INIT, workers = WG_INIT;
static atomic_long rounds;
static atomic_int out;
static int milliseconds = 1000;

static void stop(int signal)
{
    (void)signal;
    wg_done(&gate); /* one of the calls that a handler may make */
}

static void work(void *arg)
{
    (void)arg;
    do
        rounds++;
    while (!wg_wait_for(&gate, milliseconds * INT64_C(1000000)));
    out++;
}

static bool written(void)
{
    if (!ferror(stdout) && fflush(stdout) == 0)
        return true;
    fputs("gate: cannot write to stdout\n", stderr);
    return false;
}

int main(int argc, char **argv)
{
    /* SA_RESETHAND: a second SIGINT ends the program, it does not count down
       once more. No SA_RESTART: with it, ThreadSanitizer would hold the signal
       back from a main that waits without limit. */
    const struct sigaction on_stop = {.sa_handler = stop,
                                      .sa_flags = (int)SA_RESETHAND};
    int wanted = 8, running = 1;
    if ((argc > 1 && sscanf(argv[1], "%9d", &wanted) != 1) || wanted < 1 ||
        (argc > 2 && sscanf(argv[2], "%9d", &milliseconds) != 1) ||
        milliseconds < 1) {
        fputs("usage: gate [WORKERS [MILLISECONDS]]\n", stderr);
        return 2;
    }

    wg_add(&gate, 1); /* before anybody waits for it or counts it down */
    sigaction(SIGINT, &on_stop, NULL);
    while (running < wanted && wg_go(&workers, work, NULL) == 0)
        running++; /* fewer will do */
    printf("%d workers are running, until Ctrl-C\n", running);
    if (!written())
        return 1;
    work(NULL);
    wg_wait(&workers); /* after it, a wg_add might shut the gate again */
    printf("%d workers are out, after %ld rounds\n", out, rounds);
    return !written();
}
