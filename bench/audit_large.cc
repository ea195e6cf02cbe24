// Traces larger than memory, as `--positions all` makes them of MMLU: 14,042 samples of 57 subjects in nine
// domains, 48 layers of 128 experts, 8 executed.
//
// bench_audit_large make FOLDER GIGABYTES: writes one through the trace writer, the same for the same size.
// bench_audit_large measure FOLDER PROGRAM LIMIT_MB [FLAGS...]: the clock of `PROGRAM audit FOLDER FLAGS...`
// in a memory cgroup of that size beside that of reading the same files once in such a group, with read(2)
// and past the page cache: from the disk, then, where they fit there, from a cache outside the group. Needs
// root.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>

#include "audit_trace.h"
#include "base/direct_file.h"
#include "base/error.h"
#include "base/memory.h"
#include "memory_group.h"

using namespace committee;
namespace fs = std::filesystem;

namespace {

constexpr bench::Shape kShape{.samples = 14042, .layers = 48, .experts = 128, .top_k = 8, .domains = 9};
constexpr int kSubjects = 57;
constexpr int kKinds = 256;  // distributions a domain draws from, and as many that all share

// What a token's routing of one layer can be.
struct Kinds {
  std::vector<float> probs, weights;  // [kinds, E], [kinds, k]
  std::vector<uint16_t> ids;          // [kinds, k]
};

Kinds make_kinds() {
  Kinds kinds;
  const size_t count = static_cast<size_t>(kShape.domains + 1) * kKinds;
  Random random(1);
  std::vector<double> z(kShape.experts);
  for (size_t i = 0; i < count; ++i) {
    const size_t domain = i / kKinds;
    double total = 0;
    for (size_t e = 0; e < z.size(); ++e)
      total += z[e] = std::exp(2 * bench::normal(random) + (e % 10 == domain));
    std::vector<uint16_t> order(z.size());
    std::iota(order.begin(), order.end(), uint16_t{0});
    std::partial_sort(order.begin(), order.begin() + kShape.top_k, order.end(),
                      [&](auto a, auto b) { return z[a] != z[b] ? z[a] > z[b] : a < b; });
    for (const double p : z) kinds.probs.push_back(static_cast<float>(p / total));
    for (int r = 0; r < kShape.top_k; ++r) {
      kinds.ids.push_back(order[r]);
      kinds.weights.push_back(static_cast<float>(z[order[r]] / total));
    }
  }
  return kinds;
}

struct Rows {
  std::vector<float> probs, weights;
  std::vector<uint16_t> ids;
};

void fill(Rows& rows, int64_t count, int64_t domain, const Kinds& kinds, Random& random) {
  const int64_t cells = count * kShape.layers, experts = kShape.experts, k = kShape.top_k;
  rows.probs.resize(cells * experts);
  rows.weights.resize(cells * k);
  rows.ids.resize(cells * k);
  for (int64_t i = 0; i < cells; ++i) {
    const uint64_t draw = random.next();
    const auto kind = static_cast<int64_t>(draw % kKinds + ((draw >> 32) % 4 == 0 ? domain + 1 : 0) * kKinds);
    std::copy_n(&kinds.probs[kind * experts], experts, &rows.probs[i * experts]);
    std::copy_n(&kinds.weights[kind * k], k, &rows.weights[i * k]);
    std::copy_n(&kinds.ids[kind * k], k, &rows.ids[i * k]);
  }
}

int make(const fs::path& folder, double gigabytes) {
  trace::Manifest manifest;
  manifest.model.name = manifest.model.model_type = manifest.model.fingerprint = "synthetic";
  manifest.model.experts = kShape.experts;
  manifest.model.top_k = kShape.top_k;
  manifest.recording.positions = "all";
  manifest.recording.group_columns = {"subject"};
  for (int l = 0; l < kShape.layers; ++l) manifest.model.moe_layers.push_back(l);
  const int64_t row_bytes = 13 + int64_t{kShape.layers} * (kShape.experts * 4 + kShape.top_k * 6);
  const auto mean = static_cast<int64_t>(gigabytes * 1e9 / static_cast<double>(row_bytes * kShape.samples));
  if (mean < 1) throw Error("{} GB hold no token of every sample", gigabytes);
  // Lengths from half to one and a half of the mean.
  std::vector<int32_t> lengths(kShape.samples);
  for (int64_t i = 0; i < kShape.samples; ++i)
    lengths[i] = static_cast<int32_t>(mean - mean / 2 + i * 7919 % (mean / 2 * 2 + 1));
  const auto writer = trace::TraceWriter::create(folder, manifest, lengths, trace::Existing::kOverwrite);
  const Kinds kinds = make_kinds();
  Rows rows;
  for (int64_t i = 0; i < kShape.samples; ++i) {
    const int64_t subject = i * kSubjects / kShape.samples, domain = subject * kShape.domains / kSubjects;
    Random random(2, static_cast<uint64_t>(i));
    const int32_t length = lengths[i];
    fill(rows, length, domain, kinds, random);
    model::RecordedRows labels{std::vector<int32_t>(length, static_cast<int32_t>(i)),
                               std::vector<int32_t>(length), std::vector<int32_t>(length),
                               std::vector<uint8_t>(length, 1)};
    std::iota(labels.position.begin(), labels.position.end(), 0);
    for (int32_t& token : labels.token) token = static_cast<int32_t>(random.below(50000));
    writer->begin_chunk(labels);
    writer->record_rows({0, length, rows.probs, rows.ids, rows.weights});
    writer->end_chunk();
    trace::SampleInfo info{.id = std::to_string(i),
                           .domain = "domain " + std::to_string(domain),
                           .subject = "subject " + std::to_string(subject),
                           .tokens = length};
    info.columns = {{"subject", info.subject}};
    writer->add_samples(i, std::span(&info, 1));
  }
  writer->finish();
  return 0;
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// `bench_audit_large read FOLDER`: the files' bytes once, 4 MiB at a time, forgotten by the cache outside a
// group's limit only.
int read_once(const fs::path& folder) {
  std::vector<char> buffer(4 << 20);
  for (const fs::path& path : files_of(folder)) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    while (::read(file, buffer.data(), buffer.size()) > 0) continue;
    ::close(file);
  }
  return 0;
}

// `bench_audit_large direct FOLDER`: the same past the page cache.
int read_directly(const fs::path& folder) {
  constexpr size_t kAtOnce = 4 << 20, kRoom = DirectFile::room_for(kAtOnce);
  Bytes memory;
  const std::span<std::byte> room(memory.reserve(kRoom), kRoom);
  for (const fs::path& path : files_of(folder)) {
    const DirectFile file(path);
    const size_t size = fs::file_size(path);
    for (size_t at = 0; at < size; at += kAtOnce) file.read(at, std::min(kAtOnce, size - at), room);
  }
  return 0;
}

double gigabytes_of(const fs::path& folder) {
  double bytes = 0;
  for (const fs::path& path : files_of(folder)) bytes += static_cast<double>(fs::file_size(path));
  return bytes / 1e9;
}

int measure(const fs::path& folder, const std::string& self, const std::string& program, size_t limit,
            const std::vector<std::string>& flags) {
  const double size = gigabytes_of(folder);
  const fs::path out = folder.string() + "-audit";
  std::vector<std::string> audit{program, "audit", folder, "-o", out, "--overwrite", "--quiet"};
  audit.insert(audit.end(), flags.begin(), flags.end());
  auto forget = [&] {
    for (const fs::path& path : files_of(folder)) bench::drop_cache(path);
  };
  auto row = [&](const char* from, const std::function<void()>& before) {
    auto run = [&](const std::vector<std::string>& command) {
      before();
      return bench::run_limited(command, limit);
    };
    const bench::Used read = run({self, "read", folder}), direct = run({self, "direct", folder}),
                      used = run(audit);
    std::printf(
        "%.1f GB from %s within %zu MB: read once with read(2) %.2f s (%.2f GB/s), past the page cache %.2f "
        "s "
        "(%.2f GB/s); audit %.2f s (%.2f GB/s), %.2f and %.2f of these rates; %.1f GB read from the disk, "
        "charged %.2f GiB at most\n",
        size, from, limit >> 20, read.seconds, size / read.seconds, direct.seconds, size / direct.seconds,
        used.seconds, size / used.seconds, read.seconds / used.seconds, direct.seconds / used.seconds,
        static_cast<double>(used.read) / 1e9, static_cast<double>(used.charged) / (1 << 30));
    std::fflush(stdout);
  };
  row("disk", forget);
  forget();
  const double available =
      static_cast<double>(::sysconf(_SC_AVPHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  if (size * 1e9 < 0.8 * available) {
    read_once(folder);
    row("memory", [] {});
  }
  fs::remove_all(out);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string mode = argc > 2 ? argv[1] : "";
  if (mode == "make" && argc == 4) return make(argv[2], std::atof(argv[3]));
  if (mode == "read" && argc == 3) return read_once(argv[2]);
  if (mode == "direct" && argc == 3) return read_directly(argv[2]);
  if (mode == "measure" && argc >= 5) {
    return measure(argv[2], fs::read_symlink("/proc/self/exe"), argv[3],
                   static_cast<size_t>(std::atoll(argv[4])) << 20, {argv + 5, argv + argc});
  }
  std::fputs("bench_audit_large make FOLDER GIGABYTES | measure FOLDER PROGRAM LIMIT_MB [FLAGS]\n", stderr);
  return 2;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "bench_audit_large: %s\n", problem.what());
  return 1;
}
