/* The other half of initialised.c. */
#include "initialised.h"

static void add_to_all(void)
{
    wg_add(&by_macro, 1);
    wg_add(&by_macro_shared, 1);
    wg_add(&several[0], 1);
    wg_add(&several[1], 1);
    wg_add(&task.wg, 1);
    wg_add(&task_shared.wg, 1);
    wg_add(local(), 1);
    wg_add(local_shared(), 1);
}

/* 101 is the first that is not the compiler's own. */
#ifdef __cplusplus
struct early {
    early() { add_to_all(); }
};
static early first __attribute__((init_priority(101)));
#else
__attribute__((constructor(101))) static void early(void)
{
    add_to_all();
}
#endif
