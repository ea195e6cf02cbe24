#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/json_node.h"

namespace committee::tokenizer {

// The "post_processor" of a tokenizer.json, for single texts: the ids it puts before and behind one.
// ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing and Sequences of them.
struct PostProcessor {
  PostProcessor() = default;
  // Throws Error for other kinds, by name, and malformed ones.
  explicit PostProcessor(const JsonNode& node) { add(node, 0); }

  std::vector<int32_t> before, behind;

 private:
  void add(const JsonNode& node, int depth);
  void add_template(const JsonNode& node);
};

}  // namespace committee::tokenizer
