// `assay chat` through the program, with a made-up model that says what it is built to say.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <utility>

#include "harness/runtime/testing.h"
#include "runner/gguf_raw.h"
#include "runner/gguf_writer.h"
#include "runner/text_encoder.h"

namespace assay {
namespace {

/// A llama whose block adds nothing: the last token alone decides about the next one. Tokens are bytes, and four special ones behind them.
/// After a newline it says "ABC" and ends; after a colon "wxxxxx", without an end.
class Talker {
 public:
  static constexpr size_t kContext = 65536, kWidth = 288, kHead = 32;
  static constexpr int32_t kTurnEnds = 259;

  explicit Talker(const std::string& chat_template = "<|im_start|>{{ role }}\n{{ content }}<|im_end|>") {
    std::vector<std::string> tokens;
    std::vector<int32_t> types(256, TokenType::normal);
    for (int b = 0; b < 256; ++b) {
      tokens.push_back(gpt2_spelling(b));
    }
    for (const char* special : {"<s>", "</s>", "<|im_start|>", "<|im_end|>"}) {
      tokens.push_back(special);
      types.push_back(TokenType::control);
    }
    std::map<int32_t, int32_t> next = {{'\n', 'A'}, {'A', 'B'}, {'B', 'C'}, {'C', kTurnEnds},
                                       {':', 'w'},  {'w', 'x'}, {'x', 'x'}};
    std::vector<GgufKeyValue> metadata = {
        {"general.architecture", std::string("llama")},    {"llama.context_length", uint32_t{kContext}},
        {"llama.embedding_length", uint32_t{kWidth}},      {"llama.block_count", uint32_t{1}},
        {"llama.feed_forward_length", uint32_t{kHead}},    {"llama.attention.head_count", uint32_t{1}},
        {"llama.attention.key_length", uint32_t{kHead}},   {"llama.attention.value_length", uint32_t{kHead}},
        {"llama.attention.layer_norm_rms_epsilon", 1e-5f}, {"tokenizer.ggml.model", std::string("gpt2")},
        {"tokenizer.ggml.pre", std::string("gpt-2")},      {"tokenizer.ggml.tokens", GgufArray(tokens)},
        {"tokenizer.ggml.token_type", GgufArray(types)},   {"tokenizer.ggml.bos_token_id", uint32_t{256}},
        {"tokenizer.ggml.eos_token_id", uint32_t{257}}};
    if (!chat_template.empty()) {
      metadata.push_back({"tokenizer.chat_template", chat_template});
    }
    std::vector<float> one_each(kWidth * tokens.size(), 0);
    std::vector<float> following(kWidth * tokens.size(), 0);
    for (size_t i = 0; i < tokens.size(); ++i) {
      one_each[i * kWidth + i] = 1;
    }
    for (const auto& [from, to] : next) {
      following[static_cast<size_t>(to) * kWidth + static_cast<size_t>(from)] = 1;
    }
    add("token_embd.weight", {kWidth, tokens.size()}, one_each);
    add("output.weight", {kWidth, tokens.size()}, following);
    for (const char* norm : {"output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"}) {
      add(fmt::format("{}.weight", norm), {kWidth}, std::vector<float>(kWidth, 1));
    }
    for (const char* in : {"attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up"}) {
      add(fmt::format("blk.0.{}.weight", in), {kWidth, kHead}, std::vector<float>(kWidth * kHead, 0));
    }
    for (const char* out : {"attn_output", "ffn_down"}) {
      add(fmt::format("blk.0.{}.weight", out), {kHead, kWidth}, std::vector<float>(kWidth * kHead, 0));
    }
    std::vector<std::span<const std::byte>> data;
    for (const auto& values : values_) {
      data.push_back(std::as_bytes(std::span(values)));
    }
    write_gguf(path(), metadata, infos_, data);
  }

  std::string path() const { return folder_.path("talker.gguf"); }
  std::string script(const std::string& text) const {
    write_all(folder_.path("script"), text);
    return folder_.path("script");
  }

  Run chat(const std::string& script_text, const std::vector<std::string>& options = {}) const {
    return run_assay(line(script_text, options));
  }
  std::vector<std::string> line(const std::string& script_text, const std::vector<std::string>& options) const {
    std::vector<std::string> all = {"chat", "-q",      "-m",       path(), "-t",
                                    "1",    "--force", "*=scalar", "-f",   script(script_text)};
    all.insert(all.end(), options.begin(), options.end());
    return all;
  }

