// A model that goes back to an earlier position says what it would say if it had never been further.
#include <stdexcept>

#include "harness/cli/made_up_model.h"

namespace assay {
namespace {

TEST(Rewind, WhatIsBehindIsForgotten) {
  for (const Architecture& a : architectures()) {
    MadeUpModel made(a.name);
    if (a.windows) {
      made.set("attention.sliding_window", uint32_t{5});
    }
    const GgufFile file = made.file();
    Dispatch dispatch(detect_cpu(), Dispatch::Options{});
    Model model(file, dispatch, 1);
    const std::span<const int32_t> all = kMadeUpPrompt;
    const auto say = [&](std::span<const int32_t> tokens) {
      const auto logits = model.eval(tokens);
      return std::vector<float>(logits.begin(), logits.end());
    };
    say(all.first(7));
    const std::vector<float> straight = say(all.subspan(7));
    model.reset();
    say(all.first(7));
    const std::vector<float> other = say(std::vector<int32_t>(20, 11));
    model.rewind(7);
    EXPECT_EQ(model.past(), 7u);
    EXPECT_EQ(say(all.subspan(7)), straight) << a.name;
    EXPECT_NE(other, straight) << a.name;
    EXPECT_EQ(model.past(), all.size());
    EXPECT_THROW(model.rewind(all.size() + 1), std::logic_error);
    EXPECT_EQ(model.past(), all.size());
  }
}

}  // namespace
}  // namespace assay
