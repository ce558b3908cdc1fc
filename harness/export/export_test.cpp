#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "harness/export/evidence.h"
#include "harness/export/fleet.h"
#include "harness/export/fragments.h"
#include "harness/export/limits.h"
#include "harness/export/package.h"
#include "harness/export/repeat.h"
#include "harness/runtime/isa.h"
#include "harness/runtime/testing.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

using Times = std::map<std::string, double>;  // label -> time; intervals are 1% to either side

/// A profile whose times are made up: of each class of a kernel what each label takes.
class MadeUp {
 public:
  explicit MadeUp(const std::string& brand, unsigned model = 1) {
    profile_.cpu = {{"vendor", "AuthenticAMD"},    {"brand", brand}, {"family", 25}, {"model", model}, {"stepping", 1},
                    {"features", {"avx", "sse2"}}, {"xcr0", "0x7"}};
    profile_.date = "2026-01-01T00:00:00Z";
    profile_.compiler = "made up";
  }

  MadeUp& add(const std::string& kernel, const Shape& shape, const Times& times, bool cold = false,
              double control = 1.002) {
    double least = HUGE_VAL;
    for (const auto& [label, time] : times) {
      least = std::min(least, time);
    }
    Choice c;
    c.kernel = kernel;
    c.label = "a class";
    c.shape = shape;
    c.cold = cold;
    c.why = "made up";
    c.verdict = {{"status", "pass"}, {"samples", 300}};
    c.timing = {{"control_ratio", control}};
    for (const auto& [label, time] : times) {
      const double ratio = time / least;
      c.ratios[label] = {ratio, 0.99 * ratio, 1.01 * ratio};
      const Variant& v = find_variant(kernel + "/" + label.substr(0, label.find('[')));
      profile_.evidence[v.name()] = {v.code, find_kernel(kernel).contract->version, c.verdict};
      if (time == least) {
        c.variant = v.label();
        c.code = v.code;
      }
    }
    profile_.choices.push_back(c);
    return *this;
  }

  Profile& profile() { return profile_; }
  Member member() const { return {profile_, 1, {}}; }

 private:
  Profile profile_;
};

std::vector<std::string> set_of(const std::string& kernel, const Fleet& fleet, double within, bool generators = true) {
  return smallest_set(find_kernel(kernel), fleet, {within, generators}).labels;
}

using Labels = std::vector<std::string>;

TEST(SmallestSet, FewestThenSimplestVariants) {
  Fleet fleet;
  fleet.members.push_back(
      MadeUp("a").add("dot_f32", {1000}, {{"scalar", 5}, {"sse", 2.02}, {"avx2", 1}, {"auto_v3", 1.02}}).member());
  fleet.members.push_back(MadeUp("b").add("dot_f32", {1000}, {{"scalar", 5}, {"sse", 2}, {"auto_v2", 2.01}}).member());
  // On b there is nothing of AVX2, and on a SSE is too slow: two are needed, and of those that do the simpler.
  EXPECT_EQ(set_of("dot_f32", fleet, 0.05), (Labels{"auto_v2", "auto_v3"}));
  EXPECT_EQ(set_of("dot_f32", fleet, 0.004), (Labels{"sse", "avx2"}));
  EXPECT_EQ(set_of("dot_f32", fleet, 1.10), (Labels{"sse"}));
  EXPECT_EQ(set_of("dot_f32", fleet, 10), (Labels{"scalar"}));
}

TEST(SmallestSet, TheUpperEndOfTheIntervalCounts) {
  Fleet fleet;
  fleet.members.push_back(MadeUp("a").add("dot_f32", {1000}, {{"scalar", 5}, {"sse", 1.045}, {"avx2", 1}}).member());
  EXPECT_EQ(set_of("dot_f32", fleet, 0.05), (Labels{"avx2"}));  // 1.045 * 1.01
  EXPECT_EQ(set_of("dot_f32", fleet, 0.06), (Labels{"sse"}));
}

TEST(SmallestSet, ACallNeverTakesGeneratedCode) {
  Fleet fleet;
  fleet.members.push_back(MadeUp("a").add("dot_f32", {1000}, {{"scalar", 5}, {"avx2", 2}, {"jit_avx2", 1}}).member());
  const KernelSet set = smallest_set(find_kernel("dot_f32"), fleet, {0.05, true});
  EXPECT_EQ(set.labels, (Labels{"avx2", "jit_avx2"}));
  const SetRow& row = set.members.at(0).front();
  EXPECT_EQ(row.called, "avx2");
  EXPECT_EQ(row.made, "jit_avx2");
  EXPECT_NEAR(row.called_over_all, 1, 1e-9);
  EXPECT_EQ(set_of("dot_f32", fleet, 0.05, false), (Labels{"avx2"}));
}

