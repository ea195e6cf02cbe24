// For LD_PRELOAD: the process that is about to give the fourth shard its name is killed.
#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#include <string_view>

extern "C" int rename(const char* from, const char* to) noexcept {
  if (std::string_view(to).ends_with("/records-00004.safetensors")) ::kill(::getpid(), SIGKILL);
  using Rename = int(const char*, const char*);
  return reinterpret_cast<Rename*>(::dlsym(RTLD_NEXT, "rename"))(from, to);
}
