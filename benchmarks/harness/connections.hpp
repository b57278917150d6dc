// TCP connections over the loopback between two ends in this process.
#pragma once

#include <cstddef>
#include <vector>

namespace bench {

// A socket of the caller's that listens on a port which the kernel chose. Throws unavailable.
int listen_on_loopback();

class connections {
public:
    // Throws unavailable, also where there may not be as many descriptors.
    explicit connections(std::size_t count);
    connections(const connections&) = delete;
    connections& operator=(const connections&) = delete;
    ~connections();

    const std::vector<int>& clients() const { return clients_; }
    const std::vector<int>& servers() const { return servers_; }

private:
    void connect_one(int listener);
    void close_all();

    std::vector<int> clients_, servers_;
};

}
