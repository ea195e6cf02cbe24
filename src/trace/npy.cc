#include "trace/npy.h"

#include <array>
#include <bit>
#include <cctype>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "trace/half.h"

namespace committee::trace {
namespace {

using model::DType;

struct NumpyType {
  std::string_view code;
  DType dtype;
};
constexpr std::array<NumpyType, 12> kTypes = {{{"f4", DType::kF32},
                                               {"f8", DType::kF64},
                                               {"f2", DType::kF16},
                                               {"i1", DType::kI8},
                                               {"i2", DType::kI16},
                                               {"i4", DType::kI32},
                                               {"i8", DType::kI64},
                                               {"u1", DType::kU8},
                                               {"u2", DType::kU16},
                                               {"u4", DType::kU32},
                                               {"u8", DType::kU64},
                                               {"b1", DType::kBool}}};

// The header is a Python dict of three entries; this reads just that form.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  void parse() {
    expect('{');
    while (!accept('}')) {
      const auto key = quoted();
      expect(':');
      if (key == "descr" && !descr_) {
        if (peek() == '[') throw Error("{}: structured arrays are not read", name_);
        descr_ = quoted();
      } else if (key == "fortran_order" && !fortran_) {
        fortran_ = boolean();
      } else if (key == "shape" && !shape_) {
        shape_ = tuple();
      } else {
        fail();
      }
      if (!accept(',') && peek() != '}') fail();
    }
    if (peek() != '\0' || !descr_ || !fortran_ || !shape_) fail();
  }

  std::string_view descr() const { return *descr_; }
  bool fortran() const { return *fortran_; }
  const std::vector<int64_t>& shape() const { return *shape_; }

 private:
  [[noreturn]] void fail() const {
    throw Error("{}: the NPY header must name descr, fortran_order and shape, and does not", name_);
  }

  char peek() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) fail();
  }

  std::string_view quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail();
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail();
    const auto text = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return text;
  }

  bool boolean() {
    peek();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    }
    fail();
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      peek();
      int64_t size = 0;
      const char* begin = text_.data() + at_;
      const auto [end, problem] = std::from_chars(begin, text_.data() + text_.size(), size);
      if (problem != std::errc() || size < 0) fail();
      at_ += static_cast<size_t>(end - begin);
      sizes.push_back(size);
      if (!accept(',') && peek() != ')') fail();
    }
    return sizes;
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
  std::optional<std::string_view> descr_;
  std::optional<bool> fortran_;
  std::optional<std::vector<int64_t>> shape_;
};

DType parse_descr(std::string_view descr, const std::string& name) {
  if (descr.find('O') != std::string_view::npos) {
    throw Error("{}: arrays of Python objects (pickles) are not read", name);
  }
  if (descr.size() == 3) {
    const auto code = descr.substr(1);
    for (const auto& [known, dtype] : kTypes) {
      if (code != known) continue;
      if (descr[0] == '<' || (descr[0] == '|' && model::size_of(dtype) == 1)) return dtype;
      if (descr[0] == '>') throw Error("{}: big-endian arrays (\"{}\") are not read", name, descr);
    }
  }
  throw Error("{}: arrays of type \"{}\" are not read", name, descr);
}

template <typename T>
double load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return static_cast<double>(value);
}

// The text of the header and where the data begins.
std::pair<std::string_view, size_t> find_header(std::span<const std::byte> bytes, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with("\x93NUMPY") || text.size() < 10) throw Error("{}: not an NPY file", name);
  const int version = static_cast<unsigned char>(text[6]);
  if (version < 1 || version > 3) throw Error("{}: NPY version {} is not known", name, version);
  const size_t begin = version == 1 ? 10 : 12;
  uint32_t length = 0;
  if (text.size() >= begin) std::memcpy(&length, text.data() + 8, begin - 8);
  if (text.size() < begin || length > text.size() - begin)
    throw Error("{}: the NPY header is truncated", name);
  return {text.substr(begin, length), begin + length};
}

}  // namespace

double NpyArray::value(int64_t element) const {
  const std::byte* at = data + element * static_cast<int64_t>(model::size_of(dtype));
  switch (dtype) {
    case DType::kF32:
      return load<float>(at);
    case DType::kF64:
      return load<double>(at);
    case DType::kF16: {
      uint16_t half;
      std::memcpy(&half, at, sizeof(half));
      return static_cast<double>(from_half(half));
    }
    case DType::kI8:
      return load<int8_t>(at);
    case DType::kI16:
      return load<int16_t>(at);
    case DType::kI32:
      return load<int32_t>(at);
    case DType::kI64:
      return load<int64_t>(at);
    case DType::kU16:
      return load<uint16_t>(at);
    case DType::kU32:
      return load<uint32_t>(at);
    case DType::kU64:
      return load<uint64_t>(at);
    default:
      return load<uint8_t>(at);
  }
}

std::vector<int64_t> row_major_strides(const std::vector<int64_t>& shape, int64_t size) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  // Where one size is 0 the others may be anything: their products would overflow.
  for (size_t axis = shape.size(); size > 0 && axis-- > 0;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& name) {
  const auto [header, data_begin] = find_header(bytes, name);
  HeaderParser parser(header, name);
  parser.parse();
  NpyArray array{.name = name, .dtype = parse_descr(parser.descr(), name), .shape = parser.shape()};
  const auto element = static_cast<int64_t>(model::size_of(array.dtype));
  int64_t total = element;
  for (const int64_t size : array.shape) {
    if (__builtin_mul_overflow(total, size, &total)) throw Error("{}: the shape overflows", name);
  }
  const auto rest = static_cast<int64_t>(bytes.size() - data_begin);
  if (total != rest) {
    throw Error("{}: {} bytes of data where shape {} takes {}", name, rest, model::format_shape(array.shape),
                total);
  }
  array.size = total / element;
  array.data = bytes.data() + data_begin;
  array.strides = row_major_strides(array.shape, array.size);
  if (parser.fortran() && array.size > 0) {
    int64_t stride = 1;
    for (size_t axis = 0; axis < array.shape.size(); ++axis) {
      array.strides[axis] = stride;
      stride *= array.shape[axis];
    }
  }
  return array;
}

}  // namespace committee::trace
