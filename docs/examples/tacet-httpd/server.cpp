#include "server.hpp"

#include "connection.hpp"

#include <fmt/format.h>

namespace httpd {

namespace {

constexpr auto breath = std::chrono::milliseconds(50); // where there is no descriptor left, some will be closed

bool is_passing(const std::error_code& error)
{
    return error == std::errc::too_many_files_open || error == std::errc::too_many_files_open_in_system ||
           error == std::errc::no_buffer_space || error == std::errc::not_enough_memory ||
           error == std::errc::connection_aborted;
}

tacet::task<void> serve_and_make_room(tacet::socket client, tacet::semaphore::permit, site& served)
{
    co_await serve_connection(std::move(client), served);
}

// Until it is cancelled.
tacet::task<void> accept_all(const tacet::socket& listener, tacet::scope& connections, tacet::semaphore& room,
                             site& served)
{
    for (;;) {
        tacet::semaphore::permit permit = co_await room.acquire_permit();
        tacet::result<tacet::socket> client = co_await tacet::as_result(listener.accept());
        if (client)
            connections.spawn(serve_and_make_room(std::move(*client), std::move(permit), served));
        else if (is_passing(client.error()))
            co_await tacet::sleep_for(breath);
        else
            tacet::throw_error(-client.error().value(), "accept");
    }
}

// Ends accepting, and those that only wait for a request.
tacet::task<void> stop_gently(site& served, tacet_task* accepting)
{
    const tacet::result<void> told = co_await tacet::as_result(served.stop.gently.wait());
    if (!told)
        co_return;
    (void)tacet_task_cancel(accepting);
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
        watches.spawn(stop_gently(served, connections.opener()));
        watches.spawn(stop_at_once(served, connections));
        const tacet::result<void> ended = co_await tacet::as_result(accept_all(listener, connections, room, served));
        if (!served.stop.gently.is_set()) // else it was cancelled, or another thread has ended listening
            tacet::throw_error(-ended.error().value(), "accept");
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