 private:
  void add(const std::string& name, std::vector<uint64_t> ne, std::vector<float> values) {
    infos_.push_back({name, TensorType::f32, std::move(ne)});
    values_.push_back(std::move(values));
  }

  TemporaryFolder folder_;
  std::vector<GgufTensorInfo> infos_;
  std::vector<std::vector<float>> values_;
};

/// The numbers of a line of /stats: tokens of the context, of what was read, and generated.
std::vector<size_t> numbers_of(const std::string& stats) {
  std::vector<size_t> all;
  for (const char* name : {"context: ", "read: ", "generated: "}) {
    const size_t at = stats.find(name);
    EXPECT_NE(at, std::string::npos) << stats;
    all.push_back(at == std::string::npos ? 0 : std::stoul(stats.substr(at + std::string_view(name).size())));
  }
  return all;
}

TEST(Chat, AScriptIsAQuestionALine) {
  const Talker talker;
  const auto run = talker.chat("Hi\n\nand\\\nmore\r\n  \nlast");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out, "ABC\nABC\nABC\n");
  EXPECT_EQ(run.err, "");
  const auto piped = run_assay(
      {"-c", "printf 'Hi\\n/quit\\nHi\\n' | \"$0\" chat -q -m \"$1\"", ASSAY_BINARY, talker.path()}, "/bin/sh");
  EXPECT_EQ(piped.out, "ABC\n") << piped.err;
  EXPECT_EQ(piped.err, "") << "no prompt";
  EXPECT_EQ(talker.chat("").out, "");
}

TEST(Chat, ReadsOnlyWhatItHasNotRead) {
  const Talker talker;
  const auto once = numbers_of(talker.chat("Hi\n/stats\n").err);
  EXPECT_EQ(once, (std::vector<size_t>{24, 21, 3}));
  EXPECT_EQ(numbers_of(talker.chat("Hi\nHi\n/stats\n").err), (std::vector<size_t>{24 + 2 + 24, 21 + 23, 6}));
  // A forgotten conversation begins anew.
  const auto reset = numbers_of(talker.chat("Hi\nHi\n/reset\nHi\n/stats\n").err);
  EXPECT_EQ(reset, (std::vector<size_t>{24, 21 + 23 + 21, 9}));
  // What a stop string cut off was read by the model, and must not stay.
  const std::vector<std::string> cut = {"--chat-template", "alpaca", "-r", "xx"};
  const auto first = numbers_of(talker.chat("Hi\n/stats\n", cut).err);
  const auto both = talker.chat("Hi\nHi\n/stats\n", cut);
  EXPECT_EQ(both.out, "w\nw\n");
  const auto second = numbers_of(both.err);
  EXPECT_EQ(first[0], first[1] + 1) << "the w";
  EXPECT_EQ(second[1], second[0] - 2) << "no token twice: the first w stays in the cache, the second is not read yet";
}

TEST(Chat, AFullContextIsSaid) {
  const Talker talker;
  const std::vector<std::string> small = {"-c", "64"};
  auto run = talker.chat("Hi\nHi\nHi\n", small);
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.out, "ABC\nABC\n");
  expect_clear(run.err.substr(0, run.err.find('\n')), "line 3: the context of 64 tokens is full");
  EXPECT_NE(run.err.find("/reset, or start with a larger one by -c"), std::string::npos) << run.err;
  EXPECT_EQ(talker.chat("Hi\nHi\n/reset\nHi\nHi\n", small).out, "ABC\nABC\nABC\nABC\n");
  // During an answer.
  run = talker.chat("Hi\n/stats\n", {"-c", "200", "--chat-template", "alpaca"});
  EXPECT_EQ(run.status, 2);
  EXPECT_TRUE(run.out.starts_with("wxxx") && run.out.ends_with("x\n")) << run.out;
  expect_clear(run.err.substr(0, run.err.find('\n')), "line 1: the context of 200 tokens is full");
  // A question that no reset makes room for.
  run = talker.chat(std::string(100, 'q') + "\n", small);
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.out, "");
  expect_clear(run.err.substr(0, run.err.find('\n')), "line 1: the question has 119 tokens with its template");
}

