// Futexes: waiting for a 32-bit word that another task, thread or process changes. Since Linux 6.7; before that
// operation_not_supported.
//
// The word outlives the wait. `mask` chooses among waiters: a wake reaches those whose mask has a bit in common with its
// own. See tacet/futex.h.
#ifndef TACET_FUTEX_HPP
#define TACET_FUTEX_HPP

#include <tacet/futex.h>
#include <tacet/op.hpp>

#include <atomic>
#include <span>

namespace tacet {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

enum class futex_scope { process, shared };

namespace detail {

inline const std::uint32_t* futex_word(const std::atomic<std::uint32_t>& word) noexcept
{
    return reinterpret_cast<const std::uint32_t*>(&word);
}

} // namespace detail

struct futex_wait_request {
    using value_type = bool;
    static constexpr unsigned opcode = TACET_OPCODE_FUTEX_WAIT;
    static constexpr tacet_result is_not_as_expected = 1; // no failure
    const std::uint32_t* word;
    std::uint32_t expected, mask;
    bool shared;
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_futex_wait(sqe, word, expected, mask, shared);
    }
    tacet_result mapped(tacet_result r) const noexcept { return r != -EAGAIN ? r : is_not_as_expected; }
    bool value(tacet_result r) const noexcept { return r != is_not_as_expected; }
    std::string describe() const { return "futex wait"; }
};

struct futex_wait_any_request {
    using value_type = std::size_t;
    static constexpr unsigned opcode = TACET_OPCODE_FUTEX_WAITV;
    const futex_waitv* words;
    std::size_t count;
    tacet_result prepare(io_uring_sqe* sqe) const noexcept { return tacet_prepare_futex_wait_any(sqe, words, count); }
    std::size_t value(tacet_result r) const noexcept { return static_cast<std::size_t>(r); }
    std::string describe() const { return "futex wait for any"; }
};

struct futex_wake_request {
    using value_type = std::size_t;
    static constexpr unsigned opcode = TACET_OPCODE_FUTEX_WAKE;
    const std::uint32_t* word;
    std::uint32_t count, mask;
    bool shared;
    tacet_result prepare(io_uring_sqe* sqe) const noexcept
    {
        return tacet_prepare_futex_wake(sqe, word, count, mask, shared);
    }
    std::size_t value(tacet_result r) const noexcept { return static_cast<std::size_t>(r); }
    std::string describe() const { return "futex wake"; }
};

// Waits as long as nobody wakes it, if the word is as expected. Whether it was.
inline operation<futex_wait_request> futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                                                std::uint32_t mask = TACET_FUTEX_ANYBODY,
                                                futex_scope scope = futex_scope::process)
{
    const futex_wait_request request{detail::futex_word(word), expected, mask, scope == futex_scope::shared};
    return operation<futex_wait_request>(request);
}

// The index of one word that was woken. Each says what is expected of it, and its flags: futex_waitv(2). The error
// resource_unavailable_try_again: one is not as expected.
inline operation<futex_wait_any_request> futex_wait_any(std::span<const futex_waitv> words)
{
    return operation<futex_wait_any_request>(futex_wait_any_request{words.data(), words.size()});
}

// Wakes count waiters at most, tasks or threads. How many.
inline operation<futex_wake_request> futex_wake(const std::atomic<std::uint32_t>& word, std::uint32_t count = 1,
                                                std::uint32_t mask = TACET_FUTEX_ANYBODY,
                                                futex_scope scope = futex_scope::process)
{
    const futex_wake_request request{detail::futex_word(word), count, mask, scope == futex_scope::shared};
    return operation<futex_wake_request>(request);
}

} // namespace tacet

#endif
