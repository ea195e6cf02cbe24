#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <memory>
#include <new>

#include "base/error.h"

namespace committee::tokenizer {
namespace {

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string message(int code) {
  char text[256] = "";
  pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(text), sizeof text);
  return text;
}

struct CompileContext {
  CompileContext() : get(pcre2_compile_context_create(nullptr)) {
    if (get == nullptr) throw std::bad_alloc();
    pcre2_set_newline(get, PCRE2_NEWLINE_LF);
  }
  ~CompileContext() { pcre2_compile_context_free(get); }
  CompileContext(const CompileContext&) = delete;
  CompileContext& operator=(const CompileContext&) = delete;

  pcre2_compile_context* get;
};

struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

// Limits that follow the text's length: the library's own are too low for long texts, and without any a
// pattern could backtrack for ever or take all memory.
pcre2_match_context* limits_for(size_t bytes) {
  static thread_local const std::unique_ptr<pcre2_match_context, FreeContext> context(
      pcre2_match_context_create(nullptr));
  if (!context) throw std::bad_alloc();
  constexpr size_t kSteps = 10'000'000, kStepsPerByte = 100, kKibibytes = 16 << 10;
  const auto clamped = [](size_t value) {
    return static_cast<uint32_t>(std::min<size_t>(value, UINT32_MAX));
  };
  pcre2_set_match_limit(context.get(), clamped(kSteps + kStepsPerByte * bytes));
  pcre2_set_depth_limit(context.get(), UINT32_MAX);
  pcre2_set_heap_limit(context.get(),
                       clamped(kKibibytes + bytes));  // in KiB: 1024 bytes for each of the text's
  return context.get();
}

}  // namespace

RegexScratch::RegexScratch() : data_(pcre2_match_data_create(1, nullptr)) {
  if (!data_) throw std::bad_alloc();
}

void RegexScratch::Free::operator()(pcre2_real_match_data_8* data) const { pcre2_match_data_free(data); }

void Regex::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Regex Regex::compile(std::string_view pcre2, uint32_t options, std::string_view where,
                     std::string_view shown) {
  const CompileContext context;
  int error = 0;
  size_t offset = 0;
  Regex result;
  result.code_.reset(pcre2_compile(units(pcre2), pcre2.size(), options | PCRE2_UTF | PCRE2_NO_UTF_CHECK,
                                   &error, &offset, context.get));
  if (!result.code_) {
    throw Error("{}: the regular expression \"{}\" cannot be compiled: {}", where, shown, message(error));
  }
  // Where this machine has no just-in-time compiler, matching is interpreted.
  pcre2_jit_compile(result.code_.get(), PCRE2_JIT_COMPLETE);
  return result;
}

Regex Regex::pattern(std::string_view pattern, std::string_view where) {
  return compile(pcre2_pattern(pattern, where), PCRE2_UCP | PCRE2_MULTILINE, where, pattern);
}

Regex Regex::literal(std::string_view text, std::string_view where) {
  return compile(text, PCRE2_LITERAL, where, text);
}

Regex Regex::pcre2(const std::string& pattern) { return compile(pattern, 0, "built-in pattern", pattern); }

Regex Regex::one_of(const CodePoints& set) { return pcre2(pcre2_class(set, false)); }

std::optional<Regex::Span> Regex::find(std::string_view text, size_t from, RegexScratch& scratch) const {
  auto* data = scratch.data_.get();
  const auto match = [&](uint32_t options) {
    return pcre2_match(code_.get(), units(text), text.size(), from, PCRE2_NO_UTF_CHECK | options, data,
                       limits_for(text.size()));
  };
  int result = match(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (result < 0) throw Error("the pre-tokenizer's regular expression failed: {}", message(result));
  const size_t* bounds = pcre2_get_ovector_pointer(data);
  return Span{bounds[0], bounds[1]};
}

}  // namespace committee::tokenizer
