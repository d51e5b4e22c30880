// absl::BlockingCounter: counts down once, for one waiter.
#include "../rows.hpp"

#include <absl/synchronization/blocking_counter.h>
#include <optional>

namespace
{
struct Absl {
    static constexpr bool can_add = false, can_wait_again = false;
    static constexpr bool can_park = true;
    static constexpr int waiters = 1;
    std::optional<absl::BlockingCounter> counter;
    double bytes() const { return sizeof(absl::BlockingCounter); }
    void arm(int n) { counter.emplace(n); }
    void done() { counter->DecrementCount(); }
    void wait() { counter->Wait(); }
};
const Peer peer("absl", run_row<Absl>);
} // namespace
