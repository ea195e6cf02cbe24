#include "model/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

namespace committee::model {

namespace {

struct DTypeRow {
  const char* name;
  int bits;
};

// In the order of the enumeration.
constexpr std::array<DTypeRow, 22> kDTypes = {
    {{"F32", 32},    {"BF16", 16},   {"F16", 16},    {"I32", 32},    {"U16", 16},        {"U8", 8},
     {"F64", 64},    {"I64", 64},    {"U64", 64},    {"U32", 32},    {"I16", 16},        {"I8", 8},
     {"BOOL", 8},    {"C64", 64},    {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
     {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}}};

const DTypeRow& row(DType type) { return kDTypes.at(static_cast<size_t>(type)); }

}  // namespace

int bits_of(DType type) { return row(type).bits; }

size_t size_of(DType type) { return static_cast<size_t>(row(type).bits / 8); }

const char* name_of(DType type) { return row(type).name; }

std::optional<DType> dtype_of(std::string_view name) {
  for (size_t i = 0; i < kDTypes.size(); ++i) {
    if (name == kDTypes[i].name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::string format_shape(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace committee::model
