// What the programs in C++ here share: the command line, the rule of the ring for runtimes whose waits look like plain
// calls, the clock, and the check of the answer. The protocol is that of all programs in this folder:
//
//     cycle-NAME N R M D P     ->     ok MESSAGES NANOSECONDS
//
// R rings of N tasks. Each task owns a mailbox that counts messages. For each of M rounds, task i of a ring first posts
// to the mailbox of task (i+1) % N and then takes from its own if the round is its to start (round % N == i), and else
// takes first. D more bytes of each task are alive across its waits; P threads share the rings. The exit status is 0; 1
// if a count or a live byte is wrong; 2 for bad arguments; 77, with the reason, for what this runtime cannot hold.
#ifndef BENCHMARKS_COMPARE_CYCLE_HPP
#define BENCHMARKS_COMPARE_CYCLE_HPP

#include <alloca.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <latch>
#include <limits>
#include <string>
#include <string_view>

namespace cycle {

struct size {
    std::size_t tasks;   // N, of a ring
    std::size_t rings;   // R
    std::size_t rounds;  // M
    std::size_t dead;    // D, bytes
    std::size_t threads; // P

    std::size_t all_tasks() const { return tasks * rings; }
    std::uint64_t messages() const { return std::uint64_t{tasks} * rings * rounds; }
    // Thread t of P has the rings from first_ring(t) to first_ring(t + 1).
    std::size_t first_ring(std::size_t thread) const { return rings * thread / threads; }
};

// What a task leaves when it has ended.
struct outcome {
    std::size_t taken = 0;
    bool intact = false; // its live bytes
};

[[noreturn]] inline void refuse(const std::string& reason)
{
    std::fprintf(stderr, "%s\n", reason.c_str());
    std::_Exit(77);
}

inline void usage(std::FILE* out, const char* program)
{
    std::fprintf(out,
                 "usage: %s N R M D P\n"
                 "R rings of N tasks send a message around in each of M rounds; each task holds D bytes across its\n"
                 "waits; P threads share the rings. Prints: ok MESSAGES NANOSECONDS\n",
                 program);
}

inline bool parse(std::string_view text, std::size_t least, std::size_t most, std::size_t& value)
{
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() && value >= least && value <= most;
}

inline size read_arguments(int count, char** arguments)
{
    size size{};
    std::uint64_t messages = 0;
    if (count == 2 && std::string_view(arguments[1]) == "--help") {
        usage(stdout, arguments[0]);
        std::exit(0);
    }
    constexpr std::size_t most = 1'000'000'000;
    if (count != 6 || !parse(arguments[1], 1, most, size.tasks) || !parse(arguments[2], 1, most, size.rings) ||
        !parse(arguments[3], 1, most, size.rounds) || !parse(arguments[4], 0, most, size.dead) ||
        !parse(arguments[5], 1, 1000, size.threads) ||
        __builtin_mul_overflow(size.all_tasks(), size.rounds, &messages)) {
        usage(stderr, arguments[0]);
        std::exit(2);
    }
    return size;
}

// Refuses what would take more than half of the memory that is available.
inline void require_memory(const size& size, std::size_t bytes_per_task)
{
    std::ifstream file("/proc/meminfo");
    std::string key;
    std::size_t kibibytes = 0;
    while (file >> key && key != "MemAvailable:")
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    file >> kibibytes;
    if (size.all_tasks() > kibibytes * 512 / bytes_per_task)
        refuse(std::to_string(size.all_tasks()) + " tasks of about " + std::to_string(bytes_per_task) +
               " bytes do not fit into half of the available memory");
}

inline unsigned char mark_of(std::size_t task)
{
    return static_cast<unsigned char>(task * 37 + 11);
}

inline bool all_are(const unsigned char* bytes, std::size_t count, unsigned char mark)
{
    return std::all_of(bytes, bytes + count, [mark](unsigned char byte) { return byte == mark; });
}

// The rule, for task `index` of `ring`, in a runtime where a task has a stack of its own.
template <class Mailbox>
outcome play(const size& size, Mailbox* ring, std::size_t index)
{
    auto* dead = static_cast<unsigned char*>(alloca(size.dead));
    std::memset(dead, mark_of(index), size.dead);
    asm volatile("" : : "r"(dead) : "memory"); // from here on anybody may read them: they stay in memory

    Mailbox& own = ring[index];
    Mailbox& next = ring[index + 1 == size.tasks ? 0 : index + 1];
    outcome outcome;
    std::size_t starter = 0; // round % N
    for (std::size_t round = 0; round < size.rounds; ++round) {
        if (starter == index) {
            next.post();
            own.take();
        } else {
            own.take();
            next.post();
        }
        ++outcome.taken;
        starter = starter + 1 == size.tasks ? 0 : starter + 1;
    }
    outcome.intact = all_are(dead, size.dead, mark_of(index));
    return outcome;
}

// Lets `parties` threads begin together and takes the time from then until the last has ended.
class stopwatch {
public:
    explicit stopwatch(std::size_t parties)
        : ready_(static_cast<std::ptrdiff_t>(parties)), ended_(static_cast<std::ptrdiff_t>(parties))
    {
    }

    // Called by each party, when all its tasks exist.
    void begin()
    {
        ready_.count_down();
        go_.wait();
    }
    void end() { ended_.count_down(); }

    // Called once, by nobody of them.
    std::chrono::nanoseconds measure()
    {
        ready_.wait();
        auto start = std::chrono::steady_clock::now();
        go_.count_down();
        ended_.wait();
        return std::chrono::steady_clock::now() - start;
    }

private:
    std::latch ready_;
    std::latch go_{1};
    std::latch ended_;
};

// Prints the line, or what is wrong; what main() returns.
template <class Outcomes, class Mailboxes>
int report(const size& size, const Outcomes& outcomes, const Mailboxes& mailboxes, std::chrono::nanoseconds elapsed)
{
    for (const outcome& outcome : outcomes) {
        if (outcome.taken == size.rounds && outcome.intact)
            continue;
        std::fprintf(stderr, "wrong: a task took %zu messages, not %zu, and its live bytes are %s\n", outcome.taken,
                     size.rounds, outcome.intact ? "intact" : "overwritten");
        return 1;
    }
    for (const auto& mailbox : mailboxes) {
        if (mailbox.empty())
            continue;
        std::fprintf(stderr, "wrong: messages are left in a mailbox\n");
        return 1;
    }
    std::printf("ok %llu %lld\n", static_cast<unsigned long long>(size.messages()),
                static_cast<long long>(elapsed.count()));
    return 0;
}

} // namespace cycle

#endif
