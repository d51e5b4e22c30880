// What C programs have today: a counter, a mutex and a condition variable.
#include "../rows.hpp"

namespace
{
struct MutexCond {
    static constexpr bool can_add = true, can_wait_again = true;
    static constexpr bool can_park = true;
    static constexpr int waiters = 1 << 20;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t at_zero = PTHREAD_COND_INITIALIZER;
    int counter = 0;
    double bytes() const { return sizeof(MutexCond); }
    void arm(int n)
    {
        pthread_mutex_lock(&mutex);
        counter += n;
        pthread_mutex_unlock(&mutex);
    }
    void add() { arm(1); }
    void done()
    {
        pthread_mutex_lock(&mutex);
        if (--counter == 0) {
            pthread_cond_broadcast(&at_zero);
        }
        pthread_mutex_unlock(&mutex);
    }
    void wait()
    {
        pthread_mutex_lock(&mutex);
        while (counter != 0) {
            pthread_cond_wait(&at_zero, &mutex);
        }
        pthread_mutex_unlock(&mutex);
    }
};
const Peer peer("mutex", run_row<MutexCond>, true);
} // namespace
