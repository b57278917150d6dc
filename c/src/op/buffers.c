/*
 * See tacet/buffer.h. One mapping, small buffers first, each known to the kernel by its number:
 *
 *     | 0 | 1 | 2 | ... |    n    |   n + 1   | ...        n = small_count
 *
 *     FREE --claim--> CLAIMED --release--> FREE, or straight to the first who waits
 *                        |
 *                        +--release while in flight--> RETURNING --its last operation has ended--> FREE, or the same
 *
 * Owner thread only. Invariants: `out` buffers are not FREE; a buffer is available only if nobody waits for one of its size; a
 * pool is its executor's until one of the two goes.
 */
#include "op/buffers.h"

#include "base/list.h"
#include "op/at_once.h"
#include "op/op.h"
#include "task/c_task.h"

#include <tacet/buffer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define BYTES_MAX ((size_t)1 << 30) /* the kernel's limit */

struct size_class {
    struct tacet_wait_hook hook; /* what tasks wait for */
    struct tacet_buffer *free;   /* the one that was used last is the first */
    struct tacet_list_node waiting[TACET_PRIORITY_COUNT];
    unsigned count, available;
};

struct tacet_buffer_pool {
    struct executor *executor; /* NULL: gone */
    struct size_class classes[TACET_BUFFER_SIZE_COUNT];
    void *memory;
    size_t memory_bytes;
    unsigned count, out;
    bool abandoned; /* it goes when it can */
    char why[128];
    struct tacet_buffer buffers[];
};

/* ---- Making it, and its end ---- */

static const struct tacet_buffer_pool_options defaults = {.small_count = 64,
                                                          .large_count = 16,
                                                          .small_bytes = 16u << 10,
                                                          .large_bytes = 128u << 10};

static size_t whole_pages(size_t bytes, size_t otherwise)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return ((bytes != 0 ? bytes : otherwise) + page - 1) / page * page;
}

static tacet_result check_options(const struct tacet_buffer_pool_options *options)
{
    uint64_t count = (uint64_t)options->small_count + options->large_count;
    bool fits = count > 0 && count <= TACET_BUFFERS_REGISTERED_MAX && options->small_bytes <= BYTES_MAX &&
                options->large_bytes <= BYTES_MAX;
    return fits ? 0 : -EINVAL;
}

static void put_free(struct tacet_buffer_pool *pool, struct tacet_buffer *buffer)
{
    struct size_class *class = &pool->classes[buffer->size];
    buffer->state = TACET_BUFFER_FREE;
    buffer->next = class->free;
    class->free = buffer;
    class->available++;
}

static void cancel_wait(struct tacet_task *task)
{
    list_remove(&task->wait_node);
    tacet_task_unpark(task, -ECANCELED);
}

/* From the last to the first, which is then the first to be claimed. */
static void fill_class(struct tacet_buffer_pool *pool, enum tacet_buffer_size size, unsigned first, unsigned count,
                       char *memory, size_t bytes)
{
    struct size_class *class = &pool->classes[size];
    class->hook.on_cancel = cancel_wait;
    class->count = count;
    for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++)
        list_init(&class->waiting[level]);
    for (unsigned i = count; i-- > 0;) {
        struct tacet_buffer *buffer = &pool->buffers[first + i];
        *buffer = (struct tacet_buffer){
            .data = memory + i * bytes,
            .bytes = bytes,
            .pool = pool,
            .number = (uint16_t)(first + i),
            .size = (uint8_t)size,
        };
        put_free(pool, buffer);
    }
}

static tacet_result map(struct tacet_buffer_pool **pool, const struct tacet_buffer_pool_options *options)
{
    size_t small = whole_pages(options->small_bytes, defaults.small_bytes);
    size_t large = whole_pages(options->large_bytes, defaults.large_bytes);
    unsigned count = options->small_count + options->large_count;
    struct tacet_buffer_pool *made = calloc(1, sizeof *made + count * sizeof *made->buffers);
    if (made == NULL)
        return -ENOMEM;
    made->count = count;
    made->memory_bytes = options->small_count * small + options->large_count * large;
    made->memory = mmap(NULL, made->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made->memory == MAP_FAILED) {
        free(made);
        return -ENOMEM;
    }
    char *memory = made->memory;
    fill_class(made, TACET_BUFFER_SMALL, 0, options->small_count, memory, small);
    fill_class(made, TACET_BUFFER_LARGE, options->small_count, options->large_count,
               memory + options->small_count * small, large);
    *pool = made;
    return 0;
}

