/* Creating a ring: sizes, the ladder of setup flags, and what a failure says. */
#include "support/support.hpp"

#include <cerrno>
#include <cstring>

using namespace support;

namespace {

struct failure {
    tacet_result result;
    std::string message;
};

failure create_with(tacet_executor_options options)
{
    char message[512] = "";
    options.message = message;
    options.message_bytes = sizeof message;
    tacet_executor* executor = reinterpret_cast<tacet_executor*>(&options);
    const tacet_result r = tacet_executor_create(&executor, &options);
    if (r == 0)
        CHECK(tacet_executor_destroy(executor) == 0);
    else
        CHECK(executor == nullptr);
    return {r, message};
}

std::string config_of(tacet_executor* executor)
{
    return tacet_executor_config(executor);
}

int callbacks;

void start_nops(tacet_executor* executor, std::vector<tacet_op>& ops)
{
    for (tacet_op& op : ops) {
        REQUIRE(tacet_op_init_callback(
                    &op, executor, [](tacet_op*) { callbacks++; }, TACET_PRIORITY_NORMAL) == 0);
        REQUIRE(tacet_nop_start(&op, nullptr) == 0);
    }
}

}

TEST_CASE("no forbidden flag is used, and the config says which are", "[ring]")
{
    const ring_kind& ring = GENERATE(from_range(kernel_rings()));
    executor executor(ring);
    const std::string config = config_of(executor);
    CAPTURE(ring.name, config);
    const std::pair<unsigned, const char*> flags[] = {{IORING_SETUP_DEFER_TASKRUN, "defer_taskrun"},
                                                      {IORING_SETUP_COOP_TASKRUN, "coop_taskrun"},
                                                      {IORING_SETUP_SUBMIT_ALL, "submit_all"}};
    CHECK(config.find("setup=") != std::string::npos);
    for (const auto& [flag, name] : flags)
        if (ring.flags_forbidden & flag)
            CHECK(config.find(name) == std::string::npos);
    CHECK(config.find("lacks=") != std::string::npos);
    std::vector<tacet_op> ops(50);
    callbacks = 0;
    start_nops(executor, ops);
    CHECK(executor.run_until_idle() == 50);
    CHECK(callbacks == 50);
}

TEST_CASE("a ring has room for as many operations as were asked for, between two submissions", "[ring]")
{
    const unsigned entries = GENERATE(1u, 2u, 8u, 9u, 100u, 256u);
    executor executor({"io_uring", entries, 0});
    CAPTURE(config_of(executor));
    CHECK(config_of(executor).find("users=" + std::to_string(entries)) != std::string::npos);
    std::vector<tacet_op> ops(entries), one_more(1);
    start_nops(executor, ops);
    CHECK(executor.stats().enters == 0);
    CHECK(executor.stats().in_flight == entries);
    start_nops(executor, one_more);
    CHECK(executor.stats().enters == 1);
    CHECK(executor.run_until_idle() == entries + 1);
}

TEST_CASE("absurd sizes are -EINVAL and the message names the limits", "[ring]")
{
    tacet_executor_options options = {};
    options.ring_entries = 16;
    SECTION("ring")
    {
        options.ring_entries = GENERATE((1u << 20) + 1, UINT32_MAX);
    }
    SECTION("completion queue")
    {
        options.cq_entries = GENERATE((2u << 20) + 1, UINT32_MAX);
    }
    SECTION("timers")
    {
        options.timers_reserved = GENERATE((16u << 20) + 1, UINT32_MAX);
    }
    const failure failure = create_with(options);
    CHECK(failure.result == -EINVAL);
    CHECK(failure.message.find("1048576") != std::string::npos);
}

TEST_CASE("the largest sizes work, or are refused for want of memory, in words", "[ring]")
{
    tacet_executor_options options = {};
    options.ring_entries = 1u << 20;
    options.cq_entries = 2u << 20;
    const failure failure = create_with(options);
    CAPTURE(failure.message);
    CHECK((failure.result == 0 || failure.result == -ENOMEM));
    CHECK(failure.message.empty() == (failure.result == 0));
    if (failure.result < 0)
        return;
    executor executor(options);
    std::vector<tacet_op> ops(5000);
    callbacks = 0;
    start_nops(executor, ops);
    CHECK(executor.run_until_idle() == 5000);
    CHECK(callbacks == 5000);
}

TEST_CASE("a message is cut to the room that there is for it", "[ring]")
{
    tacet_executor_options options = {};
    options.ring_entries = UINT32_MAX;
    tacet_executor* executor = nullptr;
    CHECK(tacet_executor_create(&executor, &options) == -EINVAL); /* no room at all */
    char message[12];
    std::memset(message, 'x', sizeof message);
    options.message = message;
    options.message_bytes = 10;
    CHECK(tacet_executor_create(&executor, &options) == -EINVAL);
    CHECK(std::string(message) == "executor ");
    CHECK(message[10] == 'x');
    CHECK(tacet_executor_create(nullptr, &options) == -EINVAL);
    CHECK(std::string(message) == "tacet_exe");
    options.message_bytes = 0;
    message[0] = 'y';
    CHECK(tacet_executor_create(&executor, &options) == -EINVAL);
    CHECK(message[0] == 'y');
}

TEST_CASE("creating and destroying many rings leaves no descriptor behind", "[ring]")
{
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 100; i++) {
        executor executor(GENERATE(from_range(all_rings())));
        CHECK(executor.run_until_idle() == 0);
    }
    CHECK(open_descriptors() == before);
}
