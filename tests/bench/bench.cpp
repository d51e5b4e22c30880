// The driver: runs every row on every peer in turn, again and again, so that
// whatever else the machine does hits them all alike; then prints medians.
//
//     bench ROUNDS CSV ROWS    ROWS: letters of the groups to run
#include "bench.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <thread>
#include <time.h>
#include <vector>

static constexpr double slice_ns = 8e6; // of one row on one peer in one round

static const Row rows[] = {
    {'a', "done", Kind::done, 1, 0, 2, false},
    {'a', "add and done", Kind::pair, 1, 0, 2, false},
    {'a', "wait at zero", Kind::wait_at_zero, 1, 0, 2, false},
    {'b', "done by 1 thread", Kind::done_shared, 1, 0, 2, false},
    {'b', "done by 2 threads", Kind::done_shared, 2, 0, 2, false},
    {'b', "done by 4 threads", Kind::done_shared, 4, 0, 2, false},
    {'b', "done by 8 threads", Kind::done_shared, 8, 0, 2, false},
    {'b', "2 threads 1 cache line", Kind::neighbours, 2, 0, 2, false},
    {'c', "join: 0 us of work", Kind::fork_join, 1, 0, 2, false},
    {'c', "join: 1 us of work", Kind::fork_join, 1, 1, 2, false},
    {'c', "join: 5 us of work", Kind::fork_join, 1, 5, 2, false},
    {'c', "join: 20 us of work", Kind::fork_join, 1, 20, 2, false},
    {'c', "join: 100 us of work", Kind::fork_join, 1, 100, 2, false},
    {'p', "1 pair on 2 cpus", Kind::fork_join, 1, 5, 2, true},
    {'p', "4 pairs on 2 cpus", Kind::fork_join, 4, 5, 2, true},
    {'p', "16 pairs on 2 cpus", Kind::fork_join, 16, 5, 2, true},
    {'p', "1 pair on 1 cpu", Kind::fork_join, 1, 5, 1, true},
    {'p', "4 pairs on 1 cpu", Kind::fork_join, 4, 5, 1, true},
    {'p', "16 pairs on 1 cpu", Kind::fork_join, 16, 5, 1, true},
    {'p', "1 pair on 2 cpus in use", Kind::fork_join, 1, 5, 2, true, 2},
    {'p', "1 pair on 1 cpu in use", Kind::fork_join, 1, 5, 1, true, 1},
    {'p', "64 waiters on 2 cpus", Kind::wake, 64, 20, 2, false},
    {'p', "64 waiters on 1 cpu", Kind::wake, 64, 20, 1, false},
    {'d', "wake 1", Kind::wake, 1, 0, 2, true},
    {'d', "wake 4", Kind::wake, 4, 0, 2, true},
    {'d', "wake 16", Kind::wake, 16, 0, 2, true},
    {'d', "wake 64", Kind::wake, 64, 0, 2, true},
    {'d', "wake 256", Kind::wake, 256, 0, 2, true},
    {'e', "Uncontended", Kind::uncontended, 2, 0, 2, false},
    {'e', "AddDone", Kind::add_done, 2, 0, 2, false},
    {'e', "AddDoneWork", Kind::add_done, 2, 100, 2, false},
    {'e', "Wait", Kind::wait, 2, 0, 2, false},
    {'e', "WaitWork", Kind::wait, 2, 100, 2, false},
    {'e', "ActuallyWait", Kind::actually_wait, 2, 0, 2, false},
    {'f', "bytes of the object", Kind::bytes, 1, 0, 2, false},
};

double loops_per_us;

// A function, as the peers enlist themselves before main begins.
static std::vector<Peer *> &peers()
{
    static std::vector<Peer *> list;
    return list;
}

Peer::Peer(const char *name, Cost (*run)(const Row &, long))
    : name(name), run(run)
{
    peers().push_back(this);
}

static double now()
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec);
}

static void calibrate_work()
{
    for (int i = 0; i < 50; i++) {
        const double start = now();
        work(1000000);
        loops_per_us = std::max(loops_per_us, 1e9 / (now() - start));
    }
}

// Confines this thread, and those that it will start, to the first processors.
static void use_processors(int count)
{
    static cpu_set_t all;
    if (CPU_COUNT(&all) == 0) {
        sched_getaffinity(0, sizeof all, &all);
    }
    cpu_set_t some;
    CPU_ZERO(&some);
    for (int cpu = 0; cpu < CPU_SETSIZE && count > 0; cpu++) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &some);
            count--;
        }
    }
    if (count > 0) {
        fprintf(stderr, "bench: too few processors: the rows need 2\n");
        exit(2);
    }
    sched_setaffinity(0, sizeof some, &some);
}

