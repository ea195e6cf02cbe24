#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace committee::cli {

// "4G", "800M", "65536": bytes; K, M, G, T are powers of 1024, an "iB" or "B" may follow. Throws Error.
uint64_t parse_size(const std::string& text);

// "10:3,17;26:5": layer id → expert ids, ascending and without repeats. Throws Error naming the part that is
// wrong.
std::map<int, std::vector<int>> parse_expert_sets(const std::string& text);

// "1.9 GB", for people (powers of 1000, two digits).
std::string human_bytes(uint64_t bytes);

}  // namespace committee::cli
