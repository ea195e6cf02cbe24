#include "audit/python_numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>

namespace committee::audit::python {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
  if (!text.empty() && text.front() > ' ' && text.back() > ' ') return text;
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// Nearly every cell is an ordinary number, which its first character tells.
bool is_ordinary(std::string_view text) {
  const size_t first = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  return first < text.size() && (is_digit(text[first]) || text[first] == '.');
}

// inf and nan.
std::optional<double> parse_special(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  double sign = 1;
  if (!lower.empty() && (lower[0] == '-' || lower[0] == '+')) {
    sign = lower[0] == '-' ? -1 : 1;
    lower.erase(0, 1);
  }
  if (lower == "inf" || lower == "infinity") return sign * HUGE_VAL;
  if (lower == "nan") return std::nan("");
  return std::nullopt;
}

// 10^n, the nearest double. Up to 10^22 products are exact.
double power_of_ten(int n) {
  static constexpr auto kExact = [] {
    std::array<double, 23> powers{1};
    for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
    return powers;
  }();
  if (static_cast<size_t>(n) < kExact.size()) return kExact[static_cast<size_t>(n)];
  return std::strtod(fmt::format("1e{}", n).c_str(), nullptr);
}

double scaled(double number, int exponent) {
  if (exponent > 308) return number == 0 ? 0 : std::copysign(HUGE_VAL, number);
  if (exponent > 0) return number * power_of_ten(exponent);
  if (exponent < -616) return 0;
  if (exponent < -308) return number / power_of_ten(-308 - exponent) / power_of_ten(308);
  return number / power_of_ten(-exponent);
}

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Nearly all numbers: digits, with or without a point, that are exact in a double however they are added up.
// NaN for others.
double parse_short_decimal(std::string_view text) {
  constexpr size_t kExact = 15;
  if (text.empty() || text.size() > kExact) return kNone;
  const char *at = text.data(), *const end = at + text.size();
  int64_t whole = 0;
  for (; at < end && is_digit(*at); ++at) whole = whole * 10 + (*at - '0');
  if (at == end) return static_cast<double>(whole);
  if (*at != '.' || text.size() == 1) return kNone;
  const char* const decimals = ++at;
  for (; at < end && is_digit(*at); ++at) whole = whole * 10 + (*at - '0');
  if (at != end) return kNone;
  return static_cast<double>(whole) / power_of_ten(static_cast<int>(end - decimals));
}

}  // namespace

double parse_pandas_float(std::string_view text) {
  constexpr int kMaxDigits = 17;
  if (const double value = parse_short_decimal(text); !std::isnan(value)) return value;
  text = trimmed(text);
  if (!is_ordinary(text)) return parse_special(text).value_or(kNone);
  size_t at = text[0] == '-' || text[0] == '+' ? 1 : 0;
  double number = 0;
  int digits = 0, exponent = 0;
  bool any = false;
  for (; at < text.size() && is_digit(text[at]); ++at, any = true) {
    if (digits < kMaxDigits) {
      number = number * 10 + (text[at] - '0');
      ++digits;
    } else {
      ++exponent;
    }
  }
  if (at < text.size() && text[at] == '.') {
    for (++at; at < text.size() && is_digit(text[at]); ++at, any = true) {
      if (digits >= kMaxDigits) continue;
      number = number * 10 + (text[at] - '0');
      ++digits;
      --exponent;
    }
  }
  if (!any) return kNone;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && text[at] == '+') ++at;
    int power = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), power);
    if (error != std::errc() || std::abs(power) > 100000) return kNone;
    exponent += power;
    at = static_cast<size_t>(end - text.data());
  }
  if (at != text.size()) return kNone;
  return scaled(text[0] == '-' ? -number : number, exponent);
}

std::optional<double> parse_float(std::string_view text) {
  text = trimmed(text);
  if (!is_ordinary(text)) return parse_special(text);
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

double pairwise_sum(std::span<const double> values) {
  const size_t n = values.size();
  if (n < 8) return std::accumulate(values.begin(), values.end(), 0.0);
  if (n > 128) {
    const size_t half = n / 2 - n / 2 % 8;
    return pairwise_sum(values.first(half)) + pairwise_sum(values.subspan(half));
  }
  double r[8];
  std::copy_n(values.begin(), 8, r);
  size_t i = 8;
  for (; i < n - n % 8; i += 8) {
    for (size_t j = 0; j < 8; ++j) r[j] += values[i + j];
  }
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i) sum += values[i];
  return sum;
}

double kahan_sum(std::span<const double> values) {
  double sum = 0, compensation = 0;
  for (const double value : values) {
    const double y = value - compensation;
    const double t = sum + y;
    compensation = t - sum - y;
    sum = t;
  }
  return sum;
}

double mean(std::span<const int> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double variance(std::span<const int> values) {
  const double center = mean(values);
  std::vector<double> squares;
  squares.reserve(values.size());
  for (const int value : values) squares.push_back((value - center) * (value - center));
  return pairwise_sum(squares) / static_cast<double>(values.size());
}

double round_decimals(double x, int digits) {
  return std::isfinite(x) ? std::strtod(fmt::format("{:.{}f}", x, digits).c_str(), nullptr) : x;
}

std::string repr(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x > 0 ? "inf" : "-inf";
  const double size = std::abs(x);
  char buffer[64];
  const bool plain = x == 0 || (size >= 1e-4 && size < 1e16);
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, x,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  std::string text(buffer, end);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::vector<int> argsort(std::span<const double> values) {
  constexpr int kSmall = 15;
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  auto less = [&](int a, int b) { return values[a] < values[b]; };
  std::vector<std::pair<int, int>> pending = {{0, static_cast<int>(values.size()) - 1}};
  while (!pending.empty()) {
    auto [low, high] = pending.back();
    pending.pop_back();
    while (high - low > kSmall) {
      const int middle = low + (high - low) / 2;
      if (less(order[middle], order[low])) std::swap(order[middle], order[low]);
      if (less(order[high], order[middle])) std::swap(order[high], order[middle]);
      if (less(order[middle], order[low])) std::swap(order[middle], order[low]);
      const int pivot = order[middle];
      int i = low, j = high - 1;
      std::swap(order[middle], order[j]);
      for (;;) {
        while (less(order[++i], pivot)) {
        }
        while (less(pivot, order[--j])) {
        }
        if (i >= j) break;
        std::swap(order[i], order[j]);
      }
      std::swap(order[i], order[high - 1]);
      if (i - low < high - i) {
        pending.emplace_back(i + 1, high);
        high = i - 1;
      } else {
        pending.emplace_back(low, i - 1);
        low = i + 1;
      }
    }
    for (int i = low + 1; i <= high; ++i) {
      const int moving = order[i];
      int j = i;
      for (; j > low && less(moving, order[j - 1]); --j) order[j] = order[j - 1];
      order[j] = moving;
    }
  }
  return order;
}

}  // namespace committee::audit::python