// Threads that always want to run, as of another program.
class Hogs
{
    std::atomic<bool> enough{false};
    std::vector<std::thread> threads;

  public:
    explicit Hogs(int count)
    {
        for (int i = 0; i < count; i++) {
            threads.emplace_back([this] {
                while (!enough) {
                    work(1000);
                }
            });
        }
    }
    ~Hogs()
    {
        enough = true;
        for (std::thread &thread : threads) {
            thread.join();
        }
    }
};

struct Spread {
    double low, median, high; // the quartiles
};

static Spread spread(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    return {values[n / 4], values[n / 2], values[n - 1 - n / 4]};
}

// How many operations fill a slice; 0 if the peer cannot do the row.
static long operations_for(const Peer &peer, const Row &row)
{
    peer.run(row, 1); // warms up
    for (long n = 1;; n *= 4) {
        const double start = now();
        const Cost cost = peer.run(row, n);
        const double took = now() - start;
        if (cost.ns < 0) {
            return 0;
        }
        // Some rows take much longer to set up than what they measure.
        const double measured = cost.ns * static_cast<double>(n);
        const double share =
            std::max(measured / slice_ns, took / (4 * slice_ns));
        if (share > 0.3 || n > 1000000) {
            const double fit = static_cast<double>(n) / share;
            return std::max(1L, static_cast<long>(fit));
        }
    }
}

static void run_row(const Row &row, int rounds, FILE *csv)
{
    const size_t count = peers().size();
    std::vector<long> operations;
    std::vector<std::vector<double>> ns(count), cpu(count), ratio(count),
        cpu_ratio(count);

    use_processors(row.cpus);
    const Hogs hogs(row.hogs);
    for (const Peer *peer : peers()) {
        operations.push_back(operations_for(*peer, row));
    }
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            if (operations[i] > 0) {
                const Cost cost = peers()[i]->run(row, operations[i]);
                ns[i].push_back(cost.ns);
                cpu[i].push_back(cost.cpu_ns);
                ratio[i].push_back(cost.ns / ns[0][round]);
                cpu_ratio[i].push_back(cost.cpu_ns / cpu[0][round]);
            }
        }
    }

    const double unit = spread(ns[0]).median < 1000 ? 1 : 1000;
    const char *const unit_name = row.kind == Kind::bytes ? "B"
                                  : unit == 1             ? "ns"
                                                          : "us";
    printf("%c %-26s %8.2f %-2s", row.group, row.name,
           spread(ns[0]).median / unit, unit_name);
    for (size_t i = 0; i < count; i++) {
        if (operations[i] == 0) {
            printf(" %11s", "n/a");
            fprintf(csv, "\"%c\",\"%s\",\"%s\",,,,,,,,\n", row.group, row.name,
                    peers()[i]->name);
            continue;
        }
        const Spread t = spread(ns[i]), r = spread(ratio[i]);
        const Spread c = spread(cpu[i]), cr = spread(cpu_ratio[i]);
        fprintf(csv,
                "\"%c\",\"%s\",\"%s\",%.2f,%.3f,%.3f,%.3f,%.2f,%.3f,%.3f,"
                "%.3f\n",
                row.group, row.name, peers()[i]->name, t.median, r.low,
                r.median, r.high, c.median, cr.low, cr.median, cr.high);
        if (i > 0) {
            printf(" %6.2f ±%-4.2f", r.median, (r.high - r.low) / 2);
        }
    }
    printf("\n");
    if (row.kind == Kind::fork_join ||
        (row.kind == Kind::wake && !row.parked)) {
        printf("%28s %8.2f us", "processor time", spread(cpu[0]).median / 1000);
        for (size_t i = 1; i < count; i++) {
            if (operations[i] == 0) {
                printf(" %11s", "n/a");
            } else {
                const Spread r = spread(cpu_ratio[i]);
                printf(" %6.2f ±%-4.2f", r.median, (r.high - r.low) / 2);
            }
        }
        printf("\n");
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench ROUNDS CSV ROWS\n");
        return 2;
    }
    FILE *const csv = fopen(argv[2], "w");
    if (csv == nullptr) {
        perror(argv[2]);
        return 2;
    }
    fprintf(csv, "group,row,peer,ns,ratio_low,ratio,ratio_high,"
                 "cpu_ns,cpu_ratio_low,cpu_ratio,cpu_ratio_high\n");
    calibrate_work();
    printf("%-28s %11s", "", peers()[0]->name);
    for (size_t i = 1; i < peers().size(); i++) {
        printf(" %11s", peers()[i]->name);
    }
    printf("\n");
    fflush(stdout);
    for (const Row &row : rows) {
        if (strchr(argv[3], row.group) != nullptr) {
            run_row(row, atoi(argv[1]), csv);
        }
    }
    return fclose(csv) == 0 ? 0 : 1;
}
