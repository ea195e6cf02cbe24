// A capture whose ranks read different prompts: each records its own shards of one trace.
#include <array>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>

#include "base/error.h"
#include "cli/capture_setup.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/ranks.h"
#include "engine/prefix_tree.h"
#include "parallel/agree.h"
#include "parallel/partition.h"
#include "parallel/watch.h"
#include "trace/journal.h"
#include "trace/shared_shards.h"

namespace committee::cli {
namespace {

namespace fs = std::filesystem;
using parallel::Communicator;
using parallel::Payload;
using trace::TraceWriter;

// A folder of this rank alone that goes with the object.
class ScratchFolder {
 public:
  explicit ScratchFolder(const fs::path& parent) {
    std::string name = (parent / "committee-audit-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw Error("{}: cannot make a folder there: {}", parent.string(), std::strerror(errno));
    }
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Shards that other ranks bring: each as two messages, which shard it is with its journal, then its records.
class ShardMail {
 public:
  explicit ShardMail(fs::path trace) : trace_(std::move(trace)) {}

  static void send(parallel::Watch& watch, const fs::path& folder, int64_t shard) {
    {
      const trace::WholeShard files(folder, shard);
      Payload head(sizeof shard);
      std::memcpy(head.data(), &shard, sizeof shard);
      const Payload journal = parallel::payload_of(files.journal());
      head.insert(head.end(), journal.begin(), journal.end());
      watch.send(head);
      watch.send(std::as_bytes(std::span(files.records())));
    }
    trace::remove_shard(folder, shard);
  }

  void take(int from, Payload bytes) {
    const auto announced = announced_.find(from);
    if (announced == announced_.end()) {
      announced_[from] = std::move(bytes);
      return;
    }
    const Payload head = std::move(announced->second);
    announced_.erase(announced);
    int64_t shard = 0;
    std::memcpy(&shard, head.data(), sizeof shard);
    trace::adopt_shard(trace_, shard, parallel::text_of(std::span(head).subspan(sizeof shard)),
                       parallel::text_of(bytes));
  }

 private:
  fs::path trace_;
  std::map<int, Payload> announced_;  // by rank
};

// What the first rank tells the others before they begin.
struct Start {
  std::string token;       // of the trace folder
  std::vector<bool> done;  // shards
};

Start tell(const TraceWriter* writer, Communicator& ranks) {
  Start start;
  Payload token, done;
  if (writer != nullptr) {
    token = parallel::payload_of(fmt::format(
        "{:016x}", std::random_device()() * 0x100000001ULL ^ static_cast<uint64_t>(::getpid()) << 20));
    for (const bool whole : writer->shards_done()) done.push_back(static_cast<std::byte>(whole));
  }
  ranks.broadcast(token, 0);
  ranks.broadcast(done, 0);
  start.token = parallel::text_of(token);
  for (const std::byte whole : done) start.done.push_back(whole != std::byte{0});
  return start;
}

// The shards of this rank: neighbours, so that prompts with a common beginning stay together, by the rows
// that they take.
std::vector<bool> own_shards(const CaptureSetup& setup, const std::vector<trace::ShardRange>& plan,
                             const std::vector<bool>& done, const Communicator& ranks) {
  std::vector<int64_t> costs;
  std::vector<size_t> open;
  engine::PrefixTree tree;
  for (size_t shard = 0; shard < plan.size(); ++shard) {
    if (done[shard]) continue;
    const int64_t before = tree.rows();
    for (int64_t i = 0; i < plan[shard].samples; ++i) {
      tree.add(setup.prompts.sequences[static_cast<size_t>(plan[shard].first_sample + i)].tokens);
    }
    costs.push_back(tree.rows() - before);
    open.push_back(shard);
  }
  const auto bounds = parallel::partition(costs, ranks.size());
  const auto rank = static_cast<size_t>(ranks.rank());
  std::vector<bool> own(plan.size());
  for (size_t i = bounds[rank]; i < bounds[rank + 1]; ++i) own[open[i]] = true;
  return own;
}

// The writer of this rank, in the trace folder itself or, where this rank does not see that, in scratch.
struct RankWriter {
  std::unique_ptr<ScratchFolder> scratch;  // nullptr: the trace folder itself
  std::unique_ptr<TraceWriter> writer;
};

RankWriter join(const CaptureSetup& setup, const CaptureOutput& output, const std::string& token) {
  RankWriter own;
  if (!setup.flags.ranks.gather) {
    own.writer = TraceWriter::join(output.trace, setup.manifest, setup.max_rows, token, setup.limits);
  }
  if (!own.writer) {
    const fs::path& given = setup.flags.ranks.scratch;
    own.scratch = std::make_unique<ScratchFolder>(given.empty() ? fs::temp_directory_path() : given);
    own.writer = TraceWriter::create(own.scratch->path(), setup.manifest, setup.max_rows,
                                     trace::Existing::kRefuse, setup.limits);
  }
  return own;
}

// Ctrl-C while ranks work: each stops by itself, and the first one says so.
class Interruption {
 public:
  Interruption(const CaptureSetup& setup, const TraceWriter& writer, const Communicator& ranks)
      : setup_(setup), writer_(writer), ranks_(ranks) {}

  void note(const Interrupted& stop) {
    stop_ = stop;
    if (!ranks_.first()) return;
    const std::string after =
        ranks_.size() > 1
            ? ""
            : fmt::format(" after {} of {} prompts", writer_.samples_done(), setup_.prompts.sequences.size());
    fmt::print(stderr, "committee-audit: interrupted{}; {}\n", after, how_to_go_on(ranks_));
  }
  void rethrow() const {
    if (stop_) throw Interrupted(*stop_);
  }
  std::string sentence() const { return "interrupted; " + how_to_go_on(ranks_); }

 private:
  const CaptureSetup& setup_;
  const TraceWriter& writer_;
  const Communicator& ranks_;
  std::optional<Interrupted> stop_;
};

// Records samples in their order, those that are this rank's and not done yet.
class Recorder {
 public:
  // `report` hears of the tokens that are through, and where the pass is.
  using Report = std::function<void(int64_t tokens, const std::string& where)>;
  Recorder(const CaptureSetup& setup, TraceWriter& writer, Report report)
      : setup_(setup), writer_(writer), sink_(writer, setup), report_(std::move(report)) {}

  // All samples before `end`. Throws Interrupted between parts of a layer.
  void record_before(int64_t end, const SafeStop& stop) {
    std::vector<engine::Sequence> pending;
    for (; next_ < end; ++next_) {
      if (!writer_.is_done(next_)) pending.push_back(setup_.prompts.sequences[static_cast<size_t>(next_)]);
    }
    try {
      read(pending, stop);
    } catch (const engine::SampleError& problem) {
      throw Error(with_sample_name(problem, setup_.prompts));
    }
    sink_.add_samples_before(end);
  }

  const CaptureWork& work() const { return work_; }

 private:
  void read(const std::vector<engine::Sequence>& pending, const SafeStop& stop) {
    const int64_t before = work_.tokens;
    const auto on_progress = [&](const engine::Progress& p) {
      stop.check();
      report_(before + p.tokens, where_of(p));
    };
    const engine::Variant variant{setup_.policy, &sink_, [&](size_t sequence, std::span<const float> logits) {
                                    sink_.score_sample(pending[sequence].sample, logits);
                                  }};
    work_.prompts += std::ssize(pending);
    for (const auto& sequence : pending) work_.tokens += std::ssize(sequence.tokens);
    if (setup_.flags.recording.positions == "generated") {
      const int most = setup_.flags.recording.max_new_tokens;
      for (const auto& made : setup_.engine->generate(pending, most, variant, on_progress)) {
        work_.tokens += std::ssize(made);
      }
      work_.computed_tokens = work_.tokens;
    } else {
      work_.computed_tokens += setup_.engine->prefill(pending, std::span(&variant, 1), on_progress).rows;
    }
  }

  const CaptureSetup& setup_;
  TraceWriter& writer_;
  CaptureSink sink_;
  Report report_;
  CaptureWork work_;
  int64_t next_ = 0;
};

void record_all(const CaptureSetup& setup, const CaptureOutput& output, TraceWriter& writer,
                Recorder& recorder) {
  const CaptureFlags& flags = setup.flags;
  if (flags.adaptive.until_stable) {
    record_until_stable(
        {flags.adaptive, flags.machine, flags.terminal, flags.seed, output.trace, setup.prompts.data.rounds},
        writer, [&](int64_t end) { recorder.record_before(end, SafeStop()); });
  }
  const SafeStop stop;
  if (!flags.adaptive.until_stable) recorder.record_before(std::ssize(setup.prompts.sequences), stop);
  writer.flush();
  stop.check();
}

RankWriter open_writers(const CaptureSetup& setup, const CaptureOutput& output, Communicator& ranks) {
  RankWriter own;
  on_first(ranks, [&] { own.writer = open_writer(setup, output); });
  const Start start = tell(own.writer.get(), ranks);
  on_first(ranks, [&] {
    if (ranks.size() > 1) own.writer->share(start.token);
  });
  parallel::agree(ranks, [&] {
    if (!ranks.first()) own = join(setup, output, start.token);
  });
  own.writer->record_only(own_shards(setup, own.writer->plan(), start.done, ranks));
  return own;
}

// This rank's part, and on the first one the others'.
CaptureWork record(const CaptureSetup& setup, const CaptureOutput& output, RankWriter& own,
                   Communicator& ranks) {
  const Pending pending = pending_of(setup, [&](int64_t sample) { return own.writer->is_done(sample); });
  std::array<int64_t, 1> total = {pending.tokens};
  ranks.sum(total);
  ShardMail mail(output.trace);
  parallel::Watch watch(ranks, [&](int from, Payload bytes) { mail.take(from, std::move(bytes)); });
  if (own.scratch) {
    own.writer->on_shard([&](int64_t shard) { ShardMail::send(watch, own.scratch->path(), shard); });
  }
  Progress progress(setup.flags.terminal.quiet);
  const auto show = [&](const std::string& where) {
    progress.update(static_cast<double>(watch.done()), static_cast<double>(total[0]), where, "tokens");
  };
  Recorder recorder(setup, *own.writer, [&](int64_t tokens, const std::string& where) {
    watch.report(tokens);
    if (ranks.first()) show(ranks.size() == 1 ? where : fmt::format("{} ranks", ranks.size()));
  });
  Interruption interruption(setup, *own.writer, ranks);
  std::optional<SafeStop> stop_waiting;
  const auto work = [&] {
    try {
      record_all(setup, output, *own.writer, recorder);
    } catch (const Interrupted& stop) {
      progress.finish();
      interruption.note(stop);
      throw Error(interruption.sentence());
    }
  };
  const auto waiting = [&] {
    if (!stop_waiting) stop_waiting.emplace();
    try {
      stop_waiting->check();
    } catch (const Interrupted& stop) {
      progress.finish();
      interruption.note(stop);
      watch.fail(interruption.sentence());
    }
    show(fmt::format("{} ranks", ranks.size()));
  };
  try {
    // Those that were through before another failed leave with it.
    parallel::agree(ranks, [&] { watch.run(work, waiting); });
  } catch (const Error&) {
    interruption.rethrow();
    throw;
  }
  return recorder.work();
}

}  // namespace

CaptureWork capture_by_prompts(const CaptureSetup& setup, const CaptureOutput& output, Communicator& ranks) {
  say_when_interrupted("interrupted; " + how_to_go_on(ranks));
  RankWriter own = open_writers(setup, output, ranks);
  const CaptureWork work = record(setup, output, own, ranks);
  if (!ranks.first()) {
    own.writer.reset();
    own.scratch.reset();
  }
  on_first(ranks, [&] { own.writer->finish(); });
  std::array<int64_t, 3> sums = {work.prompts, work.tokens, work.computed_tokens};
  ranks.sum(sums);
  return {sums[0], sums[1], sums[2]};
}

}  // namespace committee::cli
