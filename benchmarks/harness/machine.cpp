// Reads /proc/cpuinfo and uname; the compiler names itself, the build system names liburing's version.
#include "harness/machine.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

namespace bench {
namespace {

std::string read_cpu_name()
{
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        const std::size_t colon = line.find(": ");
        if (colon != std::string::npos && line.starts_with("model name"))
            return line.substr(colon + 2);
    }
    return "unknown";
}

std::string kernel_release()
{
    utsname name;
    if (uname(&name) != 0)
        return "unknown";
    return fmt::format("{} {}", name.sysname, name.release);
}

std::string compiler_name()
{
#if defined(__clang__)
    return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
    return fmt::format("gcc {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

}

machine describe_machine()
{
    machine result;
    result.cpu = read_cpu_name();
    result.cores = sysconf(_SC_NPROCESSORS_ONLN);
    result.kernel = kernel_release();
    result.compiler = compiler_name();
    result.liburing = BENCH_LIBURING_VERSION;
    return result;
}

bool build_is_optimised() noexcept
{
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
    return true;
#else
    return false;
#endif
}

}
