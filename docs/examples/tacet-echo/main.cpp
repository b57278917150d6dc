// tacet-echo: sends back what it receives.
//
// A task a connection, on one executor. What has been received is sent before more is received, so a client that does not
// read is not read from either. The first signal ends accepting and lets the clients end, the second ends them.
#include "../serving.hpp"

#include <tacet/tacet.hpp>

#include <fmt/format.h>

#include <span>
#include <string>
#include <vector>

namespace {

constexpr std::size_t buffer_bytes = 16 * 1024;
constexpr auto breath = std::chrono::milliseconds(50);

constexpr char help_text[] = R"(usage: tacet-echo --listen ADDRESS:PORT

Sends back to each client what it sends, by TCP, until the client ends. Port 0: one that is free, which is printed.
ADDRESS:PORT is such as 127.0.0.1:7000, [::1]:7000, or unix:PATH.

      --listen ADDRESS:PORT  where to listen
  -h, --help                 show this text
  -V, --version              show the version

The first Ctrl-C (SIGINT) or SIGTERM ends accepting and lets the clients end, the second ends them, the third ends
the program at once.

Exit status: 0: stopped by a signal; 1: it could not serve, the message says why; 2: wrong usage.
)";

enum exit_status { stopped = 0, failed = 1, wrong_usage = 2 };

struct options {
    tacet::address address;
    bool help = false;
    bool version = false;
};

options parse_options(int argc, char** argv)
{
    static const char short_options[] = ":hV";
    static const option long_options[] = {
        {"listen", required_argument, nullptr, 'l'},
        {"help", no_argument, nullptr, 'h'},
        {"version", no_argument, nullptr, 'V'},
        {},
    };
    options parsed;
    opterr = 0;
    int found;
    while ((found = getopt_long(argc, argv, short_options, long_options, nullptr)) != -1) {
        if (found == ':' || found == '?')
            refuse_option(found, argv, short_options);
        if (found == 'l')
            parsed.address = parse_address(optarg);
        parsed.help |= found == 'h';
        parsed.version |= found == 'V';
    }
    if (parsed.help || parsed.version)
        return parsed;
    if (!parsed.address)
        throw usage_error("--listen ADDRESS:PORT is missing");
    if (optind != argc)
        throw usage_error(fmt::format("what is {}?", argv[optind]));
    return parsed;
}

// What a client does, or does not do any more, is no failure of ours.
tacet::task<void> echo(tacet::socket client)
{
    try {
        std::vector<std::byte> buffer(buffer_bytes);
        while (const std::size_t bytes = co_await client.receive(buffer))
            co_await client.send_all(std::span(buffer).first(bytes));
    } catch (const std::system_error&) {
    } catch (const std::bad_alloc&) {
    }
}

// Until it is cancelled, which ends the breath too. Where there is no descriptor left, some client will end.
tacet::task<void> accept_all(const tacet::socket& listener, tacet::scope& clients)
{
    for (;;) {
        tacet::result<tacet::socket> client = co_await tacet::as_result(listener.accept());
        if (client) {
            clients.spawn(echo(std::move(*client)));
            continue;
        }
        if (client.error() == std::errc::operation_canceled)
            co_return;
        const tacet::result<void> rested = co_await tacet::as_result(tacet::sleep_for(breath));
        if (!rested)
            co_return;
    }
}

tacet::task<void> serve(const tacet::socket& listener, tacet::signal_set& signals)
{
    auto watched = [&](tacet::scope& watch) -> tacet::task<void> {
        auto served = [&](tacet::scope& clients) -> tacet::task<void> {
            auto end_gently = [accepting = clients.opener()] { (void)tacet_task_cancel(accepting); };
            watch.spawn(obey(signals, end_gently, [&] { clients.cancel(); }));
            co_await accept_all(listener, clients);
            co_await listener.shutdown(SHUT_RDWR); // who comes now is refused, and does not wait
        };
        co_await tacet::with_scope(served);
        watch.cancel();
    };
    co_await tacet::with_scope(watched);
}

void run(const options& wanted)
{
    tacet::signal_set signals{SIGINT, SIGTERM};
    tacet::executor executor;
    const tacet::socket listener = tacet::listen(wanted.address);
    show(fmt::format("listening at {}\n", listener.name().text()));
    executor.run(serve(listener, signals));
}

}

int main(int argc, char** argv)
{
    auto program = [&]() -> int {
        const options wanted = parse_options(argc, argv);
        if (wanted.help)
            show(help_text);
        else if (wanted.version)
            show(fmt::format("tacet-echo (tacet) {}\n", tacet_version()));
        else
            run(wanted);
        return stopped;
    };
    return run_program("tacet-echo", program, failed, wrong_usage);
}
