// A nursery: children that one task waits for. What when_all() and scope stand on.
//
// Invariants: `children` lists those that have not ended; `waiter` is parked exactly while it waits for the last of them.
// The first error cancels the rest, and is what the waiter finds; a cancel of the waiter cancels the children, and the
// wait goes on until they have ended: nothing that they use goes away under them. After either, children are born
// cancelled: they end at their first cancellation point. The deadline of the task beside which they are started is theirs.
#ifndef TACET_DETAIL_NURSERY_HPP
#define TACET_DETAIL_NURSERY_HPP

#include <tacet/op.hpp>

#include <algorithm>

namespace tacet::detail {

class nursery;

// Where children are started, with which priorities and until when: those of a running task.
struct beside {
    explicit beside(const tacet_task* task) noexcept
        : executor(tacet_task_executor(task)), priority(task->priority), ioprio(task->ioprio),
          deadline_ns(task->extra != nullptr ? tacet_task_deadline(task) : TACET_FOREVER)
    {
    }
    tacet_executor* executor;
    std::uint8_t priority;
    std::uint16_t ioprio;
    std::uint64_t deadline_ns;
};

// A child: its task, whose coroutine it owns if its flags say so.
struct child {
    static constexpr std::uint8_t owns = 0x10;
    static_assert((owns & ~TACET_TASK_LAYER_FLAGS) == 0);

    root scheduled; // first
    nursery* parent;
    child *next, *previous;
    promise_base* outcome;
};

class nursery {
public:
    nursery() noexcept {}
    nursery(const nursery&) = delete;
    nursery& operator=(const nursery&) = delete;

    // Children are attached after us, so that an executor that goes away ends them before us.
    ~nursery() { TACET_ASSERT(empty()); }

    bool empty() const noexcept { return children_ == nullptr; }

    // When all have ended: the first error, or null.
    std::exception_ptr take_error() noexcept
    {
        if (abandoned_ && first_error_ == nullptr) [[unlikely]]
            return std::make_exception_ptr(
                std::system_error(error_of(-ECANCELED), "the executor of a child went away"));
        return std::move(first_error_);
    }

    // Starts a coroutine beside such a task, on this thread's executor. Throws if it cannot.
    template <class T>
    void start(const beside& where, const task<T>& body)
    {
        require_coroutine(body, "when_all");
        launch(where, body.get().promise(), body.get(), 0);
    }
    template <class T>
    void start_owned(const beside& where, task<T>&& body)
    {
        require_coroutine(body, "spawn");
        launch(where, body.get().promise(), body.get(), child::owns);
        (void)body.release();
    }

    // How often the waiter has been cancelled, while it waited; of those, of how many such a child knows.
    unsigned cancels() const noexcept { return cancels_; }
    unsigned cancels_known_to(const tacet_task& of_child) const noexcept
    {
        return of_child.attention & TACET_TASK_CANCEL_PENDING ? 0 : cancels_;
    }

    // When all have succeeded: a cancel that none of them has taken is for what the waiter does next.
    void keep_cancel(tacet_task* waiter) const noexcept
    {
        if (cancels_ > cancels_taken_)
            tacet_task_keep_cancel(waiter);
    }

    void cancel() noexcept
    {
        for (child* each = children_; each != nullptr; each = each->next)
            tacet_task_cancel(&each->scheduled.task);
    }

    // Cancels all, and those still to come: nothing more is wanted of them.
    void give_up() noexcept
    {
        given_up_ = true;
        cancel();
    }

    // Waits until all have ended. A cancel of the waiter is handed to the children, which then end with it.
    class [[nodiscard]] awaiter {
    public:
        explicit awaiter(nursery& awaited) noexcept : nursery_(&awaited) {}
        bool await_ready() const noexcept { return nursery_->empty(); }

        template <tacet_promise Promise>
        void await_suspend(std::coroutine_handle<Promise> awaiting) noexcept
        {
            tacet_task* task = awaiting.promise().task;
            task->context = awaiting.address();
            nursery_->waiter_ = task;
            if (tacet_task_take_end_of_wait(task))
                nursery_->hand_on_end(task);
            tacet_task_park(task, &nursery_->hook_, TACET_WAIT_HOOK);
        }
        void await_resume() const noexcept {}

