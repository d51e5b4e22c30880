/*
 * pool.c - a fixed pool of workers, and a wait group for each batch of tasks
 *
 *     cc -std=c11 -O2 -pthread -I../include pool.c -o pool && ./pool
 *
 * A batch's group is on the stack of whoever submits the batch. So several
 * threads submit and wait at once, and a task may add to its own batch. Whoever
 * finds the queue full runs the task itself: if all workers waited for room,
 * nobody would be left to make any. For the same reason no task may wait for
 * another. Below the line is a test: 4 batches of 25,000 tasks, all at once.
 * To make it yours, take what is above the line.
 */
#include "wg.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { WORKERS = 4, CAPACITY = 64 /* a power of two: put and taken wrap */ };

struct task {
    void (*run)(void *arg);
    void *arg;
    wg_t *batch;
};
static wg_t workers = WG_INIT;
static int size; /* how many there are; set before the first submit */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for what follows */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct task queue[CAPACITY];
static unsigned put, taken; /* how many tasks so far */
static bool closed;

static void work(void *arg)
{
    for (;;) {
        pthread_mutex_lock(&lock);
        while (!closed && put == taken)
            pthread_cond_wait(&changed, &lock);
        if (put == taken)
            break;
        const struct task task = queue[taken++ % CAPACITY];
        pthread_mutex_unlock(&lock);
        task.run(task.arg);
        wg_done(task.batch); /* the last act: the batch may be gone now */
    }
    pthread_mutex_unlock(&lock);
    (void)arg;
}

static void submit(wg_t *batch, void (*run)(void *), void *arg)
{
    wg_add(batch, 1);
    pthread_mutex_lock(&lock);
    if (put - taken < CAPACITY && size > 0) {
        queue[put++ % CAPACITY] = (struct task){run, arg, batch};
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&lock);
        return;
    }
    pthread_mutex_unlock(&lock);
    run(arg);
    wg_done(batch);
}

static void close_pool(void)
{
    pthread_mutex_lock(&lock);
    closed = true; /* what is in the queue is still run */
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    wg_wait(&workers);
}

/* ---- The test ---- */
enum { BATCHES = 4, PAIRS = 12500 };
struct batch {
    wg_t wg;
    atomic_int done;
};
static atomic_int total;

static void single(void *arg)
{
    ((struct batch *)arg)->done++;
}

static void pair(void *arg)
{
    struct batch *const batch = arg;
    submit(&batch->wg, single, batch); /* while its own count is up */
    single(batch);
}

static void submitter(void *arg)
{
    struct batch batch = {.wg = WG_INIT};
    for (int i = 0; i < PAIRS; i++)
        submit(&batch.wg, pair, &batch);
    wg_wait(&batch.wg);
    total += batch.done;
    (void)arg;
}

int main(void)
{
    wg_t submitters = WG_INIT;
    while (size < WORKERS && wg_go(&workers, work, NULL) == 0)
        size++; /* fewer will do, and so will none */
    for (int i = 0; i < BATCHES; i++)
        if (wg_go(&submitters, submitter, NULL) != 0)
            submitter(NULL); /* no thread to be had, and none needs another */
    wg_wait(&submitters);
    close_pool();
    printf("%d of %d tasks are done\n", total, BATCHES * PAIRS * 2);
    if (!ferror(stdout) && fflush(stdout) == 0)
        return total != BATCHES * PAIRS * 2;
    fputs("pool: cannot write to stdout\n", stderr);
    return 1;
}
