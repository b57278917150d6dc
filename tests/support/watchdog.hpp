/*
 * A program that hangs says so. A watchdog thread looks at a counter of progress; where nobody has counted for a minute, it
 * prints the test case, what the test has to say of its state, and where each thread stands, and aborts.
 *
 * Linking watchdog.cpp is enough: the end of each test case is progress. Long tests count themselves.
 */
#ifndef SUPPORT_WATCHDOG_HPP
#define SUPPORT_WATCHDOG_HPP

#include <functional>
#include <string>

namespace support {

/* From any thread, also in the handler of a signal. */
void count_progress();

/* While it lives the watchdog prints this too. It is called on the watchdog's thread. */
class said_if_stuck {
public:
    explicit said_if_stuck(std::function<std::string()> state);
    said_if_stuck(const said_if_stuck&) = delete;
    ~said_if_stuck();
};

}

#endif
