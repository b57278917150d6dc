/*
 * Every operation, in every form and at every stage of its life, ended in every way: what it says is right, what it has done is
 * there, what it has not done is not, and nothing stays behind.
 *
 * A cell is one operation (support/subjects.hpp) on one switcher, brought to one stage, at which one thing is done to it.
 */
#include "support/stages.h"
#include "support/subjects.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

using namespace support;

namespace {

const char* const form_names[] = {"awaited", "started", "left", "callback"};

enum class stage_kind { waiting, queued, in_flight, completed, reaped };
const char* const stage_names[] = {"waiting", "queued", "in flight", "completed", "reaped"};

enum class action_kind { nothing, cancel_op, cancel_task, op_deadline, task_deadline, destroy, cancel_and_destroy };
const char* const action_names[] = {"nothing",        "cancel, op", "cancel, task",   "deadline, op",
                                    "deadline, task", "destroy",    "cancel, destroy"};

const action_kind all_actions[] = {action_kind::nothing,           action_kind::cancel_op,     action_kind::cancel_task,
                                   action_kind::op_deadline,       action_kind::task_deadline, action_kind::destroy,
                                   action_kind::cancel_and_destroy};

constexpr std::uint64_t long_past = 1;
const timespec no_time = {0, 0}, a_minute = {60, 0}; /* a busy disk syncs slowly */
constexpr unsigned char poison = 0xA5;

struct cell_name {
    const operation_row& row;
    const switcher_kind* switcher; /* NULL: callbacks */
    unsigned ring_entries;
    form_kind form;
    stage_kind stage;
    action_kind action;

    bool has(unsigned trait) const { return row.has(trait); }
    bool destroys() const { return action == action_kind::destroy || action == action_kind::cancel_and_destroy; }
    bool is_over() const { return stage == stage_kind::completed || stage == stage_kind::reaped; }
    bool is_limited() const { return has(limited_data) || has(limited_worker); }
    bool has_task() const { return form == form_kind::awaited || form == form_kind::started; }
};

std::string to_string(const cell_name& cell)
{
    return cell.row.name + ", " + form_names[int(cell.form)] + ", " +
           (cell.switcher != nullptr ? cell.switcher->name : "no task") + ", " + stage_names[int(cell.stage)] + ", " +
           action_names[int(cell.action)] + ", ring of " + std::to_string(cell.ring_entries);
}

/* Whether there is such a cell. */
bool exists(const cell_name& cell)
{
    const bool of_op = cell.action == action_kind::cancel_op || cell.action == action_kind::op_deadline;
    const bool of_task = cell.action == action_kind::cancel_task || cell.action == action_kind::task_deadline;
    const bool must_come = cell.is_over() || cell.action == action_kind::nothing;
    if (cell.has(only_awaited) && cell.form != form_kind::awaited)
        return false;
    if (cell.stage == stage_kind::waiting && (!cell.is_limited() || cell.ring_entries == 1))
        return false;
    if (cell.stage == stage_kind::in_flight && cell.has(without_ring))
        return false; /* as queued */
    if (cell.has(cannot_be_provoked) && must_come)
        return false;
    if (cell.form == form_kind::awaited)
        return !of_op;
    if (cell.form == form_kind::left)
        return !of_task && !cell.is_over();
    return cell.form != form_kind::callback || !of_task;
}

/* ---- What holds up those that wait for a limit ---- */

class in_the_way {
public:
    in_the_way(tacet_executor* executor, bool data)
    {
        scratch().write("in the way", "contents");
        file_.fd = ::open((scratch() / "in the way").c_str(), O_RDWR | O_CLOEXEC);
        for (tacet_op& op : ops_) {
            CHECK(tacet_op_init_callback(
                      &op, executor, [](tacet_op*) {}, TACET_PRIORITY_HIGH) == 0);
            CHECK((data ? tacet_file_read_start(&op, nullptr, &file_, &byte_, 1, 0)
                        : tacet_file_datasync_start(&op, nullptr, &file_)) == 0);
        }
    }
    ~in_the_way() { ::close(file_.fd); }

private:
    tacet_file file_ = {-1, 0, 0};
    char byte_ = 0;
    tacet_op ops_[6];
};

/* ---- One cell ---- */

class cell {
public:
    cell(const cell_name& name, support::executor& executor)
        : name_(name), executor_(executor), subject_(name.row.make())
    {
        tacet_semaphore_init(&gate_, 0);
        if (name.stage == stage_kind::waiting)
            in_the_way_.emplace(executor, name.has(limited_data));
        subject_->form = name.form;
        subject_->op = name.form != form_kind::awaited ? &op_.op : nullptr;
        subject_->prepare(executor);
        begin();
    }

