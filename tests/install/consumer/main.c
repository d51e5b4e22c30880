/* What a user writes first: four threads, one wait. Prints the version. */
#include <wg.h>

#include <stdio.h>

static void count(void *arg)
{
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
}

int main(void)
{
    wg_t wg = WG_INIT;
    int counted = 0;
    for (int i = 0; i < 4; i++) {
        if (wg_go(&wg, count, &counted) != 0) {
            return 1;
        }
    }
    wg_wait(&wg);
    printf("%d.%d.%d\n", WG_VERSION_MAJOR, WG_VERSION_MINOR, WG_VERSION_PATCH);
    return counted == 4 ? 0 : 1;
}
