/* Very many stacks, what each of them costs the system, and what is said where there are no more. */
#include "support/support.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace support;

namespace {

const int guard_install = 102; /* MADV_GUARD_INSTALL */

std::size_t mappings()
{
    std::ifstream maps("/proc/self/maps");
    return static_cast<std::size_t>(
        std::count(std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>(), '\n'));
}

/* From a file of lines "name: number kB". */
std::size_t mebibytes(const char* file, const std::string& name)
{
    std::ifstream in(file);
    for (std::string word; in >> word;)
        if (word == name + ":") {
            std::size_t kibibytes = 0;
            in >> kibibytes;
            return kibibytes >> 10;
        }
    return 0;
}

bool kernel_has_guards()
{
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const bool has = ::madvise(page, 4096, guard_install) == 0;
    ::munmap(page, 4096);
    return has;
}

/* Whether the byte below the stack can be read: asked of the kernel, which says EFAULT where we would crash. */
bool is_guarded(const tacet_context& context, const support::pipe& probe)
{
    return ::write(probe.fds[1], context.memory - 1, 1) == -1 && errno == EFAULT;
}

tacet_switcher* make(std::size_t pooled_bytes_max = 0)
{
    tacet_switcher_options options = {};
    options.pooled_bytes_max = pooled_bytes_max;
    tacet_switcher* switcher = nullptr;
    REQUIRE(tacet_switcher_create(&switcher, &tacet_setjmp_ops, &options) == 0);
    return switcher;
}

/* A kernel that does not know guards. */
bool forget_guards()
{
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, guard_install, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {static_cast<unsigned short>(std::size(filter)), filter};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}

TEST_CASE("a million guarded stacks of 64 KiB, all used, with the kernel's stock settings", "[stacks]")
{
    if (TACET_ADDRESS_SANITIZER || TACET_THREAD_SANITIZER)
        SKIP("a sanitizer's shadow of a million stacks takes too much memory");
    if (!kernel_has_guards())
        SKIP("the kernel lacks MADV_GUARD_INSTALL (Linux 6.13)");
    if (mebibytes("/proc/meminfo", "MemAvailable") < 10240)
        SKIP("less than 10 GiB of memory are free");
    const std::size_t count = 1000000, mappings_before = mappings();
    tacet_switcher* switcher = make();
    support::pipe probe;
    std::vector<tacet_context> contexts(count);
    static std::size_t ran;
    ran = 0;
    std::size_t refused = 0, unguarded = 0;
    for (tacet_context& context : contexts) {
        refused += tacet_context_create(&context, switcher, 64 * 1024) != 0;
        tacet_context_prepare(&context, [](tacet_context* self) {
            volatile char used[1000];
            used[0] = 1;
            tacet_context_suspend(self, nullptr);
            ran += static_cast<std::size_t>(used[0]);
        });
        refused += tacet_context_resume(&context, 0) != TACET_CONTEXT_SUSPENDED;
        unguarded += !is_guarded(context, probe);
    }
    CHECK(refused == 0);
    CHECK(unguarded == 0);
    CHECK(mappings() - mappings_before <= 100);
    CHECK(mebibytes("/proc/self/status", "VmRSS") < 6 * 1024);
    for (tacet_context& context : contexts)
        refused += tacet_context_resume(&context, 0) != TACET_CONTEXT_FINISHED;
    for (tacet_context& context : contexts)
        refused += tacet_context_destroy(&context) != 0;
    CHECK(refused == 0);
    CHECK(ran == count);
    CHECK(mebibytes("/proc/self/status", "VmRSS") < 1024);
    CHECK(tacet_switcher_destroy(switcher) == 0);
    CHECK(mappings() <= mappings_before + 10);
}

TEST_CASE("free stacks keep no more memory than the pool may, and those that kept it are used again for nothing",
          "[stacks]")
{
    const std::size_t kept = 20, count = 500;
    tacet_switcher* switcher = make(kept * 64 * 1024);
    std::vector<tacet_context> contexts(count);
    for (int round = 0; round < 2; round++) {
        std::vector<char*> pages;
        for (tacet_context& context : contexts) {
            REQUIRE(tacet_context_create(&context, switcher, 64 * 1024) == 0);
            char* page = context.memory + 32 * 1024;
            *page = 1;
            pages.push_back(page);
        }
        for (tacet_context& context : contexts)
            REQUIRE(tacet_context_destroy(&context) == 0);
        std::size_t resident = 0;
        for (char* page : pages) {
            unsigned char in_memory = 0;
            REQUIRE(::mincore(page, 4096, &in_memory) == 0);
            resident += in_memory & 1;
        }
        CHECK(resident == kept);
    }
    CHECK(tacet_switcher_destroy(switcher) == 0);
}

TEST_CASE("without the kernel's guards each stack has one nevertheless, until there are no more mappings", "[stacks]")
{
    if (TACET_ADDRESS_SANITIZER || TACET_THREAD_SANITIZER)
        SKIP("a sanitizer needs mappings itself, and ends the process where there are none");
    static std::size_t made;
    const int status = in_child([] {
        tacet_switcher* switcher = make();
        if (!forget_guards() || kernel_has_guards())
            return 1;
        support::pipe probe;
        const std::size_t more_than_there_are = 70000;
        std::vector<tacet_context> contexts(more_than_there_are);
        tacet_result r = 0;
        for (; made < more_than_there_are; made++) {
            r = tacet_context_create(&contexts[made], switcher, 16 * 1024);
            if (r != 0)
                break;
            if (!is_guarded(contexts[made], probe))
                return 2;
        }
        if (r != -ENOMEM)
            return 3;
        const std::string why = tacet_switcher_explain(switcher);
        if (why.find("MADV_GUARD_INSTALL") == std::string::npos || why.find("32,700") == std::string::npos)
            return 4;
        if (made < 30000 || made > 32768)
            return 5;
        if (tacet_context_destroy(&contexts[--made]) != 0 ||
            tacet_context_create(&contexts[made], switcher, 0) != -ENOMEM)
            return 6; /* the default's size is another class: its stack needs a guard */
        return tacet_context_create(&contexts[made], switcher, 16 * 1024) == 0 ? 0 : 7;
    });
    CHECK(status == 0);
}

TEST_CASE("a refused stack is explained", "[stacks]")
{
    tacet_switcher* switcher = make();
    CHECK(std::string(tacet_switcher_explain(nullptr)).empty());
    CHECK(std::string(tacet_switcher_explain(switcher)).empty());
    tacet_context context;
    CHECK(tacet_context_create(&context, switcher, (std::size_t{256} << 20) + 1) == -EINVAL);
    CHECK(std::string(tacet_switcher_explain(switcher)).find("256 MiB") != std::string::npos);
    CHECK(tacet_switcher_destroy(switcher) == 0);
}
