#include "model/safetensors.h"

#include "files.h"

namespace committee::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// The error for a file of these bytes, which must name the file.
std::string refused(const std::string& bytes) {
  const auto path = write(test_folder() / "bad.safetensors", bytes);
  const std::string sentence = error_of([&] { SafetensorsFile::open(path); });
  EXPECT_THAT(sentence, HasSubstr("bad.safetensors: "));
  return sentence;
}

TEST(Safetensors, ReadsALiteralFile) {
  const std::string header =
      R"({"__metadata__":{"format":"pt","by":"hand"},"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[4,8]},)"
      R"("a":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}        )";
  ASSERT_EQ(header.size() % 8, 0u);
  const auto path = write(test_folder() / "good.safetensors",
                          safetensors(header, std::string("\x01\0\0\0\x80\x3f\0\xc0", 8)));
  const auto file = SafetensorsFile::open(path);
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensors()[0].name, "a");  // in the order of the data
  const Tensor* b = file.find("b");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->dtype, DType::kBF16);
  EXPECT_EQ(b->shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(b->bytes, 4u);
  EXPECT_EQ(std::memcmp(b->data, "\x80\x3f\0\xc0", 4), 0);
  EXPECT_TRUE(file.find("a")->shape.empty());
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(file.metadata().at("by"), "hand");

  EXPECT_EQ(&file.get("b", DType::kBF16, 2), b);
  EXPECT_THAT(error_of([&] { file.get("c", DType::kF32, 1); }), HasSubstr("tensor \"c\" is missing"));
  EXPECT_THAT(error_of([&] { file.get("b", DType::kF32, 2); }),
              HasSubstr("\"b\" has dtype BF16, must be F32"));
  EXPECT_THAT(error_of([&] { file.get("b", DType::kBF16, 1); }),
              HasSubstr("\"b\" has shape [2, 1], must have 1"));
}

TEST(Safetensors, SurvivesBeingMoved) {
  const auto path = write(test_folder() / "x.safetensors", safetensors({{"x", "F32", {1}, ""}}));
  auto first = SafetensorsFile::open(path);
  const SafetensorsFile second = std::move(first);
  ASSERT_TRUE(second.find("x"));
  EXPECT_EQ(second.find("x")->bytes, 4u);
}

TEST(Safetensors, ReadsEmptyTensorsAndEmptyFiles) {
  const auto folder = test_folder();
  EXPECT_TRUE(
      SafetensorsFile::open(write(folder / "none.safetensors", safetensors("{}", ""))).tensors().empty());
  const auto file = SafetensorsFile::open(write(
      folder / "zero.safetensors",
      safetensors(
          R"({"z":{"dtype":"F32","shape":[3,0],"data_offsets":[4,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}   )",
          "abcd")));
  EXPECT_EQ(file.find("z")->bytes, 0u);
  EXPECT_EQ(file.find("w")->shape, (std::vector<int64_t>{0}));
}

TEST(Safetensors, KnowsEveryDtype) {
  const std::pair<const char*, int> all[] = {
      {"F64", 64},        {"F32", 32},        {"F16", 16},    {"BF16", 16},   {"I64", 64},    {"I32", 32},
      {"I16", 16},        {"I8", 8},          {"U64", 64},    {"U32", 32},    {"U16", 16},    {"U8", 8},
      {"BOOL", 8},        {"C64", 64},        {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F6_E2M3", 6},
      {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E3M2", 6}, {"F4", 4}};
  for (const auto& [name, bits] : all) {
    const auto dtype = dtype_of(name);
    ASSERT_TRUE(dtype) << name;
    EXPECT_STREQ(name_of(*dtype), name);
    EXPECT_EQ(bits_of(*dtype), bits);
    EXPECT_EQ(size_of(*dtype), static_cast<size_t>(bits / 8));
  }
  EXPECT_FALSE(dtype_of("F128"));
}

TEST(Safetensors, CountsPackedDtypesInBits) {
  const auto path = write(test_folder() / "f4.safetensors",
                          safetensors(R"({"x":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}})", "abc"));
  EXPECT_EQ(SafetensorsFile::open(path).find("x")->bytes, 3u);
  EXPECT_THAT(refused(safetensors(R"({"x":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", "ab")),
              HasSubstr("the size of tensor \"x\", [3] of F4, is no possible number of bytes"));
}

TEST(Safetensors, RefusesFilesTooShortForALength) {
  EXPECT_THAT(refused(""), HasSubstr("0 bytes are too few"));
  EXPECT_THAT(refused("1234567"), HasSubstr("7 bytes are too few"));
}

TEST(Safetensors, RefusesAHeaderLargerThanTheFile) {
  EXPECT_THAT(refused(little_endian(3) + "{}"),
              HasSubstr("header length is 3 bytes, but the file has only 10"));
  EXPECT_THAT(refused(little_endian(~uint64_t{0}) + "{}"),
              HasSubstr("header length is 18446744073709551615 bytes"));
}

TEST(Safetensors, RefusesAHeaderBeyondTheFormatsLimit) {
  const auto path = write(test_folder() / "bad.safetensors", little_endian(100'000'001) + "{}");
  std::filesystem::resize_file(path, 100'000'100);
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(path); }),
              HasSubstr("more than the format's limit of 100000000"));
}