TEST(SmallestSet, PackedWeightsHaveOneLayoutOnACpu) {
  // The best at one token and the best at many have other layouts: one of a kind must do both.
  Fleet fleet;
  fleet.members.push_back(MadeUp("a")
                              .add("matmul_q1_0", {256, 256, 1}, {{"scalar", 9}, {"avx2", 1.5}, {"avx2-lut", 1}})
                              .add("matmul_q1_0", {256, 256, 64}, {{"scalar", 9}, {"avx2", 1}, {"avx2-lut", 1.02}})
                              .member());
  ASSERT_NE(layout_of(find_variant("matmul_q1_0/avx2")), layout_of(find_variant("matmul_q1_0/avx2-lut")));
  EXPECT_EQ(set_of("matmul_q1_0", fleet, 0.05), (Labels{"avx2-lut"}));
  // However many there are, one layout is 3% behind at many tokens.
  const KernelSet set = smallest_set(find_kernel("matmul_q1_0"), fleet, {0.01, true});
  EXPECT_EQ(set.labels, (Labels{"avx2-lut"}));
  EXPECT_NEAR(set.unavoidable, 1.02 * 1.01 - 1, 1e-9);
  EXPECT_EQ(set_of("matmul_q1_0", fleet, 0.6), (Labels{"avx2"}));
}

TEST(SmallestSet, IsTheBestOfAllSets) {
  // Against the definition, on random times: the least number of variants of which one is within at each class of each CPU.
  std::mt19937 random(1);
  std::uniform_real_distribution<double> time(1, 1.4);
  const Labels labels = {"scalar", "auto_v2", "sse", "auto_v3", "avx2", "x87"};
  for (int trial = 0; trial < 40; ++trial) {
    Fleet fleet;
    for (int cpu = 0; cpu < 3; ++cpu) {
      MadeUp made_up(std::string(1, static_cast<char>('a' + cpu)));
      for (size_t n = 64; n < 4096; n *= 4) {
        Times times;
        for (const auto& label : labels) {
          times[label] = time(random);
        }
        made_up.add("dot_f32", {n}, times);
      }
      fleet.members.push_back(made_up.member());
    }
    size_t fewest = labels.size() + 1;
    for (unsigned mask = 1; mask < 1u << labels.size(); ++mask) {
      bool covers = true;
      for (const Member& m : fleet.members) {
        for (const Choice& c : m.profile.choices) {
          bool covered = false;
          for (size_t i = 0; i < labels.size(); ++i) {
            const Ratio& r = c.ratios.at(labels[i]);
            covered = covered || ((mask >> i & 1) != 0 && (r.median == 1 || r.high <= 1.1));
          }
          covers = covers && covered;
        }
      }
      if (covers) {
        fewest = std::min(fewest, static_cast<size_t>(__builtin_popcount(mask)));
      }
    }
    EXPECT_EQ(set_of("dot_f32", fleet, 0.1).size(), fewest);
  }
}

TEST(SmallestSet, WhatIsRefused) {
  const auto refused = [](const MadeUp& made_up) {
    Fleet fleet;
    fleet.members.push_back(made_up.member());
    return input_error([&] {
      expect_quiet(fleet, 0.05);
      set_of("dot_f32", fleet, 0.05);
    });
  };
  const Times times = {{"scalar", 2}, {"sse", 1}};
  EXPECT_EQ(refused(MadeUp("a").add("dot_f32", {100}, times)), "");
  expect_clear(refused(MadeUp("a").add("dot_f32", {100}, times, false, 1.09)),
               "tune again while nothing else runs there");
  MadeUp other_code = MadeUp("a").add("dot_f32", {100}, times);
  other_code.profile().evidence.at("dot_f32/sse").code = "0123456789abcdef";
  expect_clear(refused(other_code), "are of other code of dot_f32/sse");
  MadeUp other_contract = MadeUp("a").add("dot_f32", {100}, times);
  ++other_contract.profile().evidence.at("dot_f32/sse").contract;
  expect_clear(refused(other_contract), "are of other code of dot_f32/sse");
  MadeUp claimed = MadeUp("a").add("dot_f32", {100}, {{"sse", 1}});
  claimed.profile().evidence.at("dot_f32/sse").verdict["status"] = "claimed";
  expect_clear(refused(claimed), "nothing but generated code passed");
  expect_clear(refused(MadeUp("a").add("exp_f32", {100}, times)), "has timings of dot_f32");
}

