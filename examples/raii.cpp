/*
 * raii.cpp - C++: a scope guard that counts down, and std::thread workers
 *
 *     c++ -std=c++11 -O2 -pthread -I../include raii.cpp -o raii && ./raii
 *
 * To make it yours, change square().
 */
#include "wg.h"

#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

/* Counts down when it goes out of scope, by an exception too. */
class DoneGuard
{
  public:
    explicit DoneGuard(wg_t &wg) : wg_(wg) {}
    ~DoneGuard() { wg_done(&wg_); }
    DoneGuard(const DoneGuard &) = delete;
    DoneGuard &operator=(const DoneGuard &) = delete;

  private:
    wg_t &wg_;
};

static int square(int number)
{
    if (number == 3)
        throw std::domain_error("three will not do");
    return number * number;
}

int main()
{
    std::vector<int> results(6);
    wg_t wg; /* as good as = WG_INIT in C++ */

    for (int i = 0; i < static_cast<int>(results.size()); i++) {
        wg_add(&wg, 1); /* before the thread starts */
        auto work = [&wg, &results, i] {
            DoneGuard done(wg);
            try {
                results[i] = square(i);
            } catch (const std::exception &) {
                results[i] = -1;
            }
        };
        try {
            std::thread(work).detach(); /* nobody joins it */
        } catch (const std::system_error &) {
            work(); /* no thread to be had: do it here, which is only for tasks
                       that do not wait for each other */
        }
    }
    /* When this returns, the results are there. It is not a join: a thread may
       still be on its way out, destroying its copy of work. */
    wg_wait(&wg);

    for (int result : results)
        std::printf("%d ", result);
    std::printf("\n");
    if (std::ferror(stdout) || std::fflush(stdout) != 0) {
        std::fputs("raii: cannot write to stdout\n", stderr);
        return 1;
    }
}
