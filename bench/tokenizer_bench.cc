// bench_tokenizer TOKENIZER [TEXT FILE...] [--benchmark_...]: loading, and MB/s of encoding on one thread, of
// texts drawn from the tokenizer's own vocabulary (harder than prose, where the same words come again) and of
// the files given.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/random.h"
#include "base/utf8.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

using committee::tokenizer::CodePoints;
using committee::tokenizer::SpecialTokens;
using committee::tokenizer::Tokenizer;

namespace {

constexpr size_t kTextSize = 4 << 20;

bool all_of(std::string_view text, const CodePoints& set) {
  for (size_t at = 0; at < text.size();) {
    if (!set.contains(committee::tokenizer::next_code_point(text, at))) return false;
  }
  return !text.empty();
}

// Entries of the vocabulary that consist of `letters`, without a space before them.
std::vector<std::string> words_of(const Tokenizer& tokenizer, const CodePoints& letters) {
  std::vector<std::string> words;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    std::string text = tokenizer.token_text(id);
    if (text.starts_with(' ')) text.erase(0, 1);
    if (!committee::find_invalid_utf8(text) && all_of(text, letters)) words.push_back(text);
  }
  return words;
}

// Sentences of 3 to 12 words.
std::string random_text(const std::vector<std::string>& words, std::string_view between,
                        const std::vector<std::string>& ends) {
  committee::Random random(1);
  std::string text;
  while (text.size() < kTextSize) {
    for (uint64_t left = 3 + random.below(10); left > 0; --left) {
      text += words[random.below(words.size())];
      if (left > 1) text += between;
    }
    text += ends[random.below(ends.size())];
  }
  return text;
}

void encode(benchmark::State& state, const Tokenizer& tokenizer, const std::string& text) {
  size_t tokens = 0;
  for (auto _ : state) {
    const auto encoding = tokenizer.encode(text, SpecialTokens::kNone);
    tokens = encoding.ids.size();
    state.PauseTiming();
    const std::string back = tokenizer.decode(encoding.ids);
    if (tokenizer.encode(back, SpecialTokens::kNone).ids != encoding.ids) {
      state.SkipWithError("the decoded text is encoded otherwise");
      break;
    }
    state.ResumeTiming();
  }
  state.SetBytesProcessed(static_cast<int64_t>(text.size()) * static_cast<int64_t>(state.iterations()));
  state.counters["bytes_a_token"] = static_cast<double>(text.size()) / static_cast<double>(tokens);
}

void register_text(const std::string& name, const Tokenizer& tokenizer, std::string text) {
  benchmark::RegisterBenchmark(name.c_str(), [&tokenizer, text = std::move(text)](benchmark::State& state) {
    encode(state, tokenizer, text);
  })->Unit(benchmark::kMillisecond);
}

void run(const std::string& path, const std::vector<std::string>& files) {
  const Tokenizer tokenizer = Tokenizer::load(path);
  benchmark::RegisterBenchmark("load", [&path](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::load(path));
  })->Unit(benchmark::kMillisecond);

  const CodePoints latin = {{'A', 'Z'}, {'a', 'z'}};
  CodePoints east_asian = *committee::tokenizer::property("Han");
  for (const char* script : {"Hiragana", "Katakana", "Hangul"}) {
    east_asian.add(*committee::tokenizer::property(script));
  }
  const auto english = words_of(tokenizer, latin), cjk = words_of(tokenizer, east_asian);
  if (!english.empty()) {
    register_text("english", tokenizer,
                  random_text(english, " ", {". ", ", ", "?\n", "! ", " (x) ", " 1984 "}));
  }
  if (!cjk.empty()) {
    register_text("cjk", tokenizer, random_text(cjk, "", {"。", "，", "、", "！\n", " 2024年", " GPU "}));
  }
  register_text("one_word", tokenizer, std::string(kTextSize, 'a'));
  for (const std::string& file : files) {
    register_text(file, tokenizer, std::string(committee::MappedFile(file).text()));
  }
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_tokenizer TOKENIZER [TEXT FILE...]\n");
    return 2;
  }
  try {
    run(argv[1], std::vector<std::string>(argv + 2, argv + argc));
  } catch (const committee::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