static const char *reason_of(tacet_result r)
{
    switch (-r) {
    case 0:
        return "registered";
    case ENOMEM:
        return "not registered: no memory, or more than may be locked (raise ulimit -l, or make the pool smaller)";
    case ENOSYS:
        return "not registered: the kernel is too old (5.13 is needed)";
    case ENOTSUP:
        return "not registered: the executor has no ring";
    default:
        return NULL;
    }
}

static void explain(struct tacet_buffer_pool *pool, tacet_result r)
{
    if (reason_of(r) != NULL)
        snprintf(pool->why, sizeof pool->why, "%s", reason_of(r));
    else
        snprintf(pool->why, sizeof pool->why, "not registered: io_uring_register: %s", strerror((int)-r));
}

static tacet_result register_all(struct tacet_buffer_pool *pool, struct ring *ring)
{
    struct iovec *vectors = malloc(pool->count * sizeof *vectors);
    if (vectors == NULL)
        return -ENOMEM;
    madvise(pool->memory, pool->memory_bytes, MADV_HUGEPAGE); /* all of it will be there, in few pages if it can be */
    for (unsigned i = 0; i < pool->count; i++)
        vectors[i] = (struct iovec){pool->buffers[i].data, pool->buffers[i].bytes};
    tacet_result r = ring->ops->register_buffers(ring, vectors, pool->count);
    free(vectors);
    return r;
}

static void adopt(struct executor *executor, struct tacet_buffer_pool *pool, bool is_to_be_registered)
{
    pool->executor = executor;
    for (unsigned i = 0; i < pool->count; i++)
        pool->buffers[i].executor = &executor->shared;
    executor->shared.buffers = pool->buffers;
    if (is_to_be_registered) {
        tacet_result r = register_all(pool, &executor->ring);
        executor->shared.has_registered_buffers = r == 0;
        explain(pool, r);
    } else {
        snprintf(pool->why, sizeof pool->why, "not registered: the options say so");
    }
}

tacet_result tacet_buffer_pool_create(struct tacet_buffer_pool **pool, struct tacet_executor *shared,
                                      const struct tacet_buffer_pool_options *options)
{
    if (options == NULL)
        options = &defaults;
    if (pool == NULL || shared == NULL || check_options(options) < 0)
        return -EINVAL;
    *pool = NULL;
    struct executor *executor = executor_of(shared);
    if (!executor_is_mine(executor))
        return -EPERM;
    if (shared->buffers != NULL)
        return -EBUSY;
    tacet_result r = map(pool, options);
    if (r == 0)
        adopt(executor, *pool, !options->not_registered);
    return r;
}

static void leave_executor(struct tacet_buffer_pool *pool)
{
    struct tacet_executor *shared = &pool->executor->shared;
    for (unsigned i = 0; i < pool->count; i++)
        pool->buffers[i].executor = NULL;
    pool->executor = NULL;
    shared->buffers = NULL;
    shared->has_registered_buffers = false;
}

static void destroy(struct tacet_buffer_pool *pool)
{
    if (pool->executor != NULL) {
        struct ring *ring = &pool->executor->ring;
        if (pool->executor->shared.has_registered_buffers)
            ring->ops->unregister_buffers(ring);
        leave_executor(pool);
    }
    munmap(pool->memory, pool->memory_bytes);
    free(pool);
}

static bool is_mine(const struct tacet_buffer_pool *pool)
{
    return pool->executor == NULL || executor_is_mine(pool->executor);
}

static bool is_waited_for(const struct tacet_buffer_pool *pool)
{
    return tacet_buffer_pool_waiting(pool, TACET_BUFFER_SMALL) + tacet_buffer_pool_waiting(pool, TACET_BUFFER_LARGE) >
           0;
}

tacet_result tacet_buffer_pool_destroy(struct tacet_buffer_pool *pool)
{
    if (pool == NULL)
        return 0;
    if (!is_mine(pool))
        return -EPERM;
    if (pool->out > 0 || is_waited_for(pool))
        return -EBUSY;
    destroy(pool);
    return 0;
}

static void dismiss_waiting(struct size_class *class)
{
    for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++)
        while (!list_empty(&class->waiting[level]))
            cancel_wait(TACET_CONTAINER_OF(class->waiting[level].next, struct tacet_task, wait_node));
}

void tacet_buffer_pool_abandon(struct tacet_buffer_pool *pool)
{
    if (pool == NULL || !is_mine(pool))
        return;
    pool->abandoned = true;
    for (unsigned size = 0; size < TACET_BUFFER_SIZE_COUNT; size++)
        dismiss_waiting(&pool->classes[size]);
    if (pool->executor == NULL || pool->out == 0)
        destroy(pool);
}

