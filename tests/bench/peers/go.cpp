// Go's sync.WaitGroup, in a process of its own (go.go) that does a row when
// told to by a line on a pipe, and says what it took.
#include "../bench.hpp"

#include <cstdio>
#include <map>
#include <unistd.h>

namespace
{
struct Process {
    FILE *to = nullptr, *from = nullptr;
};

Process start()
{
    Process process;
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) {
        return process;
    }
    if (fork() == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        for (const int fd : {to[0], to[1], from[0], from[1]}) {
            close(fd);
        }
        execl(GO_BENCH, GO_BENCH, nullptr);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    process.to = fdopen(to[1], "w");
    process.from = fdopen(from[0], "r");
    return process;
}

Cost run(const Row &row, long n)
{
    // It takes over the number of processors that it is started with.
    static std::map<int, Process> processes;
    if (processes.count(row.cpus) == 0) {
        processes[row.cpus] = start();
    }
    const Process &go = processes[row.cpus];
    Cost cost = not_available;
    size_t times = 0;
    fprintf(go.to, "%d %d %d %d %d %d %ld\n", static_cast<int>(row.kind),
            row.threads, row.work, row.parked, row.every, row.rare_work, n);
    fflush(go.to);
    if (fscanf(go.from, "%lf %lf %zu", &cost.ns, &cost.cpu_ns, &times) != 3) {
        return not_available;
    }
    cost.times.resize(times);
    for (float &time : cost.times) {
        if (fscanf(go.from, "%f", &time) != 1) {
            return not_available;
        }
    }
    return cost;
}

const Peer peer("Go", run);
} // namespace
