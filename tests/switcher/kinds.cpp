/* See kinds.hpp. */
#include "switcher/kinds.hpp"

#include <tacet/switcher_interface.h>

#include <cstdlib>
#include <cstring>

namespace support {

#if defined(__x86_64__) || defined(__aarch64__)
static const tacet_switcher_ops& wrapped = tacet_asm_ops;
#else
static const tacet_switcher_ops& wrapped = tacet_setjmp_ops;
#endif

static thread_local own_kind_calls own_calls; /* of what happens on this thread */

__attribute__((noreturn)) static void exit_own(tacet_context* context)
{
    own_calls.exited++;
    wrapped.exit(context);
}

/* Counts, and leaves the work to another kind. */
static const tacet_switcher_ops own_ops = [] {
    tacet_switcher_ops ops = {};
    ops.name = "own";
    ops.kind.run = tacet_stackful_run;
    ops.create = [](tacet_context* context, std::size_t stack_bytes) {
        own_calls.created++;
        return wrapped.create(context, stack_bytes);
    };
    ops.prepare = [](tacet_context* context, tacet_context_entry* entry) {
        own_calls.prepared++;
        wrapped.prepare(context, entry);
    };
    ops.resume = [](tacet_context* context, std::int64_t value) {
        own_calls.resumed++;
        return wrapped.resume(context, value);
    };
    ops.suspend = [](tacet_context* context) {
        own_calls.suspended++;
        return wrapped.suspend(context);
    };
    ops.exit = exit_own;
    ops.destroy = [](tacet_context* context) {
        own_calls.destroyed++;
        wrapped.destroy(context);
    };
    return ops;
}();

const own_kind_calls& calls_of_own_kind()
{
    return own_calls;
}

static tacet_switcher* made(const tacet_switcher_ops* ops, const tacet_switcher_options& options)
{
    tacet_switcher* switcher = nullptr;
    REQUIRE(tacet_switcher_create(&switcher, ops, &options) == 0);
    return switcher;
}

tacet_switcher* own_kind()
{
    static tacet_switcher* const instance = made(&own_ops, {});
    return instance;
}

#if defined(__x86_64__) || defined(__aarch64__)

static tacet_switcher* copying_eagerly()
{
    static tacet_switcher* const instance = [] {
        tacet_switcher_options options = {};
        options.copy_eagerly = true;
        return made(&tacet_copying_ops, options);
    }();
    return instance;
}

static tacet_switcher* copying_and_freeing()
{
    static tacet_switcher* const instance = [] {
        tacet_switcher_options options = {};
        options.free_on_resume = true;
        return made(&tacet_copying_ops, options);
    }();
    return instance;
}

static tacet_switcher* copying_eagerly_and_freeing()
{
    static tacet_switcher* const instance = [] {
        tacet_switcher_options options = {};
        options.copy_eagerly = true;
        options.free_on_resume = true;
        return made(&tacet_copying_ops, options);
    }();
    return instance;
}

static tacet_switcher* copying_into_reserved()
{
    static tacet_switcher* const instance = [] {
        tacet_switcher_options options = {};
        options.save_bytes_reserved = 4096;
        return made(&tacet_copying_ops, options);
    }();
    return instance;
}

#endif

const std::vector<switcher_kind>& stackful_ways()
{
    static const std::vector<switcher_kind> ways = [] {
        std::vector<switcher_kind> all = own_stack_switchers();
        all.push_back({"own", own_kind});
#if defined(__x86_64__) || defined(__aarch64__)
        all.push_back({"copying eagerly", copying_eagerly});
        all.push_back({"copying, freed on resume", copying_and_freeing});
        all.push_back({"copying eagerly, freed on resume", copying_eagerly_and_freeing});
        all.push_back({"copying, reserved", copying_into_reserved});
#endif
        return all;
    }();
    return ways;
}

const std::vector<switcher_kind>& suspending_ways()
{
    static const std::vector<switcher_kind> ways = [] {
        std::vector<switcher_kind> all = stackful_ways();
        all.insert(all.begin(), {"stackless", tacet_switcher_stackless});
        return all;
    }();
    return ways;
}

bool is_copying(const tacet_switcher* switcher)
{
    return std::strcmp(tacet_switcher_name(switcher), "copying") == 0;
}

tacet_switcher_options counting_allocator::options()
{
    tacet_switcher_options options = {};
    options.allocator = this;
    options.allocate = [](void* self, std::size_t bytes, std::size_t alignment) {
        return static_cast<counting_allocator*>(self)->allocate(bytes, alignment);
    };
    options.deallocate = [](void* self, void* memory, std::size_t bytes) {
        static_cast<counting_allocator*>(self)->deallocate(memory, bytes);
    };
    return options;
}

void counting_allocator::fail(std::size_t count, std::size_t count_failing)
{
    const std::lock_guard<std::mutex> lock(mutex_);
    fail_after_ = count > 0 ? allocated_ + refused_ + count : 0;
    failing_ = count_failing;
}

void* counting_allocator::allocate(std::size_t bytes, std::size_t alignment)
{
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::size_t number = allocated_ + refused_ + 1;
    if (fail_after_ != 0 && number >= fail_after_ && number - fail_after_ < failing_) {
        refused_++;
        return nullptr;
    }
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    std::memset(memory, 0x5A, bytes);
    live_[memory] = bytes;
    allocated_++;
    return memory;
}

/* Whoever gets the memory back may use it: nothing of it is out of bounds any more. */
void counting_allocator::deallocate(void* memory, std::size_t bytes)
{
    const std::lock_guard<std::mutex> lock(mutex_);
    CHECK(live_.count(memory) == 1);
    CHECK(live_[memory] == bytes);
    live_.erase(memory);
    std::memset(memory, 0xDD, bytes);
    std::free(memory);
}

}