/* Who still held one is gone, or finds that it was released. */
void buffers_orphan(struct executor *executor)
{
    if (executor->shared.buffers == NULL)
        return;
    struct tacet_buffer_pool *pool = executor->shared.buffers[0].pool;
    TACET_ASSERT(!is_waited_for(pool));
    leave_executor(pool);
    pool->out = 0;
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->buffers[i].state != TACET_BUFFER_FREE)
            put_free(pool, &pool->buffers[i]);
    if (pool->abandoned)
        destroy(pool);
}

/* ---- What it tells of itself ---- */

bool tacet_buffer_pool_is_registered(const struct tacet_buffer_pool *pool)
{
    return pool != NULL && pool->executor != NULL && pool->executor->shared.has_registered_buffers;
}

const char *tacet_buffer_pool_why(const struct tacet_buffer_pool *pool)
{
    return pool != NULL ? pool->why : "";
}

static bool is_size(const struct tacet_buffer_pool *pool, enum tacet_buffer_size size)
{
    return pool != NULL && (unsigned)size < TACET_BUFFER_SIZE_COUNT;
}

unsigned tacet_buffer_pool_available(const struct tacet_buffer_pool *pool, enum tacet_buffer_size size)
{
    return is_size(pool, size) ? pool->classes[size].available : 0;
}

unsigned tacet_buffer_pool_waiting(const struct tacet_buffer_pool *pool, enum tacet_buffer_size size)
{
    unsigned count = 0;
    for (unsigned level = 0; is_size(pool, size) && level < TACET_PRIORITY_COUNT; level++) {
        const struct tacet_list_node *list = &pool->classes[size].waiting[level];
        for (const struct tacet_list_node *node = list->next; node != list; node = node->next)
            count++;
    }
    return count;
}

struct tacet_buffer *tacet_buffer_at(const struct tacet_buffer_pool *pool, tacet_result number)
{
    if (pool == NULL || number < 0 || number >= pool->count)
        return NULL;
    struct tacet_buffer *buffer = (struct tacet_buffer *)&pool->buffers[number];
    return buffer->state == TACET_BUFFER_CLAIMED ? buffer : NULL;
}

/* ---- Claiming and releasing ---- */

static tacet_result check_claim(const struct tacet_buffer_pool *pool, enum tacet_buffer_size size)
{
    if (!is_size(pool, size) || pool->classes[size].count == 0)
        return -EINVAL;
    if (pool->executor == NULL || !executor_is_mine(pool->executor))
        return -EPERM;
    return pool->abandoned ? -ECANCELED : 0;
}

static tacet_result claim(struct tacet_buffer_pool *pool, struct tacet_buffer *buffer)
{
    TACET_ASSERT(buffer->in_flight == 0);
    buffer->state = TACET_BUFFER_CLAIMED;
    pool->out++;
    return buffer->number;
}

static tacet_result take(struct tacet_buffer_pool *pool, struct size_class *class)
{
    struct tacet_buffer *buffer = class->free;
    if (buffer == NULL)
        return -EAGAIN;
    class->free = buffer->next;
    class->available--;
    return claim(pool, buffer);
}

tacet_result tacet_buffer_try_claim(struct tacet_buffer_pool *pool, enum tacet_buffer_size size)
{
    tacet_result r = check_claim(pool, size);
    return r < 0 ? r : take(pool, &pool->classes[size]);
}

tacet_result tacet_buffer_park(struct tacet_task *task, struct tacet_buffer_pool *pool, enum tacet_buffer_size size)
{
    struct size_class *class = &pool->classes[size];
    if (&pool->executor->shared != tacet_task_executor(task))
        return -EPERM;
    TACET_ASSERT(class->available == 0);
    list_push_back(&class->waiting[task_io_level(task)], &task->wait_node);
    tacet_task_park(task, class, TACET_WAIT_HOOK);
    return 0;
}

tacet_result tacet_buffer_claim(struct tacet_task *task, struct tacet_buffer_pool *pool, enum tacet_buffer_size size)
{
    if (task == NULL)
        return -EINVAL;
    bool interrupted = task->attention & (TACET_TASK_CANCEL_PENDING | TACET_TASK_TIMED_OUT);
    tacet_result r = interrupted ? -EAGAIN : tacet_buffer_try_claim(pool, size);
    if (r != -EAGAIN)
        return r;
    r = call_check(task);
    if (r == 0)
        r = tacet_buffer_park(task, pool, size);
    return r < 0 ? r : task_give_up(task);
}

