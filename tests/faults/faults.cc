// A library to be loaded before the C library (LD_PRELOAD): makes calls that write files fail, or the process
// end, where a test asks for it. COMMITTEE_FAULT is FUNCTION:WHAT:N[:TEXT]: from the Nth call of FUNCTION on,
// of those on paths that hold TEXT, WHAT happens: an errno (ENOSPC, EIO, EROFS), or a signal (KILL, TERM,
// INT; PARENT_INT: to mpirun) at the Nth call alone.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct Fault {
  char function[32] = "", what[16] = "", text[256] = "";
  int first = 0;
  std::atomic<int> calls = 0;

  Fault() {
    if (const char* spec = std::getenv("COMMITTEE_FAULT")) {
      std::sscanf(spec, "%31[^:]:%15[^:]:%d:%255s", function, what, &first, text);
    }
  }
};

Fault& fault() {
  static Fault one;
  return one;
}

// The errno with which this call of `function` on `path` shall fail, or 0.
int failure(const char* function, const char* path) {
  Fault& f = fault();
  if (std::strcmp(f.function, function) != 0 || std::strstr(path, f.text) == nullptr) return 0;
  const int call = ++f.calls;
  const struct {
    const char* name;
    int number;
    bool is_signal;
  } kinds[] = {{"ENOSPC", ENOSPC, false},   {"EIO", EIO, false},     {"EROFS", EROFS, false},
               {"KILL", SIGKILL, true},     {"TERM", SIGTERM, true}, {"INT", SIGINT, true},
               {"PARENT_INT", SIGINT, true}};
  for (const auto& kind : kinds) {
    if (std::strcmp(f.what, kind.name) != 0) continue;
    if (!kind.is_signal) return call >= f.first ? kind.number : 0;
    const bool parent = std::strncmp(kind.name, "PARENT_", 7) == 0;
    if (call == f.first) ::kill(parent ? ::getppid() : ::getpid(), kind.number);
  }
  return 0;
}

int failure(const char* function, int fd) {
  char link[64], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link, path, sizeof path - 1);
  path[size > 0 ? size : 0] = '\0';
  // Terminals, pipes and sockets are not what fails here.
  return path[0] == '/' ? failure(function, path) : 0;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

int failed(int number) {
  errno = number;
  return -1;
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
  if (const int number = failure("write", fd)) return failed(number);
  return next<ssize_t(int, const void*, size_t)>("write")(fd, data, size);
}

int fsync(int fd) {
  if (const int number = failure("fsync", fd)) return failed(number);
  return next<int(int)>("fsync")(fd);
}

int posix_fallocate(int fd, off_t offset, off_t size) {
  if (const int number = failure("posix_fallocate", fd)) return number;
  return next<int(int, off_t, off_t)>("posix_fallocate")(fd, offset, size);
}

int ftruncate(int fd, off_t size) noexcept {
  if (const int number = failure("ftruncate", fd)) return failed(number);
  return next<int(int, off_t)>("ftruncate")(fd, size);
}

int rename(const char* from, const char* to) noexcept {
  if (const int number = failure("rename", to)) return failed(number);
  return next<int(const char*, const char*)>("rename")(from, to);
}

int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
    if (const int number = failure("open", path)) return failed(number);
  }
  return next<int(const char*, int, ...)>("open")(path, flags, mode);
}

}  // extern "C"
