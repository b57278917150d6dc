// The rule of the case `cycle` in the three ways of writing a body; a mailbox is a semaphore with none available.
#include "cases/rings.hpp"

#include "cases/live_bytes.hpp"
#include "cases/rig.hpp"
#include "harness/errors.hpp"

#include <fmt/format.h>
#include <tacet/tacet.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace bench {
namespace {

constexpr unsigned ring_entries = 64;

// What all tasks of a set look at.
struct course {
    tacet::semaphore gate{0};
    std::uint64_t gated_round = 0; // who begins it passes the gate first
    std::uint64_t end = std::numeric_limits<std::uint64_t>::max();
    std::size_t n;
    std::size_t dead_bytes;
};

struct place {
    tacet::semaphore mailbox{0};
    course* all = nullptr;
    std::size_t index = 0; // in the ring

    place& next() noexcept { return index + 1 == all->n ? *(this - index) : *(this + 1); }
};

// rounds_to_lead: until the task begins one, which it does when round % n is its index.
tacet_result cycle_on_stack(tacet_task* task, void* argument)
{
    place& mine = *static_cast<place*>(argument);
    tacet_semaphore* const mailbox = mine.mailbox.get();
    tacet_semaphore* const next = mine.next().mailbox.get();
    course& all = *mine.all;
    auto* dead = static_cast<unsigned char*>(__builtin_alloca(all.dead_bytes));
    fill_live(dead, all.dead_bytes, mine.index);
    tacet_result took = 0;
    std::size_t rounds_to_lead = mine.index;
    for (std::uint64_t round = 0; round != all.end; round++) {
        tacet_result r = 0;
        if (rounds_to_lead == 0) {
            rounds_to_lead = all.n - 1;
            if (round == all.gated_round)
                r = tacet_semaphore_acquire(task, all.gate.get());
            if (r < 0)
                return r;
            tacet_semaphore_release(next, 1);
            r = tacet_semaphore_acquire(task, mailbox);
        } else {
            rounds_to_lead--;
            r = tacet_semaphore_acquire(task, mailbox);
            tacet_semaphore_release(next, 1);
        }
        if (r < 0)
            return r;
        took++;
    }
    return live_is_intact(dead, all.dead_bytes, mine.index) ? took : -EBADMSG;
}

// What the same keeps as a state machine; its dead bytes follow it.
struct machine_state {
    enum class step { choose, lead, follow, count };

    place* mine;
    std::uint64_t round;
    std::size_t rounds_to_lead;
    tacet_result took;
    step at; // what comes after the wait
};

unsigned char* dead_of(machine_state* state)
{
    return reinterpret_cast<unsigned char*>(state + 1);
}

// Decides what the round begins with.
tacet_result choose(tacet_task* task, machine_state& state)
{
    place& mine = *state.mine;
    if (state.rounds_to_lead != 0) {
        state.rounds_to_lead--;
        state.at = machine_state::step::follow;
        return tacet_semaphore_acquire(task, mine.mailbox.get());
    }
    state.rounds_to_lead = mine.all->n - 1;
    state.at = machine_state::step::lead;
    return state.round == mine.all->gated_round ? tacet_semaphore_acquire(task, mine.all->gate.get()) : 0;
}

// Of what it waits for, TACET_PENDING is the answer, which is below 0 too.
tacet_result cycle_by_returning(tacet_task* task, void* argument)
{
    using step = machine_state::step;
    auto& state = *static_cast<machine_state*>(argument);
    place& mine = *state.mine;
    tacet_result r = state.at == step::choose ? 0 : tacet_task_call_result(task);
    while (r >= 0) {
        switch (state.at) {
        case step::choose:
            if (state.round == mine.all->end)
                return live_is_intact(dead_of(&state), mine.all->dead_bytes, mine.index) ? state.took : -EBADMSG;
            r = choose(task, state);
            break;
        case step::lead:
            tacet_semaphore_release(mine.next().mailbox.get(), 1);
            state.at = step::count;
            r = tacet_semaphore_acquire(task, mine.mailbox.get());
            break;
        case step::follow:
            tacet_semaphore_release(mine.next().mailbox.get(), 1);
            [[fallthrough]];
        case step::count:
            state.took++;
            state.round++;
            state.at = step::choose;
        }
    }
    return r;
}

template <std::size_t room>
tacet::task<tacet_result> cycle(place& mine)
{
    course& all = *mine.all;
    tacet::semaphore& next = mine.next().mailbox;
    std::array<unsigned char, room> dead;
    fill_live(dead.data(), std::min(room, all.dead_bytes), mine.index);
    tacet_result took = 0;
    std::size_t rounds_to_lead = mine.index;
    for (std::uint64_t round = 0; round != all.end; round++) {
        if (rounds_to_lead == 0) {
            rounds_to_lead = all.n - 1;
            if (round == all.gated_round)
                co_await all.gate.acquire();
            next.release();
            co_await mine.mailbox.acquire();
        } else {
            rounds_to_lead--;
            co_await mine.mailbox.acquire();
            next.release();
        }
        took++;
    }
    if (!live_is_intact(dead.data(), std::min(room, all.dead_bytes), mine.index))
        throw wrong_answer("a coroutine's bytes have changed");
    co_return took;
}

// All but the tasks, which a Rig holds.
template <class Rig>
class rings : public ring_set {
public:
    explicit rings(const ring_sizes& sizes)
        : all_{.n = sizes.n, .dead_bytes = sizes.dead_bytes}, rings_(sizes.rings), count_(sizes.n * sizes.rings),
          places_(std::make_unique<place[]>(count_)), rig_(ring_entries, false)
    {
        for (std::size_t i = 0; i < count_; i++) {
            places_[i].all = &all_;
            places_[i].index = i % sizes.n;
        }
    }

