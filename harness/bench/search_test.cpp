#include "harness/bench/search.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/runtime/dispatch.h"
#include "harness/runtime/error.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

TEST(Parameters, AreAPartOfAVariantsName) {
  const Variant& usual = find_variant("matmul_f32/jit_avx2");
  const Variant& other = find_variant("matmul_f32/jit_avx2[512,4]");
  EXPECT_EQ(other.label(), "jit_avx2[512,4]");
  EXPECT_EQ(other.run, usual.run);
  EXPECT_EQ(&other, &with_parameters(usual, {512, 4}));
  const Kernel& kernel = find_kernel("matmul_f32");
  EXPECT_EQ(kernel.key({64, 32, 8}, other.parameters), (Key{64, 32, 8, 512, 4}));
  EXPECT_EQ(kernel.key({64, 32, 8}), kernel.key({64, 32, 8}, usual.parameters));
  EXPECT_EQ(kernel.text_of_parameters({512, 4}), "prefetch=512 tile=4");
}

TEST(Parameters, OnlyThoseOfTheContractAreTaken) {
  for (const char* name : {"matmul_f32/jit_avx2[512]", "matmul_f32/jit_avx2[512,4,4]", "matmul_f32/jit_avx2[513,4]",
                           "matmul_f32/avx2[512,4]", "matmul_f32/jit_avx2[]", "matmul_f32/jit_avx2[512,4",
                           "matmul_f32/jit_avx2[512,4]x", "matmul_f32/jit_avx2[-1,4]", "matmul_f32/jit_avx2[,]",
                           "matmul_f32/jit_avx2[99999999999999999999,4]", "add_f32/jit_avx2[1]"}) {
    EXPECT_THROW(find_variant(name), InputError) << name;
  }
}

TEST(Parameters, ACaseOfThemIsChecked) {
  const Cpu cpu = detect_cpu();
  if (!isa_status(cpu, "jit_avx2").runnable) {
    GTEST_SKIP() << "no AVX2";
  }
  const Verdict verdict = check_case(cpu, shape_case(find_variant("matmul_f32/jit_avx2[0,1]"), 1, {70, 33, 5}), 30);
  EXPECT_EQ(verdict.status, Status::pass) << verdict.reason;
  EXPECT_EQ(verdict.variant, "jit_avx2[0,1]");
}

TEST(Search, AWinnerTakesThePlaceOfTheChoice) {
  const Cpu cpu = detect_cpu();
  if (!isa_status(cpu, "jit_avx2").runnable) {
    GTEST_SKIP() << "no AVX2";
  }
  Verdict passed;
  passed.kernel = "matmul_q4_0";
  passed.status = Status::pass;
  passed.samples = 1;
  std::vector<Verdict> verdicts = {passed, passed};
  verdicts[0].variant = "x87";
  verdicts[1].variant = "jit_avx2";
  Profile profile;
  Choice& choice = profile.choices.emplace_back();
  choice.kernel = "matmul_q4_0";
  choice.label = "64x64x8";
  choice.variant = "x87";  // the slowest: any candidate is faster
  choice.shape = {64, 64, 8};
  BenchOptions options;
  options.min_time = 0.0002;
  options.shapes = {{"matmul_q4_0", {{64, 64, 8}}}};
  const auto results = search_parameters(cpu, verdicts, profile, options);
  ASSERT_EQ(results.size(), 1u);
  // Tiles of 2 tokens and of 4, which is what the registers hold, prefetch nothing; of 1 there are four distances.
  EXPECT_EQ(results[0].candidates, 6u);
  EXPECT_EQ(results[0].chosen, "x87");
  EXPECT_GT(results[0].gain, 0);
  EXPECT_EQ(choice.variant, "jit_avx2");
  EXPECT_NE(choice.why.front(), ':') << choice.why;  // where the contract's own values are the fastest it names none
  EXPECT_FALSE(choice.code.empty());
  EXPECT_EQ(with_parameters(find_variant("matmul_q4_0/" + choice.variant), choice.parameters).label(), results[0].best);
}

}  // namespace
}  // namespace assay
