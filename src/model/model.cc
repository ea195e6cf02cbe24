#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

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
  mutable std::once_flag fingerprint_once;
  mutable std::string fingerprint;
};

namespace {

void hash_text(XXH3_state_t* state, std::string_view text) {
  const uint64_t size = text.size();
  XXH3_64bits_update(state, &size, sizeof size);
  XXH3_64bits_update(state, text.data(), text.size());
}

// Every tensor's name, dtype and shape in the order of names, so that resharding changes nothing; and 64
// bytes from the middle of each, or of 1024 of them at equal steps: the disk is not searched for every tensor
// of a large model.
std::string make_fingerprint(const std::filesystem::path& folder, const Checkpoint& checkpoint) {
  constexpr size_t kSampled = 1024, kBytes = 64;
  std::vector<const Tensor*> tensors;
  for (const SafetensorsFile& file : checkpoint.files()) {
    for (const Tensor& tensor : file.tensors()) tensors.push_back(&tensor);
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const Tensor* a, const Tensor* b) { return a->name < b->name; });

  XXH3_state_t* state = XXH3_createState();
  XXH3_64bits_reset(state);
  hash_text(state, MappedFile(folder / "config.json").text());
  const size_t step = (tensors.size() + kSampled - 1) / kSampled;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = *tensors[i];
    hash_text(state, tensor.name);
    hash_text(state, name_of(tensor.dtype));
    hash_text(state, format_shape(tensor.shape));
    if (i % step == 0) {
      const size_t bytes = std::min(kBytes, tensor.bytes);
      XXH3_64bits_update(state, tensor.data + (tensor.bytes - bytes) / 2, bytes);
    }
  }
  const uint64_t hash = XXH3_64bits_digest(state);
  XXH3_freeState(state);
  return fmt::format("{:016x}", hash);
}

}  // namespace

Model Model::open(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) throw Error("{}: not a checkpoint folder", folder.string());
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

const std::string& Model::fingerprint() const {
  std::call_once(state_->fingerprint_once,
                 [this] { state_->fingerprint = make_fingerprint(state_->folder, state_->checkpoint); });
  return state_->fingerprint;
}

}  // namespace committee::model
