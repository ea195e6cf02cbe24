#include "audit/spreadsheet.h"

#include <algorithm>
#include <optional>
#include <pugixml.hpp>

#include "base/csv.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "base/zip_archive.h"

namespace committee::audit {
namespace {

constexpr int kMostColumns = 16384;  // of the format

class Workbook {
 public:
  explicit Workbook(const std::filesystem::path& path) : archive_(path) {}

  // A part of the archive as XML; nothing where it is not there.
  std::optional<pugi::xml_document> part(const std::string& entry) {
    const auto* member = archive_.find(entry);
    if (!member) return std::nullopt;
    const auto bytes = archive_.read(*member);
    std::optional<pugi::xml_document> document(std::in_place);
    const auto parsed =
        document->load_buffer(bytes.data(), bytes.size(), pugi::parse_default | pugi::parse_ws_pcdata);
    if (!parsed) throw Error("{}: part {} is no XML: {}", name(), entry, parsed.description());
    return document;
  }

  pugi::xml_document required(const std::string& entry) {
    auto document = part(entry);
    if (!document) throw Error("{}: is no XLSX workbook: part {} is missing", name(), entry);
    return *std::move(document);
  }

  const std::string& name() const { return archive_.name(); }

 private:
  ZipArchive archive_;
};

// The text of a string item: its own, or that of its runs.
std::string text_of(const pugi::xml_node& item) {
  std::string text = item.child("t").text().get();
  for (const auto& run : item.children("r")) text += run.child("t").text().get();
  return text;
}

std::string first_sheet(Workbook& book) {
  const auto workbook = book.required("xl/workbook.xml");
  const std::string id = workbook.child("workbook").child("sheets").child("sheet").attribute("r:id").value();
  const auto relations = book.required("xl/_rels/workbook.xml.rels");
  for (const auto& relation : relations.child("Relationships").children("Relationship")) {
    if (relation.attribute("Id").value() != id) continue;
    const std::string target = relation.attribute("Target").value();
    return target.starts_with('/') ? target.substr(1) : "xl/" + target;
  }
  throw Error("{}: the workbook names no sheet", book.name());
}

// "BC12" → 54.
int column_of(const std::string& reference, const std::string& name) {
  int column = 0;
  for (const char c : reference) {
    if (c < 'A' || c > 'Z') break;
    column = column * 26 + (c - 'A' + 1);
    if (column > kMostColumns) throw Error("{}: cell {} is beyond the last column", name, reference);
  }
  return column - 1;
}

std::string value_of(const pugi::xml_node& cell, const std::vector<std::string>& shared,
                     const std::string& name) {
  const std::string type = cell.attribute("t").value();
  if (type == "inlineStr") return text_of(cell.child("is"));
  const std::string value = cell.child("v").text().get();
  if (type != "s") return value;
  const auto index = cell.child("v").text().as_ullong(~0ull);
  if (index >= shared.size()) {
    throw Error("{}: cell {} names a shared string that is not there", name, cell.attribute("r").value());
  }
  return shared[index];
}

[[noreturn]] void too_wide(const Spreadsheet& table, int64_t line, size_t cells) {
  throw Error("{}:{}: has {} cells, the header {}", table.name, line, cells, table.header.size());
}

// The cells of a sheet's row, those before and between them empty.
std::vector<std::string> cells_of(const pugi::xml_node& row, const std::vector<std::string>& shared,
                                  const Spreadsheet& table, int64_t line) {
  std::vector<std::string> cells;
  for (const auto& cell : row.children("c")) {
    const std::string reference = cell.attribute("r").value();
    const auto column = static_cast<size_t>(
        reference.empty() ? static_cast<int>(cells.size()) : std::max(0, column_of(reference, table.name)));
    if (!table.header.empty() && column >= table.header.size()) too_wide(table, line, column + 1);
    if (cells.size() <= column) cells.resize(column + 1);
    cells[column] = value_of(cell, shared, table.name);
  }
  return cells;
}

Spreadsheet read_xlsx(const std::filesystem::path& path) {
  Workbook book(path);
  std::vector<std::string> shared;
  if (const auto strings = book.part("xl/sharedStrings.xml")) {
    for (const auto& item : strings->child("sst").children("si")) shared.push_back(text_of(item));
  }
  const auto sheet = book.required(first_sheet(book));
  Spreadsheet table{.name = book.name()};
  int64_t line = 0;
  for (const auto& row : sheet.child("worksheet").child("sheetData").children("row")) {
    line = row.attribute("r").as_llong(line + 1);
    auto cells = cells_of(row, shared, table, line);
    if (std::all_of(cells.begin(), cells.end(), [](const auto& c) { return c.empty(); })) continue;
    if (table.header.empty()) {
      table.header = std::move(cells);
      continue;
    }
    table.rows.push_back({line, table.cells.size(), cells.size()});
    for (std::string& cell : cells) table.cells.push_back(table.texts.emplace_back(std::move(cell)));
  }
  return table;
}

Spreadsheet read_csv(const std::filesystem::path& path) {
  Spreadsheet table{.name = path.string(), .from_csv = true};
  table.file = MappedFile(path);
  CsvReader reader(table.file.text(), table.name);
  if (auto header = reader.next()) table.header = std::move(header->cells);
  // Growing step by step would take longer than reading does; of what is too much no page is touched.
  table.cells.reserve(table.file.bytes().size() / 8);
  table.rows.reserve(table.file.bytes().size() / 32);
  for (;;) {
    const size_t begin = table.cells.size();
    const auto line = reader.next(table.cells, table.texts);
    if (!line) return table;
    table.rows.push_back({*line, begin, table.cells.size() - begin});
    if (table.rows.back().size > table.header.size()) too_wide(table, *line, table.rows.back().size);
  }
}

}  // namespace

int Spreadsheet::column(const std::string& title) const {
  const auto found = std::find(header.begin(), header.end(), title);
  return found == header.end() ? -1 : static_cast<int>(found - header.begin());
}

Spreadsheet read_spreadsheet(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (extension != ".csv" && extension != ".xlsx") {
    throw Error("{}: a table is a .csv or .xlsx file", path.string());
  }
  Spreadsheet table = extension == ".csv" ? read_csv(path) : read_xlsx(path);
  if (table.header.empty()) throw Error("{}: is empty, a header was expected", table.name);
  return table;
}

}  // namespace committee::audit
