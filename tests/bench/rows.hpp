// The rows, each written once, as a template over the peer. A peer is a class
// with
//
//     arm(n)    makes the counter n; it is at 0, and nobody is inside
//     add(), done(), wait()
//     can_add   add works at any value, and the object after a wait
//     can_wait_again, waiters (at most), can_park
//     bytes()   the size of the object
//
// Everything that is timed is inlined into the loops, as in a user's program.
#pragma once
#include "bench.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fcntl.h>
#include <linux/futex.h>
#include <memory>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

namespace
{

inline double now(clockid_t clock = CLOCK_MONOTONIC)
{
    timespec t;
    clock_gettime(clock, &t);
    return 1e9 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec);
}

inline void forget() // the compiler must not merge or hoist across this
{
    __asm__ volatile("" ::: "memory");
}

inline void pause()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

// Runs body(0), body(1), ... each in its own thread, which begin together.
// Returns the time from the first start to the last end, and the processor
// time of those threads for which counts(i) is true.
template <class Body, class Counts>
Cost run_threads(int threads, Body body, Counts counts)
{
    struct Times {
        double start, end, cpu;
    };
    std::vector<Times> times(threads);
    pthread_barrier_t ready;
    pthread_barrier_init(&ready, nullptr, threads);
    std::vector<std::thread> team;
    for (int i = 0; i < threads; i++) {
        team.emplace_back([&, i] {
            pthread_barrier_wait(&ready);
            const double start = now();
            const double cpu = now(CLOCK_THREAD_CPUTIME_ID);
            body(i);
            times[i] = {start, now(), now(CLOCK_THREAD_CPUTIME_ID) - cpu};
        });
    }
    for (std::thread &thread : team) {
        thread.join();
    }
    pthread_barrier_destroy(&ready);
    double start = times[0].start, end = times[0].end, cpu = 0;
    for (int i = 0; i < threads; i++) {
        start = std::min(start, times[i].start);
        end = std::max(end, times[i].end);
        cpu += counts(i) ? times[i].cpu : 0;
    }
    return {end - start, cpu};
}

inline bool all(int)
{
    return true;
}

// The same body in one thread or several, n operations altogether.
template <class Body> Cost run_shared(int threads, long n, Body body)
{
    const long each = n / threads + 1;
    const Cost cost = run_threads(
        threads, [&](int) { body(each); }, all);
    const double total = static_cast<double>(each) * threads;
    return {cost.ns / total, cost.cpu_ns / total};
}

template <class P> Cost done_shared(int threads, long n)
{
    auto peer = std::make_unique<P>();
    const long each = n / threads + 1;
    peer->arm(static_cast<int>(each * threads + 1));
    std::thread waiter([&] {
        if (P::can_park) {
            peer->wait();
        }
    });
    usleep(1000); // lets it park; a semaphore's waiter is awake time and again
    const Cost cost = run_threads(
        threads,
        [&](int) {
            for (long i = 0; i < each; i++) {
                peer->done();
            }
        },
        all);
    peer->done();
    waiter.join();
    const double total = static_cast<double>(each) * threads;
    return {cost.ns / total, cost.cpu_ns / total};
}

template <class P> struct Pair {
    alignas(64) P peer;
    alignas(64) std::atomic<long> round{0}; // polled by a worker that is awake
    sem_t start;                            // or waited for by one that sleeps
    std::vector<float> times;
};

// Notes how long each operation took. Not the shortest: the clock would be a
// part of what is timed.
class Stopwatch
{
    std::vector<float> *times;
    double start = 0;

  public:
    Stopwatch(const Row &row, std::vector<float> &times, long n)
        : times(row.work < 2 ? nullptr : &times)
    {
        if (this->times != nullptr) {
            times.resize(n); // touches the memory, too
            start = now();
        }
    }
    void lap(long i)
    {
        if (times != nullptr) {
            const double end = now();
            (*times)[i] = static_cast<float>(end - start);
            start = end;
        }
    }
};

