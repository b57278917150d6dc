/* Extended attributes, against the system calls; on file systems that have them. */
#include "support/support.hpp"

#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

using namespace support;

namespace {

tacet_result result_of(long r)
{
    return r < 0 ? -errno : r;
}

/* The same file twice, with one attribute each. */
struct twins {
    twins()
    {
        for (const char* name : {"ours", "theirs"}) {
            directory.write(name, "contents");
            if (::setxattr((directory / name).c_str(), "user.there", "value", 5, 0) < 0)
                SKIP("this file system has no attributes of users");
        }
        ours = {::open(our_path.c_str(), O_RDWR | O_CLOEXEC), O_RDWR, 0};
        REQUIRE(ours.fd >= 0);
    }
    ~twins() { ::close(ours.fd); }
    temporary_directory directory;
    std::string our_path = directory / "ours", their_path = directory / "theirs";
    tacet_file ours = {-1, 0, 0};
};

bool lacks_xattrs(tacet_executor* executor)
{
    return !tacet_executor_supports(executor, IORING_OP_FGETXATTR);
}

}

TEST_CASE("attributes are read as getxattr reads them, by file and by path", "[xattr]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    if (lacks_xattrs(run))
        SKIP("the kernel's ring has no attributes");
    const twins twins;
    const std::string long_name(300, 'x');
    for (const char* name : {"user.there", "user.missing", "bad", "", long_name.c_str()})
        for (const std::size_t bytes : {0, 2, 5, 16}) {
            CAPTURE(name, bytes);
            char theirs[16] = {}, by_file[16] = {}, by_path[16] = {};
            const tacet_result expected = result_of(::getxattr(twins.their_path.c_str(), name, theirs, bytes));
            CHECK(run([&](tacet_task* self) {
                      return tacet_file_get_xattr(self, &twins.ours, name, by_file, bytes);
                  }) == expected);
            CHECK(run([&](tacet_task* self) {
                      return tacet_path_get_xattr(self, twins.our_path.c_str(), name, by_path, bytes);
                  }) == expected);
            CHECK(std::memcmp(by_file, theirs, sizeof theirs) == 0);
            CHECK(std::memcmp(by_path, theirs, sizeof theirs) == 0);
        }
}

TEST_CASE("attributes are set, listed and removed as the system calls do", "[xattr]")
{
    caller run(GENERATE(from_range(suspending_switchers())), GENERATE(from_range(kernel_rings())));
    if (lacks_xattrs(run))
        SKIP("the kernel's ring has no attributes");
    const twins twins;
    const char* const path = twins.our_path.c_str();
    struct setting {
        const char* name;
        const char* value;
        int flags;
    };
    const setting settings[] = {{"user.one", "1", 0},
                                {"user.one", "other", XATTR_CREATE},
                                {"user.one", "longer", XATTR_REPLACE},
                                {"user.two", "2", XATTR_REPLACE},
                                {"user.two", "", XATTR_CREATE},
                                {"user.two", "x", 77}};
    bool by_path = false;
    for (const setting& each : settings) {
        CAPTURE(each.name, each.value, each.flags);
        const std::size_t bytes = std::strlen(each.value);
        by_path = !by_path;
        CHECK(run([&](tacet_task* self) {
                  return by_path ? tacet_path_set_xattr(self, path, each.name, each.value, bytes, each.flags)
                                 : tacet_file_set_xattr(self, &twins.ours, each.name, each.value, bytes, each.flags);
              }) == result_of(::setxattr(twins.their_path.c_str(), each.name, each.value, bytes, each.flags)));
        char ours[200] = {}, theirs[200] = {};
        const tacet_result listed = result_of(::listxattr(twins.their_path.c_str(), theirs, sizeof theirs));
        CHECK(run([&](tacet_task* self) { return tacet_path_list_xattrs(self, path, ours, sizeof ours); }) == listed);
        CHECK(std::memcmp(ours, theirs, sizeof ours) == 0);
        CHECK(run([&](tacet_task* self) { return tacet_file_list_xattrs(self, &twins.ours, nullptr, 0); }) == listed);
    }
    const auto remove = [&](const char* name) {
        return run([&](tacet_task* self) { return tacet_file_remove_xattr(self, &twins.ours, name); });
    };
    CHECK(remove("user.one") == 0);
    CHECK(remove("user.one") == -ENODATA);
    CHECK(run([&](tacet_task* self) { return tacet_path_remove_xattr(self, path, "user.two"); }) == 0);
    CHECK(run([&](tacet_task* self) { return tacet_path_remove_xattr(self, path, "user.two"); }) == -ENODATA);
    CHECK(::listxattr(path, nullptr, 0) == sizeof "user.there");
}

TEST_CASE("what is no argument for attributes is -EINVAL", "[xattr]")
{
    caller run(GENERATE(from_range(suspending_switchers())));
    const twins twins;
    const tacet_file* const file = &twins.ours;
    char byte = 0;
    const std::size_t too_long = std::size_t{INT_MAX} + 1;
    const call calls[] = {
        [&](tacet_task* t) { return tacet_file_get_xattr(t, nullptr, "user.x", &byte, 1); },
        [&](tacet_task* t) { return tacet_file_get_xattr(t, file, nullptr, &byte, 1); },
        [&](tacet_task* t) { return tacet_file_get_xattr(t, file, "user.x", nullptr, 1); },
        [&](tacet_task* t) { return tacet_file_get_xattr(t, file, "user.x", &byte, too_long); },
        [&](tacet_task* t) { return tacet_file_set_xattr(t, nullptr, "user.x", &byte, 1, 0); },
        [&](tacet_task* t) { return tacet_file_set_xattr(t, file, nullptr, &byte, 1, 0); },
        [&](tacet_task* t) { return tacet_path_get_xattr(t, nullptr, "user.x", &byte, 1); },
        [&](tacet_task* t) { return tacet_path_set_xattr(t, nullptr, "user.x", &byte, 1, 0); },
        [&](tacet_task* t) { return tacet_path_set_xattr(t, "/", "user.x", nullptr, 1, 0); },
        [&](tacet_task* t) { return tacet_file_list_xattrs(t, nullptr, &byte, 1); },
        [&](tacet_task* t) { return tacet_path_list_xattrs(t, nullptr, &byte, 1); },
        [&](tacet_task* t) { return tacet_file_remove_xattr(t, file, nullptr); },
        [&](tacet_task* t) { return tacet_path_remove_xattr(t, nullptr, "user.x"); },
    };
    for (const call& each : calls)
        CHECK(run(each) == -EINVAL);
}
