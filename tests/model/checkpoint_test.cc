#include "model/checkpoint.h"

#include "files.h"

namespace committee::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string index_of(const Json& weight_map) {
  return Json{{"metadata", Json::object()}, {"weight_map", weight_map}}.dump();
}

// A folder with tensors a and b in one shard, c in another, and this weight_map.
std::filesystem::path sharded(const Json& weight_map) {
  const auto folder = test_folder();
  write(folder / "one.safetensors", safetensors({{"a", "F32", {2}, "12345678"}, {"b", "BF16", {1}, "ab"}}));
  write(folder / "two.safetensors", safetensors({{"c", "F16", {2, 1}, "cdef"}}));
  write(folder / "model.safetensors.index.json", index_of(weight_map));
  return folder;
}

const Json kMap = {{"a", "one.safetensors"}, {"b", "one.safetensors"}, {"c", "two.safetensors"}};

TEST(Checkpoint, OpensASingleFile) {
  const auto folder = test_folder();
  write(folder / "model.safetensors", safetensors({{"a", "F32", {2}, "12345678"}}));
  const auto checkpoint = Checkpoint::open(folder);
  EXPECT_EQ(checkpoint.size(), 1u);
  ASSERT_TRUE(checkpoint.find("a"));
  EXPECT_EQ(std::memcmp(checkpoint.find("a")->tensor->data, "12345678", 8), 0);
  EXPECT_EQ(checkpoint.find("b"), nullptr);
}

TEST(Checkpoint, OpensShards) {
  const auto checkpoint = Checkpoint::open(sharded(kMap));
  EXPECT_EQ(checkpoint.size(), 3u);
  EXPECT_EQ(checkpoint.files().size(), 2u);
  const auto* c = checkpoint.find("c");
  ASSERT_TRUE(c);
  EXPECT_EQ(checkpoint.files()[c->file].path().filename(), "two.safetensors");
  EXPECT_EQ(std::memcmp(c->tensor->data, "cdef", 4), 0);
}

TEST(Checkpoint, NamesAMissingShard) {
  const auto folder = sharded(kMap);
  std::filesystem::remove(folder / "two.safetensors");
  EXPECT_THAT(error_of([&] { Checkpoint::open(folder); }),
              AllOf(HasSubstr("two.safetensors: the shard is missing")));
}

TEST(Checkpoint, NamesATruncatedShard) {
  const auto folder = sharded(kMap);
  std::filesystem::resize_file(folder / "two.safetensors",
                               std::filesystem::file_size(folder / "two.safetensors") - 1);
  EXPECT_THAT(error_of([&] { Checkpoint::open(folder); }),
              AllOf(HasSubstr("two.safetensors"), HasSubstr("\"c\"")));
}

TEST(Checkpoint, RefusesShardsOutsideTheFolder) {
  for (const char* name :
       {"../one.safetensors", "/etc/passwd", "..", ".", "", "sub/one.safetensors", "a\\b"}) {
    Json map = kMap;
    map["a"] = name;
    EXPECT_THAT(
        error_of([&] { Checkpoint::open(sharded(map)); }),
        AllOf(HasSubstr("index.json"), HasSubstr("tensor \"a\" must be the name of a file in this folder")))
        << name;
  }
  Json map = kMap;
  map["a"] = std::string("one.safetensors\0x", 17);
  EXPECT_THAT(error_of([&] { Checkpoint::open(sharded(map)); }),
              HasSubstr("must be the name of a file in this folder"));
}

TEST(Checkpoint, RefusesATensorThatIsElsewhere) {
  Json map = kMap;
  map["b"] = "two.safetensors";
  EXPECT_THAT(error_of([&] { Checkpoint::open(sharded(map)); }),
              HasSubstr("two.safetensors: tensor \"b\" is missing"));
  map = kMap;
  map["d"] = "one.safetensors";
  EXPECT_THAT(error_of([&] { Checkpoint::open(sharded(map)); }),
              HasSubstr("one.safetensors: tensor \"d\" is missing"));
}

TEST(Checkpoint, RefusesATensorInTwoShards) {
  const auto folder = sharded(kMap);
  write(folder / "two.safetensors", safetensors({{"a", "F32", {2}, ""}, {"c", "F16", {2, 1}, ""}}));
  EXPECT_THAT(error_of([&] { Checkpoint::open(folder); }),
              HasSubstr("two.safetensors: tensor \"a\" is also in one.safetensors"));
}

TEST(Checkpoint, RefusesABadIndex) {
  const auto folder = sharded(kMap);
  const auto index = folder / "model.safetensors.index.json";
  for (const char* text : {"[]", "{}", R"({"weight_map":[]})", "7"}) {
    write(index, text);
    EXPECT_THAT(error_of([&] { Checkpoint::open(folder); }),
                HasSubstr("must hold an object with an object \"weight_map\""))
        << text;
  }
  write(index, R"({"weight_map":{"a":1}})");
  EXPECT_THAT(error_of([&] { Checkpoint::open(folder); }),
              HasSubstr("the shard of tensor \"a\" must be a string"));
  write(index, "{");
  EXPECT_THAT(error_of([&] { Checkpoint::open(folder); }), HasSubstr("index.json: not valid JSON"));
}

TEST(Checkpoint, SaysWhatItLooksFor) {
  const auto folder = test_folder();
  EXPECT_THAT(error_of([&] { Checkpoint::open(folder); }),
              HasSubstr("no weights: neither model.safetensors nor model.safetensors.index.json is there"));
  write(folder / "pytorch_model.bin", "x");
  EXPECT_THAT(error_of([&] { Checkpoint::open(folder); }),
              AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("convert the checkpoint to safetensors")));
}

}  // namespace
}  // namespace committee::model
