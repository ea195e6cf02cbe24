// What of simdjson is not in its header, handed on to its library, which is loaded with the first tokenizer:
// Debian has no archive of it to link to, and a program without it needs no shared libstdc++, whose
// relocation takes longer than a small audit.
#include "base/late_library.h"
#include "tokenizer/json_node.h"

namespace {

const committee::LateLibrary& library() {
  static const committee::LateLibrary loaded("simdjson", COMMITTEE_SIMDJSON);
  return loaded;
}

}  // namespace

namespace simdjson {

internal::atomic_ptr<const implementation>& get_active_implementation() {
  using Function = internal::atomic_ptr<const implementation>&();
  static auto* const own =
      reinterpret_cast<Function*>(library().address("_ZN8simdjson25get_active_implementationEv"));
  return own();
}

}  // namespace simdjson

namespace committee::tokenizer {

const char* json_problem(simdjson::error_code code) {
  static const auto* const all = static_cast<const simdjson::internal::error_code_info*>(
      library().address("_ZN8simdjson8internal11error_codesE"));
  return all[code].message;
}

}  // namespace committee::tokenizer
