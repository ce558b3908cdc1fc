// Variants of shared libraries, through the program: honest ones, ones with claims, and libraries that go wrong in every way.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "harness/runtime/profile.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

using Line = std::vector<std::string>;

std::string library(const std::string& name) { return fmt::format("{}/{}.so", ASSAY_PLUGINS, name); }
std::string hostile(const std::string& way) { return fmt::format("{}:{}", library("hostile"), way); }

/// Exit status 2 and this in what stderr says, where a library may have written as well.
void expect_refused_amid_noise(const Line& line, const std::string& part) {
  const auto run = run_assay(line);
  EXPECT_EQ(run.status, 2) << line[2] << "\n" << run.out << run.err;
  EXPECT_EQ(run.out, "") << line[2];
  EXPECT_NE(run.err.find(part), std::string::npos) << line[2] << "\n" << run.err;
}

/// assay check of one variant of a library: the verdict.
nlohmann::json verdict_of(const std::string& plugin, const std::string& kernel, const std::string& label,
                          const Line& options = {"--samples", "600"}) {
  Line line = {"check", "--plugin", plugin, "--kernel", kernel, "--variant", label, "--json"};
  line.insert(line.end(), options.begin(), options.end());
  const auto run = run_assay(line);
  const auto json = nlohmann::json::parse(run.out, nullptr, false);
  EXPECT_TRUE(json.is_array() && json.size() == 1) << run.out << run.err;
  return json.is_array() && json.size() == 1 ? json[0] : nlohmann::json{{"status", "none"}};
}

nlohmann::json claimed(const std::string& kernel, const std::string& label) {
  return verdict_of(library("claims"), kernel, "claims:" + label);
}

TEST(Plugin, ItsVariantsAreOnTrialLikeOurOwn) {
  EXPECT_EQ(verdict_of(library("dot"), "dot_f32", "example:*").at("status"), "pass");
  EXPECT_EQ(verdict_of(library("add"), "add_f32", "asm:sse_asm").at("status"), "pass");
  const auto list = run_assay({"list", "--plugin", library("dot"), "--plugin", library("add")});
  EXPECT_NE(list.out.find("example:sums32"), std::string::npos) << list.out;
  EXPECT_NE(list.out.find("asm:sse_asm"), std::string::npos);
  EXPECT_NE(list.out.find("plug-in example 1.0 (MIT): "), std::string::npos);
}

TEST(Plugin, OneInRustIsTriedWhereThereIsRust) {
  const TemporaryFolder folder;
  const std::string source = std::string(ASSAY_SOURCE_DIR) + "/ci/examples/plugins/mul.rs",
                    plugin = folder.path("mul.so");
  const std::string flags = "-O --crate-type cdylib -C target-feature=+avx2,+fma -C panic=abort";
  if (run_assay({"-c", "command -v rustc", "sh"}, "/bin/sh").status != 0) {
    GTEST_SKIP() << "no rustc";
  }
  const auto build = run_assay({"-c", fmt::format("rustc {} {} -o {}", flags, source, plugin), "sh"}, "/bin/sh");
  ASSERT_EQ(build.status, 0) << build.err;
  const auto verdict = verdict_of(plugin, "mul_f32", "rust:loop");
  EXPECT_TRUE(verdict.at("status") == "pass" || verdict.at("status") == "not-runnable") << verdict.dump(1);
}

