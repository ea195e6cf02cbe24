#include "trace/reader.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/direct_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "model/safetensors.h"
#include "trace/folder.h"
#include "trace/half.h"
#include "trace/journal.h"
#include "trace/manifest_json.h"
#include "trace/shard_writer.h"

namespace committee::trace {
namespace {

struct Shard {
  model::SafetensorsFile file;
  int64_t rows = 0, first_sample = 0, samples = 0;
  const std::byte* bytes = nullptr;  // where the file's are read: its mapping, or what hold() was given
  // In the mapping; those that the recording lacks are nullptr.
  const std::byte *sample = nullptr, *position = nullptr, *token = nullptr, *content = nullptr,
                  *probs = nullptr, *ids = nullptr, *weights = nullptr;

  RowBlock labels(int64_t first, int64_t count) const;
  void will_need_labels() const;

  std::span<const std::byte> mapping() const { return file.file().bytes(); }
  template <typename T>
  std::span<const T> values(const std::byte* column, int64_t first, int64_t count, int64_t width = 1) const {
    if (!column) return {};
    const auto* begin = reinterpret_cast<const T*>(bytes + (column - mapping().data()));
    return {begin + first * width, static_cast<size_t>(count * width)};
  }
};

RowBlock Shard::labels(int64_t first, int64_t count) const {
  RowBlock block;
  block.rows = count;
  block.sample = values<int32_t>(sample, first, count);
  block.position = values<int32_t>(position, first, count);
  block.token = values<int32_t>(token, first, count);
  block.content = values<uint8_t>(content, first, count);
  return block;
}

void Shard::will_need_labels() const {
  const std::pair<const std::byte*, size_t> columns[] = {
      {sample, 4}, {position, 4}, {token, 4}, {content, 1}};
  for (const auto& [column, width] : columns) {
    file.file().will_need(static_cast<size_t>(column - mapping().data()), width * static_cast<size_t>(rows));
  }
}

Shard open_shard(const std::filesystem::path& path, const ShardInfo& info, const RecordShape& shape) {
  const std::string name = path.string();
  Shard shard{.file = model::SafetensorsFile::open(path), .rows = info.rows, .samples = info.samples};
  shard.bytes = shard.mapping().data();
  if (const auto size = shard.mapping().size(); size != static_cast<size_t>(info.bytes)) {
    throw Error("{}: has {} bytes, the manifest says {}: truncated or replaced", name, size, info.bytes);
  }
  // The file's size bounds the rows before anything is multiplied by them.
  if (info.rows > info.bytes / shape.row_bytes()) {
    throw Error("{}: {} bytes cannot hold the manifest's {} rows", name, info.bytes, info.rows);
  }
  for (const auto& column : shard_columns(shape, info.rows)) {
    std::vector<int64_t> wanted = {info.rows};
    wanted.insert(wanted.end(), column.shape.begin(), column.shape.end());
    const auto& tensor = shard.file.get(column.name, *model::dtype_of(column.dtype), wanted.size());
    if (tensor.shape != wanted) {
      throw Error("{}: tensor \"{}\" has shape {}, the manifest asks for {}", name, column.name,
                  model::format_shape(tensor.shape), model::format_shape(wanted));
    }
    const std::pair<std::string_view, const std::byte**> places[] = {
        {"sample", &shard.sample},      {"position", &shard.position}, {"token", &shard.token},
        {"content", &shard.content},    {"probs", &shard.probs},       {"topk_id", &shard.ids},
        {"topk_weight", &shard.weights}};
    for (const auto& [key, place] : places) {
      if (key == column.name) *place = tensor.data;
    }
  }
  shard.will_need_labels();
  return shard;
}

// Rows must be by sample, then position, of the shard's own samples; counts them.
void check_order(const Shard& shard, std::span<int32_t> sample_rows) {
  const std::string name = shard.file.path().string();
  const auto sample = shard.values<int32_t>(shard.sample, 0, shard.rows);
  const auto position = shard.values<int32_t>(shard.position, 0, shard.rows);
  const auto content = shard.values<uint8_t>(shard.content, 0, shard.rows);
  for (size_t row = 0; row < sample.size(); ++row) {
    if (sample[row] < shard.first_sample || sample[row] >= shard.first_sample + shard.samples) {
      throw Error("{}: row {} has sample {}, outside the shard's {}..{}", name, row, sample[row],
                  shard.first_sample, shard.first_sample + shard.samples - 1);
    }
    if (position[row] < 0) throw Error("{}: row {} has the negative position {}", name, row, position[row]);
    if (content[row] > 1) throw Error("{}: row {} has content {}, must be 0 or 1", name, row, content[row]);
    if (row > 0 && std::pair(sample[row], position[row]) <= std::pair(sample[row - 1], position[row - 1])) {
      throw Error("{}: row {} breaks the order by sample, then position", name, row);
    }
    ++sample_rows[static_cast<size_t>(sample[row])];
  }
}

void check_sample(const SampleInfo& sample, const std::string& where) {
  if (!sample.outcome.empty() && sample.outcome != "correct" && sample.outcome != "wrong" &&
      sample.outcome != "no_answer") {
    throw Error("{}: \"outcome\" is \"{}\", must be correct, wrong or no_answer", where, sample.outcome);
  }
  const auto choices = static_cast<int64_t>(sample.answer_logprobs.size());
  if (sample.answer && (*sample.answer < 0 || (choices > 0 && *sample.answer >= choices))) {
    throw Error("{}: \"answer\" is {}, not one of the choices", where, *sample.answer);
  }
}

std::vector<SampleInfo> parse_samples(std::string_view text, const std::string& file, int64_t count) {
  std::vector<SampleInfo> samples;
  std::unordered_set<std::string> ids;
  while (!text.empty()) {
    const std::string where = fmt::format("{}:{}", file, samples.size() + 1);
    const size_t end = std::min(text.find('\n'), text.size());
    samples.push_back(parse_sample(text.substr(0, end), where));
    check_sample(samples.back(), where);
    if (!ids.insert(samples.back().id).second)
      throw Error("{}: the id \"{}\" is there twice", where, samples.back().id);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (static_cast<int64_t>(samples.size()) != count) {
    throw Error("{}: has {} samples, the manifest says {}", file, samples.size(), count);
  }
  return samples;
}

// Index of the first value that is negative, infinite or NaN.
std::optional<size_t> find_bad_value(std::span<const float> values, bool negative_allowed) {
  // The exponent of infinities and NaN carries into the sign when one is added to it.
  constexpr uint32_t kExponentStep = 0x00800000, kSign = 0x80000000;
  const uint32_t mask = negative_allowed ? ~kSign : ~0u;
  uint32_t bad = 0;
  for (const float value : values) {
    const uint32_t bits = std::bit_cast<uint32_t>(value) & mask;
    bad |= bits | (bits + kExponentStep);
  }
  if ((bad & kSign) == 0) return std::nullopt;
  const auto found = std::find_if(values.begin(), values.end(), [&](float value) {
    return !std::isfinite(value) || (!negative_allowed && value < 0);
  });
  if (found == values.end()) return std::nullopt;  // negative zeros only
  return static_cast<size_t>(found - values.begin());
}

bool ids_are_valid(std::span<const uint16_t> ids, uint16_t experts) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= experts || std::find(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(i), ids[i]) !=
                                 ids.begin() + static_cast<std::ptrdiff_t>(i)) {
      return false;
    }
  }
  return true;
}

