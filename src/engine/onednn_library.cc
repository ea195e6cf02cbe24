// oneDNN's functions as far as its header's classes call them for matrix products: each hands its arguments
// on to the library's own.
#include "engine/onednn_library.h"

#include <oneapi/dnnl/dnnl.h>

#include "base/late_library.h"

#define COMMITTEE_TEXT_OF(x) #x
#define COMMITTEE_TEXT(x) COMMITTEE_TEXT_OF(x)

namespace committee::engine {
namespace {

constexpr const char* kFile = "libdnnl.so." COMMITTEE_TEXT(DNNL_VERSION_MAJOR);

// Never closed: it keeps threads and compiled kernels of its own.
const LateLibrary& library() {
  static const LateLibrary loaded("oneDNN", kFile);
  return loaded;
}

template <typename Function>
Function* entry(const char* name) {
  return reinterpret_cast<Function*>(library().address(name));
}

}  // namespace

const OneDnnLibrary& load_onednn() {
  static const OneDnnLibrary loaded{entry<void(int)>("omp_set_num_threads")};
  return loaded;
}

}  // namespace committee::engine

#define HAND_ON(result, name, parameters, arguments)                          \
  result name parameters {                                                    \
    static auto* const own = committee::engine::entry<decltype(name)>(#name); \
    return own arguments;                                                     \
  }

extern "C" {
HAND_ON(dnnl_cpu_isa_t, dnnl_get_effective_cpu_isa, (), ())
HAND_ON(dnnl_status_t, dnnl_engine_create, (dnnl_engine_t * made, dnnl_engine_kind_t kind, size_t index),
        (made, kind, index))
HAND_ON(dnnl_status_t, dnnl_engine_destroy, (dnnl_engine_t engine), (engine))
HAND_ON(dnnl_status_t, dnnl_stream_create, (dnnl_stream_t * made, dnnl_engine_t engine, unsigned flags),
        (made, engine, flags))
HAND_ON(dnnl_status_t, dnnl_stream_destroy, (dnnl_stream_t stream), (stream))

HAND_ON(dnnl_status_t, dnnl_memory_desc_init_by_strides,
        (dnnl_memory_desc_t * made, int rank, const dnnl_dims_t sizes, dnnl_data_type_t type,
         const dnnl_dims_t strides),
        (made, rank, sizes, type, strides))
HAND_ON(size_t, dnnl_memory_desc_get_size, (const dnnl_memory_desc_t* shape), (shape))
HAND_ON(dnnl_status_t, dnnl_memory_create,
        (dnnl_memory_t * made, const dnnl_memory_desc_t* shape, dnnl_engine_t engine, void* data),
        (made, shape, engine, data))
HAND_ON(dnnl_status_t, dnnl_memory_set_data_handle_v2,
        (dnnl_memory_t memory, void* data, dnnl_stream_t stream), (memory, data, stream))
HAND_ON(dnnl_status_t, dnnl_memory_destroy, (dnnl_memory_t memory), (memory))

HAND_ON(dnnl_status_t, dnnl_post_ops_create, (dnnl_post_ops_t * made), (made))
HAND_ON(dnnl_status_t, dnnl_post_ops_append_sum, (dnnl_post_ops_t operations, float scale),
        (operations, scale))
HAND_ON(dnnl_status_t, dnnl_post_ops_destroy, (dnnl_post_ops_t operations), (operations))
HAND_ON(dnnl_status_t, dnnl_primitive_attr_create, (dnnl_primitive_attr_t * made), (made))
HAND_ON(dnnl_status_t, dnnl_primitive_attr_set_post_ops,
        (dnnl_primitive_attr_t attributes, const_dnnl_post_ops_t operations), (attributes, operations))
HAND_ON(dnnl_status_t, dnnl_primitive_attr_set_scratchpad_mode,
        (dnnl_primitive_attr_t attributes, dnnl_scratchpad_mode_t mode), (attributes, mode))
HAND_ON(dnnl_status_t, dnnl_primitive_attr_destroy, (dnnl_primitive_attr_t attributes), (attributes))

HAND_ON(dnnl_status_t, dnnl_matmul_desc_init,
        (dnnl_matmul_desc_t * made, const dnnl_memory_desc_t* a, const dnnl_memory_desc_t* b,
         const dnnl_memory_desc_t* bias, const dnnl_memory_desc_t* c),
        (made, a, b, bias, c))
HAND_ON(dnnl_status_t, dnnl_primitive_desc_iterator_create,
        (dnnl_primitive_desc_iterator_t * made, const_dnnl_op_desc_t operation,
         const_dnnl_primitive_attr_t attributes, dnnl_engine_t engine, const_dnnl_primitive_desc_t forward),
        (made, operation, attributes, engine, forward))
HAND_ON(dnnl_primitive_desc_t, dnnl_primitive_desc_iterator_fetch,
        (const_dnnl_primitive_desc_iterator_t iterator), (iterator))
HAND_ON(dnnl_status_t, dnnl_primitive_desc_iterator_destroy, (dnnl_primitive_desc_iterator_t iterator),
        (iterator))
HAND_ON(const dnnl_memory_desc_t*, dnnl_primitive_desc_query_md,
        (const_dnnl_primitive_desc_t primitive, dnnl_query_t what, int index), (primitive, what, index))
HAND_ON(dnnl_status_t, dnnl_primitive_desc_destroy, (dnnl_primitive_desc_t primitive), (primitive))
HAND_ON(dnnl_status_t, dnnl_primitive_create,
        (dnnl_primitive_t * made, const_dnnl_primitive_desc_t primitive), (made, primitive))
HAND_ON(dnnl_status_t, dnnl_primitive_execute,
        (const_dnnl_primitive_t primitive, dnnl_stream_t stream, int count, const dnnl_exec_arg_t* arguments),
        (primitive, stream, count, arguments))
HAND_ON(dnnl_status_t, dnnl_primitive_destroy, (dnnl_primitive_t primitive), (primitive))
}
