#include "harness/runtime/dispatch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/runtime/error.h"
#include "harness/runtime/profile.h"
#include "kernels/dot_f32/kernel.h"

namespace assay {
namespace {

/// A folder of its own that stands for the cache.
class ProfileTest : public testing::Test {
 protected:
  ProfileTest() : folder_(std::filesystem::temp_directory_path() / ("assay_profile_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
    unsetenv("ASSAY_FORCE");
  }
  ~ProfileTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ / "profile.json"; }

  /// A profile of this CPU and its code that chooses `variant` of dot_f32 at two lengths.
  Profile make(const std::string& small, const std::string& large) const {
    Profile profile;
    profile.cpu = cpu_identity(cpu_);
    profile.archspec = "zen5";
    profile.date = "2026-01-01T00:00:00Z";
    const nlohmann::json verdict = {{"status", "pass"}, {"samples", 10}};
    profile.choices = {{"dot_f32", "L1", small, {1000}, "measured", verdict, {{"median_ns", 1.0}}},
                       {"dot_f32", "mem", large, {1000000}, "measured", verdict, {{"median_ns", 1.0}}}};
    for (Choice& c : profile.choices) {
      c.code = c.variant == "avx4" ? "" : find_variant(c.kernel + "/" + c.variant).code;
    }
    return profile;
  }

  Dispatch dispatch(const std::string& force = "") {
    Dispatch::Options options;
    options.profile = path();
    options.force = force;
    options.notice = [this](const std::string& line) { notice_ += line; };
    return Dispatch(cpu_, options);
  }

  void write(const std::string& text) const { std::ofstream(path()) << text; }

  Cpu cpu_ = detect_cpu();
  std::filesystem::path folder_;
  std::string notice_;
};

TEST_F(ProfileTest, RoundTrip) {
  write_profile(path(), make("scalar", "x87"));
  const Profile read = read_profile(path());
  EXPECT_EQ(read.cpu, cpu_identity(cpu_));
  EXPECT_EQ(read.archspec, "zen5");
  EXPECT_EQ(read.choices[1].code, find_variant("dot_f32/x87").code);
  ASSERT_EQ(read.choices.size(), 2u);
  EXPECT_EQ(read.choices[1].variant, "x87");
  EXPECT_EQ(read.choices[1].shape, (Shape{1000000}));
  EXPECT_EQ(refusal(read, cpu_), "");
}

TEST_F(ProfileTest, TheNearestShapeDecides) {
  write_profile(path(), make("scalar", "x87"));
  Dispatch d = dispatch();
  EXPECT_EQ(d.choose_variant("dot_f32", {10}).isa, "scalar");
  EXPECT_EQ(d.choose_variant("dot_f32", {900000}).isa, "x87");
  EXPECT_EQ(notice_, "");
}

TEST_F(ProfileTest, ColdCachesAreAClassApart) {
  Profile profile = make("scalar", "x87");
  write_profile(path(), profile);
  EXPECT_EQ(dispatch().choose_variant("dot_f32", {1000}, true).isa, "scalar");  // nothing better is known
  profile.choices.push_back({"dot_f32",
                             "L1-cold",
                             "x87",
                             {1000},
                             "measured",
                             profile.choices[0].verdict,
                             {},
                             true,
                             find_variant("dot_f32/x87").code});
  write_profile(path(), profile);
  EXPECT_EQ(dispatch().choose_variant("dot_f32", {1000}).isa, "scalar");
  EXPECT_EQ(dispatch().choose_variant("dot_f32", {1000}, true).isa, "x87");
  EXPECT_EQ(dispatch().choose_variant("dot_f32", {5000}, true).isa, "x87");
}

TEST_F(ProfileTest, WhatRanIsWhatWasChosen) {
  write_profile(path(), make("scalar", "x87"));
  Dispatch d = dispatch();
  const float x[3] = {1, 2, 3};
  EXPECT_TRUE(d.ran().empty());
  EXPECT_EQ(d.get<dot_f32_fn>("dot_f32", {3})(x, x, size_t{3}), 14.0f);
  EXPECT_EQ(d.ran(), (std::map<std::string, uint64_t>{{"dot_f32/scalar", 1}}));
}

TEST(CallCounter, CountsTheCallsOfAllThreads) {
  CallCounter counter;
  std::vector<std::thread> threads;
  for (int t = 0; t < 20; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        counter.add();
      }
    });
  }
  for (auto& t : threads) {
    t.join();
  }
  EXPECT_EQ(counter.total(), 20'000u);
}

TEST_F(ProfileTest, AnotherCpuIsRefusedWithANotice) {
  Profile other = make("scalar", "scalar");
  other.cpu["stepping"] = 99;
  write_profile(path(), other);
  Dispatch d = dispatch();
  EXPECT_NE(notice_.find("another CPU: its stepping is 99, here "), std::string::npos) << notice_;
  EXPECT_EQ(d.decisions().size(), 0u);
  d.choose_variant("dot_f32", {10});
  EXPECT_EQ(d.decisions()[0].why, "best ISA, unmeasured");
}

TEST_F(ProfileTest, SaysWhichFeaturesDiffer) {
  Profile other = make("scalar", "scalar");
  other.cpu["features"].erase(0);
  other.cpu["features"].push_back("avx1024\x1b[2J");
  const std::string why = refusal(other, detect_cpu());
  EXPECT_EQ(why.find("brand"), std::string::npos) << why;
  EXPECT_NE(why.find("it has avx1024\\x1b[2J, which are missing here"), std::string::npos) << why;
  EXPECT_NE(why.find("it lacks "), std::string::npos) << why;
}

