/* All that a task can wait for, for ever unless somebody ends it; by name. */
#ifndef SUPPORT_WAITS_HPP
#define SUPPORT_WAITS_HPP

#include "support/support.hpp"

#include <cerrno>
#include <map>
#include <poll.h>

namespace support {

inline const std::vector<std::string> ring_waits = {"read", "poll", "await", "any", "any, timed"};
inline const std::vector<std::string> plain_waits = {"sleep", "semaphore", "task"};

/* Those that an executor with this ring can do. */
inline std::vector<std::string> waits_on(const ring_kind& ring)
{
    std::vector<std::string> names = plain_waits;
    if (ring.entries > 0)
        names.insert(names.end(), ring_waits.begin(), ring_waits.end());
    return names;
}

/* What they wait for. It must outlive the tasks' waiting. */
struct waits {
    support::pipe pipe;
    tacet_file reader = pipe.reader();
    char byte = 0;
    tacet_semaphore semaphore;
    tacet_task* never = nullptr;
    tacet_op op = {};
    tacet_op* reaped = nullptr;

    waits() { tacet_semaphore_init(&semaphore, 0); }

    call make(const std::string& name)
    {
        const std::map<std::string, call> calls = {
            {"sleep", [](tacet_task* self) { return tacet_sleep(self, TACET_FOREVER); }},
            {"read", [this](tacet_task* self) { return tacet_file_read(self, &reader, &byte, 1, 0); }},
            {"poll", [this](tacet_task* self) { return tacet_poll(self, reader.fd, POLLIN); }},
            {"semaphore", [this](tacet_task* self) { return tacet_semaphore_acquire(self, &semaphore); }},
            {"task", [this](tacet_task* self) { return tacet_task_wait(self, never, nullptr); }},
            {"await",
             [this](tacet_task* self) {
                 return start_and(self, [this, self] { return tacet_task_await(self, &op); });
             }},
            {"any", task::made_again([this](tacet_task* self) {
                 return start_and(self,
                                  [this, self] { return tacet_task_next_completed(self, &reaped, TACET_FOREVER); });
             })},
            {"any, timed", task::made_again([this](tacet_task* self) {
                 return start_and(self,
                                  [this, self] { return tacet_task_next_completed(self, &reaped, TACET_FOREVER - 1); });
             })},
        };
        return calls.at(name);
    }

private:
    tacet_result start_and(tacet_task* self, const std::function<tacet_result()>& wait)
    {
        if (op.request.state == TACET_OP_IDLE)
            CHECK(tacet_file_read_start(&op, self, &reader, &byte, 1, 0) == 0);
        return wait();
    }
};

inline bool was_cancelled(tacet_result r)
{
    return r == -ECANCELED || r == -EINTR;
}

}

#endif