TEST(Plugin, WithoutFurtherWordsItsVariantsAloneAreChecked) {
  const auto run = run_assay({"check", "--plugin", library("dot"), "--plugin", library("add"), "--samples", "100"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("2 compiled, 2 runnable here, 2 passed"), std::string::npos) << run.out;
}

TEST(Plugin, AFailureIsShrunkAndCanBeRepeated) {
  const auto verdict = verdict_of(library("claims"), "add_f32", "claims:blocks-strict");
  EXPECT_EQ(verdict.at("status"), "fail");
  const std::string command = verdict.at("reproduce");
  EXPECT_NE(command.find("add_f32/claims:blocks-strict:n=1,"), std::string::npos) << command;
  const auto again = run_assay({"-c", "\"$0\" " + command.substr(command.find(' ')), ASSAY_BINARY}, "/bin/sh");
  EXPECT_EQ(again.status, 1) << command << again.err;
}

TEST(Plugin, WhatIsClaimedIsJudgedByTheClaim) {
  struct Claimed {
    const char *kernel, *label;
  };
  for (const auto& [kernel, label] :
       {Claimed{"dot_f32", "sum"}, Claimed{"dot_f32", "state"}, Claimed{"add_f32", "blocks"},
        Claimed{"add_f32", "finite"}, Claimed{"add_f32", "aligned"}, Claimed{"add_f32", "apart"}}) {
    const auto verdict = claimed(kernel, label);
    EXPECT_EQ(verdict.at("status"), "claimed") << verdict.dump(1);
    EXPECT_EQ(verdict.at("claim").at("needless"), nlohmann::json::array()) << verdict.dump(1);
    EXPECT_EQ(claimed(kernel, std::string(label) + "-strict").at("status"), "fail") << label;
  }
}

TEST(Plugin, BothRatiosAreShown) {
  const auto verdict = claimed("dot_f32", "sum");
  const double over_contract = verdict.at("worst_error_over_bound");
  EXPECT_GT(over_contract, 1);
  EXPECT_DOUBLE_EQ(verdict.at("claim").at("worst_error_over_claim"), over_contract / 16);
  EXPECT_LE(verdict.at("claim").at("worst_error_over_claim"), 1);
}

TEST(Plugin, ABrokenClaimFails) {
  EXPECT_EQ(claimed("dot_f32", "sum-broken").at("status"), "fail");
  const auto beyond = claimed("add_f32", "beyond");
  EXPECT_EQ(beyond.at("status"), "fail") << "no claim is about writing";
}

TEST(Plugin, ANeedlessClaimIsTold) {
  const auto verdict = claimed("dot_f32", "sum-needless");
  EXPECT_EQ(verdict.at("status"), "claimed");
  EXPECT_EQ(verdict.at("claim").at("needless"), nlohmann::json({"bound_factor"}));
  const auto is_short = claimed("dot_f32", "short");
  EXPECT_EQ(is_short.at("status"), "claimed");
  EXPECT_EQ(is_short.at("claim").at("needless"), nlohmann::json::array());
}

TEST(Plugin, AClaimIsNoPassButNoFailureEither) {
  const auto run = run_assay({"check", "--plugin", library("claims"), "--variant", "claims:sum", "--samples", "300"});
  EXPECT_EQ(run.status, 0);
  EXPECT_NE(run.out.find(", 0 passed, 1 kept what they claim (no pass), 0 failed"), std::string::npos) << run.out;
}

TEST(Plugin, WhatItOffersWrongIsRefused) {
  struct Wrong {
    const char *way, *text;
  };
  for (const auto& [way, text] : {
           Wrong{"null", "offers nothing for the argument 'null'"},
           Wrong{"unheard-of", "offers nothing"},
           Wrong{"abi", "is made for version 2 of the interface of plug-ins, this build has 1"},
           Wrong{"size", "says that its struct assay_plugin has 8 bytes"},
           Wrong{"none", "says that it has 0 variants"},
           Wrong{"count", "says that it has 18446744073709551615 variants; it may have 1 to 4096"},
           Wrong{"no-table", "has no table of variants"},
           Wrong{"garbage", "crashes when it is loaded, or asked what it offers: SIGSEGV"},
           Wrong{"garbage-name", "crashes when it is loaded, or asked what it offers: SIGSEGV"},
           Wrong{"no-name", "has no name"},
           Wrong{"name", "has the name 'two words': it may be of A-Z"},
           Wrong{"long-name", "has a name that is no line of at most 64 bytes"},
           Wrong{"escape", "has a version that is no line of at most 64 bytes of text: '1\\x1b[2J'"},
           Wrong{"label", "has the label of a variant of add_f32 'a/b'"},
           Wrong{"no-label", "has no label of a variant of add_f32"},
           Wrong{"duplicate", "there are two variants add_f32/hostile:plain"},
           Wrong{"kernel", "unknown kernel 'add_f65'; the kernels are: "},
           Wrong{"contract", "add_f32:plain keeps version 77 of the contract, which is now 1"},
           Wrong{"features", "add_f32:plain: unknown feature 'avx9'; they are: v1, v2"},
           Wrong{"pack", "has a function pack, and the contract has none"},
           Wrong{"no-pack", "has no function pack, and the contract has weights to pack"},
           Wrong{"no-run", "has no function for add_f32:plain"},
           Wrong{"flags", "has the flags 0x80 for add_f32:plain"},
           Wrong{"file", "/no/such/file: cannot be read: No such file"},
           Wrong{"claim", "its claim gives no value with a reason for 'bound_factor'"},
           Wrong{"claim-json", "its claim is no JSON"},
           Wrong{"claim-unknown", "its claim has 'writes', which cannot be claimed; what can: alias, align"},
           Wrong{"claim-twice", "its claim has 'align' twice"},
           Wrong{"claim-dim", "its claim has 'm' in multiple_of; the sizes of add_f32 are: n"},
           Wrong{"claim-class", "its claim excludes inputs of the class 'normal'"},
           Wrong{"claim-sizes", "no size that the contract allows is what its claim says"},
           Wrong{"crash", "crashes when it is loaded, or asked what it offers: SIGSEGV"},
           Wrong{"abort", "crashes when it is loaded, or asked what it offers: SIGABRT"},
           Wrong{"exit", "ends the process when it is loaded"},
           Wrong{"descriptors", "closes file descriptors that are not its own"},
           Wrong{"heap", "crashes when it is loaded"},
           Wrong{"memory", "crashes when it is loaded"},
       }) {
    if (kSanitized && std::string_view(way) == "memory") {
      continue;
    }
    expect_refused_amid_noise({"check", "--plugin", hostile(way), "--variant", "hostile:*", "--samples", "10"}, text);
  }
}

TEST(Plugin, WhatIsNoneIsRefused) {
  const TemporaryFolder folder;
  const std::string text = folder.path("text.so"), cut = folder.path("cut.so");
  write_all(text, "no library");
  std::string all = read_all(library("dot"));
  write_all(cut, all.substr(0, 3000));
  for (const char* command : {"list", "check", "bench", "tune", "run"}) {
    expect_refused({command, "--plugin", folder.path("none.so")}, "none.so: cannot be read");
    expect_refused({command, "--plugin", folder.path()}, "cannot be read");
    expect_refused({command, "--plugin", text}, "text.so: cannot be loaded");
    expect_refused({command, "--plugin", cut}, "cut.so: c");  // the loader finds what is missing, or runs into it
    expect_refused({command, "--plugin", "libm.so.6"}, "cannot be read");
  }
  const std::string fifo = folder.path("fifo.so");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  expect_refused({"list", "--plugin", fifo}, "fifo.so: cannot be read: is no regular file");
  expect_refused({"list", "--plugin", library("dot"), "--plugin", library("dot")}, "there are two variants");
}

TEST(Plugin, AConstructorMayCrash) {
  for (const char* way : {"crash", "exit"}) {
    const auto run = run_assay(
        {"-c", fmt::format("ASSAY_HOSTILE={} \"$0\" list --plugin {}", way, library("hostile")), ASSAY_BINARY},
        "/bin/sh");
    EXPECT_EQ(run.status, 2) << run.err;
    EXPECT_NE(run.err.find("hostile.so: "), std::string::npos) << run.err;
  }
}

TEST(Plugin, WhatLoadingItChangesIsToldAndUndone) {
  struct Change {
    const char *way, *text;
  };
  for (const auto& [way, text] :
       {Change{"thread", "starts 1 threads"}, Change{"signal", "changes what is done on SIGTRAP"},
        Change{"mask", "changes which signals are blocked"}, Change{"folder", "changes the working folder"},
        Change{"flush", "so that subnormals become zeros in the whole process"},
        Change{"round", "changes the control word of the x87 unit"}}) {
    const auto run = run_assay({"check", "--plugin", hostile(way), "--variant", "hostile:*", "--samples", "300"});
    EXPECT_EQ(run.status, 0) << way << run.out << run.err;
    EXPECT_NE(run.err.find(text), std::string::npos) << way << run.err;
  }
  const auto json = run_assay({"list", "--json", "--plugin", hostile("stdout")});
  EXPECT_TRUE(nlohmann::json::accept(json.out)) << json.out.substr(0, 100);
  EXPECT_NE(json.err.find("greetings"), std::string::npos);
}

TEST(Plugin, WhatItDeclaresIsHeldAgainstTheCpuAndTheCode) {
  const auto avx = verdict_of(hostile("avx"), "add_f32", "hostile:plain");
  EXPECT_EQ(avx.at("status"), "fail");
  const std::string reason = avx.at("reason");
  EXPECT_TRUE(reason.find("vzeroupper") != std::string::npos &&
              reason.find("which [] does not have") != std::string::npos)
      << reason;
  const auto prepare = verdict_of(hostile("prepare"), "add_f32", "hostile:plain");
  EXPECT_EQ(prepare.at("status"), "not-runnable");
  EXPECT_NE(std::string(prepare.at("reason")).find("this library wants a Tuesday"), std::string::npos);
}

TEST(Plugin, AVariantThatCrashesEndsOrSleepsFailsAlone) {
  struct Way {
    const char *way, *caught_by;
  };
  for (const auto& [way, caught_by] : {Way{"run-crash", "memory"}, Way{"run-exit", "crash"}, Way{"run-sleep", "hang"},
                                       Way{"run-allocates", "memory"}}) {
    const auto verdict =
        verdict_of(hostile(way), "add_f32", "hostile:plain", {"--samples", "600", "--timeout", "1", "--no-shrink"});
    EXPECT_EQ(verdict.at("status"), "fail") << way;
    EXPECT_EQ(verdict.at("caught_by"), caught_by) << way << verdict.dump(1);
  }
}

TEST(Plugin, ACallOfTheSystemIsSeen) {
  struct Way {
    const char *way, *text;
  };
  for (const auto& [way, text] :
       {Way{"run-forks", "it makes the system call number "}, Way{"run-opens", "it makes the system call number 257"},
        Way{"run-signal", "it makes the system call number 13"}, Way{"run-usleep", "nanosleep of libc.so"},
        Way{"run-int80", "it makes the system call number 20"}, Way{"run-thread", "it makes the system call number "},
        Way{"run-prints", "it makes the system call number 1,"}}) {
    const auto verdict = verdict_of(hostile(way), "add_f32", "hostile:plain", {"--samples", "2000", "--no-shrink"});
    EXPECT_EQ(verdict.at("status"), "fail") << way << verdict.dump(1);
    EXPECT_EQ(verdict.at("caught_by"), "system-call") << way << verdict.dump(1);
    EXPECT_NE(std::string(verdict.at("reason")).find(text), std::string::npos) << way << verdict.dump(1);
  }
  const auto claims = verdict_of(hostile("run-claims"), "add_f32", "hostile:plain");
  EXPECT_EQ(claims.at("status"), "claimed") << claims.dump(1);
  EXPECT_EQ(claims.at("claim").at("needless"), nlohmann::json::array());
}

TEST(Plugin, ALockOfTheCLibraryIsNoHang) {
  const auto verdict = verdict_of(hostile("run-setenv"), "add_f32", "hostile:plain", {"--timeout", "5"});
  EXPECT_NE(verdict.value("caught_by", ""), "hang") << verdict.dump(1);
}

TEST(Plugin, AThreadThatEndsTheProcessEndsNoCheckWell) {
  const auto verdict =
      verdict_of(hostile("thread-exit"), "add_f32", "hostile:plain", {"--samples", "10000000", "--no-shrink"});
  EXPECT_EQ(verdict.at("status"), "fail");
  EXPECT_EQ(verdict.at("caught_by"), "crash");
  EXPECT_NE(std::string(verdict.at("reason")).find("the process was ended "), std::string::npos) << verdict.dump(1);
}

TEST(Plugin, ALibraryThatEndsTheProcessIsNoSuccess) {
  const auto run =
      run_assay({"bench", "--plugin", hostile("run-exit-late"), "--accept-claims", "--kernel", "add_f32", "--variant",
                 "hostile:*", "--quick", "--repetitions", "3", "--min-time", "0.05", "--samples", "20"});
  EXPECT_EQ(run.status, 2) << run.out << run.err;
  EXPECT_NE(run.err.find("a library of --plugin ended the process, with exit status 0 before its work was done"),
            std::string::npos)
      << run.err;
}

TEST(Plugin, ASignalReachesThroughItsSupervisor) {
  // bench would take minutes.
  const auto run =
      run_assay({"-c",
                 fmt::format("\"$0\" bench --plugin {} --kernel dot_f32 --repetitions 1000 & p=$!; sleep 0.5; "
                             "kill -TERM $p; wait $p",
                             library("dot")),
                 ASSAY_BINARY},
                "/bin/sh");
  EXPECT_EQ(run.status, 128 + SIGTERM) << run.err;
}

TEST(Plugin, AModelRunsThroughWhatPassed) {
  const auto run = run_assay({"run", "--plugin", library("add"), "--force", "add_f32=asm:sse_asm", "-p",
                              "5+7=", "--verify", "--list-choices"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out.substr(0, 3), "12\n") << run.out;
  EXPECT_NE(run.out.find("asm:sse_asm"), std::string::npos) << run.out;
  expect_refused({"run", "--plugin", library("claims"), "--force", "add_f32=claims:blocks-strict", "-p", "5+7="},
                 "add_f32/claims:blocks-strict is forced, and failed its check: ");
  expect_refused({"run", "--plugin", library("claims"), "--force", "add_f32=claims:finite", "-p", "5+7="},
                 "give --accept-claims to use it all the same");
  EXPECT_EQ(run_assay({"run", "--plugin", library("claims"), "--force", "add_f32=claims:finite", "--accept-claims",
                       "-q", "-p", "5+7="})
                .out,
            "12\n");
  expect_refused(
      {"run", "--plugin", library("claims"), "--force", "add_f32=claims:aligned", "--accept-claims", "-p", "5+7="},
      "the runner does not keep what it asks for");
}

TEST(Plugin, AProfileNamesTheFilesThatItsVerdictsAreOf) {
  if (kSanitized) {
    GTEST_SKIP() << "timings";
  }
  const TemporaryFolder folder;
  const std::string profile = folder.path("profile.json"), plugin = folder.path("add.so");
  std::filesystem::copy_file(library("add"), plugin);
  // A profile that chose it, as `tune` would write one.
  Profile chosen;
  chosen.cpu = cpu_identity(detect_cpu());
  chosen.date = "2026-01-01T00:00:00Z";
  const auto sum = run_assay({"-c", "sha256sum " + plugin, "sh"}, "/bin/sh").out.substr(0, 64);
  Choice choice{
      "add_f32", "L1", "scalar", {4096}, "test", {{"status", "pass"}, {"samples", 2000}}, nlohmann::json::object()};
  choice.variant = "asm:sse_asm";
  choice.code = sum;
  chosen.choices = {choice};
  write_profile(profile, chosen);
  const auto run = [&](const Line& options) {
    Line line = {"run", "--profile", profile, "-p", "5+7=", "--list-choices"};
    line.insert(line.end(), options.begin(), options.end());
    return run_assay(line);
  };
  const auto used = run({"--plugin", plugin});
  EXPECT_NE(used.out.find("asm:sse_asm"), std::string::npos) << used.out << used.err;
  const auto without = run({});
  EXPECT_EQ(without.status, 0);
  EXPECT_NE(without.err.find("add_f32/asm:sse_asm are of plug-ins, which --plugin names"), std::string::npos)
      << without.err;
  write_all(plugin, read_all(plugin) + " ");
  const auto changed = run({"--plugin", plugin});
  EXPECT_EQ(changed.out.find("asm:sse_asm"), std::string::npos) << changed.out;
  EXPECT_NE(changed.err.find("the code of add_f32/asm:sse_asm has changed since it was measured"), std::string::npos)
      << changed.err;
}

TEST(SlowPlugin, IsTimedAndChosenLikeOurOwn) {
  const auto run =
      run_assay({"bench", "--plugin", library("dot"), "--kernel", "dot_f32", "--variant", "scalar,example:*", "--quick",
                 "--repetitions", "3", "--min-time", "0.0001", "--samples", "100"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("example:sums32"), std::string::npos) << run.out;
  expect_refused({"list", "--plugin", hostile("hang")}, "was not loaded within 30 s");
}

TEST(SlowPlugin, ADestructorMayCrash) {
  const auto run =
      run_assay({"-c",
                 fmt::format("ASSAY_HOSTILE=destructor \"$0\" bench --plugin {} --kernel add_f32 --variant "
                             "hostile:* --quick --repetitions 3 --min-time 0.0001 --samples 50",
                             library("hostile")),
                 ASSAY_BINARY},
                "/bin/sh");
  EXPECT_EQ(run.status, 0) << run.err;
}

}  // namespace
}  // namespace assay
