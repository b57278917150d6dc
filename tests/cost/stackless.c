/*
 * A suspended no-op in C: a `stackless` task, called again when its no-op has completed.
 */
#include "nops.h"

struct nops {
    uint64_t left;
};

static tacet_result nop_body(struct tacet_task *task, void *arg)
{
    struct nops *nops = arg;
    tacet_result r = tacet_task_call_result(task);
    if (r < 0)
        return r;
    return nops->left-- > 0 ? tacet_nop(task) : 0;
}

/* The short way of every operation, and the long one where that is not open. */
static tacet_result inlined_body(struct tacet_task *task, void *arg)
{
    struct nops *nops = arg;
    struct tacet_executor *executor = tacet_task_executor(task);
    if (task->result < 0)
        return task->result;
    if (nops->left-- == 0)
        return 0;
    if (TACET_UNLIKELY(task->attention != 0 || !tacet_submission_has_room(executor)))
        return tacet_nop(task);
    struct io_uring_sqe *sqe = tacet_submission_sqe(executor);
    tacet_result r = tacet_prepare_nop(sqe);
    if (r < 0)
        return r;
    tacet_task_commit_and_park(executor, task, IORING_OP_NOP, sqe, true);
    return TACET_PENDING;
}

static tacet_result run(struct tacet_executor *executor, uint64_t rounds, tacet_task_body *body)
{
    static struct nops nops[COST_TASKS];
    struct tacet_task *tasks[COST_TASKS] = {NULL};
    tacet_result r = 0;
    for (int i = 0; i < COST_TASKS && r == 0; i++) {
        nops[i] = (struct nops){.left = rounds};
        r = tacet_task_create(&tasks[i], tacet_switcher_stackless(), NULL);
        if (r < 0)
            break;
        tacet_task_set_body(tasks[i], body, &nops[i]);
        r = tacet_task_attach(executor, tasks[i]);
    }
    if (r == 0)
        r = tacet_executor_run(executor, TACET_UNTIL_IDLE, NULL);
    for (int i = 0; i < COST_TASKS; i++) {
        if (r >= 0 && tacet_task_result(tasks[i]) < 0)
            r = tacet_task_result(tasks[i]);
        tacet_task_destroy(tasks[i]);
    }
    return r < 0 ? r : 0;
}

tacet_result run_stackless(struct tacet_executor *executor, uint64_t rounds)
{
    return run(executor, rounds, nop_body);
}

tacet_result run_inlined(struct tacet_executor *executor, uint64_t rounds)
{
    return run(executor, rounds, inlined_body);
}
