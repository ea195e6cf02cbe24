#include "trace/gguf.h"

#include <cstring>
#include <optional>

#include "base/error.h"

namespace committee::trace {
namespace {

// Types of metadata values, as the format numbers them.
enum : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kFloat32, kBool, kText, kArray, kU64, kI64, kFloat64 };

constexpr uint32_t kTensorF32 = 0;

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  template <typename T>
  T take() {
    T value;
    std::memcpy(&value, skip(sizeof(T)), sizeof(T));
    return value;
  }

  std::string take_text() {
    const auto size = take<uint64_t>();
    return {reinterpret_cast<const char*>(skip(size)), size};
  }

  const std::byte* skip(uint64_t size) {
    if (size > bytes_.size() - at_) throw Error("{}: the GGUF file is truncated at byte {}", name_, at_);
    const std::byte* from = bytes_.data() + at_;
    at_ += size;
    return from;
  }

  size_t at() const { return at_; }
  size_t rest() const { return bytes_.size() - at_; }

  // A scalar: its value where it is an integer ≥ 0.
  std::optional<uint64_t> take_scalar(uint32_t type) {
    const auto natural = [](int64_t value) {
      return value >= 0 ? std::optional(static_cast<uint64_t>(value)) : std::nullopt;
    };
    switch (type) {
      case kU8:
        return take<uint8_t>();
      case kI8:
        return natural(take<int8_t>());
      case kU16:
        return take<uint16_t>();
      case kI16:
        return natural(take<int16_t>());
      case kU32:
        return take<uint32_t>();
      case kI32:
        return natural(take<int32_t>());
      case kU64:
        return take<uint64_t>();
      case kI64:
        return natural(take<int64_t>());
      case kFloat32:
        skip(4);
        return std::nullopt;
      case kFloat64:
        skip(8);
        return std::nullopt;
      case kBool:
        skip(1);
        return std::nullopt;
      default:
        throw Error("{}: metadata of type {} at byte {}, which GGUF does not have", name_, type, at_);
    }
  }

  void skip_array() {
    const auto type = take<uint32_t>();
    if (type == kArray) throw Error("{}: nested metadata arrays are not read", name_);
    // Each element takes at least a byte, so the count is bounded by the file before the loop runs.
    const auto count = take<uint64_t>();
    if (count > rest())
      throw Error("{}: a metadata array of {} elements is longer than the file", name_, count);
    for (uint64_t i = 0; i < count; ++i) {
      if (type == kText) {
        take_text();
      } else {
        take_scalar(type);
      }
    }
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& name_;
  size_t at_ = 0;
};

struct TensorInfo {
  std::string name;
  std::vector<int64_t> shape;
  int64_t elements = 1;
  uint32_t type = 0;
  uint64_t offset = 0;
};

TensorInfo take_tensor_info(Reader& reader, const std::string& name) {
  TensorInfo info;
  info.name = reader.take_text();
  const auto dimensions = reader.take<uint32_t>();
  if (dimensions > 4)
    throw Error("{}: tensor \"{}\" has {} dimensions, at most 4", name, info.name, dimensions);
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto size = reader.take<int64_t>();
    if (size < 0 || __builtin_mul_overflow(info.elements, size, &info.elements)) {
      throw Error("{}: the shape of tensor \"{}\" is impossible", name, info.name);
    }
    info.shape.push_back(size);
  }
  info.type = reader.take<uint32_t>();
  info.offset = reader.take<uint64_t>();
  return info;
}

std::span<const float> values_of(const TensorInfo& info, std::span<const std::byte> data,
                                 const std::string& name) {
  const auto elements = static_cast<uint64_t>(info.elements);
  if (info.offset > data.size() || elements > (data.size() - info.offset) / sizeof(float)) {
    throw Error("{}: tensor \"{}\" lies outside the file", name, info.name);
  }
  const std::byte* begin = data.data() + info.offset;
  if (reinterpret_cast<uintptr_t>(begin) % sizeof(float) != 0) {
    throw Error("{}: tensor \"{}\" is not aligned", name, info.name);
  }
  return {reinterpret_cast<const float*>(begin), elements};
}

}  // namespace

Gguf parse_gguf(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.size() < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0) {
    throw Error("{}: not a GGUF file (an older imatrix.dat must be converted with llama-imatrix first)",
                name);
  }
  Reader reader(bytes, name);
  reader.skip(4);
  const auto version = reader.take<uint32_t>();
  if (version != 2 && version != 3)
    throw Error("{}: GGUF version {} is not read, only 2 and 3", name, version);
  const auto tensors = reader.take<uint64_t>();
  const auto entries = reader.take<uint64_t>();
  Gguf gguf;
  for (uint64_t i = 0; i < entries; ++i) {
    auto key = reader.take_text();
    const auto type = reader.take<uint32_t>();
    if (type == kText) {
      gguf.texts[key] = reader.take_text();
    } else if (type == kArray) {
      reader.skip_array();
    } else if (const auto value = reader.take_scalar(type)) {
      gguf.integers[key] = *value;
    }
  }
  std::vector<TensorInfo> infos;
  for (uint64_t i = 0; i < tensors; ++i) infos.push_back(take_tensor_info(reader, name));
  const auto found = gguf.integers.find("general.alignment");
  const uint64_t alignment = found == gguf.integers.end() ? 32 : found->second;
  if (alignment == 0 || alignment % 8 != 0 || alignment > 1 << 20) {
    throw Error("{}: the alignment {} is not one that GGUF allows", name, alignment);
  }
  const uint64_t begin = (reader.at() + alignment - 1) / alignment * alignment;
  const auto data = bytes.subspan(std::min<uint64_t>(begin, bytes.size()));
  for (const auto& info : infos) {
    if (info.type == kTensorF32) gguf.tensors.push_back({info.name, info.shape, values_of(info, data, name)});
  }
  return gguf;
}

}  // namespace committee::trace
