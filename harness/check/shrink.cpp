#include "harness/check/shrink.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "harness/check/trial.h"

namespace assay {
namespace {

constexpr double kTimeout = 3;   // seconds: a hang costs this much for each candidate
constexpr double kSeconds = 20;  // for all candidates
constexpr size_t kLargestBuffer = size_t{1} << 24;

class Shrinker {
 public:
  Shrinker(const Cpu& cpu, const CaseId& failing, size_t budget)
      : cpu_(cpu), best_(failing), kernel_(find_kernel(find_variant(failing.variant).kernel)), budget_(budget) {}

  bool out_of_time() const { return out_of_time_; }

  CaseId run() {
    if (!fails(best_)) {
      return best_;  // it does not repeat in a fresh process: nothing to hold on to
    }
    shrink_sizes();
    for (const InputClass c : {InputClass::zeros, InputClass::integers, InputClass::normal}) {
      if (try_with([&](CaseId& id) { id.input_class = c; })) {
        break;
      }
    }
    try_with([](CaseId& id) { id.alias = 0; });
    try_with([](CaseId& id) { id.place = Place::end; }) || try_with([](CaseId& id) { id.place = Place::begin; });
    shrink_sizes();
    shrink_values();
    return best_;
  }

 private:
  bool fails(const CaseId& id) {
    out_of_time_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count() > kSeconds;
    if (budget_ == 0 || out_of_time_) {
      return false;
    }
    --budget_;
    return is_allowed(kernel_, id.shape) && !is_left_out(id) && check_case(cpu_, id, kTimeout).status == Status::fail;
  }

  template <class Edit>
  bool try_with(Edit edit) {
    CaseId candidate = best_;
    edit(candidate);
    if (to_string(candidate) == to_string(best_) || !fails(candidate)) {
      return false;
    }
    best_ = candidate;
    return true;
  }

  void shrink_sizes() {
    for (bool smaller = true; smaller;) {
      smaller = false;
      for (size_t d = 0; d < best_.shape.size(); ++d) {
        const size_t now = best_.shape[d];
        // The steps are those of the blocks that contracts have: 1, 32, 64, 128.
        for (const size_t candidate :
             {size_t{0}, size_t{1}, now / 4, now / 2, now - now / 4, now - 128, now - 64, now - 32, now - 8, now - 1}) {
          if (candidate < now && try_with([&](CaseId& id) { id.shape[d] = candidate; })) {
            smaller = true;
            break;
          }
        }
      }
    }
  }

  void shrink_values() {
    try_with([](CaseId& id) { id.keep_to = 0; });
    if (best_.keep_to != 0) {
      size_t low = 0;  // the end of the window by bisection, then its beginning
      size_t high = kLargestBuffer;
      while (low + 1 < high && budget_ > 0 && !out_of_time_) {
        const size_t middle = (low + high) / 2;
        (try_with([&](CaseId& id) { id.keep_to = middle; }) ? high : low) = middle;
      }
      low = 0;
      high = std::min(best_.keep_to, kLargestBuffer);
      while (low + 1 < high && budget_ > 0 && !out_of_time_) {
        const size_t middle = (low + high) / 2;
        (try_with([&](CaseId& id) { id.keep_from = middle; }) ? low : high) = middle;
      }
    }
    try_with([](CaseId& id) { id.small_integers = true; });
  }

  const Cpu& cpu_;
  CaseId best_;
  const Kernel& kernel_;
  size_t budget_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  bool out_of_time_ = false;
};

}  // namespace

CaseId shrink(const Cpu& cpu, const CaseId& failing, size_t budget) { return Shrinker(cpu, failing, budget).run(); }

void shrink_failure(const Cpu& cpu, Verdict& verdict) {
  if (verdict.status != Status::fail || !verdict.failing_case) {
    return;
  }
  Shrinker shrinker(cpu, *verdict.failing_case, kCandidates);
  const CaseId small = shrinker.run();
  const Verdict again = check_case(cpu, small, kTimeout);
  if (again.status == Status::fail) {
    const bool both_hang = verdict.caught_by == "hang" && again.caught_by == "hang";
    verdict.reason = both_hang ? verdict.reason : again.reason;  // with the limit that was given
    if (shrinker.out_of_time()) {
      verdict.reason += fmt::format(" (shrinking ended after {} s: a smaller case may do)", kSeconds);
    }
    verdict.caught_by = again.caught_by;
    verdict.failing_case = again.failing_case;
    verdict.reproduce = again.reproduce;
  } else {
    verdict.reason += " (it does not repeat in a process of its own: the result depends on earlier calls or on timing)";
  }
}

}  // namespace assay
