#include "stop.hpp"

#include <csignal>

namespace cp {

void stop_request::block_signals()
{
    signals_.emplace(std::initializer_list<int>{SIGINT, SIGTERM});
}

tacet::task<void> stop_request::watch()
{
    signal_ = co_await signals_->wait();
}

}
