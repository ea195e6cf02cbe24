// The libFuzzer program of one target, with a limit of memory that follows the input's size.

#include <sanitizer/allocator_interface.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "sandbox.h"
#include "targets.h"

namespace committee::fuzz {
namespace {

std::atomic<int64_t> live = 0;
std::atomic<int64_t> limit = INT64_MAX;

void on_malloc(const volatile void*, size_t size) {
  const auto bytes = static_cast<int64_t>(size);
  if (live.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit.load(std::memory_order_relaxed))
    return;
  const int64_t allowed = limit.exchange(INT64_MAX);
  std::fprintf(stderr, "fuzz: more than the %lld bytes that this input allows\n",
               static_cast<long long>(allowed));
  std::abort();
}

void on_free(const volatile void* block) {
  const auto size = __sanitizer_get_allocated_size(block);
  live.fetch_sub(static_cast<int64_t>(size), std::memory_order_relaxed);
}

constexpr int64_t always_allowed() {
#define COMMITTEE_FUZZ_ALLOWED(name, mebibytes) \
  if (std::string_view(#name) == std::string_view(COMMITTEE_FUZZ_NAME)) return int64_t{mebibytes} << 20;
  COMMITTEE_FUZZ_TARGETS(COMMITTEE_FUZZ_ALLOWED)
#undef COMMITTEE_FUZZ_ALLOWED
  return 0;
}
static_assert(always_allowed() > 0);

}  // namespace
}  // namespace committee::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  committee::fuzz::enter_sandbox_of(COMMITTEE_FUZZ_NAME);
  __sanitizer_install_malloc_and_free_hooks(committee::fuzz::on_malloc, committee::fuzz::on_free);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace committee::fuzz;
  live = 0;
  limit = always_allowed() + 64 * static_cast<int64_t>(size);
  COMMITTEE_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  limit = INT64_MAX;
  return 0;
}
