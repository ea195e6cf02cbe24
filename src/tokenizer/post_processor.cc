#include "tokenizer/post_processor.h"

#include "tokenizer/bpe.h"
#include "tokenizer/normalizer.h"

namespace committee::tokenizer {
namespace {

int32_t read_id(const JsonNode& node) {
  const int64_t id = node.integer();
  if (id < 0 || id > Bpe::kMaxId) node.fail("the id {} is not in 0..{}", id, Bpe::kMaxId);
  return static_cast<int32_t>(id);
}

// The id of ["<s>", 0].
int32_t read_pair(const JsonNode& node) {
  const auto items = node.items();
  if (items.size() != 2) node.fail("must be a token and its id");
  return read_id(items[1]);
}

}  // namespace

void PostProcessor::add(const JsonNode& node, int depth) {
  const std::string_view type = node.at("type").text();
  if (type == "Sequence") {
    if (depth == kMaxSequenceDepth) node.fail("Sequences are nested too deeply");
    for (const auto& item : node.at("processors").items()) add(item, depth + 1);
    return;
  }
  if (type == "ByteLevel") return;  // trims offsets, adds nothing
  if (!before.empty() || !behind.empty())
    node.fail("a second post-processor that adds tokens is not supported");
  if (type == "TemplateProcessing") {
    add_template(node);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    before = {read_pair(node.at("cls"))};
    behind = {read_pair(node.at("sep"))};
  } else {
    node.fail("the post-processor \"{}\" is not supported", type);
  }
}

void PostProcessor::add_template(const JsonNode& node) {
  int texts = 0;
  for (const auto& item : node.at("single").items()) {
    if (const auto text = item.find("Sequence")) {
      if (text->at("id").text() != "A") text->fail("must be the text A");
      ++texts;
      continue;
    }
    const JsonNode special = item.at("SpecialToken");
    const JsonNode token = node.at("special_tokens").at(special.at("id").text());
    for (const auto& id : token.at("ids").items()) (texts == 0 ? before : behind).push_back(read_id(id));
  }
  if (texts != 1) node.at("single").fail("must hold the text once");
}

}  // namespace committee::tokenizer
