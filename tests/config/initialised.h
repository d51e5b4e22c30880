/* The groups of initialised.c, to which early.c adds. */
#ifndef INITIALISED_H
#define INITIALISED_H

#include "wg.h"

struct task {
    int number;
    wg_t wg;
};

#ifdef __cplusplus
extern "C" {
#endif
extern wg_t by_macro, by_macro_shared, several[2];
extern struct task task, task_shared;
wg_t *local(void);
wg_t *local_shared(void);
#ifdef __cplusplus
}
#endif

#endif
