// Tasks of any executors that stand in a queue, before an event or a channel, for what another thread will bring.
//
// A waiter is part of the awaiter, so of the waiting coroutine's frame; what it stands before has the queue, and a lock
// for it. Who takes a waiter out of the queue, under that lock, has the sole right to end its wait, and the duty: the
// task and its executor stay until it has. So the wait is ended after the lock has been given back, and what was waited
// for is not touched any more then: the first who goes on may be its end.
#ifndef TACET_DETAIL_WAITERS_HPP
#define TACET_DETAIL_WAITERS_HPP

#include <tacet/detail/short_lock.hpp>
#include <tacet/handover.h>
#include <tacet/task.hpp>

#include <atomic>
#include <mutex>

namespace tacet::detail {

struct waiter {
    enum class place : std::uint8_t {
        queued,
        taken,    // its wake is on its way
        orphaned, // the queue has gone: nothing but a cancel ends the wait
    };

    tacet_wait_hook hook; // first: see leave()
    tacet_list_node node;
    tacet_task* task;
    short_lock* lock;
    std::atomic<place> where; // changed under the lock

    // The running task begins to wait, here; the lock is held. As soon as it is not, the wait may be over.
    void park(tacet_task* waiting, short_lock& held) noexcept
    {
        hook.on_cancel = leave;
        task = waiting;
        lock = &held;
        where.store(place::queued, std::memory_order_relaxed);
        tacet_task_park_external(waiting, &hook);
    }

private:
    // A cancel: out of the queue, if it is still there. What has been brought meanwhile is not lost: the cancel waits.
    static void leave(tacet_task* waiting)
    {
        waiter& self = *static_cast<waiter*>(waiting->waiting_for);
        if (self.leave_queue())
            tacet_task_unpark_external(waiting, -ECANCELED);
        else
            tacet_task_keep_cancel(waiting);
    }

    bool leave_queue() noexcept
    {
        // acquire: pairs with the release in orphan_all()
        const place found = where.load(std::memory_order_acquire);
        if (found != place::queued)
            return found == place::orphaned;
        const std::lock_guard held(*lock);
        if (where.load(std::memory_order_relaxed) != place::queued)
            return false;
        node.prev->next = node.next;
        node.next->prev = node.prev;
        return true;
    }
};

static_assert(std::is_standard_layout_v<waiter>, "its first member has its address");

// In the order of their coming. For who holds the lock.
class waiter_queue {
public:
    waiter_queue() noexcept : ends_{&ends_, &ends_} {}
    waiter_queue(const waiter_queue&) = delete;
    waiter_queue& operator=(const waiter_queue&) = delete;

    bool empty() const noexcept { return ends_.next == &ends_; }

    void push(waiter& last) noexcept
    {
        last.node.next = &ends_;
        last.node.prev = ends_.prev;
        ends_.prev->next = &last.node;
        ends_.prev = &last.node;
    }

    // There is one. The caller must end its wait.
    waiter& take() noexcept
    {
        waiter& first = of(ends_.next);
        ends_.next = first.node.next;
        ends_.next->prev = &ends_;
        first.where.store(waiter::place::taken, std::memory_order_relaxed);
        return first;
    }

    // All, for end_waits().
    tacet_list_node* take_all() noexcept
    {
        if (empty())
            return nullptr;
        for (tacet_list_node* each = ends_.next; each != &ends_; each = each->next)
            of(each).where.store(waiter::place::taken, std::memory_order_relaxed);
        ends_.prev->next = nullptr;
        tacet_list_node* first = ends_.next;
        ends_.next = ends_.prev = &ends_;
        return first;
    }

    // Before it goes: those who stand here wait for nothing, until they are cancelled.
    void orphan_all() noexcept
    {
        for (tacet_list_node *each = ends_.next, *next; each != &ends_; each = next) {
            next = each->next;
            of(each).where.store(waiter::place::orphaned, std::memory_order_release); // pairs with leave_queue()
        }
    }

    static waiter& of(tacet_list_node* node) noexcept { return *TACET_CONTAINER_OF(node, waiter, node); }

private:
    tacet_list_node ends_;
};

// Of all that were taken. None of them is there any more when its wait has ended.
inline void end_waits(tacet_list_node* first, tacet_result result) noexcept
{
    while (first != nullptr) {
        tacet_list_node* next = first->next;
        tacet_task_unpark_external(waiter_queue::of(first).task, result);
        first = next;
    }
}

} // namespace tacet::detail

#endif
