#include "model/safetensors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <unordered_set>
#include <utility>

#include "base/json.h"

namespace committee::model {

namespace {

constexpr uint64_t kMaxHeader = 100'000'000;
// Asked for at the start: otherwise the first touch reads megabytes, of every file of many.
constexpr size_t kFirstRead = 4096;
static_assert(std::endian::native == std::endian::little, "safetensors data is used where it lies");

// A tensor as the header states it.
struct Entry {
  std::string name, dtype;
  std::vector<uint64_t> shape, offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Receives the header's JSON and holds it to the one form it may have, so that nothing else is ever built.
class HeaderReader {
 public:
  explicit HeaderReader(std::string file) : file_(std::move(file)) {}

  std::vector<Entry> take_entries() { return std::move(entries_); }
  std::map<std::string, std::string> take_metadata() { return std::move(metadata_); }

  bool start_object(size_t) {
    switch (at_) {
      case At::kOutside:
        return go(At::kFile);
      case At::kFile:
        if (key_ == "__metadata__") return go(At::kMetadata);
        if (!names_.insert(key_).second) throw Error("{}: tensor \"{}\" is defined twice", file_, key_);
        entries_.emplace_back().name = key_;
        return go(At::kTensor);
      default:
        unexpected("an object");
    }
  }

  bool end_object() {
    if (at_ == At::kTensor) {
      const Entry& entry = entries_.back();
      for (const auto& [there, key] :
           {std::pair(entry.has_dtype, "dtype"), std::pair(entry.has_shape, "shape"),
            std::pair(entry.has_offsets, "data_offsets")}) {
        if (!there) throw Error("{}: tensor \"{}\" has no \"{}\"", file_, entry.name, key);
      }
    }
    return go(at_ == At::kFile ? At::kOutside : At::kFile);
  }

  bool key(std::string& key) {
    key_ = key;
    if (at_ == At::kFile && key == "__metadata__" && std::exchange(metadata_seen_, true)) {
      throw Error("{}: the header has \"__metadata__\" twice", file_);
    }
    if (at_ != At::kTensor) return true;
    Entry& entry = entries_.back();
    bool* seen = key == "dtype"          ? &entry.has_dtype
                 : key == "shape"        ? &entry.has_shape
                 : key == "data_offsets" ? &entry.has_offsets
                                         : nullptr;
    if (!seen) throw Error("{}: tensor \"{}\" has the unknown key \"{}\"", file_, entry.name, key);
    if (std::exchange(*seen, true)) throw Error("{}: tensor \"{}\" has \"{}\" twice", file_, entry.name, key);
    return true;
  }

