#include "trace/npy.h"

#include <gmock/gmock.h>

#include "npy_testing.h"
#include "trace_testing.h"

namespace committee::trace {
namespace {

using testing::HasSubstr;

NpyArray parse(const std::string& bytes) { return parse_npy(std::as_bytes(std::span(bytes)), "a.npy"); }
std::string refused(const std::string& bytes) {
  return error_of([&] { parse(bytes); });
}

const std::vector<float> kSix = {0, 1, 2, 3, 4, 5};

TEST(Npy, BothOrders) {
  const auto c_bytes = npy_bytes<float>("<f4", "(2, 3)", kSix);
  const auto c_order = parse(c_bytes);
  EXPECT_EQ(c_order.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(c_order.value(1 * c_order.strides[0] + 2 * c_order.strides[1]), 5);
  EXPECT_EQ(c_order.value(1 * c_order.strides[0]), 3);
  const auto fortran_bytes = npy_bytes<float>("<f4", "(2, 3)", kSix, "True");
  const auto fortran = parse(fortran_bytes);
  EXPECT_EQ(fortran.value(1 * fortran.strides[0]), 1);
  EXPECT_EQ(fortran.value(2 * fortran.strides[1]), 4);
}

template <typename T>
void expect_values(std::string_view descr, const std::vector<T>& values) {
  const auto bytes = npy_bytes<T>(descr, "(" + std::to_string(values.size()) + ",)", values);
  const auto array = parse(bytes);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(array.value(static_cast<int64_t>(i)), static_cast<double>(values[i])) << descr;
  }
}

TEST(Npy, EveryType) {
  expect_values<float>("<f4", {-1.5f, 3e38f});
  expect_values<double>("<f8", {-1.5, 1e300});
  expect_values<int8_t>("|i1", {-128, 127});
  expect_values<uint8_t>("|u1", {0, 255});
  expect_values<uint8_t>("|b1", {0, 1});
  expect_values<int16_t>("<i2", {-32768, 32767});
  expect_values<uint16_t>("<u2", {0, 65535});
  expect_values<int32_t>("<i4", {-2147483647, 2147483647});
  expect_values<uint32_t>("<u4", {0, 4294967295u});
  expect_values<int64_t>("<i8", {-(int64_t{1} << 52), int64_t{1} << 52});
  expect_values<uint64_t>("<u8", {0, uint64_t{1} << 52});
  const auto half = npy_bytes<uint16_t>("<f2", "(1,)", {0x3C00});
  EXPECT_EQ(parse(half).value(0), 1);
}

TEST(Npy, HeadersThatNumpyAlsoWrites) {
  auto bytes = npy_bytes<float>("<f4", "(2, 3)", kSix);
  bytes[6] = 2;  // format 2.0: four bytes of length
  bytes.insert(10, 2, '\0');
  EXPECT_EQ(parse(bytes).size, 6);
  EXPECT_EQ(parse(npy_bytes<float>("<f4", "()", {7})).value(0), 7);
  EXPECT_EQ(parse(npy_bytes<float>("<f4", "(0, 4611686018427387904, 4611686018427387904)", {})).size, 0);
}

TEST(Npy, BadFilesAreRefused) {
  const auto good = npy_bytes<float>("<f4", "(2, 3)", kSix);
  EXPECT_THAT(refused(""), HasSubstr("not an NPY file"));
  EXPECT_THAT(refused("PK\x03\x04 a zip"), HasSubstr("not an NPY file"));
  EXPECT_THAT(refused(good.substr(0, 40)), HasSubstr("header is truncated"));
  EXPECT_THAT(refused(good.substr(0, good.size() - 1)),
              HasSubstr("23 bytes of data where shape [2, 3] takes 24"));
  EXPECT_THAT(refused(good + "x"), HasSubstr("25 bytes of data"));
  EXPECT_THAT(refused(npy_bytes<float>(">f4", "(6,)", kSix)), HasSubstr("big-endian"));
  EXPECT_THAT(refused(npy_bytes<float>("|O", "(6,)", kSix)), HasSubstr("pickles"));
  EXPECT_THAT(refused(npy_bytes<float>("<c8", "(3,)", kSix)), HasSubstr("\"<c8\" are not read"));
  EXPECT_THAT(refused(npy_bytes<float>("<f4", "(-6,)", kSix)), HasSubstr("NPY header"));
  EXPECT_THAT(refused(npy_bytes<float>("<f4", "(6", kSix)), HasSubstr("NPY header"));
  EXPECT_THAT(refused(npy_bytes<float>("<f4", "(6,)", kSix, "Maybe")), HasSubstr("NPY header"));
  EXPECT_THAT(refused(npy_bytes<float>("<f4', 'descr': '<f4", "(6,)", kSix)), HasSubstr("NPY header"));
  EXPECT_THAT(refused(npy_bytes<float>("<f4", "(4294967296, 4294967296)", kSix)), HasSubstr("overflows"));
  auto version = good;
  version[6] = 9;
  EXPECT_THAT(refused(version), HasSubstr("version 9"));
}

}  // namespace
}  // namespace committee::trace
