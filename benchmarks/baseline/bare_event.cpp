// The event, the coroutine and the rings of the baseline `bare_event`.
#include "baseline/bare_event.hpp"

#include "baseline/bare_coroutines.hpp"
#include "cases/live_bytes.hpp"
#include "harness/errors.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

namespace bench::baseline {
namespace {

class bare_event {
public:
    void post()
    {
        if (waiter_)
            std::exchange(waiter_, nullptr).resume();
        else
            count_++;
    }

    class taking {
    public:
        explicit taking(bare_event& event) noexcept : event_(event) {}
        bool await_ready() const noexcept
        {
            if (event_.count_ == 0)
                return false;
            event_.count_--;
            return true;
        }
        void await_suspend(std::coroutine_handle<> self) const noexcept { event_.waiter_ = self; }
        void await_resume() const noexcept {}

    private:
        bare_event& event_;
    };

    taking take() noexcept { return taking(*this); }
    bool is_idle() const noexcept { return count_ == 0 && !waiter_; }

private:
    std::uint64_t count_ = 0;
    std::coroutine_handle<> waiter_{};
};

// Who waits at it is resumed when it is opened, one after the other.
class bare_gate {
public:
    explicit bare_gate(std::size_t waiters_max)
    {
        waiting_.reserve(waiters_max);
        opened_.reserve(waiters_max);
    }

    class passing {
    public:
        explicit passing(bare_gate& gate) noexcept : gate_(gate) {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> self) const noexcept { gate_.waiting_.push_back(self); }
        void await_resume() const noexcept {}

    private:
        bare_gate& gate_;
    };

    passing pass() noexcept { return passing(*this); }
    void open()
    {
        opened_.clear();
        std::swap(opened_, waiting_);
        for (const std::coroutine_handle<> waiter : opened_)
            waiter.resume();
    }

private:
    std::vector<std::coroutine_handle<>> waiting_, opened_;
};

struct course {
    bare_gate gate;
    std::uint64_t gated_round = 0; // who begins it passes the gate first
    std::uint64_t end = std::numeric_limits<std::uint64_t>::max();
    std::size_t n;
    std::size_t dead_bytes;
    std::size_t right = 0; // coroutines that have ended as they should
};

struct place {
    bare_event mailbox;
    course* all = nullptr;
    std::size_t index = 0; // in the ring

    place& next() noexcept { return index + 1 == all->n ? *(this - index) : *(this + 1); }
};

struct slab_coroutine {
    struct promise_type {
        static void* operator new(std::size_t bytes, frame_slab& slab, place&) { return slab.take(bytes); }
        static void operator delete(void*) noexcept {}

        slab_coroutine get_return_object() noexcept
        {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };

    std::coroutine_handle<promise_type> handle;
};

template <std::size_t room>
slab_coroutine cycle(frame_slab&, place& mine)
{
    course& all = *mine.all;
    bare_event& next = mine.next().mailbox;
    std::array<unsigned char, room> dead;
    fill_live(dead.data(), std::min(room, all.dead_bytes), mine.index);
    std::uint64_t took = 0;
    std::size_t rounds_to_lead = mine.index;
    for (std::uint64_t round = 0; round != all.end; round++) {
        if (rounds_to_lead == 0) {
            rounds_to_lead = all.n - 1;
            if (round == all.gated_round)
                co_await all.gate.pass();
            next.post();
            co_await mine.mailbox.take();
        } else {
            rounds_to_lead--;
            co_await mine.mailbox.take();
            next.post();
        }
        took++;
    }
    if (took == all.end && live_is_intact(dead.data(), std::min(room, all.dead_bytes), mine.index))
        all.right++;
}

class bare_rings : public ring_set {
public:
    explicit bare_rings(const ring_sizes& sizes)
        : slab_(sizes.n * sizes.rings), all_{.gate = bare_gate(sizes.rings),
                                             .n = sizes.n,
                                             .dead_bytes = sizes.dead_bytes},
          count_(sizes.n * sizes.rings), places_(std::make_unique<place[]>(count_))
    {
        for (std::size_t i = 0; i < count_; i++) {
            places_[i].all = &all_;
            places_[i].index = i % all_.n;
        }
        handles_.reserve(count_);
        const auto start_all = [this]<std::size_t room>() {
            for (std::size_t i = 0; i < count_; i++)
                handles_.push_back(cycle<room>(slab_, places_[i]).handle);
        };
        with_room_for(sizes.dead_bytes, start_all);
        for (const auto handle : handles_)
            handle.resume();
    }
    ~bare_rings() override
    {
        for (const auto handle : handles_)
            handle.destroy();
    }

    void run(std::uint64_t rounds) override
    {
        all_.gated_round += rounds;
        all_.gate.open();
    }
    void finish() override
    {
        all_.end = all_.gated_round + 1;
        all_.gate.open();
        const bool idle = std::all_of(&places_[0], &places_[count_], [](place& at) { return at.mailbox.is_idle(); });
        if (all_.right != count_ || !idle)
            throw wrong_answer("bare_event: not every coroutine took one message a round");
    }

private:
    frame_slab slab_;
    course all_;
    std::size_t count_;
    std::unique_ptr<place[]> places_;
    std::vector<std::coroutine_handle<slab_coroutine::promise_type>> handles_;
};

}

std::unique_ptr<ring_set> make_bare_rings(const ring_sizes& sizes)
{
    return std::make_unique<bare_rings>(sizes);
}

}
