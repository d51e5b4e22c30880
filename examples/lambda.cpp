/*
 * lambda.cpp - C++: tasks as lambdas, the first exception rethrown by the wait
 *
 *     c++ -std=c++11 -O2 -pthread -I../include lambda.cpp -o lambda && \
 *         ./lambda NUMBER...
 *
 * Squares numbers, one thread a number. To make it yours, take Group, go() and
 * wait() as they are, and change square().
 */
#include "wg.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

/* Tasks, and the first exception that one of them has thrown. Declare what the
   tasks refer to before the group: the group is destroyed first, and waits. */
struct Group {
    wg_t count;
    std::atomic<bool> failed{false};
    std::exception_ptr first; /* whoever sets failed writes it */
    ~Group() { wg_wait(&count); }
};

template <class Fn> struct Task {
    Group &group;
    Fn fn;
};

/* gcc's sanitizer takes a __forced_unwind for a reference to null. */
template <class Fn>
__attribute__((no_sanitize("null"))) static void run(void *arg)
{
    /* Destroyed before the count goes down, with all that the lambda holds. */
    const std::unique_ptr<Task<Fn>> task(static_cast<Task<Fn> *>(arg));
    try {
        task->fn();
    } catch (abi::__forced_unwind &) {
        throw; /* pthread_exit or cancellation: who stops it, aborts */
    } catch (...) {
        if (!task->group.failed.exchange(true))
            task->group.first = std::current_exception();
    }
}

/* Runs fn() in a new thread. Throws std::system_error if there is none to be
   had; then fn is not run. */
template <class Fn> static void go(Group &group, Fn fn)
{
    std::unique_ptr<Task<Fn>> task(new Task<Fn>{group, std::move(fn)});
    const int error = wg_go(&group.count, run<Fn>, task.get());
    if (error != 0)
        throw std::system_error(error, std::generic_category(), "no thread");
    task.release(); /* run() has it */
}

/* Waits for all tasks. Throws what the first of them has thrown, if any has. */
static void wait(Group &group)
{
    wg_wait(&group.count);
    if (group.first)
        std::rethrow_exception(group.first);
}

/* Two words show how else a thread may end. */
static long square(const std::string &word)
{
    char *end;
    const long number = std::strtol(word.c_str(), &end, 10);
    if (word == "exit")
        pthread_exit(nullptr);
    if (word == "cancel") {
        pthread_cancel(pthread_self());
        pthread_testcancel();
    }
    if (word.empty() || *end != '\0' || std::labs(number) > 1000000)
        throw std::invalid_argument("cannot square '" + word + "'");
    return number * number;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::fputs("usage: lambda NUMBER...\n", stderr);
        return 2;
    }
    const std::vector<std::string> words(argv + 1, argv + argc);
    std::vector<std::string> squares(words.size(), "none");
    try {
        Group group;
        for (std::size_t i = 0; i < words.size(); i++)
            go(group,
               [&, i] { squares[i] = std::to_string(square(words[i])); });
        wait(group);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "lambda: %s\n", error.what());
        return 1;
    }
    for (std::size_t i = 0; i < words.size(); i++)
        std::printf("%8s %12s\n", words[i].c_str(), squares[i].c_str());
    if (std::ferror(stdout) || std::fflush(stdout) != 0) {
        std::fputs("lambda: cannot write to stdout\n", stderr);
        return 1;
    }
}
