#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/result.h"
#include "report/terminal.h"
#include "report/text.h"

// What terminal reports are made of.
namespace committee::report {

enum class Ink { kPlain, kBold, kDim, kAccent, kWarning };

std::string inked(std::string_view text, Ink ink, const TerminalStyle& style);

struct Cell {
  Cell(std::string cell_text = "", Ink cell_ink = Ink::kPlain) : text(std::move(cell_text)), ink(cell_ink) {}
  Cell(const char* cell_text) : text(cell_text) {}
  std::string text;
  Ink ink = Ink::kPlain;
  std::string tail;  // follows `text` in kDim: the rest of a bar
};

// Aligned columns, two spaces apart, indented by two.
class TerminalTable {
 public:
  struct Column {
    std::string title;
    Align align = Align::kRight;
  };
  explicit TerminalTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  void rule() { rows_.emplace_back(); }  // a thin line across
  std::string text(const TerminalStyle& style) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;  // an empty row is a rule
};

// "–" for what is undefined.
std::string decimals(std::optional<double> number, int digits);
std::string percent(std::optional<double> share);  // "66.1%"
std::string p_value(const audit::Figure& figure);  // "0.005"

// A share of `width` columns: solid where it exceeds `floor`, shaded up to there ("▒▒▒▒███····").
Cell share_bar(std::optional<double> share, std::optional<double> floor, int width);

// One block for each value, lowest to highest of `scale` (by default of the values themselves); neighbours
// are averaged where there are more than `width`.
std::string sparkline(const std::vector<std::optional<double>>& values, int width,
                      std::optional<audit::Interval> scale = {});

}  // namespace committee::report
