/* waiting.c again, with more pauses than 16 bits can count. */
#define WG_SPIN 70000
#include "waiting.c"
