// nsync_counter: counts up no more once it was waited for, so each round has a
// new one. The last but one is freed, as no call can be inside it any more.
#include "../rows.hpp"

#include <malloc.h>
#include <nsync.h>

namespace
{
struct Nsync {
    static constexpr bool can_add = true, can_wait_again = false;
    static constexpr bool can_park = true;
    static constexpr int waiters = 1 << 20;
    nsync::nsync_counter counter = nsync::nsync_counter_new(0);
    nsync::nsync_counter previous = nullptr;
    ~Nsync()
    {
        release();
        nsync::nsync_counter_free(counter);
    }
    void release()
    {
        if (previous != nullptr) {
            nsync::nsync_counter_free(previous);
        }
    }
    double bytes() const
    {
        return sizeof counter + malloc_usable_size(counter);
    }
    void arm(int n)
    {
        release();
        previous = counter;
        counter = nsync::nsync_counter_new(n);
    }
    void add() { nsync::nsync_counter_add(counter, 1); }
    void done() { nsync::nsync_counter_add(counter, -1); }
    void wait()
    {
        nsync::nsync_counter_wait(counter, nsync::nsync_time_no_deadline);
    }
};
const Peer peer("nsync", run_row<Nsync>);
} // namespace
