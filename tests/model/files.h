#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "model/tensor.h"
#include "paths.h"

namespace committee::model {

// A folder of the running test's own, empty at first.
inline std::filesystem::path test_folder() {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string(info->test_suite_name()) + "." + info->name();
  for (char& c : name) c = c == '/' ? '_' : c;
  const auto folder = std::filesystem::path(testing::TempDir()) / "committee_model" / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

inline std::filesystem::path write(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

inline std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string little_endian(uint64_t value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// A safetensors file of a header and data bytes.
inline std::string safetensors(const std::string& header, const std::string& data) {
  return little_endian(header.size()) + header + data;
}

// The sentence of the Error that `action` must throw.
template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no Error was thrown";
  return "";
}

// A tensor to be written into a made-up checkpoint.
struct Made {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::string data;

  static size_t width(const std::string& dtype) {
    return dtype == "F32" ? 4 : dtype.starts_with("F8") ? 1 : 2;
  }
};

// Zeros of the right size where a tensor has no data.
inline std::string safetensors(const std::vector<Made>& tensors) {
  Json header = Json::object();
  std::string data;
  for (const Made& tensor : tensors) {
    size_t bytes = Made::width(tensor.dtype);
    for (const int64_t size : tensor.shape) bytes *= static_cast<size_t>(size);
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {data.size(), data.size() + bytes}}};
    data += tensor.data.empty() ? std::string(bytes, '\0') : tensor.data;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return safetensors(text, data);
}

// The tensors of a checkpoint that transformers wrote, from its list in fixtures/model/checkpoints: a name, a
// dtype and a shape a line.
inline std::vector<Made> listed_tensors(const std::string& checkpoint) {
  std::ifstream list(std::filesystem::path(paths::kFixtures) / "model" / "checkpoints" / checkpoint /
                     "tensors.txt");
  std::vector<Made> tensors;
  for (std::string line; std::getline(list, line);) {
    std::istringstream words(line);
    Made& tensor = tensors.emplace_back();
    words >> tensor.name >> tensor.dtype;
    for (int64_t size = 0; words >> size;) tensor.shape.push_back(size);
  }
  EXPECT_FALSE(tensors.empty()) << checkpoint;
  return tensors;
}

// The tensors of a listed checkpoint with bytes that differ from tensor to tensor and place to place.
inline std::vector<Made> filled(const std::string& checkpoint) {
  std::vector<Made> tensors = listed_tensors(checkpoint);
  for (size_t i = 0; i < tensors.size(); ++i) {
    size_t bytes = Made::width(tensors[i].dtype);
    for (const int64_t size : tensors[i].shape) bytes *= static_cast<size_t>(size);
    tensors[i].data.resize(bytes);
    for (size_t at = 0; at < bytes; ++at) tensors[i].data[at] = static_cast<char>(at * 7 + at / 251 + i * 31);
  }
  return tensors;
}

inline std::string bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data), tensor.bytes};
}

inline Made& named(std::vector<Made>& tensors, const std::string& name) {
  const auto at =
      std::find_if(tensors.begin(), tensors.end(), [&](const Made& tensor) { return tensor.name == name; });
  EXPECT_NE(at, tensors.end()) << name;
  return *at;
}

inline Json listed_config(const std::string& checkpoint) {
  return read_json(std::filesystem::path(paths::kFixtures) / "model" / "checkpoints" / checkpoint /
                   "config.json");
}

// FOLDER/config.json and FOLDER/model.safetensors.
inline std::filesystem::path write_checkpoint(const std::filesystem::path& folder, const Json& config,
                                              const std::vector<Made>& tensors) {
  write(folder / "config.json", config.dump());
  write(folder / "model.safetensors", safetensors(tensors));
  return folder;
}

}  // namespace committee::model