TEST(Limits, AreThoseOfTheNearestClass) {
  std::vector<Choice> choices(5);
  const std::vector<size_t> lengths = {512, 1000, 16384, 100003, 4194304};
  const Labels labels = {"sse", "scalar", "sse", "avx2", "scalar"};
  std::vector<SetRow> rows;
  for (size_t i = 0; i < lengths.size(); ++i) {
    choices[i].shape = {lengths[i]};
    rows.push_back({&choices[i], labels[i], labels[i]});
  }
  for (const bool ragged : {false, true}) {
    const auto limits = limits_of(rows, ragged);
    EXPECT_EQ(limits.back().most, SIZE_MAX);
    for (size_t n = ragged ? 1 : 0; n < 20'000'000; n += n < 200'000 ? (ragged ? 1 : 64) : 64 * 1009) {
      if ((n % 64 != 0) != ragged) {
        continue;
      }
      // As Dispatch has it: the least |log2| of the ratio, and 1 more for the other remainder.
      double nearest = HUGE_VAL;
      std::string wanted;
      for (size_t i = 0; i < lengths.size(); ++i) {
        const double far = std::fabs(std::log2((static_cast<double>(lengths[i]) + 1) / (static_cast<double>(n) + 1))) +
                           ((lengths[i] % 64 != 0) == ragged ? 0 : 1);
        if (far < nearest) {
          nearest = far;
          wanted = labels[i];
        }
      }
      const auto limit = std::ranges::find_if(limits, [&](const Limit& l) { return n <= l.most; });
      ASSERT_EQ(limit->label, wanted) << n;
    }
  }
}

class MergeTest : public testing::Test {
 protected:
  std::string write(const std::string& name, MadeUp made_up) {
    write_profile(folder_.path(name), made_up.profile());
    return folder_.path(name);
  }
  const TemporaryFolder folder_;
};

TEST_F(MergeTest, RepeatsArePooledAndTheOrderDoesNotMatter) {
  const auto a = write("a", MadeUp("x").add("dot_f32", {100}, {{"scalar", 2}, {"sse", 1}}));
  const auto b = write("b", MadeUp("x").add("dot_f32", {100}, {{"scalar", 2.01}, {"sse", 1}}));
  const auto c = write("c", MadeUp("x").add("dot_f32", {100}, {{"scalar", 3}, {"sse", 1}}));
  const auto d = write("d", MadeUp("y", 2).add("dot_f32", {100}, {{"scalar", 2}}));
  const Fleet fleet = merge_profiles({a, b, c, d});
  ASSERT_EQ(fleet.members.size(), 2u);
  EXPECT_EQ(fleet.members[0].profiles, 3u);
  EXPECT_NEAR(fleet.members[0].profile.choices.front().ratios.at("scalar").median, 2.01, 1e-4);
  ASSERT_EQ(fleet.members[0].disagreements.size(), 1u);
  expect_clear(fleet.members[0].disagreements.front(), "scalar takes 2.97 to 3.03 times the fastest's time in " + c);
  EXPECT_EQ(fleet.members[1].profiles, 1u);
  EXPECT_EQ(fleet_text(fleet), fleet_text(merge_profiles({d, c, b, a})));
  write_all(folder_.path("fleet"), fleet_text(fleet));
  EXPECT_EQ(fleet_text(read_fleet(folder_.path("fleet"))), fleet_text(fleet));
}

TEST_F(MergeTest, RepeatsAreReadInShortAsTheyAreInWhole) {
  std::vector<std::string> in_short, in_whole;
  std::mt19937 random(1);
  std::uniform_real_distribution<double> time(1, 1.1);
  for (int i = 0; i < 12; ++i) {
    MadeUp made_up(i % 3 == 0 ? "x" : "y");
    for (const size_t n : {64, 1000, 65536}) {
      Times times = {{"scalar", 2 * time(random)}, {"sse", time(random)}, {"avx2", time(random)}};
      if (i % 4 == 1) {
        times["jit_avx2"] = time(random);
      }
      if (i % 4 == 3) {
        times.erase("sse");  // too slow to be timed to the end
      }
      made_up.add("dot_f32", {n}, times, n == 65536);
    }
    made_up.profile().date = fmt::format("2026-01-{:02d}T00:00:00Z", 1 + i * 5 % 12);
    made_up.profile().choices.front().why = "with \"quotes\" and \\";
    in_short.push_back(write(fmt::format("short{}", i), made_up));
    // With an escape where none is written: the same to who reads it whole.
    in_whole.push_back(folder_.path(fmt::format("whole{}", i)));
    std::string text = read_all(in_short.back());
    Repeat repeat;
    ASSERT_TRUE(read_repeat(text, repeat)) << text;
    const std::string kernel = "\"kernel\"";
    text.replace(text.find(kernel), kernel.size(), "\"\\u006bernel\"");
    ASSERT_FALSE(read_repeat(text, repeat));
    write_all(in_whole.back(), text);
  }
  EXPECT_EQ(replaced(fleet_text(merge_profiles(in_short)), "/short", "/whole"), fleet_text(merge_profiles(in_whole)));
}

