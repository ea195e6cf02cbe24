#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "roles/result.h"
#include "roles/token_rows.h"

namespace committee::roles {

// The class of every distinct token. Tokens of no word list are `common` where they occur in at least half of
// the domains, else `specific`.
struct TokenClasses {
  std::vector<std::string> names;
  std::vector<int> of_token;               // [V]
  std::vector<double> document_frequency;  // [V]
};
TokenClasses classify(const TokenRows& rows, const RolesOptions& options);

// How word lists look a shown token up: without a leading ␣, ASCII letters in lower case.
std::string class_key(std::string_view shown);

// The built-in word list, as text for parse_classes().
extern const char* const kTokenClasses;

// A word list: CSV with the header token,class, tokens as roles.csv shows them. Throws Error naming the line
// for a missing cell, a token in two classes, and the class names common and specific.
std::map<std::string, std::string> parse_classes(std::string_view csv, const std::string& name);

}  // namespace committee::roles
