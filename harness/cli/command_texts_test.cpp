// What is made of the command line for other programs: the manual page and completion.
#include "harness/cli/command_texts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "harness/cli/command_line.h"
#include "harness/predict/tool.h"
#include "harness/runtime/registry.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

std::vector<CommandText> all_commands() {
  CLI::App app{"assay: what it is"};
  int status = 0;
  add_commands(app, status);
  return command_texts(app);
}

std::string described(const std::string& format) {
  const auto run = run_assay({"describe", format});
  EXPECT_EQ(run.status, 0) << run.err;
  return run.out;
}

/// What bash offers behind these words, by the program's own script.
std::string completed(const std::string& words) {
  const std::string script = fmt::format(
      ". <('{}' describe bash); COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _assay; echo "
      "\"${{COMPREPLY[*]}}\"",
      ASSAY_BINARY, words);
  const ToolResult result = run_tool({"bash", "-c", script}, "");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out.substr(0, result.out.find('\n'));
}

std::string with_roff_hyphens(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c == '-' ? "\\-" : std::string(1, c);
  }
  return out;
}

TEST(Describe, TheManualPageHasEveryOptionOfEveryCommand) {
  const std::string page = described("man");
  for (const auto& command : all_commands()) {
    const size_t begin = page.find(fmt::format(".SS assay {}\n", with_roff_hyphens(command.name)));
    ASSERT_NE(begin, std::string::npos) << command.name;
    const std::string section = page.substr(begin, page.find("\n.S", begin) - begin);
    for (const auto& option : command.options) {
      const std::string name =
          fmt::format("\\f{}{}\\fR", option.operand ? "I" : "B", with_roff_hyphens(option.names.back()));
      EXPECT_NE(section.find(name), std::string::npos) << command.name << " " << name;
    }
  }
  EXPECT_EQ(page.find(ASSAY_SOURCE_DIR), std::string::npos) << "a path of the build";
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    const std::string macro = line.substr(0, line.find(' '));
    EXPECT_TRUE(!line.starts_with('\'') &&
                (!line.starts_with('.') || macro == ".TH" || macro == ".SH" || macro == ".SS" || macro == ".TP" ||
                 macro == ".br" || macro == ".ad" || macro == ".\\\""))
        << line;
  }
}

TEST(Describe, TheManualPageIsSet) {
  if (find_tool({"groff"}).empty()) {
    GTEST_SKIP() << "there is no groff";
  }
  const ToolResult set = run_tool({"groff", "-man", "-ww", "-Tascii"}, described("man"));
  EXPECT_EQ(set.status, 0);
  EXPECT_EQ(set.err, "");
}

TEST(Describe, BashCompletesCommandsOptionsAndValues) {
  EXPECT_EQ(completed("assay qu"), "quantize");
  EXPECT_EQ(completed("assay check --exh"), "--exhaustive");
  EXPECT_EQ(completed("assay check --block gpt2"), "gpt2");
  EXPECT_EQ(completed("assay check --block = gpt2"), "gpt2");
  EXPECT_NE(completed("assay check --block =").find("gpt2"), std::string::npos);
  EXPECT_EQ(completed("assay run --gelu t"), "tanh");
  EXPECT_EQ(completed(fmt::format("assay bench --kernel {}", kernels().front().name))
                .substr(0, kernels().front().name.size()),
            kernels().front().name);
  EXPECT_EQ(completed("assay describe z"), "zsh");
  EXPECT_EQ(completed("assay run --model mo"), "") << "bash completes files then";
  EXPECT_EQ(completed("assay no-such-command --"), "");
  for (const auto& command : all_commands()) {
    const std::string offered = completed("assay " + command.name + " -") + " ";
    for (const auto& option : command.options) {
      EXPECT_TRUE(option.operand || offered.find(option.names.back() + " ") != std::string::npos)
          << command.name << " " << option.names.back();
    }
  }
}

TEST(Describe, OtherShellsReadTheirs) {
  std::string missing;
  for (const char* shell : {"zsh", "fish"}) {
    const std::string text = described(shell);
    EXPECT_NE(text.find("exhaustive"), std::string::npos);
    if (find_tool({shell}).empty()) {
      missing += fmt::format("{}there is no {}", missing.empty() ? "" : ", ", shell);
      continue;
    }
    const TemporaryFile file(text);
    const ToolResult read = run_tool({shell, "-n", file.path()}, "");
    EXPECT_EQ(read.status, 0) << read.err;
  }
  if (!missing.empty()) {
    GTEST_SKIP() << missing;
  }
}

}  // namespace
}  // namespace assay
