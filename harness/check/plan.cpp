#include "harness/check/plan.h"

namespace assay {
namespace {

// The dearer checks: one sample in so many.
constexpr uint64_t kOtherContentsOneIn = 8;
constexpr uint64_t kOtherDataOneIn = 8;
constexpr uint64_t kSteppedOneIn = 64;
constexpr uint64_t kTinySteppedOneIn = 16;
constexpr uint64_t kThreadedOneIn = 128;
constexpr uint64_t kMappingsOneIn = 32;

// A stepped instruction costs about 2 us, 5 us on a virtual CPU: calls are stepped up to a limit, but mostly up to a half, a
// quarter or an eighth of it, since most that goes wrong does so early. And mostly through no more rounds of a loop than two
// and what further instructions make: what is wrong in one round is wrong in each. Where it is not, as state may have grown,
// one call in sixteen goes on to the limit.
constexpr uint64_t kMostSteps = 2500;
constexpr uint64_t kMostOldSteps = 256;
constexpr uint64_t kToTheLimitOneIn = 16;

StepLimits step_limits(uint64_t seed) {
  const uint64_t draw = mix_seed(seed, salt("limit"));
  return draw / 4 % kToTheLimitOneIn == 0 ? StepLimits{kMostSteps} : StepLimits{kMostSteps >> draw % 4, kMostOldSteps};
}

}  // namespace

CheckPlan plan_of(uint64_t seed, bool tiny) {
  const auto drawn = [&](std::string_view name, uint64_t one_in) { return mix_seed(seed, salt(name)) % one_in == 0; };
  CheckPlan plan;
  plan.other_contents_before = drawn("contents", kOtherContentsOneIn);
  // What an earlier call left behind shows best where the contents changed as well.
  plan.other_data_between = plan.other_contents_before || drawn("between", kOtherDataOneIn);
  plan.stepped = drawn("stepped", tiny ? kTinySteppedOneIn : kSteppedOneIn);
  plan.threaded = drawn("threaded", kThreadedOneIn);
  plan.mappings = drawn("maps", kMappingsOneIn);
  plan.all_code = drawn("allcode", 4);
  plan.generator = {.other_key = drawn("otherkey", 2),
                    .moved = drawn("moved", 2),
                    .room = drawn("room", 8),
                    .repeated = drawn("repeated", 64),
                    .threaded = drawn("genthrd", 64)};
  plan.step_limits = step_limits(seed);
  return plan;
}

}  // namespace assay
