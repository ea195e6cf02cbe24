#include <xxhash.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>

#include "base/direct_file.h"
#include "base/error.h"
#include "model/bind.h"
#include "model/checkpoint.h"
#include "model/families/family.h"
#include "model/weights.h"

namespace committee::model {

struct Model::State {
  std::filesystem::path folder;
  ModelConfig config;
  Checkpoint checkpoint;
  BoundWeights bound;
  mutable std::once_flag direct_once, fingerprint_once;
  mutable std::vector<DirectFile> direct;  // the checkpoint's files, once a layer is read
  mutable std::string fingerprint;
};

namespace {

constexpr size_t whole_blocks(size_t bytes) {
  return (bytes + DirectFile::kBlock - 1) / DirectFile::kBlock * DirectFile::kBlock;
}

void hash_text(XXH3_state_t* state, std::string_view text) {
  const uint64_t size = text.size();
  XXH3_64bits_update(state, &size, sizeof size);
  XXH3_64bits_update(state, text.data(), text.size());
}

// Has these bytes of a mapped file read: without it, touching them reads megabytes around them.
void ask_for(const Checkpoint& checkpoint, std::span<const std::byte> part) {
  for (const SafetensorsFile& file : checkpoint.files()) {
    const std::span<const std::byte> bytes = file.file().bytes();
    if (part.data() >= bytes.data() && part.data() < bytes.data() + bytes.size())
      file.file().will_need(static_cast<size_t>(part.data() - bytes.data()), part.size());
  }
}

// Goes through the tensors in the order of their names, so that resharding changes nothing; takes 64 bytes
// from the middle of those it samples. Few of a large checkpoint: each may cost a search on the disk.
std::string make_fingerprint(const std::filesystem::path& folder, const Checkpoint& checkpoint) {
  constexpr size_t kSmall = 256u << 20, kSamples = 64, kSampleBytes = 64;
  std::vector<const Tensor*> tensors;
  size_t bytes = 0;
  for (const SafetensorsFile& file : checkpoint.files()) {
    for (const Tensor& tensor : file.tensors()) tensors.push_back(&tensor);
    bytes += file.file().bytes().size();
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const Tensor* a, const Tensor* b) { return a->name < b->name; });
  const size_t step = bytes < kSmall ? 1 : (tensors.size() + kSamples - 1) / kSamples;
  const auto sample_of = [&](const Tensor& tensor) {
    const size_t size = std::min(kSampleBytes, tensor.bytes);
    return std::span(tensor.data + (tensor.bytes - size) / 2, size);
  };
  for (size_t i = 0; i < tensors.size(); i += step) ask_for(checkpoint, sample_of(*tensors[i]));

  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> hash(XXH3_createState(),
                                                                             XXH3_freeState);
  if (!hash) throw std::bad_alloc();
  XXH3_64bits_reset(hash.get());
  hash_text(hash.get(), MappedFile(folder / "config.json").text());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = *tensors[i];
    hash_text(hash.get(), tensor.name);
    hash_text(hash.get(), name_of(tensor.dtype));
    hash_text(hash.get(), format_shape(tensor.shape));
    if (i % step == 0) {
      const auto sample = sample_of(tensor);
      XXH3_64bits_update(hash.get(), sample.data(), sample.size());
    }
  }
  return fmt::format("{:016x}", XXH3_64bits_digest(hash.get()));
}

}  // namespace

Model Model::open(const std::filesystem::path& folder) {
  std::error_code unreadable;
  if (!std::filesystem::is_directory(folder, unreadable))
    throw Error("{}: not a checkpoint folder", folder.string());
  auto state = std::make_unique<State>();
  state->folder = folder;
  state->config = read_config(folder);
  const ModelConfig& config = state->config;
  if (!config.quantization.empty()) {
    throw Error("{}: the checkpoint is quantised ({}), which is not supported: give F32, BF16 or F16 weights",
                (folder / "config.json").string(), config.quantization);
  }
  state->checkpoint = Checkpoint::open(folder);
  const Family& family = find_family(config.model_type, folder.string());
  state->bound = bind_weights(config, family.names, state->checkpoint);
  return Model(std::move(state));
}

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

const std::filesystem::path& Model::folder() const { return state_->folder; }
const ModelConfig& Model::config() const { return state_->config; }
const ModelWeights& Model::weights() const { return state_->bound.weights; }

void Model::read_ahead(int layer) const {
  for (const FileRange& range : state_->bound.layers.at(static_cast<size_t>(layer))) {
    state_->checkpoint.files()[range.file].file().will_need(range.offset, range.bytes);
  }
}

void Model::read_ahead(const Tensor& tensor) const {
  ask_for(state_->checkpoint, {tensor.data, tensor.bytes});
}

void Model::drop(int layer) const {
  for (const FileRange& range : state_->bound.layers.at(static_cast<size_t>(layer))) {
    state_->checkpoint.files()[range.file].file().dont_need(range.offset, range.bytes);
  }
}

size_t Model::layer_bytes(int layer) const {
  size_t bytes = 0;
  for (const FileRange& range : state_->bound.layers.at(static_cast<size_t>(layer))) bytes += range.bytes;
  return bytes;
}

double Model::in_memory(int layer) const {
  double there = 0;
  for (const FileRange& range : state_->bound.layers.at(static_cast<size_t>(layer))) {
    there += static_cast<double>(range.bytes) *
             state_->checkpoint.files()[range.file].file().in_memory(range.offset, range.bytes);
  }
  return there / static_cast<double>(layer_bytes(layer));
}

size_t Model::layer_room(int layer) const {
  size_t room = DirectFile::kBlock;  // to begin at a block's border
  for (const FileRange& range : state_->bound.layers.at(static_cast<size_t>(layer)))
    room += whole_blocks(DirectFile::room_for(range.bytes));
  return room;
}

LayerWeights Model::read(int layer, std::span<std::byte> room) const {
  std::call_once(state_->direct_once, [this] {
    std::vector<DirectFile> files;
    for (const SafetensorsFile& file : state_->checkpoint.files()) files.emplace_back(file.path());
    state_->direct = std::move(files);
  });
  LayerWeights weights = state_->bound.weights.layers.at(static_cast<size_t>(layer));
  const std::vector<Tensor*> tensors = tensors_of(weights);
  size_t at =
      whole_blocks(reinterpret_cast<uintptr_t>(room.data())) - reinterpret_cast<uintptr_t>(room.data());
  for (const FileRange& range : state_->bound.layers[static_cast<size_t>(layer)]) {
    const std::byte* there =
        state_->direct[range.file].read(range.offset, range.bytes, room.subspan(at)).data();
    const std::byte* mapped = state_->checkpoint.files()[range.file].file().bytes().data() + range.offset;
    for (Tensor* tensor : tensors) {
      if (tensor->data >= mapped && tensor->data < mapped + range.bytes)
        tensor->data = there + (tensor->data - mapped);
    }
    at += whole_blocks(DirectFile::room_for(range.bytes));
  }
  return weights;
}

const std::string& Model::fingerprint() const {
  std::call_once(state_->fingerprint_once,
                 [this] { state_->fingerprint = make_fingerprint(state_->folder, state_->checkpoint); });
  return state_->fingerprint;
}

}  // namespace committee::model
