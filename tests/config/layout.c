/* layout.c - the layout of a group, by numbers: no configuration may change it.
   Compiled only. */
#include "wg.h"

#ifdef __cplusplus
#define ASSERT(condition) static_assert(condition, #condition)
#else
#define ASSERT(condition) _Static_assert(condition, #condition)
#endif

struct after_a_byte {
    char byte;
    wg_t wg;
};

ASSERT(sizeof(wg_t) == 16);
ASSERT(__alignof__(wg_t) == 8);
ASSERT(offsetof(wg_t, state) == 0);
ASSERT(offsetof(wg_t, word) == 8);
ASSERT(offsetof(wg_t, race) == 12);
ASSERT(offsetof(wg_t, spare) == 13);
ASSERT(sizeof(((wg_t *)0)->state) == 8);
ASSERT(sizeof(((wg_t *)0)->word) == 4);
ASSERT(sizeof(((wg_t *)0)->race) == 1);
ASSERT(sizeof(((wg_t *)0)->spare) == 3);
ASSERT(sizeof(struct after_a_byte) == 24);
ASSERT(offsetof(struct after_a_byte, wg) == 8);
ASSERT(sizeof(wg_t[3]) == 48);
