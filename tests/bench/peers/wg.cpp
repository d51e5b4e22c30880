// wg.h. `run` builds this several times, with other headers and other values of
// WG_SPIN, under other names.
#include "../rows.hpp"

#include "wg.h"

#ifndef NAME
#define NAME "wg.h"
#endif

namespace
{
struct Wg {
    static constexpr bool can_add = true, can_wait_again = true;
    static constexpr bool can_park = true;
    static constexpr int waiters = 1 << 20;
    wg_t wg = WG_INIT;
    double bytes() const { return sizeof wg; }
    void arm(int n) { wg_add(&wg, n); }
    void add() { wg_add(&wg, 1); }
    void done() { wg_done(&wg); }
    void wait() { wg_wait(&wg); }
};
const Peer peer(NAME, run_row<Wg>, true);
} // namespace
