/* See stack.h. */
#include "switcher/stack.h"

#include "switcher/overflow.h"
#include "switcher/valgrind.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define MAPPING_BYTES ((size_t)64 << 20)
#define SLOTS_MIN 4
#define STACK_ALIGNMENT 64
#define STACK_BYTES_MIN 4096
#define GIVEN_BACK ((stack_free)1)

#if TACET_VALGRIND
bool valgrind_runs;
#endif

static size_t class_bytes(unsigned index)
{
    return (size_t)1 << (STACK_CLASS_MIN + index);
}

size_t stack_guard_bytes(void)
{
    static size_t page; /* always the same, whoever writes it */
    size_t bytes = __atomic_load_n(&page, __ATOMIC_RELAXED);
    if (TACET_UNLIKELY(bytes == 0)) {
        bytes = (size_t)sysconf(_SC_PAGESIZE);
        __atomic_store_n(&page, bytes, __ATOMIC_RELAXED);
    }
    return bytes;
}

/* The smallest that holds so many bytes. */
static unsigned class_of(size_t bytes)
{
    return bytes <= class_bytes(0) ? 0 : stack_bits(bytes) - STACK_CLASS_MIN;
}

static TACET_COLD tacet_result refuse(struct stack_pool *pool, enum stack_refusal why)
{
    pool->refusal = why;
    return why == STACK_TOO_LARGE ? -EINVAL : -ENOMEM;
}

/* A guard needs no mapping of its own where the kernel has guard regions; else each splits the mapping in two. */
static bool install_guard(char *page)
{
    return madvise(page, stack_guard_bytes(), MADV_GUARD_INSTALL) == 0 ||
           mprotect(page, stack_guard_bytes(), PROT_NONE) == 0;
}

/* Room for all the stacks of a class, so that giving one back cannot fail. */
static bool reserve_free(struct stack_class *class, size_t slots)
{
    stack_free *grown = realloc(class->free, (class->free_max + slots) * sizeof *grown);
    if (grown == NULL)
        return false;
    class->free = grown;
    class->free_max += slots;
    return true;
}

