#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "trace/manifest.h"

namespace committee::trace {

// The tensors of a shard and their widths, from the manifest.
struct RecordShape {
  int64_t layers = 0, experts = 0, top_k = 0;
  bool probs = false, ids = false, weights = false;
  FloatType dtype = FloatType::kF32;

  explicit RecordShape(const Manifest& manifest);
  int64_t row_bytes() const;
};

// One tensor of a shard with R rows: dtype's name in safetensors, shape beside R, place in the file.
struct Column {
  const char* name = "";
  const char* dtype = "";
  std::vector<int64_t> shape;  // of a row: {}, {L, E} or {L, k}
  int64_t row_bytes = 0;
  int64_t offset = 0, bytes = 0;  // in the file, header included
};

// Every shard begins with a header block of this size, so that the columns' places depend on R alone; the
// format allows spaces after the header's text.
inline constexpr int64_t kHeaderBytes = 1024;

// Wider elements come first, so that every column is aligned to its element.
std::vector<Column> shard_columns(const RecordShape& shape, int64_t rows);

// A shard that is being filled. Nothing is under its final name before commit().
class ShardWriter {
 public:
  // Reserves room for `capacity` rows.
  ShardWriter(const std::filesystem::path& path, const RecordShape& shape, int64_t capacity);

  // Adds rows of one sample and returns the index of the first.
  int64_t add_rows(int32_t sample, std::span<const int32_t> position, std::span<const int32_t> token,
                   std::span<const uint8_t> content);

  // Says that place() is about to fill these rows. Pages made at once cost a third of pages made one fault at
  // a time; where the kernel cannot do it nothing changes.
  void prepare(int64_t first_row, int64_t rows) const;

  // Places values of `layers` layers from `first_layer` on, for rows that were added: probs
  // [rows, layers, E], ids and weights [rows, layers, k]; those that the shard does not hold are passed over.
  // Any number of threads for disjoint rows or layers.
  void place(int64_t first_row, int64_t rows, int64_t first_layer, int64_t layers,
             std::span<const float> probs, std::span<const uint16_t> ids, std::span<const float> weights);

  int64_t rows() const { return rows_; }

  // Writes the header, syncs and renames. `samples` of the result is left to the caller.
  ShardInfo commit();

 private:
  std::byte* at(size_t column, int64_t row, int64_t byte) const;
  void close_gaps(const std::vector<Column>& packed);

  std::filesystem::path path_;
  RecordShape shape_;
  int64_t capacity_, rows_ = 0;
  std::vector<Column> columns_;
  size_t probs_, weights_, ids_, sample_, position_, token_, content_;  // indices in columns_
  AtomicFile file_;
  std::span<std::byte> map_;
};

}  // namespace committee::trace
