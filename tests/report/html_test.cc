#include "report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <filesystem>
#include <regex>

#include "base/atomic_file.h"
#include "base/error.h"
#include "report/assets.h"
#include "report/audit_files.h"
#include "report/html_sections.h"
#include "report/html_text.h"
#include "report/sample_audit.h"

namespace committee::report {
namespace {

using testing::HasSubstr;

std::string from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    group = group << 6 | static_cast<uint32_t>(digits.find(c));
    bits += 6;
    if (bits >= 8) bytes += static_cast<char>(group >> (bits -= 8) & 255);
  }
  return bytes;
}

std::string unpacked(const std::string& packed_text) {
  const std::string bytes = from_base64(packed_text);
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string text;
  std::array<char, 4096> block;
  int state = Z_OK;
  while (state == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = block.size();
    state = inflate(&stream, Z_NO_FLUSH);
    text.append(block.data(), block.size() - stream.avail_out);
  }
  EXPECT_EQ(state, Z_STREAM_END);
  inflateEnd(&stream);
  return text;
}

TEST(HtmlText, EscapesWhatHtmlReads) {
  EXPECT_EQ(escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  EXPECT_EQ(escaped("é数\n\t"), "é数\n\t");
  EXPECT_EQ(escaped(std::string("a\0b\x1b\x7f", 5)),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(escaped("a\xff"
                    "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(json_in_script("{\"a\":\"</script><!--&\"}"),
            "{\"a\":\"\\u003c/script\\u003e\\u003c!--\\u0026\"}");
}

TEST(HtmlText, PackedTextUnpacks) {
  for (const std::string& text : {std::string(), std::string("a"), std::string("ab"), std::string("abc"),
                                  std::string(300000, 'x'), audit_csv(sample_audit())[1].text}) {
    EXPECT_EQ(unpacked(packed(text)), text);
  }
}

// The page without the libraries that end it.
std::string own_part(const std::string& html) { return html.substr(0, html.find("/*! vega")); }

TEST(HtmlReport, HoldsEveryTableAsItIs) {
  const auto result = sample_audit();
  const std::string html = html_report(result, {});
  for (const auto& file : audit_csv(result)) {
    const std::string opening = "class=\"table\" data-name=\"" + file.name + "\"";
    const size_t at = html.find(opening);
    ASSERT_NE(at, std::string::npos) << file.name;
    const size_t begin = html.find('>', at) + 1;
    EXPECT_EQ(unpacked(html.substr(begin, html.find('<', begin) - begin)), file.text) << file.name;
  }
}

TEST(HtmlReport, DataCannotBreakOut) {
  auto result = sample_audit();
  result.model.name = "</title><script>alert(1)</script>";
  result.domains[0].name = "</script><b>";
  result.verdict.reason = "<img src=x>";
  result.warnings[0].code = "\"><i>";
  result.warnings[0].evidence = Json{{"</pre><u>", "</script>"}};
  result.recording.options = {{"<em>", "<em>"}};
  const std::string html = own_part(html_report(result, {"--data '<s>'"}));
  for (const char* hostile :
       {"<script>alert", "</script><b>", "<img", "\"><i>", "<u>", "</pre><u", "<em>", "<s>"}) {
    EXPECT_EQ(html.find(hostile), std::string::npos) << hostile;
  }
  EXPECT_NE(html.find("&lt;img src=x&gt;"), std::string::npos);
}

TEST(HtmlReport, AsksNobodyForAnything) {
  const std::string html = own_part(html_report(sample_audit(), {}));
  EXPECT_NE(html.find("Content-Security-Policy\" content=\"default-src 'none'"), std::string::npos);
  EXPECT_FALSE(std::regex_search(html, std::regex("(src|href)=\"(https?:)?//")));
  EXPECT_EQ(html.find("@import"), std::string::npos);
}

std::vector<std::string> section_ids(const audit::AuditResult& result) {
  std::vector<std::string> ids;
  for (const auto& section : html_sections(result, "")) ids.push_back(section.id);
  return ids;
}

TEST(HtmlReport, ShowsOnlyWhatWasComputed) {
  EXPECT_THAT(section_ids(sample_audit()),
              testing::ElementsAre("answer", "figures", "map", "contributions", "jaccard", "lorenz",
                                   "specificity", "load", "shuffle", "warnings", "making", "tables"));
  auto bare = sample_audit({2, 8, 2, 1, SampleBaselines::kNone});
  bare.warnings.clear();
  for (auto& layer : bare.layers) {
    layer.lorenz.clear();
    layer.r2 = layer.silhouette[0] = {};
    layer.routing_entropy = layer.load_entropy = layer.effective_experts = layer.max_over_mean =
        layer.unused = {};
  }
  EXPECT_THAT(section_ids(bare),
              testing::ElementsAre("answer", "figures", "map", "contributions", "making", "tables"));
  bare.layers.clear();
  EXPECT_THAT(section_ids(bare), testing::ElementsAre("making", "tables"));
}

TEST(HtmlReport, FigureChartsSayTheirRange) {
  auto result = sample_audit({2, 8, 2, 2, SampleBaselines::kNone});
  result.layers[0].r2 = {0.25, 0.125, {}, {}};
  result.layers[1].r2 = {0.75, 0.125, {}, {}};
  const FigureChart chart{"variance.csv", "r2", "Variance", &audit::LayerResult::r2};
  EXPECT_THAT(figure_chart(result, chart),
              HasSubstr("aria-label=\"Variance by layer: 0.25 to 0.75, mean 0.5; floor 0.125\""));
  result.layers[0].r2 = result.layers[1].r2 = {};
  EXPECT_EQ(figure_chart(result, chart), "");
}

// A folder as `mask` leaves it.
class FindingsOfMask : public testing::Test {
 protected:
  FindingsOfMask() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    write_file(folder_ / "masking.csv", kTable);
    write_file(folder_ / "mask.json",
               R"({"format": "committee-audit mask", "version": 1, "command": "committee-audit mask <m>",
                   "model": {"name": "tiny", "fingerprint": "f"}, "sentences": ["Layer 3 <b> matters."]})");
  }
  ~FindingsOfMask() override { std::filesystem::remove_all(folder_); }

  static constexpr const char* kTable =
      "layer,set,kind,experts,correct,wrong,no_answer,letter_accuracy,answer_logprob,kl\n"
      "3,none,none,,0.5,0.5,0,0.5,-1,0\n3,committee,committee,4,0.25,0.75,0,0.25,-2,0.5\n";
  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "committee_findings";
};

TEST_F(FindingsOfMask, AreASectionBeforeTheWarnings) {
  const auto findings = read_findings(folder_);
  EXPECT_EQ(findings.kind, "mask");
  const std::string html = own_part(html_report(sample_audit(), {"", {findings}}));
  EXPECT_LT(html.find("<section id=\"mask\""), html.find("<section id=\"warnings\""));
  EXPECT_THAT(html, HasSubstr("Layer 3 &lt;b&gt; matters."));
  EXPECT_THAT(html, HasSubstr("committee-audit mask &lt;m&gt;"));
  EXPECT_THAT(html, HasSubstr("data-chart=\"masking\" data-figure=\"kl\""));
  EXPECT_THAT(html, HasSubstr(fmt::format("data-name=\"masking.csv\" data-bytes=\"{}\"",
                                          std::string(kTable).size())));
}

TEST_F(FindingsOfMask, OfAnotherModelOrOfNothingAreRefused) {
  auto result = sample_audit();
  result.model.fingerprint = "g";
  EXPECT_THAT([&] { check_same_model(read_findings(folder_), result, folder_); },
              testing::ThrowsMessage<Error>(HasSubstr("is about another model (tiny)")));
  std::filesystem::remove(folder_ / "mask.json");
  EXPECT_THAT([&] { read_findings(folder_); },
              testing::ThrowsMessage<Error>(HasSubstr("holds no mask.json")));
  write_file(folder_ / "mask.json", R"({"format": "else"})");
  EXPECT_THAT([&] { read_findings(folder_); },
              testing::ThrowsMessage<Error>(HasSubstr("\"format\" is \"else\"")));
}

TEST(Assets, AreCarriedWhole) {
  EXPECT_NE(asset("vega.js").find("/*! vega-embed"), std::string_view::npos);
  EXPECT_EQ(asset("vega.js").find("</script"), std::string_view::npos);
  EXPECT_TRUE(Json::accept(asset("charts/figure.json")));
  EXPECT_THROW(asset("charts/none.json"), Error);
}

}  // namespace
}  // namespace committee::report
