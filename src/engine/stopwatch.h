#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace committee::engine {

// The parts of a pass that are timed.
enum class Op { kEmbed, kKeys, kQueries, kAttention, kOutput, kRouter, kExperts, kDense, kRecord, kLogits };
inline constexpr std::array kOpNames = {"embedding",        "keys and values", "queries", "attention",
                                        "attention output", "router",          "experts", "dense and shared",
                                        "recording",        "logits"};

// Seconds by part, as the thread that leads the pass sees them.
class Stopwatch {
 public:
  // Counts until it goes out of scope.
  class Running {
   public:
    Running(double& seconds) : seconds_(seconds) {}
    Running(const Running&) = delete;
    ~Running() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }

   private:
    using Clock = std::chrono::steady_clock;
    double& seconds_;
    Clock::time_point start_ = Clock::now();
  };

  [[nodiscard]] Running time(Op op) { return seconds_[static_cast<size_t>(op)]; }
  const std::array<double, kOpNames.size()>& seconds() const { return seconds_; }

 private:
  std::array<double, kOpNames.size()> seconds_ = {};
};

}  // namespace committee::engine
