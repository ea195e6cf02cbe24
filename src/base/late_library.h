#pragma once

namespace committee {

// A shared library that is loaded when it is first needed: linked to, it would be loaded and relocated in
// every command, most of which do not need it.
class LateLibrary {
 public:
  // Never closed. `name` is what errors call it. Throws Error where it is missing.
  LateLibrary(const char* name, const char* file);

  // Of a function or an object. Throws Error where there is none.
  void* address(const char* symbol) const;

 private:
  const char* name_;
  void* handle_;
};

}  // namespace committee