template <class P> Cost fork_join(const Row &row, long n)
{
    std::vector<Pair<P>> pairs(row.threads);
    for (Pair<P> &pair : pairs) {
        sem_init(&pair.start, 0, 0);
    }
    const long loops = static_cast<long>(row.work * loops_per_us);
    const long rare_loops = static_cast<long>(row.rare_work * loops_per_us);
    const auto waits = [](int i) { return i % 2 == 0; };
    const auto await = [&](Pair<P> &pair) {
        Stopwatch watch(row, pair.times, n);
        for (long round = 1; round <= n; round++) {
            pair.peer.arm(1);
            if (row.parked) {
                sem_post(&pair.start);
            } else {
                pair.round = round;
            }
            pair.peer.wait();
            watch.lap(round - 1);
        }
    };
    const auto work_off = [&](Pair<P> &pair) {
        for (long round = 1; round <= n; round++) {
            if (row.parked) {
                sem_wait(&pair.start);
            } else {
                // Awake, but no hindrance if both are on one processor.
                for (int look = 1; pair.round.load() < round; look++) {
                    look % 64 != 0 ? pause() : (void)sched_yield();
                }
            }
            const bool rare = row.every != 0 && round % row.every == 0;
            work(rare ? rare_loops : loops);
            pair.peer.done();
        }
    };
    Cost cost = run_threads(
        2 * row.threads,
        [&](int i) { waits(i) ? await(pairs[i / 2]) : work_off(pairs[i / 2]); },
        [&](int i) { return row.parked || waits(i); });
    for (Pair<P> &pair : pairs) {
        sem_destroy(&pair.start);
        cost.times.insert(cost.times.end(), pair.times.begin(),
                          pair.times.end());
    }
    cost.ns /= static_cast<double>(n);
    cost.cpu_ns /= static_cast<double>(n * row.threads);
    return cost;
}

// Each of two threads has an object that it waits for and the other counts
// down. An operation is a turn of both.
template <class P> Cost in_turn(const Row &row, long n)
{
    struct alignas(64) Own {
        P peer;
    };
    std::vector<Own> own(2);
    std::vector<float> times;
    const long loops = static_cast<long>(row.work * loops_per_us);
    for (Own &each : own) {
        each.peer.arm(1);
    }
    const auto hand_over = [&](P &peer) {
        work(loops);
        peer.done();
    };
    const auto take_over = [](P &peer) {
        peer.wait();
        peer.arm(1); // for the next turn, before the other may count it down
    };
    Cost cost = run_threads(
        2,
        [&](int i) {
            if (i == 0) {
                Stopwatch watch(row, times, n);
                for (long round = 0; round < n; round++) {
                    hand_over(own[1].peer);
                    take_over(own[0].peer);
                    watch.lap(round);
                }
            } else {
                for (long round = 0; round < n; round++) {
                    take_over(own[1].peer);
                    hand_over(own[0].peer);
                }
            }
        },
        all);
    for (Own &each : own) {
        each.peer.done();
        each.peer.wait();
    }
    return {cost.ns / static_cast<double>(n),
            cost.cpu_ns / static_cast<double>(n), std::move(times)};
}

// fork_join in a process of its own that is stopped for 2 ms of each 50. The
// operations in which it was stopped are left out of the mean.
template <class P> Cost stopped(const Row &row, long n)
{
    const double stop_ns = 2e6;
    const size_t size = n * sizeof(float) + sizeof(double);
    void *const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return not_available;
    }
    double *const cpu_ns = static_cast<double *>(memory);
    float *const times = reinterpret_cast<float *>(cpu_ns + 1);
    const pid_t child = fork();
    if (child == 0) {
        const Cost cost = fork_join<P>(row, n);
        *cpu_ns = cost.cpu_ns;
        std::copy(cost.times.begin(), cost.times.end(), times);
        _exit(0);
    }
    int status = -1;
    for (double next = now() + 50e6; child > 0;) {
        usleep(1000);
        if (waitpid(child, &status, WNOHANG) == child) {
            break;
        }
        if (now() >= next) {
            kill(child, SIGSTOP);
            usleep(static_cast<useconds_t>(stop_ns / 1000));
            kill(child, SIGCONT);
            next += 50e6;
        }
    }
    Cost cost = not_available;
    if (status == 0) {
        double sum = 0, count = 0;
        for (long i = 0; i < n; i++) {
            sum += times[i] < stop_ns ? times[i] : 0;
            count += times[i] < stop_ns;
        }
        cost = {sum / count, *cpu_ns, std::vector<float>(times, times + n)};
    }
    munmap(memory, size);
    return cost;
}

// A gate that threads sleep at; opens once for each step.
struct Gate {
    std::atomic<int> step{0};
    void futex(int operation, int value)
    {
        syscall(SYS_futex, &step, operation | FUTEX_PRIVATE_FLAG, value,
                nullptr);
    }
    void pass(int expected)
    {
        for (int s; (s = step.load()) < expected;) {
            futex(FUTEX_WAIT, s);
        }
    }
    void open()
    {
        step.fetch_add(1);
        futex(FUTEX_WAKE, INT32_MAX);
    }
};

inline bool asleep(int stat_file)
{
    char text[256];
    const ssize_t size = pread(stat_file, text, sizeof text - 1, 0);
    text[std::max<ssize_t>(size, 0)] = '\0';
    const char *const state = __builtin_strrchr(text, ')');
    return state != nullptr && state[2] == 'S';
}