std::span<const float> floats(const Shard& shard, const std::byte* column, int64_t first, int64_t count,
                              int64_t width, FloatType dtype, std::vector<float>& scratch) {
  if (!column || dtype == FloatType::kF32) return shard.values<float>(column, first, count, width);
  const auto halves = shard.values<uint16_t>(column, first, count, width);
  scratch.resize(halves.size());
  std::transform(halves.begin(), halves.end(), scratch.begin(), from_half);
  return scratch;
}

}  // namespace

struct Trace::State {
  std::filesystem::path folder;
  Manifest manifest;
  RecordShape shape;
  std::vector<SampleInfo> samples;
  std::vector<Shard> shards;
  std::vector<int32_t> sample_rows;
  int64_t rows = 0;
  // Not std::call_once, which hangs after an exception under ThreadSanitizer.
  struct Verified {
    std::mutex mutex;
    std::atomic<bool> done = false;
  };
  std::unique_ptr<Verified[]> verified = {};  // by shard

  const Shard& shard(int64_t index) const { return shards.at(static_cast<size_t>(index)); }
  RowBlock ids(int64_t shard_index, int64_t first, int64_t count) const;  // labels and topk_id, unchecked
  void verify(int64_t shard_index) const;
  void verify_once(int64_t shard_index) const {
    Verified& of = verified[static_cast<size_t>(shard_index)];
    if (of.done) return;
    const std::lock_guard lock(of.mutex);
    if (!of.done) verify(shard_index);
    of.done = true;
  }
  void check_values(const RowBlock& block, int64_t shard_index, int64_t first) const;
};

