// What `assay run` reads and where its answer ends, through the program and the shipped model, which adds numbers.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "harness/runtime/testing.h"

namespace assay {
namespace {

using Line = std::vector<std::string>;

/// As a shell runs it; "$0" is the program.
auto run_by_shell(const std::string& command) { return run_assay({"-c", command, ASSAY_BINARY}, "/bin/sh"); }

std::string answer_to(const Line& options, const std::string& prompt = "5+7=") {
  Line line = {"run", "-q", "-p", prompt};
  line.insert(line.end(), options.begin(), options.end());
  const auto run = run_assay(line);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err, "");
  return run.out;
}

TEST(RunCommand, APromptMayComeFromAFile) {
  for (const char* contents : {"5+7=", "5+7=\n"}) {
    const TemporaryFile file(contents);
    const auto run = run_assay({"run", "-q", "-f", file.path()});
    EXPECT_EQ(run.out, "12\n") << run.err;
    EXPECT_EQ(run_assay({"run", "-q", "--file", file.path()}).out, "12\n");
  }
  const auto two = run_by_shell("printf '5+7=\\n\\n' | \"$0\" run --verify -f - 2>&1 >/dev/null");
  EXPECT_NE(two.out.find("prompt: 5 tokens"), std::string::npos) << "one newline at the end does not count" << two.out;
}

TEST(RunCommand, APromptMayComeFromStdin) {
  EXPECT_EQ(run_by_shell("echo 5+7= | \"$0\" run -q -f -").out, "12\n");
  EXPECT_EQ(run_by_shell("(printf 5+; sleep 0.2; printf 7=) | \"$0\" run -q -f -").out, "12\n") << "until its end";
  EXPECT_EQ(run_by_shell("echo 5+7= | \"$0\" run -f - 2>/dev/null").out, "12\n") << "the answer alone";
}

TEST(RunCommand, WhatIsNoPromptIsRefused) {
  const TemporaryFolder folder;
  const std::string large = folder.path("large"), empty = folder.path("empty"), newline = folder.path("newline");
  for (const auto& path : {large, empty, newline}) {
    write_all(path, path == newline ? "\n" : "");
  }
  std::filesystem::resize_file(large, (size_t{64} << 20) + 1);
  ASSERT_EQ(mkfifo(folder.path("fifo").c_str(), 0600), 0);
  expect_refused({"run", "-q", "-f", folder.path("none")}, "none: cannot be opened");
  expect_refused({"run", "-q", "-f", folder.path()}, "is not a regular file");
  expect_refused({"run", "-q", "-f", folder.path("fifo")}, "is not a regular file");
  expect_refused({"run", "-q", "-f", large}, "at most 67108864 are read");
  expect_refused({"run", "-q", "-f", empty}, "empty: the prompt is empty");
  expect_refused({"run", "-q", "-f", newline}, "newline: the prompt is empty");
  expect_refused({"run", "-q", "-f", empty, "-p", "x"}, "--prompt");
  expect_refused({"run", "-q"}, "-p");
  const auto refused = [](const std::string& command, const std::string& part) {
    const auto run = run_by_shell(command);
    EXPECT_EQ(run.status, 2) << command;
    EXPECT_EQ(run.out, "");
    expect_clear(run.err.substr(0, run.err.find('\n')), part);
  };
  refused("exec \"$0\" run -q -f - </dev/null", "stdin: the prompt is empty");
  refused("exec \"$0\" run -q -f - </", "stdin cannot be read");
  refused("exec \"$0\" run -q -f - </dev/zero", "stdin has more than 67108864 bytes");
}

TEST(RunCommand, SamplerFlagsOutsideTheirRangesAreRefused) {
  const struct {
    const char *flag, *value;
  } table[] = {
      {"--temp", "-1"},
      {"--top-k", "-1"},
      {"--top-p", "0"},
      {"--top-p", "1.1"},
      {"--min-p", "-0.1"},
      {"--min-p", "1.1"},
      {"--typical", "0"},
      {"--typical", "1.1"},
      {"--repeat-penalty", "0"},
      {"--repeat-penalty", "-1"},
      {"--repeat-last-n", "-2"},
      {"--temp", "1e39"},
      {"--presence-penalty", "nan"},
      {"--frequency-penalty", "inf"},
      {"--seed", "-1"},
      {"--repeat-last-n", "0.5"},
  };
  for (const auto& row : table) {
    expect_refused({"run", "-q", "-p", "x", row.flag, row.value}, row.flag);
    // Before a model is read, which may take a while.
    expect_refused({"run", "-q", "-p", "x", "-m", "/no/such/file", row.flag, row.value}, row.flag);
  }
  const Line all = {"--temp",
                    "0.8",
                    "--top-k",
                    "40",
                    "--top-p",
                    "0.95",
                    "--min-p",
                    "0.05",
                    "--typical",
                    "0.9",
                    "--repeat-penalty",
                    "1.1",
                    "--repeat-last-n",
                    "-1",
                    "--presence-penalty",
                    "-0.1",
                    "--frequency-penalty",
                    "0.1",
                    "-s",
                    "3"};
  EXPECT_EQ(answer_to(all), answer_to(all)) << "the same seed";
  const Line long_names = {"--temperature", "3", "--seed", "5", "--typical-p", "0.99"};
  EXPECT_EQ(answer_to(long_names), answer_to({"--temp", "3", "-s", "5", "--typical", "0.99"}));
}

TEST(RunCommand, SamplerFlagsReachTheSampler) {
  const auto answers = [](const Line& options) {
    std::set<std::string> all;
    for (int seed = 0; seed < 12; ++seed) {
      Line line = {"--temp", "50", "-n", "2", "--seed", std::to_string(seed)};
      line.insert(line.end(), options.begin(), options.end());
      all.insert(answer_to(line));
    }
    return all;
  };
  EXPECT_GT(answers({}).size(), 3u);
  for (const Line& one : {Line{"--top-k", "1"}, {"--top-p", "0.01"}, {"--min-p", "1"}, {"--typical", "0.01"}}) {
    EXPECT_EQ(answers(one), (std::set<std::string>{"12\n"})) << one[0];
  }
  // The tokens of the prompt are seen, and those of the answer.
  EXPECT_EQ(answer_to({}, "10+11="), "21\n");
  for (const char* penalty : {"--presence-penalty", "--frequency-penalty"}) {
    const std::string answer = answer_to({penalty, "1e6", "-n", "2"}, "10+11=");
    EXPECT_EQ(answer.find_first_of("01+="), std::string::npos) << answer;
    EXPECT_EQ(answer_to({penalty, "1e6", "--repeat-last-n", "0"}, "10+11="), "21\n");
  }
}

TEST(RunCommand, StopStringsEndTheAnswer) {
  EXPECT_EQ(answer_to({"-r", "2"}), "1\n");
  EXPECT_EQ(answer_to({"-r", "12"}), "\n");
  EXPECT_EQ(answer_to({"-r", "9", "--reverse-prompt", "2"}), "1\n") << "any of them";
  EXPECT_EQ(answer_to({"--reverse-prompt=23"}), "12\n") << "what only began one is shown";
  EXPECT_EQ(answer_to({"-r", "5+7="}), "12\n") << "the prompt is no part of the answer";
  for (const char* odd : {"[", "{}", "[2]", "a,b", "-1", "%%", "사용자:", "\n"}) {
    EXPECT_EQ(answer_to({std::string("--reverse-prompt=") + odd}), "12\n") << odd;
  }
  expect_refused({"run", "-q", "-p", "x", "-r", ""}, "empty");
  expect_refused({"run", "-q", "-p", "x", "-r", "\xec\x95"}, "no UTF-8");
  expect_refused({"run", "-q", "-p", "x", "-r"}, "--reverse-prompt");
  expect_refused({"run", "-q", "-p", "x", "-r", "a", "b"}, "not expected");
  const auto run = run_assay({"run", "-p", "5+7=", "-r", "2"});
  EXPECT_NE(run.err.find("generation: 2 tokens"), std::string::npos) << "no token after the stop" << run.err;
}

}  // namespace
}  // namespace assay
