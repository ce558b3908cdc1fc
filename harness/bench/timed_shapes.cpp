#include "harness/bench/timed_shapes.h"

#include <algorithm>

namespace assay {
namespace {

void add_verdict(Verdict& to, const Verdict& at_shapes) {
  to.samples += at_shapes.samples;
  to.shapes.insert(to.shapes.end(), at_shapes.shapes.begin(), at_shapes.shapes.end());
  to.threads_left_out |= at_shapes.threads_left_out;
  if (at_shapes.errors.worst_over_bound > to.errors.worst_over_bound) {
    to.worst_case = at_shapes.worst_case;
    to.worst = at_shapes.worst;
  }
  to.errors.add(at_shapes.errors);
  if (!at_shapes.may_be_chosen()) {
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
  check_options.accept_claims = true;  // those that were not accepted are in no job
  for (TimingJob& job : jobs) {
    if (job.shape_class.percent != 100 || job.checked) {
      continue;
    }
    job.checked = true;
    const std::vector<Shape> shapes = shapes_about(*job.kernel, job.shape_class.shape);
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
    if (!at_shapes.may_be_chosen()) {
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