/* A limit on the address space may allow a smaller one than was asked for. */
static char *map_slots(size_t *slots, size_t slot_bytes)
{
    for (; *slots > 0; *slots /= 2) {
        char *base = mmap(NULL, *slots * slot_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (base != MAP_FAILED)
            return base;
    }
    return NULL;
}

/* Address space for further stacks of a class, as much as there is already: a million stacks take few mappings. Memory
 * is only taken when a stack is used. */
static tacet_result add_mapping(struct stack_pool *pool, struct stack_class *class, size_t slot_bytes)
{
    size_t bytes = pool->mapped_bytes > MAPPING_BYTES ? pool->mapped_bytes : MAPPING_BYTES;
    size_t slots = bytes / slot_bytes > SLOTS_MIN ? bytes / slot_bytes : SLOTS_MIN;
    struct stack_mapping *mapping = malloc(sizeof *mapping);
    if (mapping == NULL)
        return refuse(pool, STACK_WITHOUT_MEMORY);
    char *base = map_slots(&slots, slot_bytes);
    if (base == NULL) {
        free(mapping);
        return refuse(pool, STACK_WITHOUT_ADDRESSES);
    }
    if (!reserve_free(class, slots)) {
        munmap(base, slots * slot_bytes);
        free(mapping);
        return refuse(pool, STACK_WITHOUT_MEMORY);
    }
    *mapping = (struct stack_mapping){.next = pool->mappings, .base = base, .bytes = slots * slot_bytes};
    valgrind_detect();
    mapping->valgrind_ids = valgrind_ids_create(slots);
    pool->mappings = mapping;
    pool->mapped_bytes += mapping->bytes;
    class->mapping = mapping;
    class->carve_next = base;
    class->carve_end = base + mapping->bytes;
    overflow_watch();
    return 0;
}

static tacet_result carve(struct stack_pool *pool, unsigned index, struct stack *stack)
{
    struct stack_class *class = &pool->classes[index];
    size_t slot_bytes = stack_guard_bytes() + class_bytes(index);
    if (class->carve_next == class->carve_end) {
        tacet_result r = add_mapping(pool, class, slot_bytes);
        if (r < 0)
            return r;
    }
    if (!install_guard(class->carve_next))
        return refuse(pool, STACK_WITHOUT_GUARD);
    *stack = (struct stack){class->carve_next + stack_guard_bytes(), class_bytes(index)};
    class->carve_next += slot_bytes;
    if (class->mapping->valgrind_ids != NULL)
        class->mapping->valgrind_ids[class->mapping->valgrind_count++] = valgrind_register(stack->base, stack->bytes);
    return 0;
}

static tacet_result take_pooled(struct stack_pool *pool, struct stack *stack, size_t bytes)
{
    unsigned index = class_of(bytes);
    struct stack_class *class = &pool->classes[index];
    tacet_result r = 0;
    pthread_mutex_lock(&pool->mutex);
    if (TACET_LIKELY(class->free_count > 0)) {
        stack_free taken = class->free[--class->free_count];
        *stack = (struct stack){(char *)(taken & ~GIVEN_BACK), class_bytes(index)};
        pool->free_bytes -= taken & GIVEN_BACK ? 0 : stack->bytes;
    } else {
        r = carve(pool, index, stack);
    }
    pthread_mutex_unlock(&pool->mutex);
    return r;
}

static tacet_result take_from_user(const struct tacet_switcher_options *options, struct stack *stack, size_t bytes)
{
    if (bytes < STACK_BYTES_MIN)
        bytes = STACK_BYTES_MIN;
    bytes = (bytes + STACK_ALIGNMENT - 1) / STACK_ALIGNMENT * STACK_ALIGNMENT;
    *stack = (struct stack){options->allocate(options->allocator, bytes, STACK_ALIGNMENT), bytes};
    return stack->base != NULL ? 0 : -ENOMEM;
}

static TACET_COLD tacet_result refuse_too_large(struct stack_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    tacet_result r = refuse(pool, STACK_TOO_LARGE);
    pthread_mutex_unlock(&pool->mutex);
    return r;
}

tacet_result stack_take(struct stack_pool *pool, const struct tacet_switcher_options *options, struct stack *stack,
                        size_t bytes)
{
    if (bytes == 0)
        bytes = options->stack_bytes;
    if (bytes < stack_guard_bytes()) /* slots are whole pages */
        bytes = stack_guard_bytes();
    if (bytes > STACK_BYTES_MAX)
        return refuse_too_large(pool);
    return TACET_LIKELY(options->allocate == NULL) ? take_pooled(pool, stack, bytes)
                                                   : take_from_user(options, stack, bytes);
}

void stack_give(struct stack_pool *pool, const struct tacet_switcher_options *options, const struct stack *stack)
{
    if (options->allocate != NULL) {
        options->deallocate(options->allocator, stack->base, stack->bytes);
        return;
    }
    struct stack_class *class = &pool->classes[class_of(stack->bytes)];
    stack_free given = (stack_free)stack->base;
    pthread_mutex_lock(&pool->mutex);
    if (pool->free_bytes + stack->bytes > options->pooled_bytes_max &&
        madvise(stack->base, stack->bytes, MADV_DONTNEED) == 0)
        given |= GIVEN_BACK;
    else
        pool->free_bytes += stack->bytes;
    class->free[class->free_count++] = given;
    pthread_mutex_unlock(&pool->mutex);
}

const char *stack_pool_explain(struct stack_pool *pool)
{
    static const char *const words[] = {
        [STACK_NOT_REFUSED] = "",
        [STACK_TOO_LARGE] = "a stack may have 256 MiB at most",
        [STACK_WITHOUT_MEMORY] = "no memory to keep count of further stacks",
        [STACK_WITHOUT_ADDRESSES] =
            "no address space for further stacks: see ulimit -v, and sysctl vm.overcommit_memory, "
            "vm.max_map_count",
        [STACK_WITHOUT_GUARD] =
            "no guard for a further stack: where the kernel lacks MADV_GUARD_INSTALL (Linux 6.13) each "
            "takes two mappings, of which the stock vm.max_map_count (65530) allows enough for about "
            "32,700 stacks; sysctl vm.max_map_count raises it",
    };
    pthread_mutex_lock(&pool->mutex);
    enum stack_refusal refusal = pool->refusal;
    pthread_mutex_unlock(&pool->mutex);
    return words[refusal];
}

void stack_pool_finish(struct stack_pool *pool)
{
    while (pool->mappings != NULL) {
        struct stack_mapping *mapping = pool->mappings;
        pool->mappings = mapping->next;
        valgrind_ids_destroy(mapping->valgrind_ids, mapping->valgrind_count);
        munmap(mapping->base, mapping->bytes);
        free(mapping);
    }
    for (unsigned i = 0; i < STACK_CLASSES; i++)
        free(pool->classes[i].free);
}