static struct tacet_task *first_waiting(struct size_class *class)
{
    for (unsigned level = 0; level < TACET_PRIORITY_COUNT; level++)
        if (!list_empty(&class->waiting[level]))
            return TACET_CONTAINER_OF(class->waiting[level].next, struct tacet_task, wait_node);
    return NULL;
}

/* Nobody uses it any more: it goes to whoever waits first. */
static void come_back(struct tacet_buffer_pool *pool, struct tacet_buffer *buffer)
{
    struct tacet_task *waiting = first_waiting(&pool->classes[buffer->size]);
    pool->out--;
    if (waiting != NULL) {
        list_remove(&waiting->wait_node);
        tacet_task_unpark(waiting, claim(pool, buffer));
        return;
    }
    put_free(pool, buffer);
    if (pool->abandoned && pool->out == 0)
        destroy(pool);
}

tacet_result tacet_buffer_release(struct tacet_buffer *buffer)
{
    if (buffer == NULL)
        return -EINVAL;
    struct tacet_buffer_pool *pool = buffer->pool;
    if (!is_mine(pool))
        return -EPERM;
    if (buffer->state != TACET_BUFFER_CLAIMED)
        return -EINVAL;
    if (buffer->in_flight > 0)
        buffer->state = TACET_BUFFER_RETURNING;
    else
        come_back(pool, buffer);
    return 0;
}

void buffers_note_end(struct executor *executor, const struct tacet_request *request)
{
    unsigned number = request->tag == TACET_TAG_AWAIT ? TACET_CONTAINER_OF(request, struct tacet_task, request)->buffer
                                                      : TACET_CONTAINER_OF(request, struct tacet_op, request)->buffer;
    struct tacet_buffer *buffer = &executor->shared.buffers[number];
    TACET_ASSERT(buffer->in_flight > 0);
    if (--buffer->in_flight == 0 && buffer->state == TACET_BUFFER_RETURNING)
        come_back(buffer->pool, buffer);
}

/* ---- Reading and writing ---- */

/* Whether its memory may be read or written without the ring, if that does. */
static bool may_use(const struct tacet_task *task, const struct tacet_buffer *buffer, size_t at, size_t bytes)
{
    return tacet_buffer_fits(buffer, at, bytes) && buffer->executor == tacet_task_executor(task);
}

tacet_result tacet_read_buffer_at_once(struct tacet_task *task, int fd, const struct tacet_buffer *buffer, size_t at,
                                       size_t bytes, uint64_t offset)
{
    if (!may_use(task, buffer, at, bytes))
        return TACET_PENDING;
    return tacet_read_at_once(task, fd, (char *)buffer->data + at, bytes, offset);
}

tacet_result tacet_write_buffer_at_once(struct tacet_task *task, int fd, const struct tacet_buffer *buffer, size_t at,
                                        size_t bytes, uint64_t offset)
{
    if (!may_use(task, buffer, at, bytes))
        return TACET_PENDING;
    return tacet_write_at_once(task, fd, (const char *)buffer->data + at, bytes, offset);
}

tacet_result tacet_file_read_buffer(struct tacet_task *task, const struct tacet_file *file,
                                    const struct tacet_buffer *buffer, size_t at, size_t bytes, uint64_t offset)
{
    struct io_uring_sqe *sqe;
    tacet_result r = TACET_PENDING;
    if (task == NULL || file == NULL)
        return -EINVAL;
    if (may_use(task, buffer, at, bytes))
        r = at_once_read(task, file, (char *)buffer->data + at, bytes, offset);
    if (r != TACET_PENDING)
        return r;
    r = call_begin(task, IORING_OP_READ_FIXED, &sqe);
    return r < 0 ? r
                 : call_await(task, IORING_OP_READ_FIXED, sqe,
                              tacet_prepare_read_buffer(sqe, tacet_task_executor(task), file->fd, buffer, at, bytes,
                                                        offset));
}

tacet_result tacet_file_write_buffer(struct tacet_task *task, const struct tacet_file *file,
                                     const struct tacet_buffer *buffer, size_t at, size_t bytes, uint64_t offset)
{
    struct io_uring_sqe *sqe;
    tacet_result r = TACET_PENDING;
    if (task == NULL || file == NULL)
        return -EINVAL;
    if (may_use(task, buffer, at, bytes))
        r = at_once_write(task, file, (const char *)buffer->data + at, bytes, offset);
    if (r != TACET_PENDING)
        return r;
    r = call_begin(task, IORING_OP_WRITE_FIXED, &sqe);
    return r < 0 ? r
                 : call_await(task, IORING_OP_WRITE_FIXED, sqe,
                              tacet_prepare_write_buffer(sqe, tacet_task_executor(task), file->fd, buffer, at, bytes,
                                                         offset));
}
