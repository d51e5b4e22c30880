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

// Joins of 5 us, but one in so many is of rare_work.
static Row mixed(const char *name, int every, int rare_work)
{
    Row row = {'c', name, Kind::fork_join, 1, 5};
    row.every = every;
    row.rare_work = rare_work;
    return row;
}

// Pairs of threads that begin anew after so many joins.
static Row fresh(const char *name, int pairs, int cpus, long operations)
{
    Row row = {'p', name, Kind::fork_join, pairs, 5, cpus, true};
    row.operations = operations;
    return row;
}

static Row living(const char *name, int pairs, int cpus, double life_ms)
{
    Row row = {'q', name, Kind::fork_join, pairs, 5, cpus, true};
    row.life_ms = life_ms;
    return row;
}

static Row in_use(const char *name, Kind kind, int cpus)
{
    Row row = {'s', name, kind, 1, 2, cpus, true};
    row.hogs = true;
    row.life_ms = 300;
    return row;
}

static Row stopped(const char *name)
{
    Row row = {'s', name, Kind::stopped, 1, 5};
    row.life_ms = 300;
    return row;
}

static const Row rows[] = {
    {'a', "done", Kind::done},
    {'a', "add and done", Kind::pair},
    {'a', "wait at zero", Kind::wait_at_zero},
    {'b', "done by 1 thread", Kind::done_shared, 1},
    {'b', "done by 2 threads", Kind::done_shared, 2},
    {'b', "done by 4 threads", Kind::done_shared, 4},
    {'b', "done by 8 threads", Kind::done_shared, 8},
    {'b', "2 threads 1 cache line", Kind::neighbours, 2},
    {'c', "join: 0 us of work", Kind::fork_join, 1, 0},
    {'c', "join: 1 us of work", Kind::fork_join, 1, 1},
    {'c', "join: 5 us of work", Kind::fork_join, 1, 5},
    {'c', "join: 20 us of work", Kind::fork_join, 1, 20},
    {'c', "join: 100 us of work", Kind::fork_join, 1, 100},
    mixed("joins: 9 of 5 us, 1 of 200", 10, 200),
    mixed("joins: 50 of 5 us, 1 of 1 ms", 51, 1000),
    {'c', "2 threads in turn, 2 us each", Kind::in_turn, 2, 2},
    fresh("1 pair on 2 cpus, fresh", 1, 2, 500),
    fresh("4 pairs on 2 cpus, fresh", 4, 2, 150),
    fresh("16 pairs on 2 cpus, fresh", 16, 2, 32),
    fresh("1 pair on 1 cpu, fresh", 1, 1, 500),
    fresh("4 pairs on 1 cpu, fresh", 4, 1, 150),
    fresh("16 pairs on 1 cpu, fresh", 16, 1, 32),
    {'p', "64 waiters on 2 cpus", Kind::wake, 64, 20, 2},
    {'p', "64 waiters on 1 cpu", Kind::wake, 64, 20, 1},
    living("4 pairs on 2 cpus, 1 s", 4, 2, 1000),
    living("16 pairs on 2 cpus, 1 s", 16, 2, 1000),
    living("4 pairs on 1 cpu, 1 s", 4, 1, 1000),
    living("16 pairs on 1 cpu, 1 s", 16, 1, 1000),
    in_use("in use: 1 pair, 2 us", Kind::fork_join, 2),
    in_use("in use: 1 pair, 2 us, 1 cpu", Kind::fork_join, 1),
    in_use("in use: in turn, 2 us each", Kind::in_turn, 2),
    stopped("stopped: join of 5 us"),
    {'d', "wake 1", Kind::wake, 1, 0, 2, true},
    {'d', "wake 4", Kind::wake, 4, 0, 2, true},
    {'d', "wake 16", Kind::wake, 16, 0, 2, true},
    {'d', "wake 64", Kind::wake, 64, 0, 2, true},
    {'d', "wake 256", Kind::wake, 256, 0, 2, true},
    {'e', "Uncontended", Kind::uncontended, 2},
    {'e', "AddDone", Kind::add_done, 2},
    {'e', "AddDoneWork", Kind::add_done, 2, 100},
    {'e', "Wait", Kind::wait, 2},
    {'e', "WaitWork", Kind::wait, 2, 100},
    {'e', "ActuallyWait", Kind::actually_wait, 2},
    {'f', "bytes of the object", Kind::bytes},
};

double loops_per_us;

// A function, as the peers enlist themselves before main begins.
static std::vector<Peer *> &peers()
{
    static std::vector<Peer *> list;
    return list;
}

Peer::Peer(const char *name, Cost (*run)(const Row &, long), bool endures)
    : name(name), run(run), endures(endures)
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

static cpu_set_t all_processors;

// Confines this thread, and those that it will start, to some processors.
static void use_processors(int first, int count)
{
    cpu_set_t some;
    CPU_ZERO(&some);
    for (int cpu = 0, i = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &all_processors)) {
            if (i >= first && i < first + count) {
                CPU_SET(cpu, &some);
            }
            i++;
        }
    }
    sched_setaffinity(0, sizeof some, &some);
}

// A thread on each processor that always wants to run, as of another program.
class Hogs
{
    std::atomic<bool> enough{false};
    std::vector<std::thread> threads;

