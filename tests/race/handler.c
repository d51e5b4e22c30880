/*
 * handler.c - a signal handler that counts down what its own thread waits for
 *
 *     handler            the handler is installed without SA_RESTART
 *     handler restart    with it
 *
 * Prints "run" if the handler has run while the thread slept in its wait, else
 * "held back". Natively it always has. ThreadSanitizer runs a handler when its
 * thread next does something that the tool sees. A futex call that the kernel
 * restarts by itself is not such a thing; one that ends with EINTR is.
 */
#include "order.h"
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static wg_t wg = WG_INIT;
static pthread_t waiter;
static pid_t waiter_id;
static atomic_bool is_run;

static void count_down(int number)
{
    (void)number;
    atomic_store(&is_run, true);
    wg_done(&wg);
}

static void end_the_sleep(int number)
{
    (void)number;
}

/* Opens /proc/self/task/ID/NAME of the waiting thread. */
static FILE *waiter_file(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)waiter_id, name);
    FILE *const file = fopen(path, "r");
    expect(file != NULL, path);
    return file;
}

static bool sleeps_in_wait(void)
{
    FILE *const file = waiter_file("syscall");
    long number = -1;
    uintptr_t word = 0;
    const int fields = fscanf(file, "%ld 0x%" SCNxPTR, &number, &word);
    fclose(file);
    return fields == 2 && number == SYS_futex && word == (uintptr_t)&wg.word;
}

static bool has_taken_signal(void)
{
    FILE *const file = waiter_file("status");
    char line[128];
    uint64_t pending = 1;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "SigPnd: %" SCNx64, &pending) == 1) {
            break;
        }
    }
    fclose(file);
    return pending == 0;
}

static void *interrupt(void *arg)
{
    while (!sleeps_in_wait()) {
        sched_yield();
    }
    pthread_kill(waiter, SIGUSR1);
    while (!has_taken_signal()) {
        sched_yield();
    }
    /* It runs the handler, or it goes back to sleep. */
    while (!atomic_load(&is_run) && !sleeps_in_wait()) {
        sched_yield();
    }
    puts(atomic_load(&is_run) ? "run" : "held back");
    pthread_kill(waiter, SIGUSR2);
    return arg;
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    expect(sigaction(number, &action, NULL) == 0, "a handler");
}

int main(int argc, char **argv)
{
    (void)argv;
    handle(SIGUSR1, count_down, argc > 1 ? SA_RESTART : 0);
    handle(SIGUSR2, end_the_sleep, 0);
    waiter = pthread_self();
    waiter_id = getpid();
    wg_add(&wg, 1);
    const pthread_t thread = start(interrupt, NULL);
    wg_wait(&wg);
    join(thread);
    return 0;
}