void Trace::State::check_values(const RowBlock& block, int64_t shard_index, int64_t first) const {
  const std::string file = shard(shard_index).file.path().string();
  const auto refuse = [&](const char* tensor, size_t at, int64_t width, const char* rule) {
    const auto index = static_cast<int64_t>(at);
    const int64_t row = index / (shape.layers * width), layer = index / width % shape.layers;
    throw Error("{}: \"{}\" of row {}, layer {} {}", file, tensor, first + row,
                manifest.model.moe_layers[static_cast<size_t>(layer)], rule);
  };
  if (const auto at = find_bad_value(block.probs, false)) {
    refuse("probs", *at, shape.experts, "holds a negative or non-finite value");
  }
  if (const auto at = find_bad_value(block.topk_weight, true)) {
    refuse("topk_weight", *at, shape.top_k, "holds a non-finite value");
  }
  const auto top_k = static_cast<size_t>(shape.top_k);
  for (size_t at = 0; at < block.topk_id.size(); at += top_k) {
    if (!ids_are_valid(block.topk_id.subspan(at, top_k), static_cast<uint16_t>(shape.experts))) {
      refuse("topk_id", at, shape.top_k, "holds an id twice, or one that no expert has");
    }
  }
}

Trace::Trace(std::unique_ptr<State> state) : state_(std::move(state)) {}
Trace::Trace(Trace&&) noexcept = default;
Trace& Trace::operator=(Trace&&) noexcept = default;
Trace::~Trace() = default;

Trace Trace::open(const std::filesystem::path& folder) {
  const std::string file = (folder / kManifestFile).string();
  Manifest manifest = parse_manifest(read_json(folder / kManifestFile), file);
  if (!manifest.complete) throw Error("{}: the trace is not complete: finish it with --resume", file);
  const MappedFile lines(folder / kSamplesFile);
  auto samples = parse_samples(lines.text(), lines.path().string(), manifest.samples);
  return opened(folder, std::move(manifest), std::move(samples));
}

Trace Trace::open_begun(const std::filesystem::path& folder, int64_t samples) {
  const std::string file = (folder / kManifestFile).string();
  Manifest manifest = parse_manifest(read_json(folder / kManifestFile), file);
  constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
  std::string lines;
  while (manifest.samples < samples) {
    const int64_t shard = std::ssize(manifest.shards);
    auto journal = read_journal(folder, shard, {manifest.samples, kAny, kAny});
    if (!journal) throw Error("{}: is not whole yet", (folder / shard_file(shard)).string());
    manifest.samples += journal->shard.samples;
    manifest.shards.push_back(std::move(journal->shard));
    lines += journal->lines;
  }
  auto infos = parse_samples(lines, file, samples);
  return opened(folder, std::move(manifest), std::move(infos));
}

Trace Trace::opened(const std::filesystem::path& folder, Manifest manifest, std::vector<SampleInfo> samples) {
  const std::string file = (folder / kManifestFile).string();
  const RecordShape shape(manifest);
  auto state =
      std::make_unique<State>(State{folder, std::move(manifest), shape, std::move(samples), {}, {}, 0, {}});
  state->sample_rows.resize(state->samples.size());
  int64_t first_sample = 0;
  for (const auto& info : state->manifest.shards) {
    const auto expected = shard_file(std::ssize(state->shards));
    if (info.file != expected) throw Error("{}: shard \"{}\" is where {} must be", file, info.file, expected);
    // Both are below the number of samples that were read, so the sum cannot overflow.
    if (info.samples > state->manifest.samples - first_sample) {
      throw Error("{}: the shards hold more samples than the trace's {}", file, state->manifest.samples);
    }
    state->shards.push_back(open_shard(folder / info.file, info, state->shape));
    state->shards.back().first_sample = first_sample;
    check_order(state->shards.back(), state->sample_rows);
    first_sample += info.samples;
    state->rows += info.rows;
  }
  if (first_sample != state->manifest.samples) {
    throw Error("{}: the shards hold {} samples, the trace {}", file, first_sample, state->manifest.samples);
  }
  state->verified = std::make_unique<State::Verified[]>(state->shards.size());
  return Trace(std::move(state));
}