    void run(std::uint64_t rounds) override
    {
        all_.gated_round += rounds;
        all_.gate.release(rings_);
        rig_.run_until_idle();
    }
    void finish() override
    {
        all_.end = all_.gated_round + 1;
        all_.gate.release(rings_);
        rig_.run_until_idle();
        check(take_results());
    }

protected:
    virtual std::vector<tacet_result> take_results() = 0;

    std::size_t count() const { return count_; }
    place& at(std::size_t i) { return places_[i]; }
    Rig& rig() { return rig_; }

    std::unique_ptr<std::byte[]> states_; // of state machines; they go after the tasks

private:
    void check(const std::vector<tacet_result>& took)
    {
        check_sum(took, all_.end * count_);
        for (std::size_t i = 0; i < count_; i++) {
            const tacet_semaphore* mailbox = places_[i].mailbox.get();
            if (took[i] != static_cast<tacet_result>(all_.end) || mailbox->available != 0)
                throw wrong_answer(fmt::format("after {} rounds a task took {} messages and {} are left", all_.end,
                                               took[i], mailbox->available));
        }
    }

    course all_;
    std::size_t rings_;
    std::size_t count_;
    std::unique_ptr<place[]> places_;
    Rig rig_;
};

class stack_rings : public rings<bench::rig> {
public:
    stack_rings(tacet_switcher* switcher, const ring_sizes& sizes) : rings(sizes)
    {
        for (std::size_t i = 0; i < count(); i++)
            rig().add(switcher, cycle_on_stack, &at(i));
        rig().run_until_idle();
    }

private:
    std::vector<tacet_result> take_results() override { return rig().results(); }
};

class machine_rings : public rings<bench::rig> {
public:
    machine_rings(tacet_switcher* switcher, const ring_sizes& sizes) : rings(sizes)
    {
        const std::size_t state_bytes = (sizeof(machine_state) + sizes.dead_bytes + alignof(machine_state) - 1) /
                                        alignof(machine_state) * alignof(machine_state);
        states_ = std::make_unique<std::byte[]>(state_bytes * count());
        for (std::size_t i = 0; i < count(); i++) {
            const std::size_t index = at(i).index;
            auto* state = ::new (states_.get() + state_bytes * i)
                machine_state{&at(i), 0, index, 0, machine_state::step::choose};
            fill_live(dead_of(state), sizes.dead_bytes, index);
            rig().add(switcher, cycle_by_returning, state);
        }
        rig().run_until_idle();
    }

private:
    std::vector<tacet_result> take_results() override { return rig().results(); }
};

class coroutine_rings : public rings<coroutine_rig> {
public:
    explicit coroutine_rings(const ring_sizes& sizes) : rings(sizes)
    {
        const auto add_all = [this]<std::size_t room>() {
            for (std::size_t i = 0; i < count(); i++)
                rig().add(cycle<room>(at(i)));
        };
        with_room_for(sizes.dead_bytes, add_all);
        rig().run_until_idle();
    }

private:
    std::vector<tacet_result> take_results() override { return rig().take_results(); }
};

}

std::unique_ptr<ring_set> make_rings(const switcher_kind& kind, const ring_sizes& sizes)
{
    switch (kind.suspended) {
    case keeps::frame:
        return std::make_unique<coroutine_rings>(sizes);
    case keeps::state:
        return std::make_unique<machine_rings>(kind.instance(), sizes);
    default:
        return std::make_unique<stack_rings>(kind.instance(), sizes);
    }
}

}