TEST(Chat, AnswersMayBeLimited) {
  const Talker talker;
  const std::vector<std::string> line = {"chat", "-m", talker.path(), "-f", talker.script("Hi\n"), "-n", "2"};
  const auto run = run_assay(line);
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out, "AB\n");
  EXPECT_NE(run.err.find("cut after 2 tokens, by -n"), std::string::npos) << run.err;
  EXPECT_EQ(numbers_of(talker.chat("Hi\nHi\n/stats\n", {"-n", "2"}).err), (std::vector<size_t>{23 + 23 + 2, 45, 2}))
      << "the last of each answer is read with the next question";
}

TEST(Chat, WhatIsWrongIsRefused) {
  const Talker talker;
  const Talker without("");
  const Talker unknown("{{ messages }}");
  const TemporaryFolder folder;
  const std::string long_line = folder.path("long");
  write_all(long_line, std::string((1u << 20) + 1, 'a'));
  const auto refused = [](const Talker& model, const std::vector<std::string>& options, const std::string& part) {
    std::vector<std::string> line = {"chat", "-q", "-m", model.path()};
    line.insert(line.end(), options.begin(), options.end());
    expect_refused(line, part);
  };
  const std::string hi = talker.script("Hi\n");
  refused(without, {"-f", hi}, "no tokenizer.chat_template; name the one that");
  refused(unknown, {"-f", hi}, "by --chat-template NAME: alpaca, koalpaca-v1.0");
  refused(talker, {"-f", hi, "--chat-template", "x"}, "--chat-template: 'x' is no template; they are: alpaca");
  refused(talker, {"-f", hi, "--chat-template", "koalpaca-v1.1", "--system", "s"}, "no place for --system");
  refused(talker, {"-f", hi, "-n", "0"}, "-n");
  refused(talker, {"-f", hi, "--temp", "-1"}, "--temp");
  refused(talker, {"-f", hi, "-r", ""}, "");
  refused(talker, {"-f", folder.path("none")}, "none");
  refused(talker, {"-f", folder.path()}, "cannot read");
  refused(talker, {"-f", long_line}, "line 1 is longer than 1048576 bytes");
  const auto run = talker.chat("Hi\n/foo\nHi\n");
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.out, "ABC\n");
  expect_clear(run.err.substr(0, run.err.find('\n')), "line 2: '/foo' is no command; they are: /reset");
  EXPECT_EQ(talker.chat(" /foo\n").out, "ABC\n");
  EXPECT_NE(talker.chat("/help\n").err.find("/reset   forget"), std::string::npos);
}