  public:
    explicit Hogs(int count)
    {
        for (int i = 0; i < count; i++) {
            threads.emplace_back([this, i] {
                use_processors(i, 1);
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

// How many operations a thread's life is long; 0 if the peer does not do the
// row.
static long operations_for(const Peer &peer, const Row &row)
{
    const double life_ns = 1e6 * row.life_ms;
    if (row.life_ms >= 1000 && !peer.endures) {
        return 0;
    }
    // Warms up, and shows what it takes to set up a life: threads, for example.
    const double set_up = now();
    if (peer.run(row, 1).ns < 0) {
        return 0;
    }
    const double once = now() - set_up;
    for (long n = 1; row.operations == 0; n *= 4) {
        const double start = now();
        const Cost cost = peer.run(row, n);
        const double took = now() - start - once;
        // Some rows do much for each operation besides what they measure.
        const double measured = cost.ns * static_cast<double>(n);
        const double share = std::max(measured / life_ns, took / (4 * life_ns));
        if (share > (row.life_ms < 100 ? 0.3 : 0.1) || n > 1000000) {
            const double fit = static_cast<double>(n) / share;
            return std::max(1L, static_cast<long>(fit));
        }
    }
    return row.operations;
}

// What one peer has shown in one row.
struct Results {
    long operations; // a round; 0: it does not do the row
    std::vector<double> ns, cpu_ns, ratio, cpu_ratio; // a value a round
    std::vector<float> times; // of each operation of all rounds
};

// The time that all but one operation of a thousand kept; 0 if there is none.
static double percentile_99_9(std::vector<float> &times)
{
    if (times.size() < 1000) {
        return 0;
    }
    const auto at = times.end() - static_cast<long>(times.size() / 1000);
    std::nth_element(times.begin(), at, times.end());
    return *at;
}

static void print_ratio(const std::vector<double> &ratios)
{
    const Spread r = spread(ratios);
    printf(" %6.2f ±%-4.2f", r.median, (r.high - r.low) / 2);
}

static void run_row(const Row &row, int rounds, FILE *csv)
{
    use_processors(0, row.cpus);
    const Hogs hogs(row.hogs ? row.cpus : 0);
    std::vector<Results> results;
    for (const Peer *peer : peers()) {
        results.push_back({operations_for(*peer, row), {}, {}, {}, {}, {}});
    }
    if (row.life_ms > 8) { // 25 would take too long
        rounds = std::max(1, rounds * 7 / 25);
    }
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < peers().size(); i++) {
            Results &own = results[i];
            if (own.operations > 0) {
                const Cost cost = peers()[i]->run(row, own.operations);
                own.ns.push_back(cost.ns);
                own.cpu_ns.push_back(cost.cpu_ns);
                own.ratio.push_back(cost.ns / results[0].ns[round]);
                own.cpu_ratio.push_back(cost.cpu_ns / results[0].cpu_ns[round]);
                own.times.insert(own.times.end(), cost.times.begin(),
                                 cost.times.end());
            }
        }
    }

    const Results &base = results[0];
    const double unit = spread(base.ns).median < 1000 ? 1 : 1000;
    const char *const unit_name = row.kind == Kind::bytes ? "B"
                                  : unit == 1             ? "ns"
                                                          : "us";
    const double base_tail = percentile_99_9(results[0].times);
    const bool has_cpu = !base.times.empty() || row.kind == Kind::fork_join ||
                         (row.kind == Kind::wake && !row.parked);
    std::vector<double> tails;
    for (Results &own : results) {
        tails.push_back(percentile_99_9(own.times));
    }

    printf("%c %-28s %8.2f %-2s", row.group, row.name,
           spread(base.ns).median / unit, unit_name);
    for (size_t i = 1; i < results.size(); i++) {
        results[i].operations > 0 ? print_ratio(results[i].ratio)
                                  : (void)printf(" %11s", "n/a");
    }
    if (base_tail > 0) {
        printf("\n%30s %8.2f us", "99.9th percentile", base_tail / 1000);
        for (size_t i = 1; i < results.size(); i++) {
            tails[i] > 0 ? printf(" %6.2f      ", tails[i] / base_tail)
                         : printf(" %11s", "n/a");
        }
    }
    if (has_cpu) {
        printf("\n%30s %8.2f us", "processor time",
               spread(base.cpu_ns).median / 1000);
        for (size_t i = 1; i < results.size(); i++) {
            results[i].operations > 0 ? print_ratio(results[i].cpu_ratio)
                                      : (void)printf(" %11s", "n/a");
        }
    }
    printf("\n");
    fflush(stdout);

    for (size_t i = 0; i < results.size(); i++) {
        fprintf(csv, "\"%c\",\"%s\",\"%s\",", row.group, row.name,
                peers()[i]->name);
        if (results[i].operations == 0) {
            fprintf(csv, ",,,,,,,,\n");
            continue;
        }
        const Spread t = spread(results[i].ns), r = spread(results[i].ratio);
        const Spread c = spread(results[i].cpu_ns);
        const Spread cr = spread(results[i].cpu_ratio);
        fprintf(csv, "%.2f,%.3f,%.3f,%.3f,%.2f,%.3f,%.3f,%.3f,%.0f\n", t.median,
                r.low, r.median, r.high, c.median, cr.low, cr.median, cr.high,
                tails[i]);
    }
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
                 "cpu_ns,cpu_ratio_low,cpu_ratio,cpu_ratio_high,"
                 "percentile_99_9_ns\n");
    sched_getaffinity(0, sizeof all_processors, &all_processors);
    if (CPU_COUNT(&all_processors) < 2) {
        fprintf(stderr, "bench: too few processors: the rows need 2\n");
        return 2;
    }
    calibrate_work();
    printf("%-30s %11s", "", peers()[0]->name);
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