    void reach_stage();
    void act();
    void end();
    void look();

private:
    struct callback_op {
        tacet_op op = {}; /* first */
        int called = 0;
    };

    void begin();
    void begin_task();
    bool is_under_way() const;
    void run_until_completed();
    void run_until(const std::function<bool()>& condition);
    void provoke();
    bool has_ended() const;
    bool was_told() const;
    tacet_result told() const;
    bool fits(tacet_result r) const;
    bool may_come() const;
    void look_at_result();
    void look_at_later_waits();
    void look_for_late_writes();

    const cell_name name_;
    support::executor& executor_;
    std::unique_ptr<subject> subject_;
    std::optional<in_the_way> in_the_way_;
    callback_op op_;
    std::optional<task> task_;
    tacet_semaphore gate_; /* where a task stands that has taken the result */
    bool provoked_ = false, destroyed_ = false, told_before_ = false;
};

void cell::begin()
{
    if (name_.form != form_kind::callback) {
        begin_task();
        return;
    }
    const auto count = [](tacet_op* op) { reinterpret_cast<callback_op*>(op)->called++; };
    REQUIRE(tacet_op_init_callback(&op_.op, executor_, count, TACET_PRIORITY_LOW) == 0);
    REQUIRE(subject_->start(&op_.op, nullptr) == 0);
}

void cell::begin_task()
{
    std::vector<call> calls;
    const auto await = [this](tacet_task* self) { return subject_->await(self); };
    if (name_.form == form_kind::awaited)
        calls.push_back(name_.has(of_steps) ? task::made_again(await) : call(await));
    else
        calls.emplace_back([this](tacet_task* self) { return subject_->start(&op_.op, self); });
    if (name_.form == form_kind::started)
        calls.emplace_back([this](tacet_task* self) { return tacet_task_await(self, &op_.op); });
    if (name_.has_task()) {
        if (name_.stage == stage_kind::reaped)
            calls.emplace_back([this](tacet_task* self) { return tacet_semaphore_acquire(self, &gate_); });
        calls.emplace_back([](tacet_task* self) { return tacet_sleep(self, 1); });
    }
    task_.emplace(*name_.switcher, calls);
    CHECK(tacet_task_set_priority(*task_, TACET_PRIORITY_HIGH, TACET_PRIORITY_LOW) == 0);
    task_->attach(executor_);
    REQUIRE(tacet_executor_run(executor_, 1, &no_time) == 1);
}

void cell::run_until(const std::function<bool()>& condition)
{
    while (!condition())
        if (tacet_executor_run(executor_, 1, &a_minute) <= 0) /* idle, or it hangs */
            REQUIRE(condition());
}

/* What can only be awaited may have more in flight than what the task waits for. */
bool cell::is_under_way() const
{
    if (name_.has(only_awaited))
        return static_cast<const tacet_task*>(*task_)->state == TACET_TASK_SUSPENDED;
    return executor_.stats().in_flight != 0 || executor_.stats().timers != 0;
}

/* Nobody is resumed but a task of higher priority, of which there is one each time. */
void cell::run_until_completed()
{
    task runs(tacet_switcher_none(), {[](tacet_task*) -> tacet_result { return 0; }});
    const std::uint64_t limit = tacet_now() + 60'000'000'000;
    CHECK(tacet_task_set_priority(runs, TACET_PRIORITY_HIGH, TACET_PRIORITY_NORMAL) == 0);
    while (is_under_way()) {
        REQUIRE(tacet_now() < limit);
        if (!name_.has(without_ring)) /* what has several parts may be about to start the next */
            REQUIRE((name_.has(only_awaited) ? stage_submit : stage_wait)(executor_) == 0);
        if (tacet_task_has_exited(runs) || static_cast<const tacet_task*>(runs)->state == TACET_TASK_IDLE)
            runs.attach(executor_); /* else a callback was first */
        REQUIRE(tacet_executor_run(executor_, 1, &no_time) == 1);
    }
}

void cell::provoke()
{
    if (!provoked_)
        subject_->provoke();
    provoked_ = true;
}

void cell::reach_stage()
{
    if (name_.stage == stage_kind::waiting) {
        CHECK(tacet_executor_run(executor_, 1, &no_time) >= -ETIME);
        REQUIRE(executor_.stats().waiting > 0);
    }
    if (name_.stage == stage_kind::in_flight)
        REQUIRE(stage_submit(executor_) == 0);
    if (name_.is_over())
        provoke();
    if (name_.stage == stage_kind::completed)
        run_until_completed();
    if (name_.stage == stage_kind::reaped && name_.form == form_kind::callback)
        run_until([this] { return op_.called == 1; });
    if (name_.stage == stage_kind::reaped && name_.has_task())
        run_until([this] { return gate_.last != nullptr; });
    told_before_ = name_.stage == stage_kind::reaped;
}

void cell::act()
{
    const tacet_result too_late = name_.is_over() ? -ENOENT : name_.has(never_cancelled) ? -EALREADY : 0;
    switch (name_.action) {
    case action_kind::nothing:
        break;
    case action_kind::cancel_op:
        CHECK(tacet_op_cancel(&op_.op) == too_late);
        break;
    case action_kind::op_deadline:
        CHECK(tacet_op_set_deadline(&op_.op, long_past) == too_late);
        break;
    case action_kind::cancel_task:
        CHECK(tacet_task_cancel(*task_) == 0);
        break;
    case action_kind::task_deadline:
        CHECK(tacet_task_set_deadline(*task_, long_past) == 0);
        break;
    case action_kind::cancel_and_destroy: /* while the cancel is on its way */
        if (name_.form == form_kind::awaited)
            CHECK(tacet_task_cancel(*task_) == 0);
        else
            CHECK(tacet_op_cancel(&op_.op) == too_late);
        [[fallthrough]];
    case action_kind::destroy:
        CHECK(executor_.destroy() == 0);
        destroyed_ = true;
        subject_->has_executor = false;
        break;
    }
}

bool cell::has_ended() const
{
    if (name_.form == form_kind::callback)
        return op_.called > 0;
    return tacet_task_has_exited(*task_) && op_.op.request.state == TACET_OP_IDLE;
}

/* Only who was not asked to end, or does not heed it, must be helped. */
void cell::end()
{
    if (name_.action == action_kind::nothing || name_.has(never_cancelled))
        provoke();
    if (!destroyed_) {
        const bool at_gate = name_.stage == stage_kind::reaped && name_.has_task();
        if (at_gate && (name_.action == action_kind::nothing || name_.action == action_kind::cancel_op ||
                        name_.action == action_kind::op_deadline))
            tacet_semaphore_release(&gate_, 1);
        run_until([this] { return has_ended(); });
        subject_->retire();
        CHECK(executor_.run_until_idle() >= 0); /* what was in the way, and cancels */
    } else {
        subject_->retire();
    }
    CHECK(has_ended());
}

/* ---- What came of it ---- */

bool cell::was_told() const
{
    return !name_.has_task() || told_before_ || !destroyed_;
}

tacet_result cell::told() const
{
    if (!name_.has_task())
        return op_.op.result;
    const std::size_t place = name_.form == form_kind::awaited ? 0 : 1;
    REQUIRE(task_->results().size() > place);
    return task_->results()[place];
}

/* Whether it can have ended of itself. */
bool cell::may_come() const
{
    return provoked_ || !name_.has(waits);
}

bool cell::fits(tacet_result r) const
{
    if (name_.form == form_kind::left && name_.has(gives_descriptor) && (r >= 0 || r == -ECANCELED))
        return r < 0; /* nobody has it: it was closed */
    if (subject_->is_own(r))
        return may_come() && (name_.stage != stage_kind::waiting || name_.action == action_kind::nothing);
    const bool has_more = name_.has(of_steps) && name_.stage != stage_kind::reaped;
    if ((name_.is_over() && !has_more) || name_.has(never_cancelled) || r >= 0)
        return false;
    if (name_.action == action_kind::op_deadline || name_.action == action_kind::task_deadline)
        return r == -ETIME;
    return name_.action != action_kind::nothing && (r == -ECANCELED || r == -EINTR);
}

void cell::look_at_result()
{
    if (!was_told()) {
        CHECK(tacet_task_result(*task_) == -ECANCELED);
        subject_->settle_untold();
        return;
    }
    const tacet_result r = told();
    CAPTURE(r);
    CHECK(fits(r));
    subject_->settle(r);
    if (name_.has_task() && !destroyed_)
        look_at_later_waits();
}

/* A cancel that did not end the operation ends the next wait; a deadline ends all. */
void cell::look_at_later_waits()
{
    const std::vector<tacet_result>& all = task_->results();
    const bool cancelled = name_.action == action_kind::cancel_task, late = name_.action == action_kind::task_deadline;
    const bool at_gate = name_.stage == stage_kind::reaped;
    const bool kept = subject_->is_own(told());
    if (at_gate)
        CHECK(all[all.size() - 2] == (cancelled ? -ECANCELED : late ? -ETIME : 0));
    CHECK(all.back() == (late ? -ETIME : cancelled && kept && !at_gate ? -ECANCELED : 0));
}

void cell::look_for_late_writes()
{
    const auto poisoned = [](const void* memory, std::size_t bytes) {
        const auto* first = static_cast<const unsigned char*>(memory);
        return std::all_of(first, first + bytes, [](unsigned char byte) { return byte == poison; });
    };
    std::memset(static_cast<void*>(&op_.op), poison, sizeof op_.op);
    if (subject_->out != nullptr)
        std::memset(subject_->out, poison, subject_->out_bytes);
    subject_->provoke();
    if (!destroyed_)
        CHECK(tacet_executor_run(executor_, 1, &no_time) == 0);
    CHECK(poisoned(subject_->out, subject_->out_bytes));
    CHECK(poisoned(&op_.op, sizeof op_.op));
}

void cell::look()
{
    CHECK(op_.op.request.state == TACET_OP_IDLE);
    CHECK(op_.called == (name_.form == form_kind::callback ? 1 : 0));
    look_at_result();
    if (!destroyed_) {
        const tacet_executor_stats stats = executor_.stats();
        CHECK(stats.in_flight == 0);
        CHECK(stats.waiting == 0);
        CHECK(stats.timers == 0);
        CHECK(stats.attached == 0);
    }
    look_for_late_writes();
}

/* ---- All of them ---- */

/* How many cells have been covered, by what. */
struct tally {
    unsigned cells[4][5][std::size(all_actions)] = {};
    unsigned operations = 0;
    void print() const;
} covered;

void tally::print() const
{
    unsigned total = 0;
    for (const form_kind f : {form_kind::awaited, form_kind::started, form_kind::left, form_kind::callback}) {
        std::printf("\n| %-9s |", form_names[int(f)]);
        for (const char* name : stage_names)
            std::printf(" %9s |", name);
        for (const action_kind a : all_actions) {
            std::printf("\n| %-14s |", action_names[int(a)]);
            for (std::size_t s = 0; s < std::size(stage_names); s++) {
                std::printf(" %9u |", cells[int(f)][s][int(a)]);
                total += cells[int(f)][s][int(a)];
            }
        }
    }
    std::printf("\n%u cells of %u operations\n", total, operations);
}

tacet_executor_options options_for(const cell_name& name)
{
    tacet_executor_options options = {};
    options.ring_entries = name.ring_entries;
    options.always_through_ring = true;
    if (name.stage == stage_kind::waiting)
        options.data_ops_max = options.worker_ops_max = 1;
    return options;
}

void run_cell(const cell_name& name, std::optional<executor>& host)
{
    INFO(to_string(name));
    if (name.destroys())
        host.reset();
    const std::size_t descriptors = open_descriptors();
    const bool keeps = host.has_value();
    if (!keeps)
        host.emplace(options_for(name));
    {
        cell cell(name, *host);
        cell.reach_stage();
        cell.act();
        cell.end();
        cell.look();
    }
    if (name.destroys())
        host.reset();
    if (keeps || name.destroys())
        CHECK(open_descriptors() == descriptors);
    covered.cells[int(name.form)][int(name.stage)][int(name.action)]++;
}

/* All actions, on one executor as long as that lives. */
void run_cells(const operation_row& row, const switcher_kind* switcher, unsigned entries, form_kind form)
{
    for (const stage_kind s :
         {stage_kind::waiting, stage_kind::queued, stage_kind::in_flight, stage_kind::completed, stage_kind::reaped}) {
        std::optional<executor> host;
        for (const action_kind a : all_actions) {
            const cell_name name = {row, switcher, entries, form, s, a};
            if (exists(name))
                run_cell(name, host);
        }
    }
}

bool is_supported(const operation_row& row)
{
    executor executor;
    if (row.opcode <= TACET_OPCODE_BASELINE || tacet_executor_supports(executor, row.opcode))
        return true;
    std::printf("not covered, the kernel lacks it: %s\n", row.name.c_str());
    return false;
}

}

TEST_CASE("every operation, at every stage, ended in every way", "[matrix]")
{
    const unsigned entries = GENERATE(256u, 1u);
    covered.operations = 0;
    for (const operation_row& row : all_operations()) {
        if (!is_supported(row))
            continue;
        covered.operations++;
        for (const switcher_kind& switcher : suspending_switchers())
            for (const form_kind f : {form_kind::awaited, form_kind::started})
                run_cells(row, &switcher, entries, f);
        for (const switcher_kind& switcher : all_switchers())
            run_cells(row, &switcher, entries, form_kind::left);
        run_cells(row, nullptr, entries, form_kind::callback);
    }
    if (entries == 1)
        covered.print();
}
