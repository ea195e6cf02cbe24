// The plugin that joins the processes of mpirun or srun, with the plain C interface of MPI 3 (Open MPI,
// MPICH).
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "base/version.h"
#include "parallel/communicator.h"
#include "parallel/launcher.h"

namespace committee::parallel {
namespace {

constexpr size_t kPiece = size_t{1} << 28;  // bytes of one MPI message: counts are ints

void check(int result) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(result, text, &length);
  throw Error("MPI: {}", std::string(text, static_cast<size_t>(length)));
}

// MPI libraries wait by asking without end; on shared cores that takes time from ranks that compute.
class Patience {
 public:
  void rest() {
    if (++rounds_ < 50) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(rounds_ < 1000 ? 50 : 1000));
    }
  }

 private:
  int rounds_ = 0;
};

void wait(MPI_Request request) {
  Patience patience;
  for (int done = 0;;) {
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
    if (done != 0) return;
    patience.rest();
  }
}

template <typename Transfer>
void in_pieces(size_t size, const Transfer& transfer) {
  for (size_t at = 0; at < size; at += kPiece) {
    MPI_Request request = MPI_REQUEST_NULL;
    check(transfer(at, static_cast<int>(std::min(kPiece, size - at)), &request));
    wait(request);
  }
}

struct World {
  int rank = 0, size = 1, neighbours = 1;
};

class Mpi : public Communicator {
 public:
  explicit Mpi(const World& world) : Communicator(world.rank, world.size, world.neighbours) {}

  ~Mpi() override {
    try {
      barrier();  // patiently: MPI_Finalize's own waiting is not
    } catch (const Error&) {
    }
    MPI_Finalize();
  }

  void broadcast(Payload& bytes, int root) override {
    uint64_t size = bytes.size();
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibcast(&size, sizeof size, MPI_BYTE, root, MPI_COMM_WORLD, &request));
    wait(request);
    bytes.resize(size);
    in_pieces(size, [&](size_t at, int count, MPI_Request* piece) {
      return MPI_Ibcast(bytes.data() + at, count, MPI_BYTE, root, MPI_COMM_WORLD, piece);
    });
  }

  void sum(std::span<int64_t> values) override { sum(values.data(), values.size(), MPI_INT64_T); }
  void sum(std::span<double> values) override { sum(values.data(), values.size(), MPI_DOUBLE); }

  void barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibarrier(MPI_COMM_WORLD, &request));
    wait(request);
  }

  // The size goes ahead, so that no message is too long for MPI's counts.
  void send(int to, int tag, std::span<const std::byte> bytes) override {
    const uint64_t size = bytes.size();
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Isend(&size, sizeof size, MPI_BYTE, to, tag, MPI_COMM_WORLD, &request));
    wait(request);
    in_pieces(size, [&](size_t at, int count, MPI_Request* piece) {
      return MPI_Isend(bytes.data() + at, count, MPI_BYTE, to, tag, MPI_COMM_WORLD, piece);
    });
  }

  Payload receive(int from, int tag, const std::function<void()>& while_waiting) override {
    Patience patience;
    for (int there = 0;;) {
      check(MPI_Iprobe(from, tag, MPI_COMM_WORLD, &there, MPI_STATUS_IGNORE));
      if (there != 0) return take(from, tag);
      if (while_waiting) while_waiting();
      patience.rest();
    }
  }

  std::optional<Message> poll(int tag) override {
    int there = 0;
    MPI_Status status;
    check(MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &there, &status));
    if (there == 0) return std::nullopt;
    return Message{status.MPI_SOURCE, take(status.MPI_SOURCE, tag)};
  }

  void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  void sum(void* values, size_t count, MPI_Datatype type) {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Iallreduce(MPI_IN_PLACE, values, static_cast<int>(count), type, MPI_SUM, MPI_COMM_WORLD,
                         &request));
    wait(request);
  }

  static Payload take(int from, int tag) {
    uint64_t size = 0;
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Irecv(&size, sizeof size, MPI_BYTE, from, tag, MPI_COMM_WORLD, &request));
    wait(request);
    Payload bytes(size);
    in_pieces(size, [&](size_t at, int count, MPI_Request* piece) {
      return MPI_Irecv(bytes.data() + at, count, MPI_BYTE, from, tag, MPI_COMM_WORLD, piece);
    });
    return bytes;
  }
};

World join_world() {
  int provided = 0;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided));
  if (provided < MPI_THREAD_MULTIPLE) throw Error("this MPI library cannot be called from several threads");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  World world;
  check(MPI_Comm_rank(MPI_COMM_WORLD, &world.rank));
  check(MPI_Comm_size(MPI_COMM_WORLD, &world.size));
  MPI_Comm machine = MPI_COMM_NULL;
  check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine));
  check(MPI_Comm_size(machine, &world.neighbours));
  MPI_Comm_free(&machine);
  return world;
}

}  // namespace
}  // namespace committee::parallel

extern "C" {

committee::parallel::Communicator* committee_mpi_connect() {
  return new committee::parallel::Mpi(committee::parallel::join_world());
}

const char* committee_mpi_version() { return committee::kVersion; }
}
