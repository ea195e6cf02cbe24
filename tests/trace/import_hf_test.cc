#include "base/json.h"
#include "import_testing.h"
#include "npy_testing.h"

namespace committee::trace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ImportHf : public ImportTest {
 protected:
  ImportHf() : ImportTest("hf") {}

  // Compares with values by row and layer that are proportional to the distributions.
  static void expect_distributions(const RowBlock& rows, const Json& wanted) {
    ASSERT_EQ(rows.probs.size(), wanted.size() * 8);
    for (size_t cell = 0; cell < wanted.size(); ++cell) {
      double sum = 0;
      for (const auto& value : wanted[cell]) sum += value.get<double>();
      for (size_t expert = 0; expert < 8; ++expert) {
        EXPECT_NEAR(rows.probs[cell * 8 + expert], wanted[cell][expert].get<double>() / sum, 2e-3);
      }
    }
  }

  // A safetensors file of F32 arrays of that shape, [rows, 2] unless said.
  static std::string safetensors(const std::vector<std::string>& keys, const std::vector<float>& values,
                                 std::string shape = "") {
    const size_t each = values.size() / keys.size();
    if (shape.empty()) shape = fmt::format("[{},2]", each / 2);
    std::string header = "{";
    for (size_t i = 0; i < keys.size(); ++i) {
      header += fmt::format("{}\"{}\":{{\"dtype\":\"F32\",\"shape\":{},\"data_offsets\":[{},{}]}}",
                            i ? "," : "", keys[i], shape, i * each * 4, (i + 1) * each * 4);
    }
    header += "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const uint64_t size = header.size();
    std::string bytes(reinterpret_cast<const char*>(&size), 8);
    bytes += header;
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * 4);
    return bytes;
  }
};

TEST_F(ImportHf, LogitsOfABatchWithAMask) {
  const auto result = import(fixture("hf/masked.safetensors"), {.top_k = 2});
  EXPECT_THAT(result.warnings, testing::Contains("2 padding tokens were left out (by attention_mask)"));
  EXPECT_THAT(result.manifest.recording.allowed_eci,
              ElementsAre("routing", "executed", "frequency", "reference"));
  const WholeTraceRows whole(output_);
  EXPECT_THAT(whole.trace.manifest().model.moe_layers, ElementsAre(1, 2));
  EXPECT_THAT(whole.rows.sample, ElementsAre(0, 0, 1, 1, 1, 1));
  EXPECT_THAT(whole.rows.position, ElementsAre(0, 1, 0, 1, 2, 3));
  EXPECT_THAT(whole.rows.token, ElementsAre(11, 12, 21, 22, 23, 24));
  EXPECT_EQ(whole.trace.samples()[0].tokens, 2);
  EXPECT_EQ(whole.trace.samples()[1].id, "masked/1");
  expect_distributions(whole.rows, read_json(fixture("hf/expected.json"))["masked"]);
  for (size_t cell = 0; cell < 12; ++cell) {
    const auto probs = whole.rows.probs.subspan(cell * 8, 8);
    const auto best = std::max_element(probs.begin(), probs.end());
    EXPECT_EQ(whole.rows.topk_id[cell * 2], best - probs.begin());
    EXPECT_EQ(whole.rows.topk_weight[cell * 2], *best);
  }
}

TEST_F(ImportHf, DistributionsAreKnownAndEqualRowsArePadding) {
  const auto result = import(fixture("hf/softmaxed.npz"), {.top_k = 3});
  EXPECT_THAT(result.warnings, testing::Contains(HasSubstr("distributions already")));
  EXPECT_THAT(result.warnings, testing::Contains(HasSubstr("2 padding tokens were left out (equal")));
  const WholeTraceRows whole(output_);
  EXPECT_THAT(whole.trace.manifest().model.moe_layers, ElementsAre(3, 10));
  EXPECT_THAT(whole.rows.token, ElementsAre(-1, -1, -1, -1));
  expect_distributions(whole.rows, read_json(fixture("hf/expected.json"))["softmaxed"]);
}

TEST_F(ImportHf, SigmoidScoresAreSaid) {
  write_text(input_ / "a.safetensors", safetensors({"layer.0"}, {0.9f, 0.8f, 0.1f, 0.2f}));
  EXPECT_THAT(import(input_, {.top_k = 1}).warnings, testing::Contains(HasSubstr("sigmoid scores?")));
}

TEST_F(ImportHf, AStackOfLayers) {
  const std::vector<float> values = {1, 0, 0, 1, 0.5f, 0.5f, 0.25f, 0.75f};
  write_text(input_ / "a.safetensors", safetensors({"router_logits"}, values, "[2,2,2]"));
  import(input_, {.top_k = 1});
  const WholeTraceRows whole(output_);
  EXPECT_THAT(whole.trace.manifest().model.moe_layers, ElementsAre(0, 1));
  EXPECT_THAT(whole.rows.probs, ElementsAre(1, 0, 0.5f, 0.5f, 0, 1, 0.25f, 0.75f));
}

TEST_F(ImportHf, BadInputIsRefused) {
  EXPECT_THAT(refused(fixture("hf/masked.safetensors")), HasSubstr("needs --k"));
  EXPECT_THAT(refused(fixture("hf/masked.safetensors"), {.top_k = 9}), HasSubstr("--k must be in 1..8"));
  const ImportOptions one = {.top_k = 1};
  EXPECT_THAT(refused_text("a.safetensors", safetensors({"l0", "l0x0"}, {1, 2, 3, 4}), one),
              HasSubstr("two arrays are of layer 0"));
  EXPECT_THAT(refused_text("a.safetensors", safetensors({"l0", "logits"}, {1, 2, 3, 4}), one),
              HasSubstr("\"logits\": the key does not say which layer"));
  EXPECT_THAT(refused_text("a.safetensors", safetensors({"l0"}, {1, NAN}), one),
              HasSubstr("row 0, expert 1 is nan"));
  EXPECT_THAT(refused_text("a.safetensors", safetensors({"l0"}, {-INFINITY, -INFINITY}), one),
              HasSubstr("is -inf for every expert"));
  EXPECT_THAT(refused_text("a.safetensors", safetensors({"l0"}, {1, 2, 1, 2}), one),
              HasSubstr("nothing but padding"));
  EXPECT_THAT(refused_text("a.npz", "PK not a zip", one), HasSubstr("cannot be opened as a zip archive"));
  EXPECT_THAT(refused_text("a.pt", "pickle", one), HasSubstr("Python package only"));
}

TEST_F(ImportHf, AnArchiveThatUnpacksToFarMoreIsRefused) {
  // The size that the central directory claims for a member is what would be allocated.
  auto bytes = read_text(fixture("hf/softmaxed.npz"));
  for (const char* mark : {"PK\x03\x04", "PK\x01\x02"}) {
    const size_t offset = mark[2] == 3 ? 22 : 24;
    const auto at = bytes.find(std::string_view(mark, 4));
    ASSERT_NE(at, std::string::npos);
    const uint32_t huge = 0x7FFFFFFF;
    std::memcpy(bytes.data() + at + offset, &huge, 4);
  }
  EXPECT_THAT(refused_text("a.npz", bytes, {.top_k = 1}),
              testing::AnyOf(HasSubstr("unpacks to more"), HasSubstr("damaged")));
}

}  // namespace
}  // namespace committee::trace
