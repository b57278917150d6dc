// tacet-round-robin: a scheduler of one's own over contexts, without an executor. See options.cpp for its use.
//
// Each context searches its share of the boards, by a plain recursion that gives up the processor from its depth for each
// board that it finds. A dispatcher a thread resumes its contexts in turn, and checks and counts what they found. No search
// had to be turned inside out for that: where it stands is on its stack, or, for `copying`, in its save buffer.
#include "../usage.hpp"
#include "options.hpp"
#include "search.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <deque>
#include <future>
#include <memory_resource>
#include <vector>

namespace {

// How many boards there are for so many queens.
constexpr std::array<unsigned, queens_max + 1> boards_known = {1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200};
constexpr std::size_t stack_bytes = std::size_t{32} << 10;
constexpr std::size_t save_bytes = std::size_t{8} << 10;

// The memory of one dispatcher's stacks and save buffers: it is taken in one piece, and goes in one piece. Nobody else
// uses it, so that it needs no lock.
class arena {
public:
    explicit arena(std::size_t bytes)
        : block_(std::make_unique_for_overwrite<std::byte[]>(bytes)),
          resource_(block_.get(), bytes, std::pmr::null_memory_resource())
    {
    }

    void use_for(tacet_switcher_options& options)
    {
        options.allocate = [](void* self, std::size_t bytes, std::size_t alignment) -> void* {
            try {
                return static_cast<arena*>(self)->resource_.allocate(bytes, alignment);
            } catch (const std::bad_alloc&) {
                return nullptr; // the context's call returns -ENOMEM
            }
        };
        options.deallocate = [](void*, void*, std::size_t) {};
        options.allocator = this;
    }

private:
    std::unique_ptr<std::byte[]> block_;
    std::pmr::monotonic_buffer_resource resource_;
};

// A switcher instance with its arena, if one is wanted.
class instance {
public:
    instance(const options& wanted, unsigned contexts)
    {
        const bool copies = wanted.kind.ops == &tacet_copying_ops;
        tacet_switcher_options chosen{};
        chosen.stack_bytes = stack_bytes;
        chosen.save_bytes_reserved = copies ? save_bytes : 0;
        if (wanted.preallocated) {
            const std::size_t each = copies ? save_bytes : stack_bytes;
            arena_ = std::make_unique<arena>(contexts * each + 2 * stack_bytes); // the execution stack, and alignment
            arena_->use_for(chosen);
        }
        check(tacet_switcher_create(&switcher_, wanted.kind.ops, &chosen), "switcher");
    }
    instance(const instance&) = delete;
    ~instance() { tacet_switcher_destroy(switcher_); }
    tacet_switcher* get() const { return switcher_; }

private:
    std::unique_ptr<arena> arena_;
    tacet_switcher* switcher_ = nullptr;
};

// Resumes every contexts-th search in turn, beginning with the first, until all have ended. Returns how many boards they found.
unsigned dispatch(const options& wanted, unsigned first)
{
    const instance own(wanted, (wanted.contexts + wanted.threads - 1) / wanted.threads);
    std::deque<search> searches;
    std::deque<search*> turn;
    for (unsigned number = first; number < wanted.contexts; number += wanted.threads)
        turn.push_back(&searches.emplace_back(own.get(), wanted.queens, wanted.contexts, number));

    unsigned boards = 0;
    while (!turn.empty()) {
        search* const next = turn.front();
        turn.pop_front();
        if (!next->find_next())
            continue;
        if (!next->board_is_right())
            throw std::runtime_error("a search found a board with queens that attack each other");
        boards++;
        turn.push_back(next);
    }
    return boards;
}

int run(const options& wanted)
{
    std::vector<std::future<unsigned>> dispatchers;
    for (unsigned thread = 0; thread < wanted.threads; thread++)
        dispatchers.push_back(std::async(std::launch::async, dispatch, std::cref(wanted), thread));
    unsigned boards = 0;
    for (std::future<unsigned>& each : dispatchers)
        boards += each.get();

    const bool right = boards == boards_known[wanted.queens];
    fmt::print("{} boards of {} queens, found by {} contexts on {} threads ({}): {}\n", boards, wanted.queens,
               wanted.contexts, wanted.threads, wanted.kind.name,
               right ? "right" : fmt::format("wrong, there are {}", boards_known[wanted.queens]));
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

}

int main(int argc, char** argv)
{
    constexpr int wrong_usage = 2;
    auto program = [&]() -> int {
        const options wanted = parse_options(argc, argv);
        if (!wanted.help)
            return run(wanted);
        show(help_text);
        return EXIT_SUCCESS;
    };
    return run_program("tacet-round-robin", program, EXIT_FAILURE, wrong_usage);
}