TEST_F(MergeTest, BrokenRepeats) {
  const auto a = write("a", MadeUp("x").add("dot_f32", {100}, {{"scalar", 2}, {"sse", 1}}));
  const std::string whole = read_all(a), path = folder_.path("b");
  for (size_t n = 0; n < whole.size() - 2; n += 3) {
    write_all(path, whole.substr(0, n));
    expect_clear(input_error([&] { merge_profiles({a, path}); }), path);
    std::string other = whole;
    other[n] = "}]\",:0\0\\"[n / 3 % 8];
    write_all(path, other);
    Repeat repeat;  // whatever it is, it ends
    EXPECT_TRUE(!read_repeat(other, repeat) || repeat.rows.size() == 1);
  }
}

TEST_F(MergeTest, OtherCodeIsRefused) {
  const auto a = write("a", MadeUp("x").add("dot_f32", {100}, {{"scalar", 2}, {"sse", 1}}));
  for (const char* brand : {"x", "y"}) {
    MadeUp other = MadeUp(brand).add("dot_f32", {100}, {{"scalar", 2}, {"sse", 1}});
    other.profile().evidence.at("dot_f32/sse").code = "0123456789abcdef";
    const auto b = write("b", other);
    const std::string message = input_error([&] { merge_profiles({a, b}); });
    expect_clear(message, "dot_f32/sse is of other code than in ");
    EXPECT_NE(message.find(a), std::string::npos);
    EXPECT_NE(message.find(b), std::string::npos);
  }
}

TEST_F(MergeTest, HostileFleets) {
  const auto a = write("a", MadeUp("x").add("dot_f32", {100}, {{"scalar", 2}, {"sse", 1}}));
  const std::string whole = fleet_text(merge_profiles({a})), path = folder_.path("fleet");
  for (size_t n = 0; n < whole.size() - 1; n += 7) {
    write_all(path, whole.substr(0, n));
    expect_clear(input_error([&] { read_fleet(path); }), path);
  }
  for (const char* text :
       {"{\"fleet_version\": 2}", "{\"fleet_version\": 1}", "{\"fleet_version\": 1, \"members\": [1]}",
        "{\"fleet_version\": 1, \"members\": [{\"profile\": {}, \"profiles\": -1}]}", "[]", "{}", "[[[["}) {
    write_all(path, text);
    expect_clear(input_error([&] { read_fleet(path); }), path);
  }
}

TEST(Package, EveryKernelHasAnInterface) {
  const Recipe recipe = Recipe::load();
  const auto files = make_library(recipe);
  const std::string& header = files.at("include/assay/kernels.h");
  for (const Kernel& kernel : kernels()) {
    EXPECT_NE(header.find("assay_" + kernel.name + "("), std::string::npos) << kernel.name;
    EXPECT_NE(header.find("assay_" + kernel.name + "_for("), std::string::npos) << kernel.name;
    EXPECT_EQ(header.find("assay_" + kernel.name + "_pack(") != std::string::npos, kernel.contract->weights != nullptr)
        << kernel.name;
  }
}

Fleet fleet_of_two() {
  Fleet fleet;
  fleet.members.push_back(MadeUp("a \"brand\" | with ?? */ all")
                              .add("dot_f32", {1000}, {{"scalar", 5}, {"avx2", 1}})
                              .add("exp_f32", {64}, {{"scalar", 1}})
                              .member());
  fleet.members.push_back(MadeUp("b", 2).add("dot_f32", {1000}, {{"scalar", 5}, {"sse", 2}, {"jit_avx2", 1}}).member());
  return fleet;
}

