#include "trace/fingerprint.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <charconv>

namespace committee::trace {
namespace {

constexpr uint64_t kPrime = 0x9E3779B97F4A7C55u;  // odd, so that no power of it vanishes

}  // namespace

void DataFingerprint::add(std::string_view bytes) {
  value_ += XXH3_64bits(bytes.data(), bytes.size()) * power_;
  power_ *= kPrime;
}

bool DataFingerprint::append(std::string_view next, int64_t count) {
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(next.data(), next.data() + next.size(), value, 16);
  if (problem != std::errc() || end != next.data() + next.size() || next.size() != 16) return false;
  value_ += value * power_;
  for (int64_t i = 0; i < count; ++i) power_ *= kPrime;
  return true;
}

std::string DataFingerprint::text() const { return fmt::format("{:016x}", value_); }

}  // namespace committee::trace
