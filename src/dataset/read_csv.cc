#include "dataset/read_csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "base/csv.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "dataset/read_jsonl.h"

namespace committee::dataset {
namespace {

using Names = std::vector<std::string>;

std::optional<size_t> column(const Names& header, std::string_view name) {
  const auto at = std::find(header.begin(), header.end(), name);
  if (at == header.end()) return std::nullopt;
  return static_cast<size_t>(at - header.begin());
}

std::string numbered_choice(size_t index) { return fmt::format("choice{}", index); }

bool is_numbered_choice(std::string_view name) {
  constexpr std::string_view kStem = "choice";
  return name.size() > kStem.size() && name.starts_with(kStem) &&
         name.find_first_not_of("0123456789", kStem.size()) == std::string_view::npos;
}

// Columns name(0), name(1), … as far as they go.
std::vector<size_t> run_of_columns(const Names& header, std::string (*name)(size_t)) {
  std::vector<size_t> columns;
  while (columns.size() < kMaxChoices) {
    const auto at = column(header, name(columns.size()));
    if (!at) break;
    columns.push_back(*at);
  }
  return columns;
}

// The columns of the choices where each has its own.
std::vector<size_t> choice_columns(const Names& header, const Place& place) {
  const auto numbered = run_of_columns(header, numbered_choice);
  const auto count = static_cast<size_t>(std::count_if(header.begin(), header.end(), is_numbered_choice));
  if (count != numbered.size()) {
    place.fail("choice columns must be choice0, choice1, … without a gap, {} at most", kMaxChoices);
  }
  auto letters = run_of_columns(header, choice_label);
  const bool has_text = column(header, "question") || column(header, "text");
  if (letters.size() < kMinChoices || !has_text) letters.clear();
  const int ways =
      (column(header, "choices") ? 1 : 0) + (numbered.empty() ? 0 : 1) + (letters.empty() ? 0 : 1);
  if (ways > 1)
    place.fail("choices are given twice: one of \"choices\", \"choice0\" … and \"A\" … is wanted");
  return numbered.empty() ? letters : numbered;
}

// What the columns of a file are.
struct Layout {
  Names names;
  std::vector<size_t> choices;  // columns of one choice each
  std::vector<size_t> others;   // columns that are kept as they are
  std::optional<size_t> id, subject, domain, question, text, choice_list, answer, tokens;

  Layout(Names header, const Place& place) : names(std::move(header)), choices(choice_columns(names, place)) {
    const std::array<std::pair<const char*, std::optional<size_t>*>, 8> known = {{{"id", &id},
                                                                                  {"subject", &subject},
                                                                                  {"domain", &domain},
                                                                                  {"question", &question},
                                                                                  {"text", &text},
                                                                                  {"choices", &choice_list},
                                                                                  {"answer", &answer},
                                                                                  {"tokens", &tokens}}};
    std::vector<bool> taken(names.size());
    for (const size_t at : choices) taken[at] = true;
    for (const auto& [name, at] : known) {
      *at = column(names, name);
      if (*at) taken[**at] = true;
    }
    for (size_t at = 0; at < names.size(); ++at) {
      if (column(names, names[at]) != at) place.fail("two columns are called \"{}\"", names[at]);
      if (!taken[at]) others.push_back(at);
    }
    if (!question && !text && !tokens) {
      place.fail("the header names no column \"question\", \"text\" or \"tokens\"");
    }
  }
};

std::optional<std::string> cell(const CsvRecord& row, std::optional<size_t> at) {
  if (!at || row.cells[*at].empty()) return std::nullopt;
  return row.cells[*at];
}

std::variant<int64_t, std::string> answer_of(const std::string& text) {
  int64_t index = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (problem == std::errc() && end == text.data() + text.size()) return index;
  return text;
}

Record record_of(const CsvRecord& row, const Layout& layout, const Source& source, const Place& place) {
  Record record;
  record.place = place;
  record.mmlu = source.format == Format::kMmlu;
  record.id = cell(row, layout.id);
  record.subject = cell(row, layout.subject);
  if (!record.subject && record.mmlu) record.subject = source.subject;
  record.domain = cell(row, layout.domain);
  record.text = cell(row, layout.text);
  record.question = cell(row, layout.question);
  // With one column of text, an empty cell is an empty question and not another kind of record.
  if (layout.question && !layout.text && !layout.tokens) record.question = row.cells[*layout.question];
  if (const auto answer = cell(row, layout.answer)) record.answer = answer_of(*answer);
  const std::string where = place.text();
  if (const auto list = cell(row, layout.tokens)) record.tokens = token_list(parse_json(*list, where), place);
  if (const auto list = cell(row, layout.choice_list))
    record.choices = choice_list(parse_json(*list, where), place);
  if (!layout.choices.empty()) {
    std::vector<std::string> choices;
    for (const size_t at : layout.choices) choices.push_back(row.cells[at]);
    while (!record.mmlu && !choices.empty() && choices.back().empty()) choices.pop_back();
    if (!choices.empty()) record.choices = std::move(choices);
  }
  for (const size_t at : layout.others) {
    if (!row.cells[at].empty()) record.columns.emplace_back(layout.names[at], row.cells[at]);
  }
  return record;
}

bool is_letter(std::string_view cell) { return cell.size() == 1 && cell[0] >= 'A' && cell[0] <= 'Z'; }

bool is_mmlu_header(const Names& cells) { return cells.front() == "question" && cells.back() == "answer"; }

// A question, at least two choices and an answer's letter; not a header that ends in a column "D".
bool is_mmlu_row(const Names& cells) {
  return !column(cells, "question") && !column(cells, "text") && cells.size() >= kMinChoices + 2 &&
         cells.size() <= kMaxChoices + 2 && is_letter(cells.back());
}

Names mmlu_header(size_t columns) {
  Names header = {"question"};
  for (size_t i = 0; i + 2 < columns; ++i) header.push_back(numbered_choice(i));
  header.emplace_back("answer");
  return header;
}

}  // namespace

void read_csv(const Source& source, const RecordSink& sink) {
  const MappedFile file(source.path);
  const std::string name = source.path.string();
  CsvReader reader(file.text(), name);
  auto row = reader.next();
  if (!row) return;
  const Place top{name, row->line};
  const bool headless = source.format == Format::kMmlu && is_mmlu_row(row->cells);
  const Layout layout(headless ? mmlu_header(row->cells.size()) : row->cells, top);
  if (!headless) row = reader.next();
  for (; row; row = reader.next()) {
    const Place place{name, row->line};
    if (row->cells.size() != layout.names.size()) {
      place.fail("{} cells where {} are due", row->cells.size(), layout.names.size());
    }
    sink(record_of(*row, layout, source, place));
  }
}

bool has_mmlu_layout(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto first = CsvReader(file.text(), path.string()).next();
  if (!first) return false;
  const Names& cells = first->cells;
  if (!is_mmlu_header(cells)) return is_mmlu_row(cells);
  const auto choices =
      std::max(run_of_columns(cells, numbered_choice).size(), run_of_columns(cells, choice_label).size());
  return choices + 2 == cells.size();
}

}  // namespace committee::dataset
