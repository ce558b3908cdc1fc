#pragma once
#include <string>
#include <vector>

#include "reports/summary.h"

namespace assay {

/// A question that a report answers first.
struct Answer {
  std::string question;  ///< "Is it right?"
  std::string figure;    ///< "610 of 610"
  std::string sentence;
};

/// At a glance: is it right, what is the fastest, how near is it to the limit, is the compiler better? Of what the summary has no
/// numbers for there is no answer.
std::vector<Answer> answers_of(const Report& summary);

/// "jit_avx512 at L1, L1-cold; auto_v3 at L2 (a tie)": what to use of a kernel, the variant of most shapes first. `mark` is put about the
/// variants' names: `**`.
std::string use_text(const KernelSummary& kernel, const std::string& before, const std::string& after);

/// The machine's limits in one line; "" where none is known.
std::string limits_text(const Report& summary);

/// What measured it, and when: "bench of 2026-11-27 by assay 0.1.0; check of ...".
std::string sources_text(const Report& summary);

}  // namespace assay
