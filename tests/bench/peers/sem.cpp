// POSIX semaphore: a post for each done, and one waiter who takes them all.
#include "../rows.hpp"

namespace
{
struct Semaphore {
    static constexpr bool can_add = false, can_wait_again = false;
    static constexpr bool can_park = true;
    static constexpr int waiters = 1;
    sem_t posts;
    int expected = 0;
    Semaphore() { sem_init(&posts, 0, 0); }
    ~Semaphore() { sem_destroy(&posts); }
    double bytes() const { return sizeof(Semaphore); }
    void arm(int n) { expected = n; }
    void done() { sem_post(&posts); }
    void wait()
    {
        for (; expected > 0; expected--) {
            while (sem_wait(&posts) != 0) {
            }
        }
    }
};
const Peer peer("sem", run_row<Semaphore>);
} // namespace
