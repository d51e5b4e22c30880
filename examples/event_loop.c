/*
 * event_loop.c - the done that returns true wakes an epoll loop
 *
 *     cc -std=c11 -O2 -pthread -I../include event_loop.c -o event_loop && \
 *         ./event_loop
 *
 * A loop must not block in wg_wait. The last one to count down tells it by an
 * eventfd instead. Whoever starts a batch holds one count itself until all
 * tasks are added: so the batch ends once, not each time that the tasks added
 * so far are done, and it ends as well if there are none.
 * To make it yours, change work() and what the loop does with a batch.
 */
#include "wg.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BATCHES = 3, MOST = 20 };
static const int sizes[BATCHES] = {5, 0, MOST};

struct batch {
    wg_t wg;
    int finished; /* an eventfd */
    long results[MOST];
};

struct task {
    struct batch *batch;
    int number;
};

static void count_down(struct batch *batch)
{
    const int finished = batch->finished;
    const uint64_t one = 1;
    if (wg_done(&batch->wg) && write(finished, &one, sizeof one) < 0)
        perror("event_loop: write");
}

static void *work(void *arg)
{
    const struct task *task = arg;
    task->batch->results[task->number] = 10 + task->number;
    count_down(task->batch);
    return NULL;
}

static void start(struct batch *batch, struct task *tasks, int size)
{
    wg_add(&batch->wg, 1); /* held until all are added */
    for (int i = 0; i < size; i++) {
        pthread_t thread;
        tasks[i] = (struct task){batch, i};
        wg_add(&batch->wg, 1);
        const int error = pthread_create(&thread, NULL, work, &tasks[i]);
        if (error == 0) {
            pthread_detach(thread);
        } else {
            fprintf(stderr, "event_loop: %s\n", strerror(error));
            work(&tasks[i]); /* here, as tasks do not wait for each other */
        }
    }
    count_down(batch);
}

int main(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    struct batch batch = {.wg = WG_INIT, .finished = eventfd(0, EFD_CLOEXEC)};
    if (batch.finished < 0 || loop < 0 ||
        epoll_ctl(loop, EPOLL_CTL_ADD, batch.finished, &event) != 0) {
        perror("event_loop");
        return 1;
    }
    for (int i = 0; i < BATCHES; i++) {
        struct task tasks[MOST];
        uint64_t events;
        long sum = 0;
        start(&batch, tasks, sizes[i]);
        while (epoll_wait(loop, &event, 1, -1) != 1)
            if (errno != EINTR) {
                perror("event_loop: epoll_wait");
                return 1;
            } /* a real loop serves its other events here */
        if (read(batch.finished, &events, sizeof events) != sizeof events) {
            perror("event_loop: read");
            return 1;
        }
        for (int j = 0; j < sizes[i]; j++)
            sum += batch.results[j];
        printf("batch %d: %2d tasks, sum %3ld, finished %d time%s\n", i + 1,
               sizes[i], sum, (int)events, events == 1 ? "" : "s");
    }
    close(loop);
    close(batch.finished);
    if (ferror(stdout) || fflush(stdout) != 0) {
        fputs("event_loop: cannot write to stdout\n", stderr);
        return 1;
    }
    return 0;
}
