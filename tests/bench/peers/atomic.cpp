// The floor: one atomic counter, and a wait that does not sleep. A processor
// may do a fetch-and-add faster if nobody asks for the result.
#include "../rows.hpp"

namespace
{
template <bool result_is_used> struct Atomic {
    static constexpr bool can_add = true, can_wait_again = true;
    static constexpr bool can_park = false;
    static constexpr int waiters = 0;
    std::atomic<uint64_t> counter{0};
    double bytes() const { return sizeof counter; }
    void arm(int n) { counter = n; }
    void fetch_add(uint64_t delta)
    {
        const uint64_t old =
            counter.fetch_add(delta, std::memory_order_acq_rel);
        if (result_is_used) {
            __asm__ volatile("" : : "r"(old));
        }
    }
    void add() { fetch_add(1); }
    void done() { fetch_add(-1); }
    void wait()
    {
        for (int look = 1; counter.load() != 0; look++) {
            look % 64 != 0 ? pause() : (void)sched_yield();
        }
    }
};
const Peer xadd("atomic", run_row<Atomic<true>>);
const Peer sub("no result", run_row<Atomic<false>>);
} // namespace
