#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Arithmetic of the programs that the reference output came from, where its last digit shows (Python 3.11,
// numpy 1.24, pandas 1.5).
namespace committee::audit::python {

// A decimal number as pandas reads it from CSV: 17 digits, leading zeros among them, times one power of ten,
// so that long numbers can differ from the nearest double. NaN where the text is no number.
double parse_pandas_float(std::string_view text);
// As Python's float() reads it: the nearest double.
std::optional<double> parse_float(std::string_view text);

// numpy's sum of a contiguous array: eight running sums, halves of more than 128 values apart.
double pairwise_sum(std::span<const double> values);
// pandas' Kahan sum over a group.
double kahan_sum(std::span<const double> values);

// numpy's mean and population variance of integers.
double mean(std::span<const int> values);
double variance(std::span<const int> values);

// round(x, digits): decimal, halfway cases of the exact binary value to even.
double round_decimals(double x, int digits);

// repr(x): shortest digits, at least one decimal, exponents from 1e16 and below 1e-4; "inf", "-inf", "nan".
std::string repr(double x);

// Indices that sort `values` as numpy's unstable default does.
std::vector<int> argsort(std::span<const double> values);

}  // namespace committee::audit::python
