#include "base/late_library.h"

#include <dlfcn.h>

#include "base/error.h"

namespace committee {

LateLibrary::LateLibrary(const char* name, const char* file)
    : name_(name), handle_(::dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
  if (!handle_) throw Error("{} is needed for this and cannot be loaded: {}", name, ::dlerror());
}

void* LateLibrary::address(const char* symbol) const {
  void* found = ::dlsym(handle_, symbol);
  if (!found) throw Error("{} has no {}", name_, symbol);
  return found;
}

}  // namespace committee
