/*
 * squares.c - the first program: a task for each number, and a main that waits
 *
 *     cc -std=c11 -O2 -pthread -I../include squares.c -o squares && ./squares
 *
 * wg_go counts, runs the task in a thread of its own, and counts down. No task
 * waits for another one, so main can do a task itself if it gets no thread.
 * To make it yours, change square() and what is handed to it.
 */
#include "wg.h"

#include <stdio.h>

static void square(void *arg)
{
    int *number = arg;
    *number *= *number;
}

int main(void)
{
    int numbers[] = {1, 2, 3, 4, 5};
    wg_t wg = WG_INIT;

    for (int i = 0; i < 5; i++)
        if (wg_go(&wg, square, &numbers[i]) != 0)
            square(&numbers[i]); /* no thread to be had */
    wg_wait(&wg);

    for (int i = 0; i < 5; i++)
        printf("%d\n", numbers[i]);
    if (!ferror(stdout) && fflush(stdout) == 0)
        return 0;
    fputs("squares: cannot write to stdout\n", stderr);
    return 1;
}
