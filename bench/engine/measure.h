#pragma once

#include <vector>

#include "engine/compute.h"

namespace committee::bench {

double now();            // seconds by the clock
double processor_now();  // processor time of all threads: on a machine that others use too it tells more

struct Seconds {
  double clock = 0, processor = 0;
};

template <typename Work>
Seconds time_of(const Work& work) {
  const double clock = now(), processor = processor_now();
  work();
  return {now() - clock, processor_now() - processor};
}

double median(std::vector<double> values);

// Seconds of a FLOP in products of [256, 2048] by [2048, 2048], the fastest shape here, one a thread at a
// time: the roofline. The median of five rounds.
Seconds roofline(engine::Compute compute, int threads);

}  // namespace committee::bench