const std::filesystem::path& Trace::folder() const { return state_->folder; }
const Manifest& Trace::manifest() const { return state_->manifest; }
const std::vector<SampleInfo>& Trace::samples() const { return state_->samples; }
int64_t Trace::rows() const { return state_->rows; }
int64_t Trace::shards() const { return std::ssize(state_->shards); }
int64_t Trace::shard_rows(int64_t shard) const { return state_->shard(shard).rows; }
int64_t Trace::first_sample(int64_t shard) const { return state_->shard(shard).first_sample; }
std::span<const int32_t> Trace::sample_rows() const { return state_->sample_rows; }

RowBlock Trace::State::ids(int64_t shard_index, int64_t first, int64_t count) const {
  const auto& from = shard(shard_index);
  if (first < 0 || count < 0 || first > from.rows - count) {
    throw Error("{}: rows {}..{} are outside its {}", from.file.path().string(), first, first + count,
                from.rows);
  }
  verify_once(shard_index);
  RowBlock block = from.labels(first, count);
  block.topk_id = from.values<uint16_t>(from.ids, first, count, shape.layers * shape.top_k);
  return block;
}

RowBlock Trace::read(int64_t shard, int64_t first, int64_t count, Scratch& scratch) const {
  RowBlock block = state_->ids(shard, first, count);
  const auto& from = state_->shard(shard);
  const auto& shape = state_->shape;
  block.probs =
      floats(from, from.probs, first, count, shape.layers * shape.experts, shape.dtype, scratch.probs);
  block.topk_weight =
      floats(from, from.weights, first, count, shape.layers * shape.top_k, shape.dtype, scratch.weights);
  state_->check_values(block, shard, first);
  return block;
}

RowBlock Trace::executed(int64_t shard, int64_t first, int64_t count) const {
  RowBlock block = state_->ids(shard, first, count);
  state_->check_values(block, shard, first);
  return block;
}

RowBlock Trace::labels(int64_t shard) const {
  const auto& from = state_->shard(shard);
  return from.labels(0, from.rows);
}

void Trace::State::verify(int64_t shard_index) const {
  const auto& from = shard(shard_index);
  const MappedFile& file = from.file.file();
  const auto& info = manifest.shards.at(static_cast<size_t>(shard_index));
  const bool held = from.bytes != from.mapping().data();
  const auto found = held ? checksum_of({reinterpret_cast<const char*>(from.bytes), file.bytes().size()})
                          : checksum_of(file);
  if (found != info.checksum) {
    throw Error("{}: its checksum is {}, the manifest says {}: the file is damaged", file.path().string(),
                found, info.checksum);
  }
}

void Trace::verify(int64_t shard) const { state_->verify(shard); }

void Trace::will_need(int64_t shard) const {
  constexpr size_t kStep = size_t{1} << 20;  // the kernel reads no more than its window at a request
  const auto& file = state_->shard(shard).file.file();
  for (size_t at = 0; at < file.bytes().size(); at += kStep) {
    file.will_need(at, std::min(kStep, file.bytes().size() - at));
  }
}

void Trace::will_need_labels(int64_t shard) const { state_->shard(shard).will_need_labels(); }

void Trace::hold(int64_t shard, Bytes& memory) const {
  Shard& from = state_->shards.at(static_cast<size_t>(shard));
  const size_t size = from.mapping().size(), room = DirectFile::room_for(size);
  from.bytes = DirectFile(from.file.path()).read(0, size, {memory.reserve(room), room}).data();
}

void Trace::release(int64_t shard) const {
  Shard& from = state_->shards.at(static_cast<size_t>(shard));
  from.bytes = from.mapping().data();
}

double Trace::in_memory(int64_t shard) const { return state_->shard(shard).file.file().in_memory(); }

void Trace::prepare(int64_t shard) const { state_->verify_once(shard); }

void Trace::drop(int64_t shard, int64_t first, int64_t count) const {
  const auto& from = state_->shard(shard);
  const auto& file = from.file.file();
  for (const auto& column : shard_columns(state_->shape, from.rows)) {
    const auto& tensor = *from.file.find(column.name);
    const auto begin = static_cast<size_t>(tensor.data - file.bytes().data());
    file.dont_need(begin + static_cast<size_t>(first * column.row_bytes),
                   static_cast<size_t>(count * column.row_bytes));
  }
}

}  // namespace committee::trace
