#include "report/terminal_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace committee::report {

namespace {

std::string repeated(std::string_view piece, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += piece;
  return text;
}

constexpr std::array<std::string_view, 8> kHeights = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

std::optional<audit::Interval> range_of(const std::vector<std::optional<double>>& values) {
  std::optional<audit::Interval> range;
  for (const auto& value : values) {
    if (!value) continue;
    range = range ? audit::Interval{std::min(range->low, *value), std::max(range->high, *value)}
                  : audit::Interval{*value, *value};
  }
  return range;
}

}  // namespace

std::string inked(std::string_view text, Ink ink, const TerminalStyle& style) {
  if (!style.colour || ink == Ink::kPlain || text.empty()) return std::string(text);
  const char* code = ink == Ink::kBold ? "1" : ink == Ink::kDim ? "2" : ink == Ink::kAccent ? "1;36" : "1;33";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string TerminalTable::text(const TerminalStyle& style) const {
  std::vector<int> widths;
  for (const auto& column : columns_) widths.push_back(display_width(column.title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i].text) + display_width(row[i].tail));
    }
  }
  std::string text;
  const auto line = [&](const std::vector<Cell>& cells) {
    std::string pending = "  ";  // spaces are written only before text, so that no line ends in them
    for (size_t i = 0; i < cells.size(); ++i) {
      const Cell& cell = cells[i];
      const int space = widths[i] - display_width(cell.text) - display_width(cell.tail);
      if (columns_[i].align == Align::kRight) pending.append(static_cast<size_t>(space), ' ');
      if (!cell.text.empty() || !cell.tail.empty()) {
        text += pending + inked(cell.text, cell.ink, style) + inked(cell.tail, Ink::kDim, style);
        pending.clear();
      }
      if (columns_[i].align == Align::kLeft) pending.append(static_cast<size_t>(space), ' ');
      pending += "  ";
    }
    text += '\n';
  };
  std::vector<Cell> titles;
  int total = -2;
  for (size_t i = 0; i < columns_.size(); ++i) {
    titles.emplace_back(columns_[i].title, Ink::kDim);
    total += widths[i] + 2;
  }
  line(titles);
  for (const auto& row : rows_) {
    if (row.empty()) {
      text += "  " + inked(repeated("─", total), Ink::kDim, style) + '\n';
    } else {
      line(row);
    }
  }
  return text;
}

std::string decimals(std::optional<double> number, int digits) {
  return number ? fmt::format("{:.{}f}", *number, digits) : "–";
}

std::string percent(std::optional<double> share) {
  return share ? fmt::format("{:.1f}%", *share * 100) : "–";
}

std::string p_value(const audit::Figure& figure) {
  return figure.permuted ? fmt::format("{:.3f}", figure.permuted->p_value) : "–";
}

Cell share_bar(std::optional<double> share, std::optional<double> floor, int width) {
  Cell bar;
  if (!share) return bar;
  const auto columns = [&](double part) {
    return static_cast<int>(std::lround(std::clamp(part, 0.0, 1.0) * width));
  };
  const int filled = columns(*share), shaded = std::min(filled, columns(floor.value_or(0)));
  // Where a share stays below its floor, the tick says where the floor is.
  const int missing = floor ? std::max(0, columns(*floor) - filled) : 0;
  bar.text = repeated("▒", shaded) + repeated("█", filled - shaded);
  bar.tail = missing > 0 ? repeated("·", missing - 1) + "╎" : "";
  bar.tail += repeated("·", width - filled - missing);
  return bar;
}

std::string sparkline(const std::vector<std::optional<double>>& values, int width,
                      std::optional<audit::Interval> scale) {
  const size_t count = values.size(), cells = std::min(count, static_cast<size_t>(std::max(1, width)));
  std::vector<std::optional<double>> means(cells);
  for (size_t c = 0; c < cells; ++c) {
    double sum = 0, used = 0;
    for (size_t i = c * count / cells; i < (c + 1) * count / cells; ++i) {
      if (!values[i]) continue;
      sum += *values[i];
      ++used;
    }
    if (used > 0) means[c] = sum / used;
  }
  if (!scale) scale = range_of(means);
  std::string line;
  for (const auto& mean : means) {
    const bool flat = !mean || !scale || scale->high <= scale->low;
    const double height =
        flat ? 0.5 : std::clamp((*mean - scale->low) / (scale->high - scale->low), 0.0, 1.0);
    line += mean ? kHeights[static_cast<size_t>(std::lround(height * 7))] : "·";
  }
  return line;
}

}  // namespace committee::report
