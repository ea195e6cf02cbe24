#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace committee::bench {

struct Setting {
  std::filesystem::path models, mmlu, tokenizer, binary, small_model;
  int threads = 2, repeat = 5;
  std::string subject = "anatomy";
};

// The rows of the table of targets. Each checks its results first, then prints what it measured beside its
// target. Throws Error where a result is wrong or something it needs is not there.
void speed_row(const Setting& setting, const std::string& shape);
void float32_row(const Setting& setting);
void experts_row(const Setting& setting);
void recording_row(const Setting& setting);
void threads_row(const Setting& setting);
void attention_row(const Setting& setting);
void startup_row(const Setting& setting);
void shared_rows_row(const Setting& setting);   // needs mmlu and tokenizer
void sharing_row(const Setting& setting);       // needs mmlu and tokenizer
void streaming_row(const Setting& setting);     // needs binary and a memory cgroup
void many_prompts_row(const Setting& setting);  // needs mmlu, small_model, binary and a memory cgroup
void equal_row(const Setting& setting);
void growth_row(const Setting& setting, const std::string& what);  // tokens, prompts or layers

inline void print_row(std::string_view name, std::string_view measured, std::string_view target, bool met) {
  fmt::print("{:12} {} | target {} | {}\n", name, measured, target, met ? "met" : "MISSED");
  std::fflush(stdout);
}
inline void print_line(std::string_view text) {
  fmt::print("             {}\n", text);
  std::fflush(stdout);
}

}  // namespace committee::bench
