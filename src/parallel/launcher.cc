#include "parallel/launcher.h"

#include <dlfcn.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/version.h"

namespace committee::parallel {
namespace {

namespace fs = std::filesystem;

std::optional<int> number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  int value = 0;
  const char* end = text + std::strlen(text);
  const auto result = std::from_chars(text, end, value);
  return result.ec == std::errc() && result.ptr == end ? std::optional(value) : std::nullopt;
}

std::optional<fs::path> find_plugin() {
  std::error_code problem;
  const fs::path folder = fs::read_symlink("/proc/self/exe", problem).parent_path();
  for (const fs::path& place : {folder, folder / COMMITTEE_PLUGIN_FOLDER}) {
    if (fs::exists(place / kPluginFile, problem)) return place / kPluginFile;
  }
  return std::nullopt;
}

template <typename Function>
Function* symbol(void* library, const char* name, const fs::path& plugin) {
  void* found = ::dlsym(library, name);
  if (found == nullptr) throw Error("{}: has no {}", plugin.string(), name);
  return reinterpret_cast<Function*>(found);
}

}  // namespace

std::optional<Launch> launched() {
  constexpr const char* kNames[][2] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                       {"PMI_RANK", "PMI_SIZE"},
                                       {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
  for (const auto& [rank_name, size_name] : kNames) {
    const auto rank = number_in_environment(rank_name), size = number_in_environment(size_name);
    if (rank && size && *rank >= 0 && *rank < *size) return Launch{*rank, *size};
  }
  return std::nullopt;
}

std::unique_ptr<Communicator> connect() {
  const auto launch = launched();
  if (!launch || launch->size < 2) return serial();
  const auto plugin = find_plugin();
  if (!plugin) {
    throw Error(
        "started as {} processes, but this build cannot join them: {} is not beside the program (it is built "
        "where MPI is found); start it without mpirun or srun",
        launch->size, kPluginFile);
  }
  // Open MPI's own plugins look for its symbols among the global ones. Never closed: MPI stays until exit.
  void* library = ::dlopen(plugin->c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) throw Error("{}: cannot be loaded: {}", plugin->string(), ::dlerror());
  const std::string version = symbol<const char*()>(library, kPluginVersion, *plugin)();
  if (version != kVersion) {
    throw Error("{}: belongs to version {}, this program is {}", plugin->string(), version, kVersion);
  }
  std::unique_ptr<Communicator> ranks(symbol<Communicator*()>(library, kPluginConnect, *plugin)());
  if (ranks->size() != launch->size) {
    const int size = ranks->size();
    throw Error(
        "started as {} processes, but MPI sees {}: mpirun or srun and the MPI that committee-audit was built "
        "with do not belong together",
        launch->size, size);
  }
  return ranks;
}

}  // namespace committee::parallel
