/*
 * pipeline.c - three stages with bounded queues between them
 *
 *     cc -std=c11 -O2 -pthread -I../include pipeline.c -o primes && ./primes
 *
 * Adds up the primes to 100000, or its argument: main makes numbers, 4 workers
 * test them, one adds. A group counts the workers of each stage. The last one,
 * to whom wg_done returns true, closes the queue of the next stage.
 * To make it yours, change the steps.
 */
#include "wg.h"

#include <pthread.h>
#include <stdio.h>

enum { CAPACITY = 64 }; /* a power of two: put and taken wrap around */
struct stage {
    bool (*step)(long *item); /* may change it; whether it goes on */
    struct stage *next;
    wg_t workers;
    pthread_mutex_t lock; /* for what follows: the queue before the stage */
    pthread_cond_t changed;
    long queue[CAPACITY];
    unsigned put, taken; /* how many items so far */
    bool closed;
};
static wg_t threads = WG_INIT; /* of all stages */
static long limit = 100000, sum;

static bool is_prime(long *item)
{
    for (long i = 2; i <= *item / i; i++)
        if (*item % i == 0)
            return false;
    return true;
}

static bool add(long *item)
{
    sum += *item; /* without a lock, for this stage has one worker only */
    return false;
}

static void put(struct stage *stage, long item)
{
    pthread_mutex_lock(&stage->lock);
    while (stage->put - stage->taken == CAPACITY)
        pthread_cond_wait(&stage->changed, &stage->lock);
    stage->queue[stage->put++ % CAPACITY] = item;
    pthread_cond_broadcast(&stage->changed);
    pthread_mutex_unlock(&stage->lock);
}

static bool take(struct stage *stage, long *item)
{
    pthread_mutex_lock(&stage->lock);
    while (stage->put == stage->taken && !stage->closed)
        pthread_cond_wait(&stage->changed, &stage->lock);
    const bool some = stage->put != stage->taken;
    if (some)
        *item = stage->queue[stage->taken++ % CAPACITY];
    pthread_cond_broadcast(&stage->changed);
    pthread_mutex_unlock(&stage->lock);
    return some;
}

static void leave(struct stage *stage)
{
    if (wg_done(&stage->workers) && stage->next != NULL) {
        pthread_mutex_lock(&stage->next->lock);
        stage->next->closed = true;
        pthread_cond_broadcast(&stage->next->changed);
        pthread_mutex_unlock(&stage->next->lock);
    }
}

static void work(void *arg)
{
    struct stage *const stage = arg;
    for (long item; take(stage, &item);)
        if (stage->step(&item))
            put(stage->next, item);
    leave(stage);
}

static bool start(struct stage *stage, int size)
{
    pthread_mutex_init(&stage->lock, NULL);
    pthread_cond_init(&stage->changed, NULL);
    wg_add(&stage->workers, size); /* for all, before the first one starts */
    for (int i = 0; i < size; i++)
        if (wg_go(&threads, work, stage) != 0)
            leave(stage); /* in place of the worker that is not there */
    return !wg_try_wait(&stage->workers); /* stages need each other */
}

int main(int argc, char **argv)
{
    static struct stage adding = {.step = add},
                        testing = {.step = is_prime, .next = &adding},
                        making = {.next = &testing};
    if (argc > 1 && sscanf(argv[1], "%9ld", &limit) != 1) {
        fputs("usage: primes [N]\n", stderr);
        return 2;
    }
    if (!start(&adding, 1) || !start(&testing, 4)) {
        fputs("primes: a stage has got no thread\n", stderr);
        return 1;
    }
    wg_add(&making.workers, 1); /* main itself */
    for (long i = 2; i <= limit; i++)
        put(&testing, i);
    leave(&making);
    wg_wait(&threads);
    printf("the sum of the primes up to %ld is %ld\n", limit, sum);
    if (!ferror(stdout) && fflush(stdout) == 0)
        return 0;
    fputs("primes: cannot write to stdout\n", stderr);
    return 1;
}
