#include "cli/trace_arm.h"

#include <algorithm>

#include "cli/manifest.h"

namespace committee::cli {

TraceArm::TraceArm(const std::filesystem::path& folder, const Setup& setup, int top_k,
                   const OutputFlags& output)
    : setup_(setup), top_k_(top_k), experts_(setup.model.config().router.experts) {
  CaptureFlags flags = setup.flags;
  flags.recording.score = false;  // outcomes are the experiment's
  if (top_k != setup.model.config().router.top_k) flags.recording.top_k = top_k;
  trace::Manifest manifest =
      manifest_of(flags, setup.model, setup.prompts, setup.compute == engine::Compute::kBF16);
  std::vector<int32_t> rows;
  for (const auto& sequence : setup.prompts.sequences)
    rows.push_back(static_cast<int32_t>(sequence.recorded.size()));
  writer_ = output.resume ? trace::TraceWriter::resume(folder, std::move(manifest), std::move(rows))
                          : trace::TraceWriter::create(
                                folder, std::move(manifest), std::move(rows),
                                output.overwrite ? trace::Existing::kOverwrite : trace::Existing::kRefuse);
}

void TraceArm::begin_chunk(const model::RecordedRows& rows) {
  model::RecordedRows kept;
  kept_before_.assign(1, 0);
  for (size_t r = 0; r < rows.sample.size(); ++r) {
    if (lacks(rows.sample[r])) {
      kept.sample.push_back(rows.sample[r]);
      kept.position.push_back(rows.position[r]);
      kept.token.push_back(rows.token[r]);
      kept.content.push_back(rows.content[r]);
    }
    kept_before_.push_back(kept.size());
  }
  end_ = rows.sample.empty() ? next_ : rows.sample.back() + 1;
  writer_->begin_chunk(kept);
}

void TraceArm::record(const model::RoutingBatch& batch) {
  const auto is_kept = [&](int64_t row) {
    return kept_before_[static_cast<size_t>(batch.first_row + row)] <
           kept_before_[static_cast<size_t>(batch.first_row + row + 1)];
  };
  for (int64_t begin = 0, end = 0; begin < batch.rows; begin = end) {
    end = begin + 1;
    if (!is_kept(begin)) continue;
    while (end < batch.rows && is_kept(end)) ++end;
    const auto part = [&](auto span, int64_t width) {
      return span.subspan(static_cast<size_t>(begin * width), static_cast<size_t>((end - begin) * width));
    };
    writer_->record({.layer = batch.layer,
                     .first_row = kept_before_[static_cast<size_t>(batch.first_row + begin)],
                     .rows = end - begin,
                     .probs = part(batch.probs, experts_),
                     .topk_id = part(batch.topk_id, top_k_),
                     .topk_weight = part(batch.topk_weight, top_k_)});
  }
}

void TraceArm::end_chunk() {
  writer_->end_chunk();
  add_samples_before(end_);
}

void TraceArm::add_samples_before(int64_t end) {
  for (; next_ < end; ++next_) {
    if (writer_->is_done(next_)) continue;
    const auto index = static_cast<size_t>(next_);
    const trace::SampleInfo info =
        sample_info(setup_.prompts.data.samples[index], setup_.prompts.sequences[index]);
    writer_->add_samples(next_, std::span(&info, 1));
  }
}

void TraceArm::finish() {
  if (!writer_->is_complete()) add_samples_before(std::ssize(setup_.prompts.sequences));
  writer_->finish();
}

}  // namespace committee::cli
