#include "memory_group.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>

#include "base/error.h"
#include "measure.h"

namespace committee::bench {
namespace {

namespace fs = std::filesystem;

// A control group, of either version of the kernel's interface.
class Group {
 public:
  explicit Group(size_t limit) {
    const bool first = fs::exists("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    folder_ = fs::path(first ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup") /
              ("committee-bench-" + std::to_string(::getpid()));
    peak_ = folder_ / (first ? "memory.max_usage_in_bytes" : "memory.peak");
    std::error_code refused;
    fs::create_directory(folder_, refused);
    std::ofstream file(folder_ / (first ? "memory.limit_in_bytes" : "memory.max"));
    file << limit << std::flush;
    if (refused || !file) throw Error("{}: no memory cgroup can be made", folder_.string());
  }
  Group(const Group&) = delete;
  ~Group() {
    std::error_code ignored;
    fs::remove(folder_, ignored);
  }

  std::string members() const { return (folder_ / "cgroup.procs").string(); }
  size_t peak() const {
    size_t bytes = 0;
    std::ifstream(peak_) >> bytes;
    return bytes;
  }

 private:
  fs::path folder_, peak_;
};

[[noreturn]] void become(const std::vector<std::string>& command, const std::string& members) {
  if (!members.empty()) {
    std::ofstream file(members);
    file << ::getpid() << std::flush;
    if (!file) ::_exit(126);
  }
  const int nowhere = ::open("/dev/null", O_WRONLY);
  ::dup2(nowhere, STDOUT_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

Used run_limited(const std::vector<std::string>& command, size_t limit) {
  std::unique_ptr<Group> group;
  if (limit > 0) group = std::make_unique<Group>(limit);
  const double start = now();
  const pid_t child = ::fork();
  if (child < 0) throw Error("cannot start {}", command[0]);
  if (child == 0) become(command, group ? group->members() : "");
  int status = 0;
  rusage usage = {};
  ::wait4(child, &status, 0, &usage);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw Error("{} {} under a limit of {} bytes", command[0], WIFSIGNALED(status) ? "was killed" : "failed",
                limit);
  return {now() - start, static_cast<size_t>(usage.ru_inblock) * 512,
          static_cast<size_t>(usage.ru_maxrss) * 1024, group ? group->peak() : 0};
}

void drop_cache(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::close(file);
}

}  // namespace committee::bench
