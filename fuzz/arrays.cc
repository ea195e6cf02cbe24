#include <array>

#include "sandbox.h"
#include "targets.h"
#include "trace/array_file.h"
#include "trace/gguf.h"
#include "trace/import.h"
#include "trace/reader.h"

namespace committee::fuzz {
namespace {

// Every index of a small array, the ends of a large one.
void touch(const trace::NpyArray& array) {
  if (array.size == 0) return;
  int64_t last = 0;
  for (size_t axis = 0; axis < array.shape.size(); ++axis)
    last += (array.shape[axis] - 1) * array.strides[axis];
  use(array.value(0) + array.value(last));
}

// NPY bytes as they are, as the member of an archive, an archive, or a safetensors file.
std::filesystem::path put_arrays(std::string_view& input) {
  switch (take_choice(input, 4)) {
    case 0:
      return put("input.npy", input);
    case 1:
      return put("input.npz", input);
    case 2:
      return put_archive("input.npz", {{"layer_0.npy", input}, {"layer_1.npy", input}});
    default:
      return put("input.safetensors", input);
  }
}

}  // namespace

void arrays(std::string_view input) {
  const auto path = put_arrays(input);
  answer([&] {
    const auto file = trace::ArrayFile::open(path);
    for (const auto& array : file.arrays()) touch(array);
  });
}

void gguf(std::string_view input) {
  // Of a block of its own, so that nothing may be read behind its end; at a multiple of 8 as in a mapping.
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(input.data()),
                                     reinterpret_cast<const std::byte*>(input.data()) + input.size());
  answer([&] {
    for (const auto& tensor : trace::parse_gguf(bytes, "input.gguf").tensors) {
      if (!tensor.values.empty()) use(tensor.values.front() + tensor.values.back());
    }
  });
}

// Every kind of import of every ending.
void imports(std::string_view input) {
  constexpr std::array<const char*, 6> kEndings = {"json", "jsonl", "csv", "gguf", "txt", ""};
  const auto kinds = trace::import_kinds();
  const auto& kind = kinds[take_choice(input, kinds.size())];
  const std::string ending = kEndings[take_choice(input, kEndings.size())];
  for (const char* old : {"input.npy", "input.npz", "input.safetensors"})
    std::filesystem::remove(sandbox() / old);
  std::filesystem::remove_all(sandbox() / "in");
  std::filesystem::create_directories(sandbox() / "in" / "drama");
  std::filesystem::path path;
  if (ending.empty()) {
    path = put_arrays(input);
  } else if (ending == "txt") {
    put("in/drama/expert_weights_1.txt", input);
    path = sandbox() / "in";
  } else {
    path = put("in/input." + ending, input);
  }
  const auto out = sandbox() / "out";
  answer([&] {
    trace::ImportOptions options{.existing = trace::Existing::kOverwrite, .top_k = 2};
    trace::import_trace(kind.name, path, out, options);
    const auto trace = trace::Trace::open(out);
    trace::Trace::Scratch scratch;
    for (int64_t shard = 0; shard < trace.shards(); ++shard) {
      trace.verify(shard);
      trace.read(shard, 0, trace.shard_rows(shard), scratch);
    }
  });
  expect_only({"in", "out", path.filename().string()});
}

}  // namespace committee::fuzz
