#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace committee::cli {

using OrderedJson = nlohmann::ordered_json;

// The rows of a CSV text as an array of objects: a cell is a number where every cell of its column is one,
// null where it is empty, else text; a set of ids (columns committee, core, stable) is an array of numbers.
OrderedJson json_rows(const std::string& csv);

// The one document that --json puts on stdout.
void print_json(const OrderedJson& document);

}  // namespace committee::cli
