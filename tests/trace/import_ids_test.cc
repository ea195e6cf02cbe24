#include "import_testing.h"
#include "npy_testing.h"
#include "trace/responses.h"

namespace committee::trace {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

std::string encode_base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) {
      text += i + j > bytes.size() ? '=' : kAlphabet[group >> (18 - 6 * j) & 63];
    }
  }
  return text;
}

TEST(Base64, RoundTripAndRefusals) {
  for (const std::string bytes : {"", "a", "ab", "abc", "\xff\xfe\xfd\xfc", "M"}) {
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
  }
  EXPECT_EQ(decode_base64("TWFu"), "Man");
  for (const char* bad : {"TWF", "TW=u", "T===", "TWF\n", "TW-_"})
    EXPECT_EQ(decode_base64(bad), std::nullopt) << bad;
}

class ImportVllm : public ImportTest {
 protected:
  ImportVllm() : ImportTest("vllm") {}

  static std::string ids(std::string_view shape, const std::vector<int16_t>& values) {
    return npy_bytes<int16_t>("<i2", shape, values);
  }
};

TEST_F(ImportVllm, ArraysAndResponses) {
  const auto result = import(fixture("vllm"), {.experts = 64});
  EXPECT_THAT(result.manifest.recording.allowed_eci, ElementsAre("frequency"));
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("1 of 3 layers have no ids but 0")));
  const WholeTraceRows whole(output_);
  const auto& manifest = whole.trace.manifest();
  EXPECT_THAT(manifest.model.moe_layers, ElementsAre(1, 2));
  EXPECT_EQ(manifest.model.experts, 64);
  EXPECT_EQ(manifest.model.top_k, 2);
  EXPECT_EQ(manifest.recording.record, Record::kTopK);
  EXPECT_EQ(manifest.recording.executed, Executed::kIds);
  EXPECT_THAT(manifest.domains, ElementsAre("drama", "law"));
  ASSERT_EQ(whole.trace.samples().size(), 3u);
  EXPECT_EQ(whole.trace.samples()[0].id, "drama");
  EXPECT_EQ(whole.trace.samples()[1].id, "cmpl-a");
  EXPECT_EQ(whole.trace.samples()[1].tokens, 3);
  EXPECT_THAT(whole.rows.token, ElementsAre(-1, -1, -1, -1, -1, 7, 8, 9, 7, 8));
  // drama.npy: uint8 [5, 3, 2] after a header of 128 bytes; layer 0 is dense.
  const auto bytes = read_text(fixture("vllm/drama.npy")).substr(128);
  for (size_t row = 0; row < 5; ++row) {
    for (size_t slot = 0; slot < 4; ++slot) {
      EXPECT_EQ(whole.rows.topk_id[row * 4 + slot], static_cast<uint8_t>(bytes[row * 6 + 2 + slot]));
    }
  }
  EXPECT_TRUE(whole.rows.probs.empty());
  EXPECT_TRUE(whole.rows.topk_weight.empty());
}

TEST_F(ImportVllm, TokensThatWereNotRecordedAreLeftOut) {
  // Token 1 has -1 in layer 1, token 2 a block of zeros in layer 0; the second file has nothing else.
  write_text(input_ / "law/a.npy", ids("(4, 2, 2)", {1, 2, 0, 3, 1, 2, -1, -1, 0, 0, 3, 1, 2, 0, 1, 0}));
  write_text(input_ / "law/b.npy", ids("(1, 2, 2)", {0, 0, 1, 2}));
  const auto result = import(input_, {.experts = 4});
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("3 of 5 tokens were not recorded in every layer")));
  const WholeTraceRows whole(output_);
  EXPECT_THAT(whole.rows.position, ElementsAre(0, 3));
  EXPECT_THAT(whole.rows.topk_id, ElementsAre(1, 2, 0, 3, 2, 0, 1, 0));
  EXPECT_EQ(whole.trace.samples().size(), 1u);
  EXPECT_EQ(whole.trace.samples()[0].id, "law/a");
  EXPECT_EQ(whole.trace.samples()[0].domain, "law");
}

TEST_F(ImportVllm, IdsOfEveryIntegerType) {
  const std::pair<const char*, std::string> files[] = {
      {"a", npy_bytes<uint8_t>("|u1", "(1, 1, 2)", {3, 200})},
      {"b", npy_bytes<uint16_t>("<u2", "(1, 1, 2)", {3, 200})},
      {"c", npy_bytes<int16_t>("<i2", "(1, 1, 2)", {3, 200})},
      {"d", npy_bytes<int32_t>("<i4", "(1, 1, 2)", {3, 200})}};
  for (const auto& [name, bytes] : files) write_text(input_ / (std::string(name) + ".npy"), bytes);
  import(input_, {.experts = 256});
  EXPECT_THAT(WholeTraceRows(output_).rows.topk_id, ElementsAre(3, 200, 3, 200, 3, 200, 3, 200));
}

TEST_F(ImportVllm, ThePoolIsGuessedFromTheLargestId) {
  write_text(input_ / "law.npy", ids("(1, 1, 2)", {1, 59}));
  const auto result = import(input_);
  EXPECT_EQ(result.manifest.model.experts, 60);
  EXPECT_THAT(result.warnings,
              ElementsAre(HasSubstr("the largest id is 59, so 60 are assumed: give --experts")));
}

