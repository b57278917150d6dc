/*
 * What Valgrind is told of stacks: where they are, that it may know a switch from a deep call, and that one begins anew, or
 * gets its frames from elsewhere. Nothing where its header was not there at build time.
 */
#ifndef SWITCHER_VALGRIND_H
#define SWITCHER_VALGRIND_H

#include <tacet/base.h>

#if TACET_VALGRIND

#include <stdlib.h>
#include <valgrind/memcheck.h>

/* Whether it does: found out with the first mapping for stacks, so that else a branch is all it costs. */
extern bool valgrind_runs __attribute__((visibility("hidden")));

static inline void valgrind_detect(void)
{
    __atomic_store_n(&valgrind_runs, RUNNING_ON_VALGRIND != 0, __ATOMIC_RELAXED); /* all mappings store the same */
}

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
    if (TACET_UNLIKELY(__atomic_load_n(&valgrind_runs, __ATOMIC_RELAXED)))
        VALGRIND_MAKE_MEM_UNDEFINED(base, bytes);
}

#else

static inline void valgrind_detect(void) {}

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
