#include "harness/runtime/isa.h"

#include <gtest/gtest.h>

#include "harness/runtime/error.h"
#include "harness/runtime/registry.h"

namespace assay {
namespace {

TEST(IsaTable, LevelsHaveWhatTheOnesBelowHave) {
  EXPECT_TRUE(features_of_level("v1").empty());
  EXPECT_TRUE(features_of_level("v3").contains("popcnt"));
  EXPECT_FALSE(features_of_level("v3").contains("avx512f"));
  EXPECT_EQ(find_isa("sse").features.front(), "cx16");
  EXPECT_EQ(find_isa("avx512_vnni").features.back(), "avx512_vnni");
  EXPECT_EQ(find_isa("avx512").xcr0, 0xe6u);
  EXPECT_EQ(find_isa("avx_vnni").xcr0, 0x6u);
  EXPECT_EQ(find_isa("sse").xcr0, 0u);
}

TEST(IsaTable, UnknownNamesAreErrors) {
  EXPECT_THROW(find_isa("avx3"), InputError);
  EXPECT_THROW(find_isa(""), InputError);
  EXPECT_THROW(features_of_level("v5"), InputError);
}

TEST(IsaTable, WhatAVariantMayExecute) {
  const auto may = [](const char* isa, const char* extension, const char* set) {
    return may_execute(find_isa(isa), extension, set);
  };
  EXPECT_TRUE(may("scalar", "SSE2", "SSE2"));
  EXPECT_FALSE(may("scalar", "BASE", "POPCNT"));  // the set is named, so its extension says nothing
  EXPECT_TRUE(may("sse", "BASE", "POPCNT"));
  EXPECT_FALSE(may("sse", "AVX", "AVX"));
  EXPECT_TRUE(may("avx2", "AVX2GATHER", "AVX2GATHER"));
  EXPECT_FALSE(may("avx2", "AVX_VNNI", "AVX_VNNI"));
  EXPECT_TRUE(may("avx_vnni", "AVX_VNNI", "AVX_VNNI"));
  EXPECT_FALSE(may("avx_vnni", "AVX512EVEX", "AVX512_VNNI_256"));
  EXPECT_TRUE(may("avx512", "AVX512EVEX", "AVX512F_512"));
  EXPECT_FALSE(may("avx512", "AVX512EVEX", "AVX512_VNNI_512"));
  EXPECT_FALSE(may("avx512", "AVX512EVEX", "AVX512_VBMI2_512"));
  EXPECT_TRUE(may("avx512_vnni", "AVX512EVEX", "AVX512_VNNI_512"));
  EXPECT_TRUE(may("jit_avx512_vnni", "AVX512EVEX", "AVX512_VNNI_512"));
  EXPECT_FALSE(may("avx512_vnni", "XOP", "XOP"));
}

TEST(Registry, GlobsAreSeparatedByCommas) {
  EXPECT_TRUE(glob_match("add_*", "add_f32"));
  EXPECT_TRUE(glob_match("exp_f32,add_?32,mul_*", "add_i32"));
  EXPECT_FALSE(glob_match("exp_f32,add_", "add_f32"));
  EXPECT_FALSE(glob_match("", "add_f32"));
  EXPECT_FALSE(glob_match(",", "add_f32"));
}

TEST(Registry, VariantsAreAddedUnderTheirLabels) {
  Registry registry({kernels().front()});
  const Kernel& kernel = registry.kernels().front();
  Variant other = kernel.variants.front();
  EXPECT_THROW(registry.add(other), InputError);  // its label is taken
  other.nickname = "lut";
  registry.add(other);
  EXPECT_EQ(other.label(), other.isa + "-lut");
  ASSERT_NE(kernel.find(other.isa + "-lut"), nullptr);
  EXPECT_EQ(&kernel.variants[1], kernel.find(other.isa + "-lut"));  // behind the one that is named for the ISA
  other.isa = "avx3";
  EXPECT_THROW(registry.add(other), InputError);
  other.kernel = "no_such_kernel";
  EXPECT_THROW(registry.add(other), InputError);
}

}  // namespace
}  // namespace assay
