/* Stands in for Valgrind's: valgrind.c supplies what these note. */
void note(char request, const volatile void *address, unsigned long size);
#define VALGRIND_HG_DISABLE_CHECKING(address, size) note('d', address, size)
#define ANNOTATE_HAPPENS_BEFORE(address) note('<', address, 0)
#define ANNOTATE_HAPPENS_AFTER(address) note('>', address, 0)
