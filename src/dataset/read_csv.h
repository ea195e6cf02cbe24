#pragma once

#include <filesystem>

#include "dataset/record.h"
#include "dataset/sources.h"

namespace committee::dataset {

// Reads a CSV file whose header names id, domain, subject, question, text, tokens (a JSON list of ids),
// answer (an index or a letter) and the choices: one column `choices` (a JSON list of strings), or choice0,
// choice1, …, or A, B, …. Every other column is kept. An empty cell is a missing value, so a row may have
// fewer choices than there are columns. In MMLU's layout (Source::format) the header may be left out:
// question, the choices, the answer's letter; the subject is the source's where no column names it, and empty
// choices stay. Pushes the records in order. Throws Error naming file, line, field and rule.
void read_csv(const Source& source, const RecordSink& sink);

// Whether a CSV file begins with `question,choice0,…,answer` (or A, B, …) and nothing else, or with a row
// that ends in an answer's letter and no header.
bool has_mmlu_layout(const std::filesystem::path& path);

}  // namespace committee::dataset
