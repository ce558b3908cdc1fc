// Command lines made to do harm. What must hold for every option of every command is asked of the commands themselves, so
// that a new option is tried without anyone thinking of it.
#include "harness/cli/command_line.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "harness/runtime/registry.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

using Words = std::vector<std::string>;

/// Parses without running anything. The message of the refusal; "" if the command would run.
std::string refusal_of(const Words& words) {
  CLI::App app;
  int status = 0;
  add_commands(app, status);
  std::vector<const char*> argv = {"assay"};
  for (const auto& w : words) {
    argv.push_back(w.c_str());
  }
  try {
    parse_only(app, static_cast<int>(argv.size()), argv.data());
    return "";
  } catch (const CLI::Success&) {
    return "";
  } catch (const CLI::ParseError& e) {
    return e.what();
  }
}

struct OptionOfCommand {
  std::string command, option, type;
  bool positional, flag, list;  ///< list: it takes several values
  std::string good;             ///< a value that is taken
};

std::vector<OptionOfCommand> all_options() {
  std::vector<OptionOfCommand> all;
  CLI::App app;
  int status = 0;
  add_commands(app, status);
  for (CLI::App* command : app.get_subcommands({})) {
    for (const CLI::Option* o : command->get_options()) {
      if (o->get_name() == "--help") {
        continue;
      }
      const std::string type = o->get_type_name().substr(0, o->get_type_name().find(':'));
      const std::string good = type == "FLOAT" ? "0.5" : type == "TEXT" ? "x" : "3";
      all.push_back({command->get_name(), o->get_name(), type, o->get_positional(), o->get_items_expected_max() == 0,
                     o->get_items_expected_max() > 1 || o->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll,
                     good});
    }
  }
  return all;
}

/// A command with what it requires, but for `but`.
Words minimal(const std::string& command, const std::string& but) {
  Words words = {command};
  if (command == "info" && but != "FILE") {
    words.emplace_back("a.gguf");
  }
  if (command == "describe" && but != "FORMAT") {
    words.emplace_back("man");
  }
  if (command == "try" && but != "FILE") {
    words.emplace_back("a.cpp");
  }
  if (command == "report" && but != "RUN") {
    words.emplace_back("a.json");
  }
  if (command == "perplexity" && but != "--file") {
    words.insert(words.end(), {"--file", "a.txt"});
  }
  if (command == "export" && but != "FLEET") {
    words.emplace_back("fleet.json");
  }
  if (command == "merge") {
    if (but != "PROFILES") words.emplace_back("a.json");
    if (but != "--out") words.insert(words.end(), {"--out", "fleet.json"});
  }
  if (command == "quantize" || command == "convert") {
    if (but != "IN") words.emplace_back("in.gguf");
    if (but != "OUT") words.emplace_back("out.gguf");
    if (but != "--type" && command == "quantize") words.insert(words.end(), {"--type", "f16"});
  }
  return words;
}

