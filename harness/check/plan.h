#pragma once
#include <cstdint>
#include <string_view>

#include "harness/check/generated_code.h"
#include "harness/check/single_step.h"
#include "harness/runtime/rng.h"

namespace assay {

/// A name as a number (its ASCII bytes, up to 8 of them), to draw one thing apart from the others: mix_seed(seed, salt("step")).
constexpr uint64_t salt(std::string_view name) {
  uint64_t number = 0;
  for (const char c : name) {
    number = number << 8 | static_cast<unsigned char>(c);
  }
  return number;
}

/// What is done to a sample beside calling it twice. It follows from the sample's seed, so that `--case` repeats it.
struct CheckPlan {
  bool other_contents_before;  ///< a call on other contents of the same buffers comes first
  bool other_data_between;     ///< a call on other data, in other buffers, comes between the two
  bool stepped;                ///< once more, interrupted after each instruction and re-entered on other data
  bool threaded;               ///< once more beside a thread that runs it on other data: interleaved, and at full speed
  bool mappings;               ///< no memory is both writable and executable
  bool all_code;               ///< of a generated variant the whole code is disassembled
  GeneratorPlan generator;
  StepLimits step_limits;  ///< of the calls that are single-stepped
};

/// `tiny`: its call takes a few hundred instructions. Such are stepped more often: to their end.
CheckPlan plan_of(uint64_t seed, bool tiny);

/// Whether a stepped call lets others in before its instruction number `step`. Ever rarer, so that calls of every length are
/// entered from beginning to end: about 2 ln(steps / 8) times.
inline bool let_others_in(Rng& rng, uint64_t step) { return rng.below(8 + step) < 2; }

}  // namespace assay