TEST_F(ImportVllm, BadInputIsRefused) {
  EXPECT_THAT(refused_text("a.npy", ids("(2, 1, 2)", {0, 0, 0, 0})),
              HasSubstr("every id is 0: the engine recorded nothing"));
  EXPECT_THAT(refused_text("a.npy", ids("(1, 1, 3)", {1, 4, 1})),
              HasSubstr("executes expert 1 twice in layer 0"));
  EXPECT_THAT(refused_text("a.npy", ids("(1, 1, 2)", {1, -2})), HasSubstr("id -2 cannot be"));
  EXPECT_THAT(refused_text("a.npy", ids("(1, 1, 2)", {1, 70}), {.experts = 64}),
              HasSubstr("id 70 is beyond the 64"));
  EXPECT_THAT(refused_text("a.npy", ids("(1, 1, 2)", {1, 2}), {.top_k = 4}),
              HasSubstr("has 2 experts a token, not 4"));
  EXPECT_THAT(refused_text("a.npy", ids("(2, 2)", {1, 2, 3, 4})), HasSubstr("must be [tokens, layers, k]"));
  EXPECT_THAT(refused_text("a.npy", npy_bytes<float>("<f4", "(1, 1, 2)", {1, 2})),
              HasSubstr("must be integers"));
  EXPECT_THAT(refused_text("a.npy", ids("(1, 1, 2)", {-1, 2})),
              HasSubstr("no token was recorded in every layer"));
  EXPECT_THAT(refused_text("a.jsonl", "{\"id\": 1}\n"), HasSubstr("a.jsonl:1: has no \"routed_experts\""));
  EXPECT_THAT(refused_text("a.jsonl", "\n[]\n"), HasSubstr("a.jsonl:2: must be a JSON object"));
  EXPECT_THAT(refused_text("a.jsonl", "{\"routed_experts\": \"?\"}\n"), HasSubstr("is not base64"));
  EXPECT_THAT(refused_text("a.jsonl", "{\"routed_experts\": [[[1, 2]], [[3]]]}\n"),
              HasSubstr("must be [tokens][layers][k]"));
  EXPECT_THAT(refused_text("a.jsonl", "{\"routed_experts\": [[[1, 2]]]}\n{\"routed_experts\": [[[1]]]}\n"),
              HasSubstr("a.jsonl:2: has 1 layers and 1 experts a token, others have 1 and 2"));
  EXPECT_THAT(refused(input_), HasSubstr("holds no .npy or .json or .jsonl files"));
}

TEST_F(ImportVllm, NestedListsAndDocuments) {
  write_text(input_ / "a.json",
             R"({"choices": [{"routed_experts": [[[1, 2]], [[3, 0]]]}, {"routed_experts": [[[2, 1]]]}]})");
  import(input_, {.experts = 4});
  const WholeTraceRows whole(output_);
  EXPECT_THAT(whole.rows.topk_id, ElementsAre(1, 2, 3, 0, 2, 1));
  EXPECT_EQ(whole.trace.samples()[1].id, "a/0/1");
}

class ImportSglangIds : public ImportTest {
 protected:
  ImportSglangIds() : ImportTest("sglang") {}

  static std::string response(const std::vector<int32_t>& ids, const std::string& counts) {
    const std::string bytes(reinterpret_cast<const char*>(ids.data()), ids.size() * 4);
    return R"({"meta_info": {"routed_experts": ")" + encode_base64(bytes) + "\"" + counts + "}}\n";
  }
};

TEST_F(ImportSglangIds, FlatResponses) {
  const auto result = import(fixture("sglang/responses.jsonl"), {.top_k = 2, .experts = 8});
  EXPECT_THAT(result.manifest.model.moe_layers, ElementsAre(1, 2));
  const WholeTraceRows whole(output_);
  EXPECT_EQ(whole.rows.rows, 4);
  EXPECT_EQ(whole.trace.samples()[0].id, "r0");
}

TEST_F(ImportSglangIds, TheLastTokenMayBeForwardedToo) {
  // Six slots with k = 2: three rows, of 3 + 1 tokens without the last, or of 3 + 0 with it.
  write_text(input_ / "a.jsonl",
             response({1, 2, 3, 4, 5, 6}, R"(, "prompt_tokens": 3, "completion_tokens": 1)"));
  import(input_, {.top_k = 2, .experts = 8});
  EXPECT_EQ(WholeTraceRows(output_).rows.rows, 3);
  std::filesystem::remove_all(output_);
  write_text(input_ / "a.jsonl",
             response({1, 2, 3, 4, 5, 6}, R"(, "prompt_tokens": 3, "completion_tokens": 0)"));
  import(input_, {.top_k = 2, .experts = 8});
  EXPECT_EQ(WholeTraceRows(output_).rows.rows, 3);
}

TEST_F(ImportSglangIds, BadInputIsRefused) {
  const std::string counts = R"(, "prompt_tokens": 5, "completion_tokens": 1)";
  EXPECT_THAT(refused_text("a.jsonl", response({1, 2}, counts)), HasSubstr("need --k"));
  EXPECT_THAT(refused_text("a.jsonl", response({1, 2}, ""), {.top_k = 2}),
              HasSubstr("need \"prompt_tokens\""));
  EXPECT_THAT(refused_text("a.jsonl", response({1, 2, 3, 4}, counts), {.top_k = 2}),
              HasSubstr("not a whole number of layers"));
}

}  // namespace
}  // namespace committee::trace
