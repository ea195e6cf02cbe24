#pragma once

#include <memory>

#include "engine/matmul.h"

namespace committee::engine {

// What this processor multiplies with, as oneDNN counts it: ONEDNN_MAX_CPU_ISA holds it back.
enum class Instructions { kOther, kAvx512, kAvx512Bf16, kAmx };
Instructions instructions();

// oneDNN's products, single-threaded, prepared once for each shape and kept. The library is loaded when the
// first object is made. Throws Error where it is not there or refuses.
class OneDnnProducts {
 public:
  OneDnnProducts();
  ~OneDnnProducts();

  void run(const Product& product, const void* a, const void* b, float* c);

 private:
  void run_one_row(const Product& product, const void* a, const void* b, float* c);
  void run_prepared(const Product& product, const void* a, const void* b, float* c);

  struct Cache;
  std::unique_ptr<Cache> cache_;
};

}  // namespace committee::engine