TEST(Package, SameInputSameBytesAndNothingOfTheHost) {
  const Recipe recipe = Recipe::load();
  const ExportOptions options;
  const Package one = make_package(recipe, fleet_of_two(), options),
                other = make_package(recipe, fleet_of_two(), options);
  EXPECT_EQ(one.files, other.files);
  for (const auto& [name, text] : one.files) {
    EXPECT_EQ(text.find(ASSAY_SOURCE_DIR), std::string::npos) << name;
  }
  EXPECT_TRUE(one.files.contains("kernels/dot_f32/avx2.cpp"));
  EXPECT_TRUE(one.files.contains("kernels/dot_f32/jit_avx2.cpp"));
  EXPECT_TRUE(one.files.contains("kernels/shared/avx2.h"));
  EXPECT_FALSE(one.files.contains("kernels/dot_f32/avx512.cpp"));
  EXPECT_FALSE(one.files.contains("kernels/dot_f32/trial.cpp"));
  EXPECT_EQ(one.files.at("kernels/dot_f32/avx2.cpp"), recipe.read("kernels/dot_f32/avx2.cpp"));
  ExportOptions without = options;
  without.set.generators = false;
  EXPECT_FALSE(make_package(recipe, fleet_of_two(), without).files.contains("src/generate.c"));
  EXPECT_NE(choices_cmake(one).find("set(ASSAY_exp_f32 \"scalar\")"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(choices_json(one)).at("kernels").at("exp_f32").at("choices").size(), 1u);
}

TEST(Package, CheckJudgesAsTheExportDid) {
  const Recipe recipe = Recipe::load();
  // Noise at kernels that are not exported says nothing of those that are, neither then nor later.
  Fleet fleet;
  fleet.members.push_back(MadeUp("a")
                              .add("dot_f32", {1000}, {{"scalar", 5}, {"sse", 1}})
                              .add("exp_f32", {64}, {{"scalar", 1}}, false, 1.5)
                              .add("exp_f32", {640}, {{"scalar", 1}}, false, 1.5)
                              .member());
  ExportOptions options;
  expect_clear(input_error([&] { make_package(recipe, fleet, options); }), "tune again while nothing else runs there");
  options.kernels = "dot_f32";
  const TemporaryFolder folder;
  write_package(folder.path("quiet"), make_package(recipe, fleet, options));
  EXPECT_TRUE(drift_of(recipe, folder.path("quiet")).empty());
  // Another compiler made other code of the same sources, which alone are compared.
  fleet.members[0].profile.evidence.at("dot_f32/sse").code = "0123456789abcdef";
  expect_clear(input_error([&] { make_package(recipe, fleet, options); }), "are of other code of dot_f32/sse");
  options.set.any_code = true;
  write_package(folder.path("other"), make_package(recipe, fleet, options));
  EXPECT_NE(read_all(folder.path("other/evidence.json")).find("0123456789abcdef"), std::string::npos);
  EXPECT_TRUE(drift_of(recipe, folder.path("other")).empty());
}

TEST(Package, GeneratorsAreCalledOnlyWhereTheyAre) {
  const Recipe recipe = Recipe::load();
  ExportOptions options;
  const auto source = [&] { return make_package(recipe, fleet_of_two(), options).files.at("src/kernels.c"); };
  EXPECT_NE(source().find("assay_code_maker = assay_generated;"), std::string::npos);
  options.set.generators = false;
  EXPECT_NE(source().find("assay_code_maker = NULL;"), std::string::npos);
}

TEST(Package, WritesOverNothingOfTheUsers) {
  const Recipe recipe = Recipe::load();
  const TemporaryFolder folder;
  ExportOptions options;
  const Package both = make_package(recipe, fleet_of_two(), options);
  const std::string to = folder.path("export");
  write_package(to, both);
  write_package(to, both);  // an export that nobody changed
  EXPECT_TRUE(drift_of(recipe, to).empty());
  options.kernels = "exp_f32";
  const Package less = make_package(recipe, fleet_of_two(), options);
  write_package(to, less);
  EXPECT_FALSE(std::filesystem::exists(to + "/kernels/dot_f32/avx2.cpp"));
  EXPECT_TRUE(drift_of(recipe, to).empty());
  write_all(to + "/notes.txt", "the user's");
  write_package(to, less);
  EXPECT_EQ(read_all(to + "/notes.txt"), "the user's");
  write_all(to + "/kernels/exp_f32/scalar.cpp", "// mended by hand");
  EXPECT_EQ(drift_of(recipe, to), (Labels{"kernels/exp_f32/scalar.cpp"}));
  expect_clear(input_error([&] { write_package(to, less); }), "was changed since it was exported");
  EXPECT_EQ(read_all(to + "/kernels/exp_f32/scalar.cpp"), "// mended by hand");
  const TemporaryFolder other;
  write_all(other.path("mine"), "mine");
  expect_clear(input_error([&] { write_package(other.path(), less); }), "is not empty, and no export");
  expect_clear(input_error([&] { write_package(other.path("mine"), less); }), "is no folder");
  expect_clear(input_error([&] { drift_of(recipe, other.path()); }), other.path());
}

}  // namespace
}  // namespace assay
