#pragma once

#include <string_view>
#include <vector>

// Files that the program carries in itself.
namespace committee::report {

struct Asset {
  std::string_view name, text;  // name: "page.css", "charts/lorenz.json"
};

// All of them; which they are says CMakeLists.txt.
const std::vector<Asset>& assets();
std::string_view asset(std::string_view name);

}  // namespace committee::report
