// The one file that knows oneDNN.
#include "engine/matmul.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "base/error.h"
#include "engine/buffer.h"
#include "engine/float_product.h"
#include "engine/packed_product.h"

namespace committee::engine {
namespace {

using dnnl::memory;

struct Hash {
  size_t operator()(const Product& p) const {
    size_t hash = 14695981039346656037u;
    for (const int64_t value : {p.m, p.n, p.k, p.lda, p.ldb, p.ldc, static_cast<int64_t>(p.input),
                                static_cast<int64_t>(p.b_transposed), static_cast<int64_t>(p.accumulate)}) {
      hash = (hash ^ static_cast<size_t>(value)) * 1099511628211u;
      hash ^= hash >> 29;
    }
    return hash;
  }
};

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// A product ready to run: only the three addresses and the scratchpad's change.
struct Prepared {
  dnnl::matmul primitive;
  memory a, b, c, scratchpad;
  size_t scratchpad_bytes = 0;
  std::unordered_map<int, memory> arguments;

  explicit Prepared(const Product& p) {
    const auto type = p.input == Compute::kF32 ? memory::data_type::f32 : memory::data_type::bf16;
    const memory::desc a_desc({p.m, p.k}, type, memory::dims{p.lda, 1});
    const memory::desc b_desc({p.k, p.n}, type,
                              p.b_transposed ? memory::dims{1, p.ldb} : memory::dims{p.ldb, 1});
    const memory::desc c_desc({p.m, p.n}, memory::data_type::f32, memory::dims{p.ldc, 1});
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (p.accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0f);
      attributes.set_post_ops(sum);
    }
    const dnnl::matmul::primitive_desc desc(dnnl::matmul::desc(a_desc, b_desc, c_desc), attributes, cpu());
    primitive = dnnl::matmul(desc);
    a = memory(a_desc, cpu(), nullptr);
    b = memory(b_desc, cpu(), nullptr);
    c = memory(c_desc, cpu(), nullptr);
    scratchpad = memory(desc.scratchpad_desc(), cpu(), nullptr);
    scratchpad_bytes = desc.scratchpad_desc().get_size();
    arguments = {
        {DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}, {DNNL_ARG_SCRATCHPAD, scratchpad}};
  }
};

// oneDNN runs on OpenMP threads: in each of ours it shall find one.
void single_threaded() {
  thread_local const bool done = (omp_set_num_threads(1), true);
  (void)done;
}

constexpr size_t kMostPrepared = 4096;

}  // namespace

struct Matmul::Cache {
  dnnl::stream stream{cpu()};
  std::unordered_map<Product, Prepared, Hash> products;
  Bytes scratchpad, padded_input, padded_output, packed;
};

Matmul::Matmul(Kernels kernels) : cache_(std::make_unique<Cache>()), best_(kernels == Kernels::kBest) {
  const auto isa = dnnl::get_effective_cpu_isa();
  const bool tiles = isa == dnnl::cpu_isa::avx512_core_amx;
  packs_ = best_ && has_packed_product() && (tiles || isa == dnnl::cpu_isa::avx512_core_bf16);
  tiles_ = tiles;
}
Matmul::Matmul(Matmul&&) noexcept = default;
Matmul::~Matmul() = default;

void Matmul::run(const Product& product, const void* a, const void* b, float* c) {
  const bool f32 = product.input == Compute::kF32;
  // oneDNN's bf16 products with AMX leave a kernel of vectors far behind.
  if (packs_ && (f32 || !tiles_) && can_pack(product))
    return multiply_packed(product, a, b, c, cache_->packed);
  if (best_ && f32)
    return multiply_floats(product, static_cast<const float*>(a), static_cast<const float*>(b), c,
                           cache_->packed);
  product.m == 1 ? run_one_row(product, a, b, c) : run_prepared(product, a, b, c);
}

// oneDNN computes one row in another order, by a kernel of its own: with a row of zeros there are two.
void Matmul::run_one_row(const Product& product, const void* a, const void* b, float* c) {
  const size_t row_bytes = static_cast<size_t>(product.lda) * size_of(product.input),
               used_bytes = static_cast<size_t>(product.k) * size_of(product.input);
  std::byte* rows = cache_->padded_input.reserve(2 * row_bytes);
  std::memcpy(rows, a, used_bytes);
  std::memset(rows + row_bytes, 0, used_bytes);
  float* sums = cache_->padded_output.reserve_as<float>(2 * product.ldc);
  if (product.accumulate) {
    std::copy_n(c, product.n, sums);
    std::fill_n(sums + product.ldc, product.n, 0.0f);
  }
  Product padded = product;
  padded.m = 2;
  run_prepared(padded, rows, b, sums);
  std::copy_n(sums, product.n, c);
}

void Matmul::run_prepared(const Product& product, const void* a, const void* b, float* c) {
  single_threaded();
  try {
    auto found = cache_->products.find(product);
    if (found == cache_->products.end()) {
      if (cache_->products.size() >= kMostPrepared) cache_->products.clear();
      found = cache_->products.emplace(product, Prepared(product)).first;
    }
    Prepared& prepared = found->second;
    prepared.a.set_data_handle(const_cast<void*>(a), cache_->stream);
    prepared.b.set_data_handle(const_cast<void*>(b), cache_->stream);
    prepared.c.set_data_handle(c, cache_->stream);
    prepared.scratchpad.set_data_handle(cache_->scratchpad.reserve(prepared.scratchpad_bytes),
                                        cache_->stream);
    prepared.primitive.execute(cache_->stream, prepared.arguments);
  } catch (const dnnl::error& error) {
    throw Error("oneDNN cannot multiply [{}, {}] by [{}, {}]: {}", product.m, product.k, product.k, product.n,
                error.what());
  }
}

Compute best_compute() {
  const auto isa = dnnl::get_effective_cpu_isa();
  const bool native = isa == dnnl::cpu_isa::avx512_core_bf16 || isa == dnnl::cpu_isa::avx512_core_amx;
  return native ? Compute::kBF16 : Compute::kF32;
}

bool can_compute(Compute compute) {
  if (compute == Compute::kF32) return true;
  const auto isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx512_core || isa == dnnl::cpu_isa::avx512_core_vnni ||
         best_compute() == Compute::kBF16;
}

}  // namespace committee::engine