TEST(Safetensors, RefusesAHeaderThatIsNoObject) {
  for (const char* header : {" {}", "[]", "", "\n{}"}) {
    EXPECT_THAT(refused(safetensors(header, "")), HasSubstr("the header must begin with '{'")) << header;
  }
}

TEST(Safetensors, RefusesAHeaderThatIsNotJson) {
  for (const char* header :
       {"{", "{}}", "{\"a\":}", "{\"\xff\":{}}", "{\"\\ud800\":{}}", "{'a':1}", "{} x"}) {
    EXPECT_THAT(refused(safetensors(header, "")), HasSubstr("the header is not valid UTF-8 JSON")) << header;
  }
  EXPECT_THAT(refused(safetensors(std::string("{}\0", 3), "")),
              HasSubstr("the header is not valid UTF-8 JSON"));
}

// The error for one tensor "x" of 4 data bytes, described so.
std::string refused_tensor(const std::string& description, const std::string& data = "abcd") {
  return refused(safetensors("{\"x\":" + description + "}", data));
}

TEST(Safetensors, RefusesValuesOfOtherTypes) {
  EXPECT_THAT(refused_tensor("5"), HasSubstr("one object a tensor, \"x\" is a number"));
  EXPECT_THAT(refused_tensor("[]"), HasSubstr("one object a tensor, \"x\" is an array"));
  EXPECT_THAT(refused_tensor("null"), HasSubstr("\"x\" is null"));
  const std::string rest = R"(,"data_offsets":[0,4]})";
  EXPECT_THAT(refused_tensor(R"({"shape":[1],"dtype":7)" + rest),
              HasSubstr("\"dtype\" of tensor \"x\" must be a string"));
  EXPECT_THAT(refused_tensor(R"({"dtype":["F32"],"shape":[1])" + rest),
              HasSubstr("must be a string, found an array"));
  for (const char* shape :
       {"\"1\"", "1", "{}", "[[1]]", "[true]", "[null]", "[1.0]", "[-1]", "[18446744073709551616]", "[{}]"}) {
    EXPECT_THAT(refused_tensor(std::string(R"({"dtype":"F32","shape":)") + shape + rest),
                HasSubstr("\"shape\" of tensor \"x\" must be an array of non-negative integers, found"))
        << shape;
  }
  EXPECT_THAT(refused_tensor(R"({"dtype":"F32","shape":[1],"data_offsets":[-4,0]})"),
              HasSubstr("\"data_offsets\" of tensor \"x\" must be an array of non-negative integers"));
}

TEST(Safetensors, RefusesMissingAndUnknownKeys) {
  EXPECT_THAT(refused_tensor(R"({"shape":[1],"data_offsets":[0,4]})"),
              HasSubstr("tensor \"x\" has no \"dtype\""));
  EXPECT_THAT(refused_tensor(R"({"dtype":"F32","data_offsets":[0,4]})"), HasSubstr("has no \"shape\""));
  EXPECT_THAT(refused_tensor(R"({"dtype":"F32","shape":[1]})"), HasSubstr("has no \"data_offsets\""));
  EXPECT_THAT(refused_tensor(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"order":"F"})"),
              HasSubstr("tensor \"x\" has the unknown key \"order\""));
  EXPECT_THAT(refused_tensor(R"({"dtype":"F31","shape":[1],"data_offsets":[0,4]})"),
              HasSubstr("tensor \"x\" has the unknown dtype \"F31\""));
}