    private:
        nursery* nursery_;
    };
    awaiter wait() noexcept { return awaiter(*this); }

private:
    static void on_cancel(tacet_task* waiter)
    {
        static_cast<nursery*>(waiter->waiting_for)->hand_on_end(waiter); // the hook is its first member
        waiter->wait = TACET_WAIT_HOOK;                                  // it still waits, and may be cancelled again
    }

    // A cancel is handed on. A deadline need not be: the children have it too, but for those that were started before.
    void hand_on_end(const tacet_task* waiter) noexcept
    {
        if (!(waiter->attention & TACET_TASK_TIMING_OUT)) {
            cancels_++;
            give_up();
            return;
        }
        for (child* each = children_; each != nullptr; each = each->next)
            if (tacet_task_deadline(&each->scheduled.task) > tacet_task_deadline(waiter))
                tacet_task_cancel(&each->scheduled.task);
    }

    // Without memory for its timer the child ends, and with it the others.
    [[gnu::noinline, gnu::cold]] void inherit_deadline(tacet_task& heir, std::uint64_t deadline_ns)
    {
        const tacet_result r = tacet_task_set_deadline(&heir, deadline_ns);
        if (r == 0)
            return;
        if (!first_error_)
            first_error_ = std::make_exception_ptr(std::system_error(error_of(r), "a child's deadline"));
        give_up();
    }

    void launch(const beside& where, promise_base& outcome, std::coroutine_handle<> body, std::uint8_t flags)
    {
        child* born = static_cast<child*>(frame_allocate(sizeof(child)));
        ::new (born) child;
        init_root(born->scheduled, body, outcome, ended);
        born->scheduled.task.flags = flags;
        born->scheduled.task.priority = where.priority;
        born->scheduled.task.ioprio = where.ioprio;
        born->parent = this;
        born->previous = nullptr;
        born->outcome = &outcome;
        const tacet_result r = tacet_task_attach_here(where.executor, &born->scheduled.task);
        if (r < 0) [[unlikely]] {
            frame_deallocate(born, sizeof(child));
            throw_error(r, "spawn");
        }
        born->next = children_;
        if (children_ != nullptr)
            children_->previous = born;
        children_ = born;
        if (given_up_)
            tacet_task_cancel(&born->scheduled.task);
        if (where.deadline_ns != TACET_FOREVER) [[unlikely]]
            inherit_deadline(born->scheduled.task, where.deadline_ns);
    }

    static child& of(root& self) noexcept { return reinterpret_cast<child&>(self); }

    static void destroy(child& dead) noexcept
    {
        if (dead.scheduled.task.flags & child::owns)
            dead.scheduled.body.destroy();
        finish_task(dead.scheduled.task);
        frame_deallocate(&dead, sizeof(child));
    }

    void unlink(child& gone) noexcept
    {
        (gone.previous != nullptr ? gone.previous->next : children_) = gone.next;
        if (gone.next != nullptr)
            gone.next->previous = gone.previous;
    }

    // A child's frame goes when its siblings may already be cancelled, but before the waiter goes on.
    static void ended(root& self, bool abandoned) noexcept
    {
        child& gone = of(self);
        nursery& parent = *gone.parent;
        parent.unlink(gone);
        parent.abandoned_ |= abandoned;
        if (!abandoned)
            parent.cancels_taken_ = std::max(parent.cancels_taken_, parent.cancels_known_to(gone.scheduled.task));
        if (!abandoned && gone.outcome->error && !parent.first_error_) {
            parent.first_error_ = gone.outcome->error;
            parent.give_up();
        }
        destroy(gone);
        if (!abandoned && parent.children_ == nullptr && parent.waiter_ != nullptr)
            go_on(std::exchange(parent.waiter_, nullptr));
    }

    static void go_on(tacet_task* waiter) noexcept { tacet_task_unpark(waiter, tacet_task_take_end(waiter, 0)); }

    tacet_wait_hook hook_{on_cancel}; // first
    child* children_ = nullptr;
    tacet_task* waiter_ = nullptr;
    std::exception_ptr first_error_{};
    bool given_up_ = false;
    unsigned cancels_ = 0, cancels_taken_ = 0; // of the waiter, while it waited
    bool abandoned_ = false; // a child has been; the waiter, if it comes to see that, is away from another executor
};

static_assert(std::is_standard_layout_v<nursery>, "its first member has its address");

} // namespace tacet::detail

#endif
