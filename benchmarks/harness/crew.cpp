// Two barriers around each piece of work.
#include "harness/crew.hpp"

#include <utility>

namespace bench {

crew::crew(std::size_t threads, placement where)
    : where_(where), begin_(static_cast<std::ptrdiff_t>(threads)), end_(static_cast<std::ptrdiff_t>(threads))
{
    others_.reserve(threads - 1);
    for (std::size_t part = 1; part < threads; part++)
        others_.emplace_back([this, part] { serve(part); });
    if (where_ == placement::apart)
        first_.emplace(0);
}

crew::~crew()
{
    if (others_.empty())
        return;
    work_ = nullptr;
    begin_.arrive_and_wait();
    for (std::thread& other : others_)
        other.join();
}

void crew::serve(std::size_t part)
{
    std::optional<pinned> place;
    if (where_ == placement::apart)
        place.emplace(part);
    for (;;) {
        begin_.arrive_and_wait();
        if (work_ == nullptr)
            return;
        do_part(part);
        end_.arrive_and_wait();
    }
}

void crew::do_part(std::size_t part) noexcept
{
    try {
        (*work_)(part);
    } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failed_)
            failed_ = std::current_exception();
    }
}

void crew::run(const std::function<void(std::size_t)>& work)
{
    work_ = &work;
    if (!others_.empty())
        begin_.arrive_and_wait();
    do_part(0);
    if (!others_.empty())
        end_.arrive_and_wait();
    if (failed_)
        std::rethrow_exception(std::exchange(failed_, nullptr));
}

}
