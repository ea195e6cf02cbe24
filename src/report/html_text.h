#pragma once

#include <string>
#include <string_view>

// Pieces of HTML.
namespace committee::report {

// Text for content and for quoted attributes; characters that HTML forbids become U+FFFD.
std::string escaped(std::string_view text);

// JSON text that may stand inside a script element.
std::string json_in_script(std::string_view json);

// `text` compressed by gzip, in base64.
std::string packed(std::string_view text);

// A table cell: the text shown, and the number behind it at full precision where there is one.
std::string number_cell(const std::string& shown, double number);
std::string cell(std::string_view text);

}  // namespace committee::report
