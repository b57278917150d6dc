/* See descriptors.h. The tables of all executors are in a list, so that whoever closes a descriptor finds whose it is. */
#include "ring/descriptors.h"

#include "executor/executor.h"
#include "op/op.h"

#include <tacet/inline/prepare.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define COUNT_DEFAULT 1024u
#define SLOT_BITS 14
#define SLOT_MASK (TACET_DESCRIPTORS_MAX - 1)
#define IDENTITY_MASK 0xffffu

_Static_assert(1 << SLOT_BITS == TACET_DESCRIPTORS_MAX, "a slot fits");

struct tacet_descriptors {
    struct tacet_descriptors *next; /* in `tables` */
    struct executor *executor;
    uint32_t identity;
    bool kernel_finds_slots;
    bool has_to_close; /* guarded, as to_close[] and the bell: other threads have closed something */
    struct tacet_runnable bell;
    unsigned unused_count; /* slots of the lower half */
    uint16_t *unused;
    bool *is_used, *to_close; /* by slot */
};

static struct {
    pthread_mutex_t mutex; /* guards the list, and what other threads leave in a table */
    struct tacet_descriptors *first;
    uint32_t identities; /* given so far */
} tables = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void lock_tables(void)
{
    pthread_mutex_lock(&tables.mutex);
}

static void unlock_tables(void)
{
    pthread_mutex_unlock(&tables.mutex);
}

/* A forked child has none of its parent's executors. */
static void begin_anew(void)
{
    tables.first = NULL;
    unlock_tables();
}

static void watch_forks(void)
{
    pthread_atfork(lock_tables, unlock_tables, begin_anew);
}

static uint32_t slot_of(int fd)
{
    return (uint32_t)fd & SLOT_MASK;
}

static uint32_t identity_of(int fd)
{
    return (uint32_t)(fd - TACET_DESCRIPTOR_REGISTERED) >> SLOT_BITS;
}

static bool is_of(const struct tacet_descriptors *table, int fd)
{
    return table != NULL && tacet_descriptor_is_registered(fd) && table->identity == identity_of(fd);
}

/* The tables are locked. NULL: the executor of that one is gone, and with it all that it had open. */
static struct tacet_descriptors *find_table(uint32_t identity)
{
    struct tacet_descriptors *table = tables.first;
    while (table != NULL && table->identity != identity)
        table = table->next;
    return table;
}

/* ---- A table's life ---- */

/* Somebody may have closed it twice. The upper half is the kernel's. */
static void vacate(struct tacet_descriptors *table, uint32_t slot)
{
    if (!table->is_used[slot])
        return;
    table->is_used[slot] = false;
    table->unused[table->unused_count++] = (uint16_t)slot;
}

static tacet_result close_slot(struct tacet_descriptors *table, uint32_t slot)
{
    vacate(table, slot);
    return table->executor->ring.ops->update_file(&table->executor->ring, slot, -1);
}

/* What other threads have closed meanwhile. */
static void accept_closes(struct tacet_executor *shared, struct tacet_runnable *bell)
{
    struct tacet_descriptors *table = TACET_CONTAINER_OF(bell, struct tacet_descriptors, bell);
    lock_tables();
    for (uint32_t slot = 0; slot < executor_of(shared)->descriptor_count; slot++)
        if (table->to_close[slot])
            (void)close_slot(table, slot);
    memset(table->to_close, 0, executor_of(shared)->descriptor_count);
    table->has_to_close = false;
    unlock_tables();
}

/* The kernel allows a table as many places as the process may have descriptors. */
static unsigned count_for(const struct executor *executor)
{
    struct rlimit limit = {.rlim_cur = TACET_DESCRIPTORS_MAX};
    unsigned wanted = executor->descriptor_count != 0 ? executor->descriptor_count : COUNT_DEFAULT;
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < wanted ? (unsigned)limit.rlim_cur : wanted;
}

static struct tacet_descriptors *new_table(struct executor *executor, unsigned count)
{
    static const struct tacet_runnable_kind bell_kind = {.accept = accept_closes};
    struct tacet_descriptors *table = calloc(1, sizeof *table + count * (sizeof *table->unused + 2 * sizeof(bool)));
    if (table == NULL)
        return NULL;
    table->executor = executor;
    table->bell.kind = &bell_kind;
    table->unused = (uint16_t *)(table + 1);
    table->is_used = (bool *)(table->unused + count);
    table->to_close = table->is_used + count;
    for (uint32_t slot = count / 2; slot-- > 0;)
        table->unused[table->unused_count++] = (uint16_t)slot;
    return table;
}

static void enlist(struct tacet_descriptors *table)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    lock_tables();
    do
        table->identity = tables.identities++ & IDENTITY_MASK;
    while (find_table(table->identity) != NULL);
    table->next = tables.first;
    tables.first = table;
    unlock_tables();
}

static tacet_result make_table(struct executor *executor)
{
    if (executor->shared.descriptors != NULL)
        return 0;
    if (executor->closing)
        return -ECANCELED;
    unsigned count = executor->descriptor_count = count_for(executor);
    struct tacet_descriptors *table = new_table(executor, count);
    if (table == NULL)
        return -ENOMEM;
    tacet_result r = executor->ring.ops->add_files(&executor->ring, count, &table->kernel_finds_slots);
    if (r < 0) {
        free(table);
        return r;
    }
    enlist(table);
    executor->shared.descriptors = table;
    return 0;
}

static void delist(struct tacet_descriptors *table)
{
    struct tacet_descriptors **link = &tables.first;
    lock_tables();
    while (*link != table)
        link = &(*link)->next;
    *link = table->next;
    unlock_tables();
}