  bool string(std::string& text) {
    if (at_ == At::kMetadata) {
      if (!metadata_.emplace(key_, text).second) {
        throw Error("{}: \"__metadata__\" has \"{}\" twice", file_, key_);
      }
    } else if (at_ == At::kTensor && key_ == "dtype") {
      entries_.back().dtype = text;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_array(size_t) {
    if (at_ != At::kTensor || key_ == "dtype") unexpected("an array");
    return go(At::kNumbers);
  }
  bool end_array() { return go(At::kTensor); }

  bool number_unsigned(uint64_t value) {
    if (at_ != At::kNumbers) unexpected("a number");
    (key_ == "shape" ? entries_.back().shape : entries_.back().offsets).push_back(value);
    return true;
  }
  bool number_integer(int64_t) { unexpected("a negative number"); }
  bool number_float(double, const std::string&) { unexpected("a number that is no 64-bit integer"); }
  bool boolean(bool) { unexpected("true or false"); }
  bool null() { unexpected("null"); }
  bool binary(Json::binary_t&) { unexpected("binary data"); }

  bool parse_error(size_t position, const std::string&, const Json::exception&) {
    throw Error("{}: the header is not valid UTF-8 JSON (byte {} of it)", file_, position);
  }

 private:
  enum class At { kOutside, kFile, kMetadata, kTensor, kNumbers };

  bool go(At to) {
    at_ = to;
    return true;
  }

  [[noreturn]] void unexpected(const char* found) const {
    switch (at_) {
      case At::kMetadata:
        throw Error("{}: \"__metadata__\" must map strings to strings, \"{}\" is {}", file_, key_, found);
      case At::kTensor:
      case At::kNumbers:
        throw Error("{}: \"{}\" of tensor \"{}\" must be {}, found {}", file_, key_, entries_.back().name,
                    key_ == "dtype" ? "a string" : "an array of non-negative integers", found);
      default:
        throw Error("{}: the header must hold one object a tensor, \"{}\" is {}", file_, key_, found);
    }
  }

  std::string file_, key_;
  At at_ = At::kOutside;
  std::vector<Entry> entries_;
  std::unordered_set<std::string> names_;
  std::map<std::string, std::string> metadata_;
  bool metadata_seen_ = false;
};

// The JSON text after the 8 bytes of its length.
std::string_view header_text(const MappedFile& file) {
  const std::string name = file.path().string();
  const std::string_view text = file.text();
  uint64_t length = 0;
  if (text.size() < sizeof length) {
    throw Error("{}: {} bytes are too few for a safetensors file, which begins with 8 bytes of header length",
                name, text.size());
  }
  std::memcpy(&length, text.data(), sizeof length);
  if (length > text.size() - sizeof length) {
    throw Error(
        "{}: the header length is {} bytes, but the file has only {}: no safetensors file, or a truncated "
        "one",
        name, length, text.size());
  }
  if (length > kMaxHeader) {
    throw Error("{}: the header length is {} bytes, more than the format's limit of {}", name, length,
                kMaxHeader);
  }
  const std::string_view header = text.substr(sizeof length, length);
  if (!header.starts_with('{')) throw Error("{}: the header must begin with '{{'", name);
  // The JSON parser would take it for the end.
  if (const size_t at = header.find('\0'); at != header.npos) {
    throw Error("{}: the header is not valid UTF-8 JSON (byte {} of it is 0)", name, at + 1);
  }
  return header;
}

// Bytes that a shape takes, nothing where that overflows or is no whole number of bytes.
std::optional<uint64_t> bytes_of(const std::vector<uint64_t>& shape, DType dtype) {
  uint64_t bits = static_cast<uint64_t>(bits_of(dtype));
  for (const uint64_t size : shape) {
    if (__builtin_mul_overflow(bits, size, &bits)) return std::nullopt;
  }
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

Tensor checked(Entry entry, std::span<const std::byte> data, const std::string& file) {
  const auto dtype = dtype_of(entry.dtype);
  if (!dtype) throw Error("{}: tensor \"{}\" has the unknown dtype \"{}\"", file, entry.name, entry.dtype);
  if (entry.offsets.size() != 2) {
    throw Error("{}: \"data_offsets\" of tensor \"{}\" must be two numbers, found {}", file, entry.name,
                entry.offsets.size());
  }
  const uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end) {
    throw Error("{}: tensor \"{}\" begins at byte {} after its end at {}", file, entry.name, begin, end);
  }
  if (end > data.size()) {
    throw Error(
        "{}: tensor \"{}\" ends at byte {} of the data, which has only {}: the file is truncated or damaged",
        file, entry.name, end, data.size());
  }
  Tensor tensor;
  tensor.shape.assign(entry.shape.begin(), entry.shape.end());
  const auto bytes = bytes_of(entry.shape, *dtype);
  const bool negative =
      std::any_of(tensor.shape.begin(), tensor.shape.end(), [](int64_t size) { return size < 0; });
  if (!bytes || negative) {
    throw Error("{}: the size of tensor \"{}\", {} of {}, is no possible number of bytes", file, entry.name,
                fmt::format("[{}]", fmt::join(entry.shape, ", ")), entry.dtype);
  }
  if (*bytes != end - begin) {
    throw Error("{}: tensor \"{}\" has {} bytes, but {} of {} takes {}", file, entry.name, end - begin,
                format_shape(tensor.shape), entry.dtype, *bytes);
  }
  tensor.name = std::move(entry.name);
  tensor.dtype = *dtype;
  tensor.data = data.data() + begin;
  tensor.bytes = *bytes;
  return tensor;
}

// Sorted by place, tensors must cover the data: no overlap, no hole, nothing left over.
void check_cover(const std::vector<Tensor>& tensors, std::span<const std::byte> data,
                 const std::string& file) {
  const std::byte* at = data.data();
  const Tensor* before = nullptr;
  for (const Tensor& tensor : tensors) {
    if (tensor.data < at) {
      throw Error("{}: tensors \"{}\" and \"{}\" overlap", file, before->name, tensor.name);
    }
    if (tensor.data > at) {
      throw Error("{}: {} bytes before tensor \"{}\" belong to no tensor", file, tensor.data - at,
                  tensor.name);
    }
    at += tensor.bytes;
    before = &tensor;
  }
  if (at != data.data() + data.size()) {
    throw Error("{}: the last {} bytes belong to no tensor", file, data.data() + data.size() - at);
  }
  for (const Tensor& tensor : tensors) {
    const size_t size = std::max<size_t>(size_of(tensor.dtype), 1);
    if (tensor.bytes > 0 && reinterpret_cast<uintptr_t>(tensor.data) % size != 0) {
      throw Error("{}: tensor \"{}\" of {} does not begin at a multiple of {} bytes", file, tensor.name,
                  name_of(tensor.dtype), size);
    }
  }
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile result;
  result.file_ = MappedFile(path);
  result.file_.will_need(0, kFirstRead);
  const std::string name = path.string();
  const std::string_view header = header_text(result.file_);

  HeaderReader reader(name);
  Json::sax_parse(header, &reader);
  result.metadata_ = reader.take_metadata();

  const auto data = result.file_.bytes().subspan(sizeof(uint64_t) + header.size());
  for (Entry& entry : reader.take_entries()) result.tensors_.push_back(checked(std::move(entry), data, name));
  std::sort(result.tensors_.begin(), result.tensors_.end(), [](const Tensor& a, const Tensor& b) {
    return a.data != b.data ? a.data < b.data : a.bytes < b.bytes;
  });
  check_cover(result.tensors_, data, name);
  result.by_name_.reserve(result.tensors_.size());
  for (size_t i = 0; i < result.tensors_.size(); ++i) result.by_name_.emplace(result.tensors_[i].name, i);
  return result;
}

const Tensor* SafetensorsFile::find(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &tensors_[at->second];
}

const Tensor& SafetensorsFile::get(std::string_view name, DType dtype, size_t dimensions) const {
  const Tensor* tensor = find(name);
  if (!tensor) throw Error("{}: tensor \"{}\" is missing", path().string(), name);
  if (tensor->dtype != dtype) {
    throw Error("{}: tensor \"{}\" has dtype {}, must be {}", path().string(), name, name_of(tensor->dtype),
                name_of(dtype));
  }
  if (tensor->shape.size() != dimensions) {
    throw Error("{}: tensor \"{}\" has shape {}, must have {} dimensions", path().string(), name,
                format_shape(tensor->shape), dimensions);
  }
  return *tensor;
}

}  // namespace committee::model
