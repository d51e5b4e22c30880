/*
 * event_loop.c - the done that returns true wakes an epoll loop
 *
 *     cc -std=c11 -O2 -pthread -I../include event_loop.c -o event_loop && \
 *         ./event_loop
 *
 * A loop must not block in wg_wait. The last worker of a batch tells it by an
 * eventfd instead; nothing but the eventfd is needed for that.
 * To make it yours, change work() and what the loop does with a batch.
 */
#include "wg.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BATCHES = 3, WORKERS = 5 };

struct batch {
    wg_t wg;
    int finished; /* an eventfd */
    long results[WORKERS];
};

struct task {
    struct batch *batch;
    int number;
};

static void *work(void *arg)
{
    const struct task *task = arg;
    struct batch *batch = task->batch;
    const int finished = batch->finished;
    batch->results[task->number] = 10 + task->number;
    if (wg_done(&batch->wg)) { /* the last one of the batch */
        const uint64_t one = 1;
        if (write(finished, &one, sizeof one) < 0)
            perror("event_loop: write");
    }
    return NULL;
}

int main(void)
{
    struct batch batch = {.wg = WG_INIT, .finished = eventfd(0, EFD_CLOEXEC)};
    struct epoll_event event = {.events = EPOLLIN};
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    if (batch.finished < 0 || loop < 0 ||
        epoll_ctl(loop, EPOLL_CTL_ADD, batch.finished, &event) != 0) {
        perror("event_loop");
        return 1;
    }
    for (int i = 0; i < BATCHES; i++) {
        struct task tasks[WORKERS];
        uint64_t count;
        wg_add(&batch.wg, WORKERS);
        for (int j = 0; j < WORKERS; j++) {
            pthread_t thread;
            tasks[j] = (struct task){&batch, j};
            const int error = pthread_create(&thread, NULL, work, &tasks[j]);
            if (error == 0) {
                pthread_detach(thread);
            } else {
                fprintf(stderr, "event_loop: %s\n", strerror(error));
                work(&tasks[j]);
            }
        }
        while (epoll_wait(loop, &event, 1, -1) != 1)
            ; /* a real loop serves its other events here */
        if (read(batch.finished, &count, sizeof count) != sizeof count)
            perror("event_loop: read");

        long sum = 0;
        for (int j = 0; j < WORKERS; j++)
            sum += batch.results[j];
        printf("batch %d: %ld\n", i, sum);
    }
    close(loop);
    close(batch.finished);
    return 0;
}
