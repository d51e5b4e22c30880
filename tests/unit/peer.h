/* What shared.c and peer.c have in common: the layout of their memory. */
#ifndef PEER_H
#define PEER_H

#include "wg.h"

enum { DONES = 1000 };

struct shared {
    wg_t wg, answered;
    int32_t sum; /* plain data, written before the dones */
};

#endif