TEST(Safetensors, RefusesDuplicates) {
  const std::string x = R"("x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_THAT(refused(safetensors("{" + x + "," + x + "}", "abcd")),
              HasSubstr("tensor \"x\" is defined twice"));
  // The same name, spelled with an escape.
  EXPECT_THAT(refused(safetensors("{" + x + R"(,"\u0078":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                                  "abcdefgh")),
              HasSubstr("tensor \"x\" is defined twice"));
  EXPECT_THAT(refused_tensor(R"({"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
              HasSubstr("tensor \"x\" has \"dtype\" twice"));
  EXPECT_THAT(refused(safetensors(R"({"__metadata__":{"a":"1","a":"2"}})", "")),
              HasSubstr("has \"a\" twice"));
  EXPECT_THAT(refused(safetensors(R"({"__metadata__":{},"__metadata__":{}})", "")),
              HasSubstr("\"__metadata__\" twice"));
}

TEST(Safetensors, RefusesMetadataOtherThanStrings) {
  for (const char* value : {"1", "null", "[]", "{}", "true"}) {
    EXPECT_THAT(refused(safetensors(std::string(R"({"__metadata__":{"n":)") + value + "}}", "")),
                HasSubstr("\"__metadata__\" must map strings to strings, \"n\" is"))
        << value;
  }
}

TEST(Safetensors, RefusesImpossibleOffsets) {
  const std::string f32 = R"({"dtype":"F32","shape":[1],"data_offsets":)";
  EXPECT_THAT(refused_tensor(f32 + "[4,0]}"), HasSubstr("tensor \"x\" begins at byte 4 after its end at 0"));
  EXPECT_THAT(refused_tensor(f32 + "[0,4,8]}"), HasSubstr("must be two numbers, found 3"));
  EXPECT_THAT(refused_tensor(f32 + "[]}"), HasSubstr("must be two numbers, found 0"));
  EXPECT_THAT(refused_tensor(f32 + "[0,4]}", "abc"),
              HasSubstr("tensor \"x\" ends at byte 4 of the data, which has only 3: the file is truncated"));
  EXPECT_THAT(refused_tensor(f32 + "[0,18446744073709551615]}"),
              HasSubstr("ends at byte 18446744073709551615"));
}

TEST(Safetensors, RefusesSizesThatAreNotTheShapes) {
  EXPECT_THAT(refused_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"),
              HasSubstr("tensor \"x\" has 4 bytes, but [2] of F32 takes 8"));
  EXPECT_THAT(refused_tensor(R"({"dtype":"F32","shape":[0],"data_offsets":[0,4]})"), HasSubstr("takes 0"));
}

TEST(Safetensors, RefusesShapesThatOverflow) {
  for (const char* shape : {"[4294967296,4294967296]", "[9223372036854775808]", "[18446744073709551615,2]",
                            "[0,18446744073709551615]", "[2305843009213693952,2305843009213693952,0]"}) {
    EXPECT_THAT(
        refused_tensor(std::string(R"({"dtype":"F32","shape":)") + shape + R"(,"data_offsets":[0,0]})", ""),
        HasSubstr("is no possible number of bytes"))
        << shape;
  }
}

// Two F32 tensors "x" and "y" of one value each at these offsets in `bytes` bytes of data.
std::string refused_pair(int x, int y, size_t bytes) {
  return refused(safetensors(fmt::format(R"({{"x":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}},)"
                                         R"("y":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}}}})",
                                         x, x + 4, y, y + 4),
                             std::string(bytes, 'd')));
}

TEST(Safetensors, RefusesOverlapsAndHoles) {
  EXPECT_THAT(refused_pair(0, 0, 8), HasSubstr("overlap"));
  EXPECT_THAT(refused_pair(0, 2, 8), HasSubstr("tensors \"x\" and \"y\" overlap"));
  EXPECT_THAT(refused_pair(4, 1, 8), HasSubstr("1 bytes before tensor \"y\" belong to no tensor"));
  EXPECT_THAT(refused_pair(0, 6, 10), HasSubstr("2 bytes before tensor \"y\" belong to no tensor"));
  EXPECT_THAT(refused_pair(4, 8, 12), HasSubstr("4 bytes before tensor \"x\" belong to no tensor"));
  EXPECT_THAT(refused_pair(0, 4, 11), HasSubstr("the last 3 bytes belong to no tensor"));
  EXPECT_THAT(refused(safetensors("{}", "rest")), HasSubstr("the last 4 bytes belong to no tensor"));
}

TEST(Safetensors, RefusesMisalignedTensors) {
  const std::string header = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  ASSERT_NE(header.size() % 4, 0u);
  EXPECT_THAT(refused(safetensors(header, "abcd")),
              HasSubstr("tensor \"x\" of F32 does not begin at a multiple of 4"));
}

TEST(Safetensors, RefusesFilesThatAreNoFiles) {
  const auto folder = test_folder();
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(folder / "absent.safetensors"); }),
              AllOf(HasSubstr("absent.safetensors"), HasSubstr("cannot open")));
  EXPECT_THAT(error_of([&] { SafetensorsFile::open(folder); }), HasSubstr("not a regular file"));
}

// A file cut anywhere is refused; one with a changed byte in its header is refused or stays inside itself.
TEST(Safetensors, NeverReadsBeyondDamagedFiles) {
  const auto path = test_folder() / "damaged.safetensors";
  const std::string good = safetensors({{"x", "F32", {2}, "abcdefgh"}, {"y", "BF16", {2}, "ijkl"}});
  ASSERT_EQ(SafetensorsFile::open(write(path, good)).tensors().size(), 2u);
  for (size_t length = 0; length < good.size(); length += 3) {
    write(path, good.substr(0, length));
    error_of([&] { SafetensorsFile::open(path); });
  }
  for (size_t at = 0; at < good.size() - 12; ++at) {
    std::string bytes = good;
    bytes[at] = at % 2 == 0 ? '9' : '"';
    write(path, bytes);
    try {
      const auto file = SafetensorsFile::open(path);
      const auto all = file.file().bytes();
      for (const Tensor& tensor : file.tensors()) {
        EXPECT_GE(tensor.data, all.data()) << at;
        EXPECT_LE(tensor.data + tensor.bytes, all.data() + all.size()) << at;
      }
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace committee::model
