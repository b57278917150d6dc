/*
 * What Valgrind is told of stacks: where they are, that it may know a switch from a deep call, and that one begins anew. Some
 * instructions that do nothing where Valgrind does not run; nothing where its header was not there at build time.
 */
#ifndef SWITCHER_VALGRIND_H
#define SWITCHER_VALGRIND_H

#include <stddef.h>

#if TACET_VALGRIND

#include <stdlib.h>
#include <valgrind/memcheck.h>

static inline unsigned *valgrind_ids_create(size_t count)
{
    return RUNNING_ON_VALGRIND ? calloc(count, sizeof(unsigned)) : NULL;
}

static inline unsigned valgrind_register(const char *base, size_t bytes)
{
    return VALGRIND_STACK_REGISTER(base, base + bytes - 1);
}

static inline void valgrind_ids_destroy(unsigned *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        VALGRIND_STACK_DEREGISTER(ids[i]);
    free(ids);
}

/* It may be written: frames were here that have gone. */
static inline void valgrind_forget(const void *base, size_t bytes)
{
    VALGRIND_MAKE_MEM_UNDEFINED(base, bytes);
}

#else

static inline unsigned *valgrind_ids_create(size_t count)
{
    (void)count;
    return NULL;
}

static inline unsigned valgrind_register(const char *base, size_t bytes)
{
    (void)base, (void)bytes;
    return 0;
}

static inline void valgrind_ids_destroy(unsigned *ids, size_t count)
{
    (void)ids, (void)count;
}

static inline void valgrind_forget(const void *base, size_t bytes)
{
    (void)base, (void)bytes;
}

#endif

#endif