// As on a system that forbids memory to become executable.
TEST_F(ProfileTest, WithoutExecutableMemoryGeneratedCodeIsNotChosen) {
  Cpu cpu = detect_cpu();
  if (!isa_status(cpu, "jit_avx2").runnable) {
    GTEST_SKIP() << isa_status(cpu, "jit_avx2").reason;
  }
  write_profile(path(), make("jit_avx2", "scalar"));
  cpu.no_executable_memory = "the system forbids it";
  EXPECT_EQ(isa_status(cpu, "jit_avx2").reason, "the system forbids it");
  EXPECT_TRUE(isa_status(cpu, "avx2").runnable);
  Dispatch::Options options;
  options.profile = path();
  options.notice = [&](const std::string& line) { notice_ += line; };
  Dispatch d(cpu, options);
  EXPECT_NE(notice_.find("jit_avx2 cannot run here: the system forbids it"), std::string::npos) << notice_;
  for (const size_t n : {10, 100'000}) {
    EXPECT_EQ(d.choose_variant("dot_f32", {n}).isa, "scalar") << n;
  }
  EXPECT_THROW(read_force(cpu, "dot_f32=jit_avx2", "--force"), MachineError);
}

TEST_F(ProfileTest, WhatChangedFallsBackAndTheRestStaysChosen) {
  Profile profile = make("scalar", "x87");
  EXPECT_EQ(profile.choices[0].code.size(), 16u);
  EXPECT_NE(profile.choices[0].code, profile.choices[1].code);
  profile.choices[1].code = "0123456789abcdef";
  write_profile(path(), profile);
  Dispatch d = dispatch();
  EXPECT_NE(notice_.find("the code of dot_f32/x87 has changed"), std::string::npos) << notice_;
  EXPECT_EQ(d.choose_variant("dot_f32", {10}).isa, "scalar");
  EXPECT_NE(d.choose_variant("dot_f32", {900000}).isa, "x87");
  for (const Decision& decision : d.decisions()) {
    EXPECT_EQ(decision.why == "best ISA, unmeasured", decision.shape == Shape{900000}) << decision.why;
  }
}

TEST_F(ProfileTest, ForceWinsAndIsNamed) {
  write_profile(path(), make("scalar", "scalar"));
  Dispatch d = dispatch("dot_f32=x87");
  EXPECT_EQ(d.choose_variant("dot_f32", {10}).isa, "x87");
  EXPECT_EQ(d.decisions()[0].why, "forced by --force");
  setenv("ASSAY_FORCE", "*=x87", 1);
  Dispatch e = dispatch();
  EXPECT_EQ(e.choose_variant("dot_f32", {10}).isa, "x87");
  Dispatch both = dispatch("dot_f32=scalar");  // the command line over the environment
  EXPECT_EQ(both.choose_variant("dot_f32", {10}).isa, "scalar");
  unsetenv("ASSAY_FORCE");
}

TEST_F(ProfileTest, UnknownNamesInForceAreErrors) {
  write_profile(path(), make("scalar", "scalar"));
  EXPECT_THROW(dispatch("dot_f32"), InputError);
  EXPECT_THROW(dispatch("dot_f64=scalar"), InputError);
  EXPECT_THROW(dispatch("dot_f32=avx3"), InputError);
  EXPECT_THROW(dispatch("*=avx3"), InputError);
  EXPECT_THROW(dispatch("quantize_q4_k=x87"), InputError);
  EXPECT_THROW(dispatch("quantize_q4_*=x87"), InputError);
  EXPECT_NO_THROW(dispatch("quantize_q*=x87")) << "quantize_q8_0, of activations, has one";
}

TEST_F(ProfileTest, BadFilesAreErrors) {
  EXPECT_THROW(read_profile((folder_ / "missing.json").string()), InputError);
  for (const char* text : {"", "{", "[]", "{}", "{\"schema_version\": 1}", "{\"schema_version\": 4}",
                           "{\"schema_version\":4,\"cpu\":{},\"date\":3}"}) {
    write(text);
    EXPECT_THROW(read_profile(path()), InputError) << text;
  }
  Profile profile = make("scalar", "scalar");
  profile.choices[0].verdict["status"] = "fail";
  write_profile(path(), profile);
  EXPECT_THROW(read_profile(path()), InputError);
  profile = make("scalar", "avx4");
  write_profile(path(), profile);
  EXPECT_THROW(read_profile(path()), InputError);
  profile = make("scalar", "scalar");
  profile.choices[0].parameters = {4};  // plain C++ takes none
  write_profile(path(), profile);
  EXPECT_THROW(read_profile(path()), InputError);
  profile = make("scalar", "scalar");
  profile.choices[0].shape = {1, 2};
  write_profile(path(), profile);
  EXPECT_THROW(read_profile(path()), InputError);
}

TEST_F(ProfileTest, TruncationIsAnError) {
  write_profile(path(), make("scalar", "scalar"));
  std::ifstream in(path());
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  for (size_t size = 0; size + 2 < whole.size(); size += 3) {
    write(whole.substr(0, size));
    EXPECT_THROW(read_profile(path()), InputError) << size;
  }
}

TEST(BuildId, IsThere) { EXPECT_GE(build_id().size(), 16u) << build_id(); }

}  // namespace
}  // namespace assay
