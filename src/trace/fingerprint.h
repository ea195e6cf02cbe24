#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace committee::trace {

// Of a sequence of samples: changes with any of them and with their order, and the fingerprint of two
// sequences one after the other follows from theirs: F = sum of h(sample i) * p^i modulo 2^64, h being XXH3.
class DataFingerprint {
 public:
  // `bytes`: everything of the sample that shapes its records (id, domain, tokens, …), as the recorder chose.
  void add(std::string_view bytes);

  // The samples of `next` after these. `next` as text() gave it, of `count` samples; false where it is not 16
  // hex digits.
  bool append(std::string_view next, int64_t count);

  std::string text() const;  // 16 hex digits

 private:
  uint64_t value_ = 0, power_ = 1;
};

}  // namespace committee::trace
