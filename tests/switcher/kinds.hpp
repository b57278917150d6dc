/*
 * The kinds of switchers that have contexts, each in all its ways: copying eagerly, with buffers that are freed or
 * reserved, with an allocator of the user's; and a kind of the user's own. What holds for one holds for all.
 */
#ifndef SWITCHER_KINDS_HPP
#define SWITCHER_KINDS_HPP

#include "support/support.hpp"

#include <map>
#include <mutex>

namespace support {

const std::vector<switcher_kind>& stackful_ways();

/* The same, and the stackless one: whoever can wait. */
const std::vector<switcher_kind>& suspending_ways();

bool is_copying(const tacet_switcher* switcher);

/* How often the functions of the user's own kind have been called. */
struct own_kind_calls {
    std::size_t created, prepared, resumed, suspended, exited, destroyed;
};
const own_kind_calls& calls_of_own_kind();
tacet_switcher* own_kind();

/* An own instance of a kind, destroyed with the scope. */
class own_instance {
public:
    explicit own_instance(const tacet_switcher_ops* ops, const tacet_switcher_options& options = {})
    {
        REQUIRE(tacet_switcher_create(&handle_, ops, &options) == 0);
    }
    own_instance(const own_instance&) = delete;
    ~own_instance() { CHECK(tacet_switcher_destroy(handle_) == 0); }
    operator tacet_switcher*() const { return handle_; }

private:
    tacet_switcher* handle_ = nullptr;
};

/*
 * An allocator for an instance's options, that counts, compares the sizes, overwrites what it gives and gets back, and fails
 * when told to.
 */
class counting_allocator {
public:
    counting_allocator() = default;
    counting_allocator(const counting_allocator&) = delete;
    ~counting_allocator() { CHECK(live() == 0); }

    tacet_switcher_options options();
    std::size_t allocated() const { return allocated_; }
    std::size_t live() const { return live_.size(); }
    std::size_t refused() const { return refused_; }

    /* The count-th allocation from now on fails, and count_failing - 1 after it; 0: none. */
    void fail(std::size_t count, std::size_t count_failing = 1);

private:
    void* allocate(std::size_t bytes, std::size_t alignment);
    void deallocate(void* memory, std::size_t bytes);

    std::mutex mutex_;
    std::map<void*, std::size_t> live_;
    std::size_t allocated_ = 0, refused_ = 0, fail_after_ = 0, failing_ = 0;
};

}

#endif
