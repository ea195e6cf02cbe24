#include "cli/json_output.h"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <vector>

#include "base/csv.h"
#include "base/error.h"
#include "base/version.h"
#include "cli/commands.h"

namespace committee::cli {
namespace {

OrderedJson number_in(const std::string& cell) {
  auto json = OrderedJson::parse(cell, nullptr, false);
  return json.is_number() ? json : OrderedJson(OrderedJson::value_t::discarded);
}

OrderedJson ids_in(const std::string& cell) {
  auto ids = OrderedJson::array();
  std::istringstream words(cell);
  for (int id = 0; words >> id;) ids.push_back(id);
  return ids;
}

}  // namespace

OrderedJson json_head(const std::string& kind) {
  return {{"format", "committee-audit " + kind}, {"version", kVersion}, {"command", command_line_text()}};
}

OrderedJson json_head(const std::string& kind, const trace::ModelInfo& model) {
  OrderedJson head = json_head(kind);
  head["model"] = {{"name", model.name}, {"fingerprint", model.fingerprint}};
  return head;
}

OrderedJson json_rows(const std::string& csv) {
  CsvReader reader(csv, "table");
  const auto header = reader.next();
  std::vector<std::vector<std::string>> rows;
  while (auto record = reader.next()) rows.push_back(std::move(record->cells));
  auto document = OrderedJson::array();
  for (size_t i = 0; i < rows.size(); ++i) document.push_back(OrderedJson::object());
  for (size_t c = 0; header && c < header->cells.size(); ++c) {
    const std::string& name = header->cells[c];
    const bool ids = name == "committee" || name == "core" || name == "stable";
    const bool numbers = std::all_of(rows.begin(), rows.end(), [&](const auto& row) {
      return row[c].empty() || !number_in(row[c]).is_discarded();
    });
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::string& cell = rows[i][c];
      document[i][name] = ids            ? ids_in(cell)
                          : cell.empty() ? OrderedJson()
                          : numbers      ? number_in(cell)
                                         : OrderedJson(cell);
    }
  }
  return document;
}

void print_findings(const std::string& context, const std::vector<report::CsvFile>& tables,
                    const std::vector<std::string>& sentences, const TerminalFlags& terminal) {
  if (!terminal.json) {
    for (const auto& sentence : sentences) fmt::print("{}\n", sentence);
    return;
  }
  OrderedJson document = OrderedJson::parse(context);
  for (const auto& table : tables)
    document[table.name.substr(0, table.name.find('.'))] = json_rows(table.text);
  print_json(document);
}

void print_json(const OrderedJson& document) {
  fmt::print("{}\n", document.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
}

}  // namespace committee::cli
