#include "trace/array_file.h"

#include <zip.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
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

// Counts and distributions pack well, but no honest archive of them unpacks to more than this.
constexpr uint64_t kMostUnpacked = 64;
constexpr uint64_t kAlwaysAllowed = uint64_t{4} << 20;

struct ZipClose {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};

std::unique_ptr<zip_t, ZipClose> open_archive(const std::string& name) {
  int code = 0;
  std::unique_ptr<zip_t, ZipClose> archive(zip_open(name.c_str(), ZIP_RDONLY, &code));
  if (!archive) {
    zip_error_t problem;
    zip_error_init_with_code(&problem, code);
    const std::string text = zip_error_strerror(&problem);
    zip_error_fini(&problem);
    throw Error("{}: not a readable npz archive: {}", name, text);
  }
  return archive;
}

std::vector<std::byte> unpack(zip_t* archive, const zip_stat_t& info, const std::string& name) {
  std::vector<std::byte> bytes(info.size);
  std::unique_ptr<zip_file_t, ZipClose> member(zip_fopen_index(archive, info.index, 0));
  if (!member) throw Error("{}: member \"{}\": {}", name, info.name, zip_strerror(archive));
  size_t at = 0;
  while (at < bytes.size()) {
    const auto got = zip_fread(member.get(), bytes.data() + at, bytes.size() - at);
    if (got <= 0) throw Error("{}: member \"{}\" is truncated or damaged", name, info.name);
    at += static_cast<size_t>(got);
  }
  // Reading the end is what makes the library compare the member's checksum.
  std::byte rest;
  if (zip_fread(member.get(), &rest, 1) != 0) throw Error("{}: member \"{}\" is damaged", name, info.name);
  return bytes;
}

void read_npz_members(const std::string& name, std::vector<NpyArray>& arrays,
                      std::vector<std::vector<std::byte>>& members) {
  const auto archive = open_archive(name);
  const auto count = zip_get_num_entries(archive.get(), 0);
  const uint64_t most = std::max<uint64_t>(kAlwaysAllowed, std::filesystem::file_size(name) * kMostUnpacked);
  uint64_t total = 0;
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t info;
    if (zip_stat_index(archive.get(), static_cast<zip_uint64_t>(i), 0, &info) != 0 ||
        !(info.valid & ZIP_STAT_SIZE) || !(info.valid & ZIP_STAT_NAME)) {
      throw Error("{}: member {} is damaged", name, i);
    }
    std::string key = info.name;
    if (!key.ends_with(".npy")) throw Error("{}: member \"{}\" is no array (.npy)", name, key);
    key.resize(key.size() - 4);
    if (info.size > most - total) throw Error("{}: unpacks to more than {} bytes", name, most);
    total += info.size;
    members.push_back(unpack(archive.get(), info, name));
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
