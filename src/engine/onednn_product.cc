#include "engine/onednn_product.h"

#include <cpuid.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "base/error.h"
#include "engine/buffer.h"
#include "engine/onednn_library.h"
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
  thread_local const bool done = (load_onednn().set_num_threads(1), true);
  (void)done;
}

constexpr size_t kMostPrepared = 4096;

bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAmxBf16) != 0 && (d & kAmxTile) != 0;
}

Instructions as_onednn_says() {
  load_onednn();
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx:
      return Instructions::kAmx;
    case dnnl::cpu_isa::avx512_core_bf16:
      return Instructions::kAvx512Bf16;
    case dnnl::cpu_isa::avx512_core_vnni:
    case dnnl::cpu_isa::avx512_core:
      return Instructions::kAvx512;
    default:
      return Instructions::kOther;
  }
}

Instructions find_instructions() {
  // AMX needs the kernel's leave, which oneDNN asks for; elsewhere the library need not be loaded to know.
  if (has_amx() || std::getenv("ONEDNN_MAX_CPU_ISA")) return as_onednn_says();
  if (has_packed_product()) return Instructions::kAvx512Bf16;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return avx512 ? Instructions::kAvx512 : Instructions::kOther;
}

}  // namespace

Instructions instructions() {
  static const Instructions found = find_instructions();
  return found;
}

struct OneDnnProducts::Cache {
  dnnl::stream stream{cpu()};
  std::unordered_map<Product, Prepared, Hash> products;
  Bytes scratchpad, padded_input, padded_output;
};

OneDnnProducts::OneDnnProducts() {
  load_onednn();
  cache_ = std::make_unique<Cache>();
}
OneDnnProducts::~OneDnnProducts() = default;

void OneDnnProducts::run(const Product& product, const void* a, const void* b, float* c) {
  product.m == 1 ? run_one_row(product, a, b, c) : run_prepared(product, a, b, c);
}

// oneDNN computes one row in another order, by a kernel of its own: with a row of zeros there are two.
void OneDnnProducts::run_one_row(const Product& product, const void* a, const void* b, float* c) {
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

void OneDnnProducts::run_prepared(const Product& product, const void* a, const void* b, float* c) {
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

}  // namespace committee::engine