// Many waiters and one done: either once all are asleep in their wait, which
// costs from the done to the last return; or after some work while they arrive,
// which costs from their start to the last return.
template <class P> Cost wake(const Row &row, long n)
{
    const int waiters = row.threads;
    const long loops = static_cast<long>(row.work * loops_per_us);
    auto peer = std::make_unique<P>();
    Gate gate;
    std::atomic<int> entered{0}, returned{0};
    std::atomic<double> last{0};
    std::vector<std::atomic<int>> stat_files(waiters);
    sem_t finished;
    sem_init(&finished, 0, 0);
    std::vector<std::thread> team;
    for (int i = 0; i < waiters; i++) {
        team.emplace_back([&, i] {
            stat_files[i] = open("/proc/thread-self/stat", O_RDONLY);
            for (int round = 1; round <= n; round++) {
                gate.pass(round);
                entered++;
                peer->wait();
                if (++returned == waiters) {
                    last = now();
                    sem_post(&finished);
                }
            }
        });
    }
    Cost sum = {0, 0};
    for (int round = 1; round <= n; round++) {
        peer->arm(1);
        entered = returned = 0;
        double cpu = now(CLOCK_PROCESS_CPUTIME_ID), start = now();
        gate.open();
        if (row.parked) {
            while (entered < waiters) {
                usleep(50);
            }
            for (const std::atomic<int> &file : stat_files) {
                while (!asleep(file)) {
                    usleep(50);
                }
            }
            usleep(3000); // waiters that have been asleep for a while
            cpu = now(CLOCK_PROCESS_CPUTIME_ID);
            start = now();
        }
        work(loops);
        peer->done();
        sem_wait(&finished);
        sum.ns += last - start;
        sum.cpu_ns += now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    }
    for (int i = 0; i < waiters; i++) {
        team[i].join();
        close(stat_files[i]);
    }
    sem_destroy(&finished);
    return {sum.ns / n, sum.cpu_ns / n};
}

// Go's "local work" of its benchmarks.
inline void local_work(int steps)
{
    int x = 0;
    for (int i = 0; i < steps; i++) {
        x *= 2;
        x /= 2;
        __asm__ volatile("" : "+r"(x));
    }
}

template <class P> void *done_and_exit(void *peer)
{
    static_cast<P *>(peer)->done();
    return nullptr;
}

// A new thread for each operation, as Go has a new goroutine.
template <class P> void actually_wait(long n)
{
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, 64 * 1024);
    P peer;
    for (long i = 0; i < n; i++) {
        pthread_t thread;
        peer.arm(1);
        while (pthread_create(&thread, &detached, done_and_exit<P>, &peer)) {
        }
        peer.wait();
    }
    pthread_attr_destroy(&detached);
}

// Each thread has an object of its own; they lie side by side.
template <class P> Cost own_object(const Row &row, long n)
{
    if constexpr (P::can_add && P::can_wait_again) {
        std::vector<P> objects(row.threads);
        std::atomic<int> next{0};
        return run_shared(row.threads, n, [&](long count) {
            P &own = objects[next++];
            for (long i = 0; i < count; i++) {
                own.add();
                own.done();
                own.wait();
                forget();
            }
        });
    }
    return not_available;
}

template <class P> struct alignas(128) Padded : P {
};

template <class P> Cost run_row(const Row &row, long n)
{
    auto peer = std::make_unique<P>();
    switch (row.kind) {
    case Kind::done:
        peer->arm(static_cast<int>(n + 2));
        return run_shared(1, n, [&](long count) {
            for (long i = 0; i < count; i++) {
                peer->done();
                forget();
            }
        });
    case Kind::pair:
    case Kind::add_done:
        if constexpr (P::can_add) {
            return run_shared(row.threads, n, [&](long count) {
                for (long i = 0; i < count; i++) {
                    peer->add();
                    local_work(row.work);
                    peer->done();
                    forget();
                }
            });
        }
        return not_available;
    case Kind::wait_at_zero:
    case Kind::wait:
        if constexpr (P::can_wait_again) {
            peer->arm(1);
            peer->done();
            return run_shared(row.threads, n, [&](long count) {
                for (long i = 0; i < count; i++) {
                    peer->wait();
                    local_work(row.work);
                    forget();
                }
            });
        }
        return not_available;
    case Kind::uncontended:
        return own_object<Padded<P>>(row, n);
    case Kind::neighbours:
        return own_object<P>(row, n);
    case Kind::bytes:
        return {peer->bytes(), 0};
    case Kind::done_shared:
        return done_shared<P>(row.threads, n);
    case Kind::fork_join:
        return P::can_park || !row.parked ? fork_join<P>(row, n)
                                          : not_available;
    case Kind::in_turn:
        return P::can_park ? in_turn<P>(row, n) : not_available;
    case Kind::stopped:
        return P::can_park ? stopped<P>(row, n) : not_available;
    case Kind::wake:
        return P::can_park && row.threads <= P::waiters ? wake<P>(row, n)
                                                        : not_available;
    case Kind::actually_wait:
        return P::can_park ? run_shared(row.threads, n, actually_wait<P>)
                           : not_available;
    }
    return not_available;
}

} // namespace
