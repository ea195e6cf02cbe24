#pragma once

#include "engine/buffer.h"
#include "engine/matmul.h"

namespace committee::engine {

// Whether this processor has the instructions for the products below (AVX512-BF16).
bool has_packed_product();

// Whether a product is of the kind computed below: B as weights are stored, and whole units, 32 bits each: a
// float32 or two bf16.
bool can_pack(const Product& product);

// C (+)= A·Bᵀ. The rows of B, the weights, are read where they lie, each once from memory: a unit of one is
// broadcast and multiplied with that unit of 16 rows of A, which are packed for it, unit after unit, into
// `scratch` (as many bytes as A's rows, rounded up to 16, hold). Blocks of 48 rows by 8 weights are summed in
// registers. An element's units are added one after the other, whatever the rows around it.
void multiply_packed(const Product& product, const void* a, const void* b, float* c, Bytes& scratch);

}  // namespace committee::engine
