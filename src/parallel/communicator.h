#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace committee::parallel {

using Payload = std::vector<std::byte>;

struct Message {
  int from = 0;
  Payload bytes;
};

// The processes of one job, ranks 0 to size() - 1, and what they tell each other. Without MPI there is one
// (serial()); with it the ranks are MPI_COMM_WORLD's.
//
// Collective members are called by all ranks in the same order, by one thread of each. The others may run at
// the same time on other threads, a tag on one thread of a rank at a time; messages of a tag between two
// ranks arrive in the order in which they were sent. Waiting leaves the processor to others. Throws Error
// where MPI fails.
class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  int neighbours() const { return neighbours_; }  // ranks on this machine, this one among them
  bool first() const { return rank_ == 0; }

  // Collective.
  virtual void broadcast(Payload& bytes, int root) = 0;  // the root's bytes, of any length, to all
  virtual void sum(std::span<int64_t> values) = 0;       // over ranks, for all of them
  virtual void sum(std::span<double> values) = 0;
  virtual void barrier() = 0;
  // [size] at the root, empty elsewhere.
  std::vector<Payload> gather(std::span<const std::byte> bytes, int root);

  // Returns when `bytes` may be overwritten.
  virtual void send(int to, int tag, std::span<const std::byte> bytes) = 0;
  // `while_waiting` is called now and then until the message is there, and may throw.
  virtual Payload receive(int from, int tag, const std::function<void()>& while_waiting) = 0;
  Payload receive(int from, int tag) { return receive(from, tag, {}); }
  // A message from any rank, if there is one.
  virtual std::optional<Message> poll(int tag) = 0;

  // Ends all ranks at once, whatever they are doing.
  [[noreturn]] virtual void abort(int exit_code) = 0;

 protected:
  Communicator(int rank, int size, int neighbours) : rank_(rank), size_(size), neighbours_(neighbours) {}

 private:
  int rank_, size_, neighbours_;
};

// Tags below this one are the callers'.
inline constexpr int kFirstOwnTag = 1000;

// One process.
std::unique_ptr<Communicator> serial();

Payload payload_of(std::string_view text);
std::string text_of(std::span<const std::byte> bytes);

}  // namespace committee::parallel
