#pragma once

#include <functional>
#include <string>

#include "interventions/analysis.h"
#include "report/csv_table.h"

namespace committee::report {

// The outcome measures of a row, each with its interval (_low, _high), its difference to the plain run
// (_difference…) and its rank p-values where any row has them. `of` may give nullptr: empty cells.
template <typename Row>
void add_measures(CsvTable<Row>& table, std::function<const interventions::SetResult*(const Row&)> of,
                  bool with_p_values) {
  static const audit::Figure kNothing;
  for (size_t m = 0; m < interventions::kMeasures; ++m) {
    const std::string name = interventions::kMeasureTable[m].name;
    table.figure(name, [of, m](const Row& row) {
      const auto* result = of(row);
      return result ? &result->measures[m].value : &kNothing;
    });
    table.figure(name + "_difference", [of, m](const Row& row) {
      const auto* result = of(row);
      return result ? &result->measures[m].difference : &kNothing;
    });
    if (!with_p_values) continue;
    for (const auto& [suffix, p] : {std::pair{"_p_random", &interventions::MeasureResult::p_random},
                                    {"_p_matched", &interventions::MeasureResult::p_matched}}) {
      table.number(name + suffix, [of, m, p = p](const Row& row) {
        const auto* result = of(row);
        return result ? result->measures[m].*p : std::optional<double>();
      });
    }
  }
}

}  // namespace committee::report
