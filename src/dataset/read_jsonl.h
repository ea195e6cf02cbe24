#pragma once

#include <string_view>

#include "base/json.h"
#include "dataset/record.h"
#include "dataset/sources.h"

namespace committee::dataset {

// Reads a JSONL file, an object a line (FORMATS, "Prompts"), from its mapping: a line at a time, so that a
// file larger than memory streams. Blank lines are passed over. Pushes the records in order. Throws Error
// naming file, line, field and rule.
void read_jsonl(const Source& source, const RecordSink& sink);

// A list of token ids, or of strings, as JSONL fields and CSV cells hold them.
std::vector<int32_t> token_list(const Json& value, const Place& place);
std::vector<std::string> choice_list(const Json& value, const Place& place);

}  // namespace committee::dataset
