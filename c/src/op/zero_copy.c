/* See zero_copy.h. Completions are collected where nothing may be started, so it is a callback that makes the send again. */
#include "op/zero_copy.h"

#include "base/list.h"
#include "op/op.h"
#include "ring/completion.h"

#include <tacet/socket.h>

#include <stdlib.h>

struct kept_send {
    struct tacet_op again;       /* its callback: the run loop calls it */
    struct tacet_list_node node; /* in the executor's list, oldest first */
    struct tacet_request *request;
    struct io_uring_sqe sqe;
};

static bool was_cancelled(const struct tacet_request *request)
{
    return request->attention & (TACET_OP_CANCEL_IN_FLIGHT | TACET_OP_CANCEL_ASKED);
}

static void send_plainly(struct tacet_op *op)
{
    struct kept_send *kept = TACET_CONTAINER_OF(op, struct kept_send, again);
    struct tacet_executor *executor = op->owner.executor;
    struct io_uring_sqe *sqe;
    tacet_result r = was_cancelled(kept->request) ? -ECANCELED : tacet_op_begin(executor, IORING_OP_SEND, &sqe);
    if (r == 0) {
        *sqe = kept->sqe;
        sqe->opcode = IORING_OP_SEND;
        executor->sq.tail++;
        kept->request->attention &= (uint8_t)~TACET_OP_BY_FLAGS;
    } else {
        completion_terminal(executor_of(executor), kept->request, r);
    }
    free(kept);
}

/* Without memory for that it ends with -ENOMEM if it comes to that. */
void tacet_zero_copy_started(struct tacet_executor *shared, struct tacet_request *request)
{
    struct kept_send *kept = malloc(sizeof *kept);
    if (kept == NULL)
        return;
    (void)!tacet_op_init_callback(&kept->again, shared, send_plainly, TACET_PRIORITY_HIGH);
    kept->request = request;
    kept->sqe = shared->sq.sqes[(shared->sq.tail - 1) & shared->sq.mask];
    list_push_back(&executor_of(shared)->kept_sends, &kept->node);
}

static struct kept_send *take_kept(struct executor *executor, const struct tacet_request *request)
{
    struct tacet_list_node *list = &executor->kept_sends;
    for (struct tacet_list_node *node = list->next; node != list; node = node->next) {
        struct kept_send *kept = TACET_CONTAINER_OF(node, struct kept_send, node);
        if (kept->request == request) {
            list_remove(node);
            return kept;
        }
    }
    return NULL;
}

bool zero_copy_is_made_again(struct executor *executor, struct tacet_request *request, tacet_result *result)
{
    struct kept_send *kept = take_kept(executor, request);
    bool is_wanted = !was_cancelled(request) && !executor->closing;
    if (kept != NULL && *result == -ENOMEM && !is_wanted)
        *result = -ECANCELED; /* nothing was sent */
    if (kept == NULL || *result != -ENOMEM) {
        free(kept);
        return false;
    }
    tacet_level_push(&executor->shared.ready.levels[TACET_PRIORITY_HIGH], &kept->again.runnable);
    return true;
}
