#include "trace/shard_writer.h"

#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "trace/half.h"

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

namespace committee::trace {
namespace {

void copy_floats(std::byte* to, const float* from, int64_t count, FloatType dtype) {
  if (dtype == FloatType::kF32) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t half = to_half(from[i]);
    std::memcpy(to + i * 2, &half, sizeof(half));
  }
}

std::string header_text(const std::vector<Column>& columns, int64_t rows) {
  std::string text = "{";
  for (const auto& column : columns) {
    std::string shape = fmt::format("{}", rows);
    for (const int64_t size : column.shape) shape += fmt::format(",{}", size);
    const int64_t begin = column.offset - kHeaderBytes;
    text += fmt::format("{}\"{}\":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                        text.size() > 1 ? "," : "", column.name, column.dtype, shape, begin,
                        begin + column.bytes);
  }
  text += "}";
  constexpr size_t kRoom = kHeaderBytes - sizeof(uint64_t);
  if (text.size() > kRoom) throw Error("a shard's header needs {} bytes, more than {}", text.size(), kRoom);
  text.resize(kRoom, ' ');
  return text;
}

}  // namespace

RecordShape::RecordShape(const Manifest& manifest)
    : layers(static_cast<int64_t>(manifest.model.moe_layers.size())),
      experts(manifest.model.experts),
      top_k(manifest.model.top_k),
      probs(manifest.recording.record == Record::kFull),
      ids(manifest.recording.executed != Executed::kNone),
      weights(manifest.recording.executed == Executed::kIdsAndWeights),
      dtype(manifest.recording.dtype) {}

int64_t RecordShape::row_bytes() const {
  int64_t bytes = 0;
  for (const auto& column : shard_columns(*this, 0)) bytes += column.row_bytes;
  return bytes;
}

std::vector<Column> shard_columns(const RecordShape& shape, int64_t rows) {
  const int64_t float_bytes = shape.dtype == FloatType::kF32 ? 4 : 2;
  const char* float_name = shape.dtype == FloatType::kF32 ? "F32" : "F16";
  const std::vector<int64_t> full = {shape.layers, shape.experts}, top = {shape.layers, shape.top_k};
  const int64_t full_size = shape.layers * shape.experts, top_size = shape.layers * shape.top_k;
  struct Entry {
    Column column;
    int64_t element;
  };
  std::vector<Entry> entries;
  if (shape.probs) entries.push_back({{"probs", float_name, full, full_size * float_bytes}, float_bytes});
  if (shape.weights)
    entries.push_back({{"topk_weight", float_name, top, top_size * float_bytes}, float_bytes});
  for (const char* name : {"sample", "position", "token"}) entries.push_back({{name, "I32", {}, 4}, 4});
  if (shape.ids) entries.push_back({{"topk_id", "U16", top, top_size * 2}, 2});
  entries.push_back({{"content", "U8", {}, 1}, 1});
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.element > b.element; });
  std::vector<Column> columns;
  int64_t offset = kHeaderBytes;
  for (auto& [column, element] : entries) {
    column.offset = offset;
    column.bytes = column.row_bytes * rows;
    offset += column.bytes;
    columns.push_back(std::move(column));
  }
  return columns;
}

ShardWriter::ShardWriter(const std::filesystem::path& path, const RecordShape& shape, int64_t capacity)
    : path_(path),
      shape_(shape),
      capacity_(capacity),
      columns_(shard_columns(shape, capacity)),
      file_(path),
      map_(file_.map(static_cast<size_t>(columns_.back().offset + columns_.back().bytes))) {
  const auto index = [&](std::string_view name) {
    const auto found = std::find_if(columns_.begin(), columns_.end(),
                                    [&](const Column& column) { return column.name == name; });
    return static_cast<size_t>(found - columns_.begin());
  };
  probs_ = index("probs");
  weights_ = index("topk_weight");
  ids_ = index("topk_id");
  sample_ = index("sample");
  position_ = index("position");
  token_ = index("token");
  content_ = index("content");
}

std::byte* ShardWriter::at(size_t column, int64_t row, int64_t byte) const {
  return map_.data() + columns_[column].offset + row * columns_[column].row_bytes + byte;
}

int64_t ShardWriter::add_rows(int32_t sample, std::span<const int32_t> position,
                              std::span<const int32_t> token, std::span<const uint8_t> content) {
  const auto count = static_cast<int64_t>(position.size());
  if (count > capacity_ - rows_) {
    throw Error("{}: sample {} has more rows than were announced", path_.string(), sample);
  }
  const int64_t first = rows_;
  for (int64_t row = 0; row < count; ++row) std::memcpy(at(sample_, first + row, 0), &sample, sizeof(sample));
  std::memcpy(at(position_, first, 0), position.data(), position.size_bytes());
  std::memcpy(at(token_, first, 0), token.data(), token.size_bytes());
  std::memcpy(at(content_, first, 0), content.data(), content.size_bytes());
  rows_ += count;
  return first;
}

void ShardWriter::prepare(int64_t first_row, int64_t rows) const {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (const auto& column : columns_) {
    const auto begin = reinterpret_cast<uintptr_t>(map_.data()) +
                       static_cast<uintptr_t>(column.offset + first_row * column.row_bytes);
    const auto first_page = begin / page * page;
    ::madvise(reinterpret_cast<void*>(first_page),
              begin - first_page + static_cast<uintptr_t>(rows * column.row_bytes), MADV_POPULATE_WRITE);
  }
}

void ShardWriter::place(int64_t first_row, int64_t rows, int64_t first_layer, int64_t layers,
                        std::span<const float> probs, std::span<const uint16_t> ids,
                        std::span<const float> weights) {
  const int64_t float_bytes = shape_.dtype == FloatType::kF32 ? 4 : 2;
  const int64_t full = layers * shape_.experts, top = layers * shape_.top_k;
  const int64_t full_begin = first_layer * shape_.experts, top_begin = first_layer * shape_.top_k;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t to = first_row + row;
    if (shape_.probs) {
      copy_floats(at(probs_, to, full_begin * float_bytes), probs.data() + row * full, full, shape_.dtype);
    }
    if (shape_.weights) {
      copy_floats(at(weights_, to, top_begin * float_bytes), weights.data() + row * top, top, shape_.dtype);
    }
    if (shape_.ids) {
      std::memcpy(at(ids_, to, top_begin * 2), ids.data() + row * top, static_cast<size_t>(top) * 2);
    }
  }
}

void ShardWriter::close_gaps(const std::vector<Column>& packed) {
  for (size_t i = 0; i < packed.size(); ++i) {
    std::memmove(map_.data() + packed[i].offset, map_.data() + columns_[i].offset,
                 static_cast<size_t>(packed[i].bytes));
  }
}

ShardInfo ShardWriter::commit() {
  const auto packed = shard_columns(shape_, rows_);
  if (rows_ < capacity_) close_gaps(packed);
  const std::string header = header_text(packed, rows_);
  const uint64_t header_size = header.size();
  std::memcpy(map_.data(), &header_size, sizeof(header_size));
  std::memcpy(map_.data() + sizeof(header_size), header.data(), header.size());
  const auto size = static_cast<size_t>(packed.back().offset + packed.back().bytes);
  ShardInfo info{.file = path_.filename().string(),
                 .rows = rows_,
                 .bytes = static_cast<int64_t>(size),
                 .checksum = fmt::format("{:016x}", XXH3_64bits(map_.data(), size))};
  if (size < map_.size()) file_.shrink(size);
  file_.commit();
  return info;
}

}  // namespace committee::trace
