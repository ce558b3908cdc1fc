#include "harness/export/limits.h"

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

/// As many times the length of a class as it is away, and twice that where the remainder is of the other kind.
double distance(const SetRow& row, double length, bool ragged) {
  const double own = static_cast<double>(row.choice->shape[0]) + 1;
  return std::max(own / length, length / own) * (is_ragged(row.choice->shape) == ragged ? 1 : 2);
}

const SetRow& nearest(const std::vector<SetRow>& rows, double length, bool ragged) {
  return *std::ranges::min_element(rows, {}, [&](const SetRow& row) { return distance(row, length, ragged); });
}

}  // namespace

std::vector<Limit> limits_of(const std::vector<SetRow>& rows, bool ragged) {
  // Where one class becomes nearer than another: lengths that are as far from both, one of them perhaps counted twice.
  std::vector<double> ends;
  for (const SetRow& a : rows) {
    for (const SetRow& b : rows) {
      const double product =
          (static_cast<double>(a.choice->shape[0]) + 1) * (static_cast<double>(b.choice->shape[0]) + 1);
      ends.insert(ends.end(), {std::sqrt(product), std::sqrt(2 * product), std::sqrt(product / 2)});
    }
  }
  std::ranges::sort(ends);
  std::vector<Limit> limits;
  double begin = 1;
  for (const double end : ends) {
    const std::string& label = nearest(rows, std::sqrt(begin * end), ragged).called;
    if (!limits.empty() && limits.back().label == label) {
      limits.pop_back();
    }
    limits.push_back({static_cast<size_t>(std::max(0.0, end - 1)), label});
    begin = end;
  }
  const std::string& last = nearest(rows, 2 * ends.back(), ragged).called;
  if (limits.back().label == last) {
    limits.pop_back();
  }
  limits.push_back({SIZE_MAX, last});
  return limits;
}

}  // namespace assay
