#include "server.hpp"

#include "connection.hpp"

#include <fmt/format.h>

namespace httpd {

namespace {

constexpr auto breath = std::chrono::milliseconds(50); // where there is no descriptor left, some will be closed

// All else is of one connection that did not come to be, or passes.
bool ends_accepting(const std::error_code& error)
{
    return error == std::errc::operation_canceled || error == std::errc::bad_file_descriptor ||
           error == std::errc::invalid_argument || error == std::errc::not_a_socket;
}

// Where there is no memory for that, the client goes.
void begin(tacet::scope& connections, tacet::socket client, tacet::semaphore::permit permit, site& served)
{
    try {
        connections.spawn(serve_connection(std::move(client), std::move(permit), served));
    } catch (const std::bad_alloc&) {
    }
}

// Until it is cancelled, or another thread that stops ends the listening of all.
tacet::task<void> accept_all(const tacet::socket& listener, tacet::scope& connections, tacet::semaphore& room,
                             site& served)
{
    for (;;) {
        tacet::semaphore::permit permit = co_await room.acquire_permit();
        tacet::result<tacet::socket> client = co_await tacet::as_result(listener.accept());
        if (client)
            begin(connections, std::move(*client), std::move(permit), served);
        else if (served.stop.gently.is_set())
            co_return;
        else if (ends_accepting(client.error()))
            tacet::throw_error(-client.error().value(), "accept");
        else
            co_await tacet::sleep_for(breath);
    }
}

// Ends accepting, and those that only wait for a request.
tacet::task<void> stop_gently(site& served)
{
    const tacet::result<void> told = co_await tacet::as_result(served.stop.gently.wait());
    if (!told)
        co_return;
    if (served.accepting != nullptr)
        (void)tacet_task_cancel(served.accepting);
    for (tacet_task* each : served.idle)
        (void)tacet_task_cancel(each);
}

tacet::task<void> stop_at_once(site& served, tacet::scope& connections)
{
    const tacet::result<void> told = co_await tacet::as_result(served.stop.at_once.wait());
    if (told)
        connections.cancel();
}

tacet::task<void> serve_connections(const tacet::socket& listener, site& served, tacet::scope& watches)
{
    tacet::semaphore room(served.wanted.connections_max);
    auto body = [&](tacet::scope& connections) -> tacet::task<void> {
        served.accepting = connections.opener();
        watches.spawn(stop_gently(served));
        watches.spawn(stop_at_once(served, connections));
        const tacet::result<void> ended = co_await tacet::as_result(accept_all(listener, connections, room, served));
        served.accepting = nullptr;
        if (!served.stop.gently.is_set()) // else it was cancelled, or another thread has ended listening
            tacet::throw_error(-ended.error().value(), "accept");
        (void)tacet_task_take_interrupt(connections.opener()); // the cancel may have come behind an accept that failed
        (void)co_await tacet::as_result(
            listener.shutdown(SHUT_RDWR)); // who comes now is refused; another thread may have
    };
    co_await tacet::with_scope(body);
}

}

void serve(const tacet::socket& listener, site& served)
{
    tacet::executor executor;
    auto whole = [&]() -> tacet::task<void> {
        auto body = [&](tacet::scope& watches) -> tacet::task<void> {
            co_await serve_connections(listener, served, watches);
            watches.cancel();
        };
        co_await tacet::with_scope(body);
    };
    executor.run(whole());
}

}