TEST(Chat, TokensThatTheVocabularyLacksAreSaid) {
  const Talker talker;
  const auto run = run_assay({"chat", "-m", talker.path(), "-f", talker.script("Hi\n"), "--chat-template", "gemma"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.err.find("no token <start_of_turn>, of which chat template gemma is made"), std::string::npos)
      << run.err;
}

TEST(Chat, KoAlpaca) {
  const Talker talker;
  const auto run = talker.chat("Hi\n/stats\n", {"--koalpaca"});
  EXPECT_EQ(run.out, "ABC\n") << run.err;
  EXPECT_NE(run.err.find(" of 512 tokens"), std::string::npos) << run.err;
  EXPECT_NE(talker.chat("Hi\n/stats\n", {"--koalpaca", "-c", "300"}).err.find(" of 300 tokens"), std::string::npos);
  EXPECT_NE(numbers_of(run.err),
            numbers_of(talker.chat("Hi\n/stats\n", {"--koalpaca", "--chat-template", "chatml"}).err));
}

/// The program with its output in a pipe, or with all on a terminal.
class Spoken {
 public:
  Spoken(const std::vector<std::string>& arguments, bool on_terminal) {
    std::vector<std::string> all = {ASSAY_BINARY};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (auto& a : all) {
      argv.push_back(a.data());
    }
    argv.push_back(nullptr);
    int out[2] = {-1, -1};
    if (on_terminal) {
      fd_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
      EXPECT_EQ(grantpt(fd_) | unlockpt(fd_), 0);
      char name[64] = "";
      EXPECT_EQ(ptsname_r(fd_, name, sizeof name), 0);
      out[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    } else {
      EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
      fd_ = out[0];
    }
    setenv("TERM", "xterm", 1);
    pid_ = fork();
    if (pid_ == 0) {
      // Only what fork leaves safe. A shell that runs the tests in the background has SIGINT ignored, as the program then leaves it.
      signal(SIGINT, SIG_DFL);
      if (on_terminal) {
        setsid();
        ioctl(out[1], TIOCSCTTY, 0);
        dup2(out[1], STDIN_FILENO);
        dup2(out[1], STDERR_FILENO);
      }
      dup2(out[1], STDOUT_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(out[1]);
  }
  ~Spoken() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(fd_);
  }
  Spoken(const Spoken&) = delete;

  /// What came until `part` did, with it, or until the end if that is empty; a minute at most.
  std::string until(const std::string& part) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    std::string text = std::exchange(waiting_, "");
    size_t at = 0;
    while (part.empty() || (at = text.find(part)) == std::string::npos) {
      pollfd in{fd_, POLLIN, 0};
      poll(&in, 1, 1000);
      char buffer[4096];
      const ssize_t n = (in.revents & (POLLIN | POLLHUP)) != 0 ? read(fd_, buffer, sizeof buffer) : 0;
      if (in.revents != 0 && n <= 0) {
        break;
      }
      text.append(buffer, static_cast<size_t>(n));
      if (std::chrono::steady_clock::now() > end) {
        ADD_FAILURE() << "no " << part << " in a minute: " << text.substr(0, 1000);
        break;
      }
    }
    if (!part.empty() && at != std::string::npos) {
      waiting_ = text.substr(at + part.size());
      text.resize(at + part.size());
    }
    return text;
  }
  void type(std::string_view text) {
    EXPECT_EQ(write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void interrupt() { kill(pid_, SIGINT); }
  /// Exit status, or -signal.
  int status() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  int fd_ = -1;
  pid_t pid_ = -1;
  std::string waiting_;  ///< what came behind the part
};

TEST(Chat, AnInterruptEndsAnAnswerAndNoMore) {
  const Talker talker;
  auto line = talker.line("Hi\nHi\n", {"-c", "65536", "--chat-template", "alpaca"});
  Spoken spoken(line, false);
  spoken.until("wxx");
  spoken.interrupt();
  const std::string rest = spoken.until("\nwxx");  // of this answer, and the beginning of the next
  EXPECT_TRUE(rest.ends_with("\nwxx"));
  spoken.interrupt();
  EXPECT_TRUE(spoken.until("").ends_with("\n"));
  EXPECT_EQ(spoken.status(), 0);
}

TEST(Chat, OnATerminalThereIsAPromptAndAHistory) {
  const Talker talker;
  Spoken spoken({"chat", "-q", "-m", talker.path(), "--force", "*=scalar"}, true);
  spoken.until("> ");
  spoken.type("Hi\r");
  spoken.until("ABC");
  spoken.until("> ");
  // The line before it, with a character less and one more in between; then a syllable, which is taken back.
  spoken.type("\x1b[A\x7f\x1b[DxX\x1b[C\xea\xb0\x80\x7f!\r");
  EXPECT_NE(spoken.until("ABC").find("xXH!"), std::string::npos);
  spoken.until("> ");
  spoken.type("/stats\r");
  std::string stats = spoken.until("context: ");
  stats += spoken.until("> ");
  EXPECT_EQ(numbers_of(stats.substr(stats.find("context: ")))[0], 24u + 2 + 26) << stats;
  spoken.type("/foo\r");
  spoken.until("is no command");
  spoken.until("> ");
  spoken.type("\x04");
  spoken.until("");
  EXPECT_EQ(spoken.status(), 0);
}

TEST(Chat, CtrlCOnATerminalEndsAnAnswerAndThenTheProgram) {
  const Talker talker;
  Spoken spoken({"chat", "-m", talker.path(), "-c", "65536", "--chat-template", "alpaca", "--force", "*=scalar"}, true);
  spoken.until("/help tells");
  spoken.until("> ");
  spoken.type("Hi\r");
  spoken.until("wxx");
  spoken.type("\x03");
  spoken.until("interrupted");
  spoken.until("> ");
  spoken.type("\x03");
  spoken.until("");
  EXPECT_EQ(spoken.status(), -SIGINT);
}

}  // namespace
}  // namespace assay
