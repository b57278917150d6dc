/* The matrix against the headers: what they declare is in it, so that a new operation is, too. */
#include "support/subjects.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

using namespace support;

namespace {

using names = std::set<std::string>;

/* Plain system calls on the executor's thread, which do not wait: there is nothing to cancel. */
const names plain_calls = {
    "tacet_directory_read",    "tacet_file_list_xattrs", "tacet_file_remove_xattr", "tacet_file_seek",
    "tacet_path_chmod",        "tacet_path_chown",       "tacet_path_list_xattrs",  "tacet_path_readlink",
    "tacet_path_remove_xattr", "tacet_path_set_times",   "tacet_socket_bind",       "tacet_socket_get_name",
    "tacet_socket_get_option", "tacet_socket_get_peer",  "tacet_socket_listen",     "tacet_socket_set_option",
};

/* Of tasks: by these the matrix brings the operations to their stages, and ends them. */
const names of_tasks = {
    "tacet_task_await",      "tacet_task_call_result",  "tacet_task_cancel",         "tacet_task_destroy",
    "tacet_task_join",       "tacet_task_move",         "tacet_task_next_completed", "tacet_task_set_deadline",
    "tacet_task_shield",     "tacet_task_set_priority", "tacet_op_cancel",           "tacet_op_init_callback",
    "tacet_op_set_deadline",
};

/* For layers above C: half an operation, or what it does before it goes to the ring. */
bool is_part(const std::string& name)
{
    return name.ends_with("_park") || name.ends_with("_at_once") || name == "tacet_multishot_take";
}

/* Whose first argument is a task, an op or a multishot; "_start" of an operation that is awaited, too, is left out. */
names declared()
{
    const std::regex function(
        R"((?:TACET_NODISCARD|TACET_EXPORT)\s+tacet_result\s+(tacet_\w+)\(struct tacet_(task|op|multishot) \*\w)");
    names found;
    for (const auto& header : std::filesystem::directory_iterator(TACET_C_HEADERS)) {
        if (header.path().extension() != ".h")
            continue;
        std::ifstream file(header.path());
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        for (std::sregex_iterator each(text.begin(), text.end(), function), end; each != end; ++each)
            found.insert((*each)[1]);
    }
    const names all = found;
    for (const std::string& name : all)
        if (name.ends_with("_start") && all.contains(name.substr(0, name.size() - 6)))
            found.erase(name);
    return found;
}

bool is_in_matrix(const std::string& name)
{
    const std::string operation = name.ends_with("_start") ? name.substr(0, name.size() - 6) : name;
    const std::regex whole("\\b" + operation + "\\b");
    return std::ranges::any_of(all_operations(),
                               [&](const operation_row& row) { return std::regex_search(row.name, whole); });
}

}

TEST_CASE("every operation that the headers declare is in the matrix", "[matrix]")
{
    const names all = declared();
    CHECK(all.contains("tacet_file_read"));
    CHECK(all.contains("tacet_accept_multishot_start"));
    names left_out;
    for (const names& some : {plain_calls, of_tasks})
        left_out.insert(some.begin(), some.end());
    for (const std::string& name : all) {
        INFO(name);
        CHECK(is_in_matrix(name) != (left_out.contains(name) || is_part(name)));
    }
    for (const std::string& name : left_out) {
        INFO(name);
        CHECK(all.contains(name));
    }
}
