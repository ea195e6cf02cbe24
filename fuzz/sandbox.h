#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace committee::fuzz {

// The folder that a target works in: of the process's own, under the system's temporary folder.
const std::filesystem::path& sandbox();
void enter_sandbox_of(const std::string& target);

// Writes a file of that name into the sandbox, over what was there.
std::filesystem::path put(const std::string& name, std::string_view bytes);

// Stops the program where the sandbox holds anything but these names.
void expect_only(const std::vector<std::string>& names);

// The first byte as a choice among `count`, which is taken from the input; 0 where it is empty.
size_t take_choice(std::string_view& input, size_t count);

// The input cut at lines "--8<--", at most `most` parts.
std::vector<std::string_view> cut(std::string_view input, size_t most);

// Writes a zip archive of stored members.
struct Member {
  std::string name;
  std::string_view bytes;
};
std::filesystem::path put_archive(const std::string& name, const std::vector<Member>& members);

// Takes a value, so that no compiler leaves out reading it.
void use(double value);

// Runs `reads`, for which an Error is an answer.
template <typename Function>
void answer(Function&& reads) {
  try {
    reads();
  } catch (const Error&) {
  }
}

}  // namespace committee::fuzz
