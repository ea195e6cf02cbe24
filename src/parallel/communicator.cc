#include "parallel/communicator.h"

#include <cstdlib>

#include "base/error.h"

namespace committee::parallel {
namespace {

constexpr int kGatherTag = kFirstOwnTag;

class Serial : public Communicator {
 public:
  Serial() : Communicator(0, 1, 1) {}

  void broadcast(Payload&, int) override {}
  void sum(std::span<int64_t>) override {}
  void sum(std::span<double>) override {}
  void barrier() override {}
  void send(int to, int, std::span<const std::byte>) override { throw Error("there is no rank {}", to); }
  Payload receive(int from, int, const std::function<void()>&) override {
    throw Error("there is no rank {}", from);
  }
  std::optional<Message> poll(int) override { return std::nullopt; }
  void abort(int exit_code) override { std::_Exit(exit_code); }
};

}  // namespace

std::vector<Payload> Communicator::gather(std::span<const std::byte> bytes, int root) {
  std::vector<Payload> all;
  if (rank_ != root) {
    send(root, kGatherTag, bytes);
    return all;
  }
  for (int rank = 0; rank < size_; ++rank) {
    all.push_back(rank == rank_ ? Payload(bytes.begin(), bytes.end()) : receive(rank, kGatherTag));
  }
  return all;
}

std::unique_ptr<Communicator> serial() { return std::make_unique<Serial>(); }

Payload payload_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace committee::parallel
