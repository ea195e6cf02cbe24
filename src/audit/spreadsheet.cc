#include "audit/spreadsheet.h"

#include <algorithm>
#include <deque>
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
  std::string value = cell.child("v").text().get();
  if (type != "s") return value;
  const auto index = cell.child("v").text().as_ullong(~0ull);
  if (index >= shared.size()) {
    throw Error("{}: cell {} names a shared string that is not there", name, cell.attribute("r").value());
  }
  return shared[index];
}

// The cells of a sheet's row, those before and between them empty.
std::vector<std::string> cells_of(const pugi::xml_node& row, const std::vector<std::string>& shared,
                                  const std::string& name) {
  std::vector<std::string> cells;
  for (const auto& cell : row.children("c")) {
    const std::string reference = cell.attribute("r").value();
    const auto column = static_cast<size_t>(reference.empty() ? static_cast<int>(cells.size())
                                                              : std::max(0, column_of(reference, name)));
    if (cells.size() <= column) cells.resize(column + 1);
    cells[column] = value_of(cell, shared, name);
  }
  return cells;
}

class XlsxRows : public Spreadsheet::Rows {
 public:
  explicit XlsxRows(const std::filesystem::path& path) {
    Workbook book(path);
    name_ = book.name();
    if (const auto strings = book.part("xl/sharedStrings.xml")) {
      for (const auto& item : strings->child("sst").children("si")) shared_.push_back(text_of(item));
    }
    sheet_ = book.required(first_sheet(book));
    row_ = sheet_.child("worksheet").child("sheetData").child("row");
  }

  std::optional<Row> next(std::vector<std::string_view>& cells) override {
    while (row_) {
      line_ = row_.attribute("r").as_llong(line_ + 1);
      texts_ = cells_of(row_, shared_, name_);
      row_ = row_.next_sibling("row");
      if (std::all_of(texts_.begin(), texts_.end(), [](const auto& text) { return text.empty(); })) continue;
      cells.assign(texts_.begin(), texts_.end());
      return Row{line_};
    }
    return std::nullopt;
  }

 private:
  std::string name_;
  pugi::xml_document sheet_;
  pugi::xml_node row_;
  std::vector<std::string> shared_, texts_;
  int64_t line_ = 0;
};

class CsvRows : public Spreadsheet::Rows {
 public:
  explicit CsvRows(const std::filesystem::path& path) : file_(path), reader_(file_.text(), path.string()) {}

  std::optional<Row> next(std::vector<std::string_view>& cells) override {
    cells.clear();
    if (!unquoted_.empty()) unquoted_.clear();
    const auto line = reader_.next(cells, unquoted_);
    return line ? std::optional(Row{*line, reader_.repeated()}) : std::nullopt;
  }

 private:
  MappedFile file_;
  CsvReader reader_;
  std::deque<std::string> unquoted_;
};

}  // namespace

Spreadsheet::Spreadsheet(const std::filesystem::path& path) : name_(path.string()) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  from_csv_ = extension == ".csv";
  if (!from_csv_ && extension != ".xlsx") throw Error("{}: a table is a .csv or .xlsx file", name_);
  if (from_csv_) {
    rows_ = std::make_unique<CsvRows>(path);
  } else {
    rows_ = std::make_unique<XlsxRows>(path);
  }
  if (!rows_->next(cells_)) throw Error("{}: is empty, a header was expected", name_);
  header_.assign(cells_.begin(), cells_.end());
}
Spreadsheet::Spreadsheet(Spreadsheet&&) noexcept = default;
Spreadsheet::~Spreadsheet() = default;

int Spreadsheet::column(const std::string& title) const {
  const auto found = std::find(header_.begin(), header_.end(), title);
  return found == header_.end() ? -1 : static_cast<int>(found - header_.begin());
}

bool Spreadsheet::next() {
  const auto row = rows_->next(cells_);
  if (!row) return false;
  line_ = row->line;
  repeated_ = row->repeated;
  if (cells_.size() > header_.size())
    throw Error("{}:{}: has {} cells, the header {}", name_, line_, cells_.size(), header_.size());
  return true;
}

}  // namespace committee::audit