TEST(CommandLine, EveryOptionRefusesWhatIsNoValueOfItsType) {
  const Words no_number = {"",    " ",   "x",   "1x",    "0x",       "0xg",   "--",     "1 2",
                           "nan", "NaN", "inf", "-inf",  "\xff\xfe", "٣",     "1e",     "1,5",
                           "+",   "-",   "0b1", "1'000", "2**3",     "1e999", "-1e999", std::string(10'000, '9')};
  Words no_whole = no_number;
  no_whole.insert(no_whole.end(),
                  {"0.5", "1e3", "1e-3", "18446744073709551616", "-9223372036854775809", "99999999999999999999999"});
  Words no_count = no_whole;
  no_count.insert(no_count.end(), {"-1", "-0x1", "-18446744073709551615"});
  size_t tried = 0;
  for (const auto& o : all_options()) {
    if (o.flag || o.positional) {
      continue;
    }
    const Words& bad = o.type == "UINT"    ? no_count
                       : o.type == "INT"   ? no_whole
                       : o.type == "FLOAT" ? no_number
                                           : Words{""};
    for (const auto& value : bad) {
      if (o.list && value == "1,5") {  // two values
        continue;
      }
      Words words = minimal(o.command, o.option);
      words.push_back(o.option + "=" + value);
      EXPECT_NE(refusal_of(words), "") << o.command << " " << o.option << "=" << quote(value) << " (" << o.type << ")";
      ++tried;
    }
  }
  EXPECT_GT(tried, 200u);
}

TEST(CommandLine, EveryOptionOfOneValueIsRefusedTwice) {
  for (const auto& o : all_options()) {
    if (!o.flag && !o.positional && !o.list) {
      Words words = minimal(o.command, o.option);
      words.insert(words.end(), {o.option, o.good, o.option, o.good});
      EXPECT_NE(refusal_of(words), "") << o.command << " " << o.option;
    }
  }
}

TEST(CommandLine, EveryOptionWithoutItsValueIsRefused) {
  for (const auto& o : all_options()) {
    if (!o.flag && !o.positional) {
      Words words = minimal(o.command, o.option);
      words.push_back(o.option);
      EXPECT_NE(refusal_of(words), "") << o.command << " " << o.option;
    }
  }
}

TEST(CommandLine, EveryCommandRefusesWhatItDoesNotKnow) {
  CLI::App app;
  int status = 0;
  add_commands(app, status);
  size_t commands = 0;
  for (const CLI::App* command : app.get_subcommands({})) {
    ++commands;
    for (const char* word :
         {"--no-such-option", "-Z", "--no-such-option=1", "stray", "", "\xff", "--\xff", "-\x1b[2J", "---", "-"}) {
      // They take any number of files.
      const bool is_file = *word != '\0' && (*word != '-' || std::string_view("---").starts_with(word));
      if ((command->get_name() == "report" || command->get_name() == "merge") && is_file) {
        continue;
      }
      Words words = minimal(command->get_name(), "");
      words.emplace_back(word);
      EXPECT_NE(refusal_of(words), "") << command->get_name() << " " << quote(word);
    }
  }
  EXPECT_GE(commands, 7u);
}

TEST(CommandLine, NumbersAreTakenAsTheyAreWritten) {
  for (const Words& words : {Words{"check", "--seed", "18446744073709551615"},
                             {"check", "--seed", "0x1f"},
                             {"check", "--timeout", "1e2"},
                             {"run", "--top-k", "0"},
                             {"run", "-n", "1"}}) {
    EXPECT_EQ(refusal_of(words), "") << words[1];
  }
  CLI::App app;
  int status = 0;
  add_commands(app, status);
  const char* const argv[] = {"assay", "check", "--seed", "010"};
  parse_only(app, 4, argv);
  EXPECT_EQ(app.get_subcommand("check")->get_option("--seed")->as<uint64_t>(), 10u) << "not octal";
}

/// What only the command itself can find wrong, through the program.
TEST(CommandLine, WrongUsageHasAStatusAndARemedy) {
  const std::string kernel = kernels().front().name;
  const std::string variant = kernels().front().variants.front().name();
  const std::string long_name(5000, 'a');
  struct {
    Words words;
    const char* part;
  } const table[] = {
      {{}, "--help"},
      {{""}, "'' is no command"},
      {{"no-such-command"}, "--help"},
      {{"list", "cpu"}, "not expected"},
      {{"list", "--json=maybe"}, ""},
      {{"check", "--kernel", "no_such"}, "assay list"},
      {{"check", "--kernel", "\xff\xfe"}, "\\xff\\xfe"},
      {{"check", "--kernel", "["}, "assay list"},
      {{"check", "--kernel", long_name}, "assay list"},
      {{"check", "--kernel", "a\nb\x1b[2J"}, "a\\x0ab\\x1b[2J"},
      {{"check", "--variant", "avx3"}, "assay list"},
      {{"check", "--samples", "0"}, "--samples"},
      {{"check", "--samples", "-5"}, "--samples"},
      {{"check", "--samples", "99999999999999999999"}, "--samples"},
      {{"check", "--samples", "10", "--seconds", "1"}, "--seconds"},
      {{"check", "--seconds", "nan"}, "finite"},
      {{"check", "--timeout", "nan"}, "finite"},
      {{"check", "--timeout", "0"}, "--timeout"},
      {{"check", "--jobs", "100000"}, "--jobs"},
      {{"check", "--block", "gpt9"}, "gpt2"},
      {{"check", "--block", "gpt2", "--kernel", kernel}, "--kernel"},
      {{"check", "--block", "gpt2", "--exhaustive"}, "--exhaustive"},
      {{"check", "--block", "gpt2", "--stride", "2"}, "--stride"},
      {{"check", "--large", "--exhaustive"}, "--exhaustive"},
      {{"check", "--replay", "x", "--case", variant + ":n=1"}, "--case"},
      {{"check", "--case", variant + ":n=1,n=2"}, "'n' is given twice"},
      {{"check", "--case", variant + ":n=1,seed=1,seed=1"}, "'seed' is given twice"},
      {{"chekc"}, "'chekc' is no command; they are: cpu, list, check,"},
      {{"chekc", "--help"}, "is no command"},
      {{"check", "--case", "x"}, "for example"},
      {{"check", "--case", variant + ":"}, "missing"},
      {{"check", "--case", variant + ":n=18446744073709551616"}, "not a number"},
      {{"check", "--case", variant + ":\xff=1"}, "\\xff"},
      {{"check", "--case", "no_such/scalar:n=1"}, "the kernels are"},
      {{"check", "--exhaustive", "--kernel", "no_such"}, "assay list"},
      {{"bench", "--filter", "("}, "regular expression"},
      {{"bench", "--filter", std::string(2000, '(')}, "longer than"},
      {{"bench", "--min-time", "nan"}, "finite"},
      {{"bench", "--min-time", "-1"}, "--min-time"},
      {{"bench", "--repetitions", "0"}, "--repetitions"},
      {{"bench", "--kernel", "no_such"}, "no_such"},
      {{"bench", "--out", ""}, "empty"},
      {{"tune", "--out", ""}, "empty"},
      {{"tune", "--seed", "-1"}, "--seed"},
      {{"cpu", "--raw", ""}, "empty"},
      {{"cpu", "--raw", "/no/such/file"}, "/no/such/file"},
      {{"run", "-m", "/no/such/file"}, "/no/such/file"},
      {{"run", "-m", long_name}, "aaaa"},
      {{"run", "-q", "--prompt", ""}, "prompt"},
      {{"run", "-q", "--temp", "nan", "-p", "x"}, "finite"},
      {{"run", "-q", "--top-p", "inf", "-p", "x"}, "finite"},
      {{"run", "-q", "--top-k", "99999999999", "-p", "x"}, "--top-k"},
      {{"run", "-n", "0"}, "-n"},
      {{"run", "-n", "-1"}, "-n"},
      {{"run", "-t", "-1"}, "--threads"},
      {{"run", "--force", "x"}, "kernel=variant"},
      {{"run", "--force", "=,"}, "unknown"},
      {{"run", "--force", kernel + "=avx3"}, "avx3"},
      {{"run", "--force", "no_such=scalar"}, "the kernels are"},
      {{"run", "--force", "\xff=scalar"}, "\\xff"},
      {{"run", "--profile", "/no/such/file"}, "/no/such/file"},
      {{"quantize"}, "--help"},
      {{"quantize", "a"}, "--help"},
      {{"quantize", "a", "b"}, "--type"},
      {{"quantize", "a", "b", "c", "--type", "f16"}, "not expected"},
      {{"quantize", "a", "b", "--type", "q9"}, "q1_0"},
      {{"quantize", "", "b", "--type", "f16"}, "empty"},
      {{"quantize", "/no/such/file", "b", "--type", "f16"}, "/no/such/file"},
  };
  for (const auto& row : table) {
    expect_refused(row.words, row.part);
  }
}

}  // namespace
}  // namespace assay