void descriptors_finish(struct executor *executor)
{
    struct tacet_descriptors *table = executor->shared.descriptors;
    if (table == NULL)
        return;
    delist(table);
    executor->ring.ops->remove_files(&executor->ring);
    executor->shared.descriptors = NULL;
    free(table);
}

/* ---- Into the table ---- */

tacet_result tacet_file_register(struct tacet_executor *shared, struct tacet_file *file)
{
    if (shared == NULL || file == NULL)
        return -EINVAL;
    struct executor *executor = executor_of(shared);
    if (!executor_is_mine(executor))
        return -EPERM;
    if (file->fd < 0 || tacet_descriptor_is_registered(file->fd))
        return -EBADF;
    tacet_result r = make_table(executor);
    if (r < 0)
        return r;
    struct tacet_descriptors *table = shared->descriptors;
    if (table->unused_count == 0)
        return -ENFILE;
    uint32_t slot = table->unused[table->unused_count - 1];
    r = executor->ring.ops->update_file(&executor->ring, slot, file->fd);
    if (r < 0)
        return r;
    table->unused_count--;
    table->is_used[slot] = true;
    close(file->fd);
    file->fd = descriptors_name(executor, slot);
    return 0;
}

tacet_result tacet_executor_opens_registered(struct tacet_executor *executor)
{
    if (!tacet_executor_is_here(executor))
        return -EPERM;
    tacet_result r = make_table(executor_of(executor));
    return r < 0 || executor->descriptors->kernel_finds_slots ? r : -EOPNOTSUPP;
}

static tacet_result prepare_open(struct io_uring_sqe *sqe, struct tacet_executor *executor,
                                 const struct tacet_file *dir, const char *path, const struct open_how *how)
{
    tacet_result r = executor == NULL ? -EINVAL : tacet_executor_opens_registered(executor);
    return r < 0 ? r : tacet_prepare_open_registered(sqe, tacet_dir_fd(dir), path, how);
}

tacet_result tacet_file_open_registered_start(struct tacet_op *op, struct tacet_task *task,
                                              const struct tacet_file *dir, const char *path,
                                              const struct open_how *how)
{
    struct io_uring_sqe sqe = {0};
    return op_start(op, task, &sqe, prepare_open(&sqe, tacet_op_start_on(op, task), dir, path, how));
}

tacet_result tacet_file_open_registered(struct tacet_task *task, struct tacet_file *file, const struct tacet_file *dir,
                                        const char *path, const struct open_how *how)
{
    struct io_uring_sqe sqe = {0};
    bool attached = task != NULL && task->level != NULL;
    tacet_result r = prepare_open(&sqe, attached && file != NULL ? tacet_task_executor(task) : NULL, dir, path, how);
    if (r == 0)
        *file = (struct tacet_file){.fd = -1, .flags = (unsigned)how->flags};
    return op_await_for_file(task, file, &sqe, r);
}

/* ---- Use ---- */

int descriptors_name(const struct executor *executor, uint32_t slot)
{
    return (int)(TACET_DESCRIPTOR_REGISTERED | executor->shared.descriptors->identity << SLOT_BITS | slot);
}

/* A descriptor of another executor's is to be closed there. It counts as closed from now on, and nobody waits for it. */
static void close_elsewhere(struct io_uring_sqe *sqe)
{
    (void)descriptor_close(sqe->fd);
    sqe->opcode = IORING_OP_NOP;
    sqe->fd = -1;
}

void tacet_sqe_use_registered(struct tacet_executor *executor, struct io_uring_sqe *sqe)
{
    const struct tacet_descriptors *table = executor->descriptors;
    bool closes = sqe->opcode == IORING_OP_CLOSE;
    if (sqe->opcode == TACET_OPCODE_WAITID) /* in that place it names a process */
        return;
    if (is_of(table, sqe->fd)) {
        uint32_t slot = slot_of(sqe->fd);
        sqe->fd = closes ? 0 : (int)slot;
        if (closes)
            sqe->file_index = slot + 1;
        else
            sqe->flags |= IOSQE_FIXED_FILE;
    } else if (closes) {
        close_elsewhere(sqe);
    } else if (tacet_descriptor_is_registered(sqe->fd)) {
        sqe->fd = -1;
    }
}

/* splice(2), tee(2): the same for where the bytes come from. */
void tacet_sqe_splice_from_registered(struct tacet_executor *executor, struct io_uring_sqe *sqe)
{
    bool is_mine = is_of(executor->descriptors, sqe->splice_fd_in);
    sqe->splice_fd_in = is_mine ? (int)slot_of(sqe->splice_fd_in) : -1;
    if (is_mine)
        sqe->splice_flags |= SPLICE_F_FD_IN_FIXED;
}

/* ---- Closing ---- */

void descriptors_note_closed(struct executor *executor, int fd)
{
    if (is_of(executor->shared.descriptors, fd) && slot_of(fd) < executor->descriptor_count)
        vacate(executor->shared.descriptors, slot_of(fd));
}

/* The tables are locked, so the executor is there. */
static void leave_to_owner(struct tacet_descriptors *table, uint32_t slot)
{
    table->to_close[slot] = true;
    if (!table->has_to_close)
        executor_post(table->executor, &table->bell);
    table->has_to_close = true;
}

static int close_registered(int fd)
{
    tacet_result r = 0;
    lock_tables();
    struct tacet_descriptors *table = find_table(identity_of(fd));
    if (table == NULL || slot_of(fd) >= table->executor->descriptor_count)
        r = -EBADF;
    else if (executor_is_mine(table->executor))
        r = close_slot(table, slot_of(fd));
    else
        leave_to_owner(table, slot_of(fd));
    unlock_tables();
    return (int)r;
}

int descriptor_close(int fd)
{
    if (tacet_descriptor_is_registered(fd))
        return close_registered(fd);
    return close(fd) < 0 ? -errno : 0;
}
