#pragma once

#include "engine/buffer.h"
#include "engine/matmul.h"

namespace committee::engine {

// Whether this processor has the instructions for the products below (AVX512-BF16).
bool has_packed_product();

// Whether a product consists of whole units, 32 bits each: a float32 or two bf16.
bool can_pack(const Product& product);

// Runs a product. Of one side 16 rows (or columns) are packed, unit after unit, in strips of up to 48; of the
// other a unit at a time is broadcast and multiplied with that unit of the strip's rows, for 8 rows at once,
// whose sums are in registers. Weights are the side that is read where it lies, so that they are never
// packed; attention packs keys and values instead, which leaves nothing to transpose. An element's units are
// added one after the other either way, whatever the rows around it. `scratch` grows to packed_bytes.
void multiply_packed(const Product& product, const void* a, const void* b, float* c, Bytes& scratch);

size_t packed_bytes(int64_t rows, int64_t k, Compute input);

}  // namespace committee::engine
