/* io_uring refused, by a seccomp filter in a forked child: an error with its reason and its remedy, and no crash. */
#include "support/support.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace support;

namespace {

/* From now on this process gets `error` from the system call. */
bool refuse(long system_call, int error)
{
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(system_call), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter = {4, program};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

bool can_refuse()
{
    return in_child([] { return refuse(SYS_io_uring_setup, EPERM) ? 0 : 1; }) == 0;
}

int callbacks;
tacet_result last_result;

bool start_nop(tacet_executor* executor, tacet_op& op)
{
    const auto callback = [](tacet_op* self) {
        callbacks++;
        last_result = self->result;
    };
    return tacet_op_init_callback(&op, executor, callback, TACET_PRIORITY_NORMAL) == 0 &&
           tacet_nop_start(&op, nullptr) == 0;
}

const int no_filter = 77;

}

TEST_CASE("io_uring_setup refused: the error is returned and the message tells reason and remedy", "[refused]")
{
    if (!can_refuse())
        SKIP("no seccomp filter may be installed here");
    struct refusal {
        int error;
        std::vector<const char*> words;
    };
    const refusal refusals[] = {
        {EPERM, {"io_uring", "kernel.io_uring_disabled", "seccomp", "io_uring_setup"}},
        {ENOSYS, {"io_uring", "kernel", "5.11", "seccomp"}},
        {ENOMEM, {"memory", "ring_entries", "ulimit -l"}},
        {EMFILE, {"io_uring_setup", std::strerror(EMFILE)}},
    };
    const refusal& refusal = GENERATE_REF(from_range(std::begin(refusals), std::end(refusals)));
    CAPTURE(refusal.error);
    CHECK(in_child([&] {
              if (!refuse(SYS_io_uring_setup, refusal.error))
                  return no_filter;
              char message[512] = "";
              tacet_executor_options options = {};
              options.ring_entries = 64;
              options.message = message;
              options.message_bytes = sizeof message;
              tacet_executor* executor = nullptr;
              if (tacet_executor_create(&executor, &options) != -refusal.error || executor != nullptr)
                  return 1;
              for (const char* word : refusal.words)
                  if (std::strstr(message, word) == nullptr)
                      return 2;
              if (tacet_executor_create(&executor, nullptr) != -refusal.error)
                  return 3;
              options.ring_entries = 0; /* without a ring it works all the same */
              return tacet_executor_create(&executor, &options) == 0 && tacet_executor_destroy(executor) == 0 ? 0 : 4;
          }) == 0);
}

TEST_CASE("io_uring_register refused: the ring works without what needs it", "[refused]")
{
    if (!can_refuse())
        SKIP("no seccomp filter may be installed here");
    CHECK(in_child([] {
              if (!refuse(SYS_io_uring_register, EPERM))
                  return no_filter;
              tacet_executor* executor = nullptr;
              if (create_patiently(&executor, nullptr) != 0)
                  return 1;
              if (std::strstr(tacet_executor_config(executor), "registered_fd=no") == nullptr)
                  return 2;
              tacet_op op = {}, truncate = {};
              if (!start_nop(executor, op) || tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) != 1)
                  return 3;
              if (callbacks != 1 || last_result != 0)
                  return 4;
              const tacet_file file = {0, 0, 0}; /* beyond what every such kernel has */
              if (tacet_op_init_callback(
                      &truncate, executor, [](tacet_op*) {}, TACET_PRIORITY_LOW) != 0 ||
                  tacet_file_truncate_start(&truncate, nullptr, &file, 0) != -EOPNOTSUPP)
                  return 5;
              return tacet_executor_destroy(executor) == 0 ? 0 : 6;
          }) == 0);
}

TEST_CASE("io_uring_enter refused in mid-life: run returns the error, and the executor can be destroyed", "[refused]")
{
    if (!can_refuse())
        SKIP("no seccomp filter may be installed here");
    CHECK(in_child([] {
              tacet_executor* executor = nullptr;
              if (create_patiently(&executor, nullptr) != 0)
                  return 1;
              if (!refuse(SYS_io_uring_enter, EPERM))
                  return no_filter;
              tacet_op op = {};
              if (!start_nop(executor, op))
                  return 2;
              if (tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) != -EPERM)
                  return 3;
              if (tacet_executor_run(executor, TACET_UNTIL_IDLE, nullptr) != -EPERM)
                  return 4;
              if (callbacks != 0)
                  return 5;
              return tacet_executor_destroy(executor) == 0 ? 0 : 6;
          }) == 0);
}
