// The floor: one atomic counter, and a wait that does not sleep.
#include "../rows.hpp"

namespace
{
struct Atomic {
    static constexpr bool can_add = true, can_wait_again = true;
    static constexpr bool can_park = false;
    static constexpr int waiters = 0;
    std::atomic<uint64_t> counter{0};
    double bytes() const { return sizeof counter; }
    void arm(int n) { counter = n; }
    void add() { counter.fetch_add(1, std::memory_order_acq_rel); }
    bool done() { return counter.fetch_sub(1, std::memory_order_acq_rel) == 1; }
    void wait()
    {
        for (int look = 1; counter.load() != 0; look++) {
            look % 64 != 0 ? pause() : (void)sched_yield();
        }
    }
};
const Peer peer("atomic", run_row<Atomic>);
} // namespace
