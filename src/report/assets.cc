#include "report/assets.h"

#include "base/error.h"

namespace committee::report {

std::string_view asset(std::string_view name) {
  for (const auto& each : assets()) {
    if (each.name == name) return each.text;
  }
  throw Error("the program lacks its part {}", name);
}

}  // namespace committee::report
