#pragma once

namespace committee {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace committee
