#include "parallel/watch.h"

#include <chrono>
#include <cstring>
#include <numeric>

#include "parallel/agree.h"

namespace committee::parallel {
namespace {

constexpr int kReportTag = kFirstOwnTag + 1, kReplyTag = kFirstOwnTag + 2, kFileTag = kFirstOwnTag + 3,
              kTakenTag = kFirstOwnTag + 4;

enum class Kind : uint8_t { kWorking, kEnded, kFailed };

Payload report_of(Kind kind, int64_t done, const std::string& sentence = "") {
  Payload bytes(1 + sizeof done);
  std::memcpy(bytes.data(), &kind, 1);
  std::memcpy(bytes.data() + 1, &done, sizeof done);
  const Payload text = payload_of(sentence);
  bytes.insert(bytes.end(), text.begin(), text.end());
  return bytes;
}

void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

}  // namespace

Watch::Watch(Communicator& ranks, Take take)
    : ranks_(ranks), take_(std::move(take)), done_(static_cast<size_t>(ranks.size())) {
  working_ = ranks.size() - 1;
  if (ranks.first() && ranks.size() > 1) listener_ = std::thread([this] { listen(); });
}

Watch::~Watch() {
  over_ = true;
  if (listener_.joinable()) listener_.join();
}

void Watch::listen() {
  while (!over_) {
    bool idle = true;
    try {
      if (auto report = ranks_.poll(kReportTag)) {
        hear(std::move(*report));
        idle = false;
      }
      if (auto file = ranks_.poll(kFileTag)) {
        idle = false;
        try {
          take_(file->from, std::move(file->bytes));
        } catch (const std::exception&) {
          note(current_problem());
        }
        ranks_.send(file->from, kTakenTag, {});
      }
    } catch (const std::exception&) {  // MPI itself
      note(current_problem());
      working_ = 0;
      return;
    }
    if (idle) pause();
  }
}

void Watch::hear(Message message) {
  Kind kind{};
  int64_t done = 0;
  std::memcpy(&kind, message.bytes.data(), 1);
  std::memcpy(&done, message.bytes.data() + 1, sizeof done);
  if (kind == Kind::kFailed) note(text_of(std::span(message.bytes).subspan(1 + sizeof done)));
  std::string problem;
  {
    const std::lock_guard lock(mutex_);
    done_[static_cast<size_t>(message.from)] = done;
    problem = problem_;
  }
  if (kind == Kind::kWorking) {
    ranks_.send(message.from, kReplyTag, payload_of(problem));
  } else {
    --working_;
  }
}

void Watch::note(const std::string& sentence) {
  const std::lock_guard lock(mutex_);
  if (problem_.empty()) problem_ = sentence;
}

void Watch::check() const {
  const std::lock_guard lock(mutex_);
  if (!problem_.empty()) throw SharedError(problem_);
}

void Watch::report(int64_t done) {
  if (ranks_.first()) {
    {
      const std::lock_guard lock(mutex_);
      done_[0] = done;
    }
    check();
    return;
  }
  done_[static_cast<size_t>(ranks_.rank())] = done;
  ranks_.send(0, kReportTag, report_of(Kind::kWorking, done));
  const std::string problem = text_of(ranks_.receive(0, kReplyTag));
  if (!problem.empty()) throw SharedError(problem);
}

void Watch::send(std::span<const std::byte> bytes) {
  ranks_.send(0, kFileTag, bytes);
  ranks_.receive(0, kTakenTag);
}

int64_t Watch::done() const {
  const std::lock_guard lock(mutex_);
  return std::accumulate(done_.begin(), done_.end(), int64_t{0});
}

void Watch::run(const std::function<void()>& work, const std::function<void()>& waiting) {
  try {
    work();
  } catch (const SharedError&) {
    say_ended();
    wait_for_others({});
    throw;
  } catch (const std::exception&) {
    if (ranks_.size() == 1) throw;
    const std::string problem = current_problem();
    fail(problem);
    wait_for_others({});
    throw SharedError(problem);
  }
  say_ended();
  wait_for_others(waiting);
  check();
}

void Watch::end() {
  say_ended();
  wait_for_others({});
  check();
}

void Watch::say_ended() {
  if (ranks_.first()) return;
  ranks_.send(0, kReportTag, report_of(Kind::kEnded, done_[static_cast<size_t>(ranks_.rank())]));
}

void Watch::fail(const std::string& sentence) {
  if (ranks_.first()) {
    note(sentence);
  } else {
    ranks_.send(0, kReportTag, report_of(Kind::kFailed, 0, with_rank(ranks_.rank(), sentence)));
  }
}

void Watch::wait_for_others(const std::function<void()>& waiting) const {
  for (; ranks_.first() && working_ > 0; pause()) {
    if (waiting) waiting();
  }
}

}  // namespace committee::parallel
