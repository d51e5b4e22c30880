/* An exception that leaves wg_go's function ends the program, and no wait
   returns before. Those that a scope's own WG_DEFER_DONE sees count down. */
#include "wg.h"

#include <csignal>
#include <cstdio>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static wg_t group = WG_INIT;

static void throw_one(void *)
{
    throw 1;
}

static void start_and_wait()
{
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(60);
    if (wg_go(&group, throw_one, nullptr) != 0)
        _exit(2);
    wg_wait(&group);
    _exit(1);
}

static void count_down_and_throw()
{
    WG_DEFER_DONE(&group);
    throw 1;
}

int main()
{
    for (int round = 0; round < 50; round++) {
        const pid_t child = fork();
        if (child == 0)
            start_and_wait();
        int status = 0;
        if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) ||
            WTERMSIG(status) != SIGABRT) {
            std::fprintf(stderr, "status 0x%x, not SIGABRT\n", status);
            return 1;
        }
    }
    wg_add(&group, 1);
    try {
        count_down_and_throw();
    } catch (int) {
        if (wg_try_wait(&group))
            return 0;
    }
    std::fprintf(stderr, "the exception has left a scope uncounted\n");
    return 1;
}
