/* See stack.h. */
#include "switcher/stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define GUARD_BYTES ((size_t)4096)
#define MAPPING_BYTES ((size_t)64 << 20)
#define SLOTS_MIN 4
#define STACK_ALIGNMENT 64

static size_t class_bytes(unsigned index)
{
    return (size_t)1 << (STACK_CLASS_MIN + index);
}

static unsigned class_of(size_t bytes)
{
    unsigned index = 0;
    while (class_bytes(index) < bytes)
        index++;
    return index;
}

/* A guard needs no mapping of its own where the kernel has guard regions; else each splits the mapping in two. */
static tacet_result install_guard(char *page)
{
    if (madvise(page, GUARD_BYTES, MADV_GUARD_INSTALL) == 0)
        return 0;
    return mprotect(page, GUARD_BYTES, PROT_NONE) == 0 ? 0 : -ENOMEM;
}

/* Address space for further stacks of a class, as much as there is already: a million stacks take few mappings. Memory
 * is only taken when a stack is used. */
static tacet_result add_mapping(struct stack_pool *pool, unsigned index)
{
    size_t slot = class_bytes(index) + GUARD_BYTES;
    size_t bytes = pool->mapped_bytes > MAPPING_BYTES ? pool->mapped_bytes : MAPPING_BYTES;
    size_t slots = bytes / slot > SLOTS_MIN ? bytes / slot : SLOTS_MIN;
    struct stack_mapping *mapping = malloc(sizeof *mapping);
    if (mapping == NULL)
        return -ENOMEM;
    char *base = MAP_FAILED;
    for (; slots > 0; slots /= 2) { /* a limit on the address space may allow a smaller one */
        base = mmap(NULL, slots * slot, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK,
                    -1, 0);
        if (base != MAP_FAILED)
            break;
    }
    if (base == MAP_FAILED) {
        free(mapping);
        return -ENOMEM;
    }
    *mapping = (struct stack_mapping){pool->mappings, base, slots * slot};
    pool->mappings = mapping;
    pool->mapped_bytes += slots * slot;
    pool->classes[index].carve_next = base;
    pool->classes[index].carve_end = base + slots * slot;
    return 0;
}

static tacet_result carve(struct stack_pool *pool, unsigned index, struct stack *stack)
{
    struct stack_class *class = &pool->classes[index];
    if (class->carve_next == class->carve_end) {
        tacet_result r = add_mapping(pool, index);
        if (r < 0)
            return r;
    }
    tacet_result r = install_guard(class->carve_next);
    if (r < 0)
        return r;
    *stack = (struct stack){class->carve_next + GUARD_BYTES, class_bytes(index)};
    class->carve_next += GUARD_BYTES + class_bytes(index);
    return 0;
}

/* Where a free stack keeps the top of the next free one: in the page that every use of it touches. */
static char **free_link(char *top)
{
    return (char **)(void *)(top - sizeof(char *));
}

static tacet_result take_pooled(struct stack_pool *pool, struct stack *stack, size_t bytes)
{
    unsigned index = class_of(bytes);
    struct stack_class *class = &pool->classes[index];
    tacet_result r = 0;
    pthread_mutex_lock(&pool->mutex);
    if (class->free != NULL) {
        *stack = (struct stack){class->free - class_bytes(index), class_bytes(index)};
        class->free = *free_link(class->free);
        pool->free_bytes -= class_bytes(index);
    } else {
        r = carve(pool, index, stack);
    }
    pthread_mutex_unlock(&pool->mutex);
    return r;
}

tacet_result stack_take(struct stack_pool *pool, const struct tacet_switcher_options *options, struct stack *stack,
                        size_t bytes)
{
    if (bytes == 0)
        bytes = options->stack_bytes;
    if (bytes > class_bytes(STACK_CLASSES - 1))
        return -EINVAL;
    if (options->allocate == NULL)
        return take_pooled(pool, stack, bytes);
    bytes = bytes / STACK_ALIGNMENT * STACK_ALIGNMENT;
    *stack = (struct stack){options->allocate(options->allocator, bytes, STACK_ALIGNMENT), bytes};
    return stack->base != NULL ? 0 : -ENOMEM;
}

void stack_give(struct stack_pool *pool, const struct tacet_switcher_options *options, const struct stack *stack)
{
    if (options->allocate != NULL) {
        options->deallocate(options->allocator, stack->base, stack->bytes);
        return;
    }
    struct stack_class *class = &pool->classes[class_of(stack->bytes)];
    char *top = stack->base + stack->bytes;
    pthread_mutex_lock(&pool->mutex);
    if (pool->free_bytes + stack->bytes > options->pooled_bytes_max)
        madvise(stack->base, stack->bytes, MADV_DONTNEED);
    *free_link(top) = class->free;
    class->free = top;
    pool->free_bytes += stack->bytes;
    pthread_mutex_unlock(&pool->mutex);
}

void stack_pool_finish(struct stack_pool *pool)
{
    while (pool->mappings != NULL) {
        struct stack_mapping *mapping = pool->mappings;
        pool->mappings = mapping->next;
        munmap(mapping->base, mapping->bytes);
        free(mapping);
    }
}
