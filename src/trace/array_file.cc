#include "trace/array_file.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/zip_archive.h"
#include "model/safetensors.h"

namespace committee::trace {

struct ArrayFile::State {
  std::string name;
  std::vector<NpyArray> arrays;
  // What the arrays lie in: a mapped file, or the unpacked members of an archive.
  MappedFile mapped;
  std::unique_ptr<model::SafetensorsFile> safetensors;
  std::vector<std::vector<std::byte>> members;
};

namespace {

void read_npz_members(const std::string& name, std::vector<NpyArray>& arrays,
                      std::vector<std::vector<std::byte>>& members) {
  ZipArchive archive(name);
  for (const auto& member : archive.members()) {
    if (!member.name.ends_with(".npy"))
      throw Error("{}: member \"{}\" is no array (.npy)", name, member.name);
    const std::string key = member.name.substr(0, member.name.size() - 4);
    members.push_back(archive.read(member));
    arrays.push_back(parse_npy(members.back(), fmt::format("{}: \"{}\"", name, key)));
    arrays.back().key = key;
  }
}

NpyArray view_of(const model::Tensor& tensor, const std::string& name) {
  NpyArray array{.name = name + ": \"" + tensor.name + "\"",
                 .key = tensor.name,
                 .dtype = tensor.dtype,
                 .shape = tensor.shape,
                 .data = tensor.data};
  array.size = 1;
  for (const int64_t size : tensor.shape) array.size *= size;
  array.strides = row_major_strides(array.shape, array.size);
  return array;
}

}  // namespace

ArrayFile ArrayFile::open(const std::filesystem::path& path) {
  auto state = std::make_unique<State>();
  state->name = path.string();
  const auto ending = path.extension();
  if (ending == ".npy") {
    state->mapped = MappedFile(path);
    state->arrays.push_back(parse_npy(state->mapped.bytes(), state->name));
  } else if (ending == ".npz") {
    read_npz_members(state->name, state->arrays, state->members);
  } else if (ending == ".safetensors") {
    state->safetensors = std::make_unique<model::SafetensorsFile>(model::SafetensorsFile::open(path));
    for (const auto& tensor : state->safetensors->tensors())
      state->arrays.push_back(view_of(tensor, state->name));
  } else if (ending == ".pt" || ending == ".pth" || ending == ".pkl") {
    throw Error(
        "{}: Python pickles are read by the Python package only: save the arrays as safetensors or npz",
        state->name);
  } else {
    throw Error("{}: not a .npy, .npz or .safetensors file", state->name);
  }
  return ArrayFile(std::move(state));
}

ArrayFile::ArrayFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ArrayFile::ArrayFile(ArrayFile&&) noexcept = default;
ArrayFile& ArrayFile::operator=(ArrayFile&&) noexcept = default;
ArrayFile::~ArrayFile() = default;

const std::string& ArrayFile::name() const { return state_->name; }
const std::vector<NpyArray>& ArrayFile::arrays() const { return state_->arrays; }

const NpyArray* ArrayFile::find(std::string_view key) const {
  const auto found = std::find_if(state_->arrays.begin(), state_->arrays.end(),
                                  [&](const NpyArray& array) { return array.key == key; });
  return found == state_->arrays.end() ? nullptr : &*found;
}

}  // namespace committee::trace
