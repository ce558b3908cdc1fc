#include "harness/bench/timed_shapes.h"

#include <algorithm>

namespace assay {
namespace {

/// The shape with each size over 1 one step less, or more; empty if the contract has none such.
Shape beside(const Kernel& kernel, const Shape& shape, bool more) {
  for (const size_t step : {size_t{1}, size_t{32}, size_t{64}, size_t{128}, size_t{256}}) {
    Shape other = shape;
    for (size_t& size : other) {
      size = size <= step ? size : more ? size + step : size - step;
    }
    if (is_allowed(kernel, other)) {  // else it is no multiple of its blocks
      return other == shape ? Shape{} : other;
    }
  }
  return {};
}

std::vector<Shape> shapes_to_check(const TimingJob& job) {
  constexpr double kLong = 0x1p27;  // operations: most variants take a tenth of a second
  const Shape& own = job.shape_class.shape;
  std::vector<Shape> shapes = {own};
  for (const bool more : {false, true}) {
    if (const Shape other = beside(*job.kernel, own, more);
        !other.empty() && trial_of(*job.kernel).work(own).ops <= kLong) {
      shapes.push_back(other);
    }
  }
  return shapes;
}

void add_verdict(Verdict& to, const Verdict& at_shapes) {
  to.samples += at_shapes.samples;
  to.shapes.insert(to.shapes.end(), at_shapes.shapes.begin(), at_shapes.shapes.end());
  to.threads_left_out |= at_shapes.threads_left_out;
  if (at_shapes.errors.worst_over_bound > to.errors.worst_over_bound) {
    to.worst_case = at_shapes.worst_case;
    to.worst = at_shapes.worst;
  }
  to.errors.worst_over_bound = std::max(to.errors.worst_over_bound, at_shapes.errors.worst_over_bound);
  to.errors.max_ulp = std::max(to.errors.max_ulp, at_shapes.errors.max_ulp);
  if (at_shapes.status != Status::pass) {
    to.status = at_shapes.status;
    to.reason = at_shapes.reason;
    to.caught_by = at_shapes.caught_by;
    to.failing_case = at_shapes.failing_case;
    to.reproduce = at_shapes.reproduce;
  }
}

}  // namespace

void check_timed_shapes(const Cpu& cpu, std::vector<TimingJob>& jobs, std::vector<Verdict>& verdicts,
                        const BenchOptions& options) {
  CheckOptions check_options;
  check_options.seed = options.seed;
  check_options.on_verdict = options.on_verdict;
  for (TimingJob& job : jobs) {
    if (job.shape_class.percent != 100 || job.checked) {
      continue;
    }
    job.checked = true;
    const std::vector<Shape> shapes = shapes_to_check(job);
    for (const Variant* variant : selected_variants(job, options)) {
      auto& all = check_options.shapes[variant->name()];
      all.insert(all.end(), shapes.begin(), shapes.end());
    }
  }
  if (check_options.shapes.empty()) {
    return;
  }
  for (const Verdict& at_shapes : check(cpu, check_options)) {
    const auto verdict = std::ranges::find_if(
        verdicts, [&](const Verdict& v) { return v.kernel == at_shapes.kernel && v.variant == at_shapes.variant; });
    add_verdict(*verdict, at_shapes);
    if (at_shapes.status != Status::pass) {
      for (TimingJob& job : jobs) {
        std::erase_if(job.variants, [&](const Variant* v) {
          return v->kernel == at_shapes.kernel && v->label() == at_shapes.variant;
        });
      }
    }
  }
  std::erase_if(jobs, [](const TimingJob& job) { return job.variants.empty(); });
}

}  // namespace assay
