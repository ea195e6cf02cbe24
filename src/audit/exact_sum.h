#pragma once

namespace committee::audit {

// A float64 sum that carries its rounding error (Knuth's two-sum), so that the order of the terms does not
// decide ties: sums of float32 values come out correctly rounded.
class ExactSum {
 public:
  void add(double x) {
    const double sum = high_ + x;
    const double back = sum - high_;
    low_ += (high_ - (sum - back)) + (x - back);
    high_ = sum;
  }
  double value() const { return high_ + low_; }

 private:
  double high_ = 0, low_ = 0;
};

}  // namespace committee::audit
