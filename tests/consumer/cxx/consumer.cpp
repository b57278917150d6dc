// What a C++ user of the package writes first: a coroutine counts the lines of a file.
#include <tacet/tacet.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <vector>

static tacet::task<std::uint64_t> count_lines(std::string path)
{
    tacet::file in = co_await tacet::open(path, O_RDONLY);
    std::vector<std::byte> buffer(1 << 16);
    std::uint64_t lines = 0, offset = 0;
    while (std::size_t n = co_await in.read(buffer, offset)) {
        lines += static_cast<std::uint64_t>(std::ranges::count(std::span(buffer).first(n), std::byte{'\n'}));
        offset += n;
    }
    co_return lines;
}

int main(int argc, char** argv)
try {
    tacet::executor executor;
    fmt::print("{}\n", executor.run(count_lines(argc > 1 ? argv[1] : "")));
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "consumer: {}\n", error.what());
    return 1;
}
