#pragma once

#include "engine/buffer.h"
#include "engine/matmul.h"

namespace committee::engine {

// Runs a float32 product on any processor, in Highway's vectors. As in packed_product.h one side is packed, A
// or the columns of B, and the other read where it lies, and an element's terms are added one after the
// other, whatever the rows around it, which oneDNN does not promise.
void multiply_floats(const Product& product, const float* a, const float* b, float* c, Bytes& scratch);

}  // namespace committee::engine
