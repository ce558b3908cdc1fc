#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/cli/chat_session.h"
#include "harness/cli/commands.h"
#include "harness/cli/line_reader.h"
#include "harness/cli/model_flags.h"
#include "harness/cli/sampler_flags.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "runner/conversation.h"
#include "runner/model.h"

namespace assay {
namespace {

struct ChatArguments {
  ModelFlags flags;
  SamplerOptions sampling;
  std::string form;
  std::optional<std::string> system, file;
  std::optional<int64_t> n;
  std::vector<std::string> stops;
  bool koalpaca = false;
};

constexpr const char* kChatHelp =
    "A line that ends in a backslash goes on in the next one; Ctrl-C ends an answer, Ctrl-D the conversation.\n"
    "  /reset   forget the conversation\n"
    "  /stats   what the context holds, and how fast it went\n"
    "  /help    this text\n"
    "  /quit    end\n"
    "To say what begins with a slash, begin with a space.\n";

/// KoAlpaca.cpp's own, for what the user leaves open: of 512 positions, what the model has.
void apply_koalpaca(const CLI::App& command, const GgufFile& file, ChatArguments& a) {
  const auto set = [&](const char* flag, auto& value, auto to) {
    if (command.get_option(flag)->count() == 0) {
      value = to;
    }
  };
  set("--chat-template", a.form, "koalpaca.cpp");
  set("--temp", a.sampling.temperature, 0.1f);
  set("--top-k", a.sampling.top_k, 40);
  set("--top-p", a.sampling.top_p, 0.95f);
  set("--repeat-penalty", a.sampling.repeat_penalty, 1.3f);
  set("--repeat-last-n", a.sampling.repeat_last_n, 64);
  set("--ctx-size", a.flags.context.n_ctx, std::min<size_t>(512, ModelSizes::read(file).n_ctx_trained));
  if (file.string("tokenizer.ggml.model") == "llama") {  // it knew no others
    set("--tokenizer", a.flags.rule, PieceRule::longest_match);
  }
}

void tell_missing_tokens(const ChatTemplate& form, const Tokenizer& tokenizer) {
  for (const std::string& special : form.specials) {
    if (tokenizer.encode_marked(special).size() != 1) {
      fmt::print(stderr, "assay: the model has no token {}, of which chat template {} is made: it reads it as text\n",
                 special, form.name);
    }
  }
}

/// A conversation from beginning to end; a script ends with what it cannot have.
class Chat {
 public:
  Chat(const ChatArguments& a, ChatSession& session, LineReader& lines, const ModelSizes& sizes)
      : a_(&a), session_(&session), lines_(&lines), sizes_(&sizes) {}

  void run() {
    while (const auto line = lines_->next()) {
      if (line->find_first_not_of(" \t") == std::string::npos) {
        continue;
      }
      if (*line == "/quit") {
        return;
      }
      try {
        line->starts_with('/') ? command(*line) : question(*line);
      } catch (const InputError& e) {
        complain(e.what());
      }
    }
    if (lines_->is_terminal()) {
      fmt::print(stderr, "\n");
    }
  }

 private:
  void complain(const std::string& problem) const {
    if (!lines_->is_terminal()) {
      throw InputError(fmt::format("{}: line {}: {}", lines_->name(), lines_->number(), problem));
    }
    fmt::print(stderr, "assay: {}\n", one_line(problem, 4096));
  }

  void tell(const std::string& what) const {
    if (!a_->flags.quiet) {
      fmt::print(stderr, "assay: {}\n", what);
    }
  }

  void command(const std::string& line) {
    if (line == "/reset") {
      session_->reset();
    } else if (line == "/stats") {
      fmt::print(stderr, "{}", session_->stats());
    } else if (line == "/help") {
      fmt::print(stderr, "{}", kChatHelp);
    } else {
      throw InputError(fmt::format(
          "{} is no command; they are: /reset, /stats, /help, /quit. To say it, begin with a space", quote(line)));
    }
  }

  void question(const std::string& line) {
    switch (session_->ask(line, a_->n ? static_cast<size_t>(*a_->n) : SIZE_MAX)) {
      case AnswerEnd::context:
        throw InputError(
            fmt::format("the context of {} tokens is full: forget the conversation with /reset{}", sizes_->n_ctx,
                        sizes_->n_ctx < sizes_->n_ctx_trained ? ", or start with a larger one by -c" : ""));
      case AnswerEnd::limit:
        return tell(fmt::format("the answer is cut after {} tokens, by -n", *a_->n));
      case AnswerEnd::interrupt:
        return tell("interrupted");
      case AnswerEnd::model:
      case AnswerEnd::stop:
        return;
    }
  }

  const ChatArguments* a_;
  ChatSession* session_;
  LineReader* lines_;
  const ModelSizes* sizes_;
};

int chat(const CLI::App& command, ChatArguments a) {
  // What is wrong in the flags is found before a large file is read.
  check_options(a.sampling);
  const GgufFile file = GgufFile::open(a.flags.model);
  if (a.koalpaca) {
    apply_koalpaca(command, file, a);
  }
  const ChatTemplate form = chat_template_of(file, a.form);
  const Tokenizer tokenizer = make_tokenizer(file, a.flags);
  Conversation conversation(tokenizer, form, a.system);
  a.stops.insert(a.stops.end(), form.stops.begin(), form.stops.end());
  const StopStrings checked(a.stops);
  LineReader lines(a.file);
  const Cpu cpu = detect_cpu();
  Dispatch dispatch = make_dispatch(cpu, a.flags);
  Model model(file, dispatch, a.flags.threads, a.flags.context);
  if (!a.flags.quiet) {
    tell_missing_tokens(form, tokenizer);
    if (lines.is_terminal()) {
      fmt::print(stderr, "Chat template {}, context of {} tokens. /help tells what else you can type.\n", form.name,
                 model.sizes().n_ctx);
    }
  }
  ChatSession session(model, tokenizer, std::move(conversation), a.sampling,
                      softmax_of(dispatch, model.sizes().n_vocab), a.stops);
  Chat(a, session, lines, model.sizes()).run();
  return 0;
}

}  // namespace

void add_chat_command(CLI::App& app, int& status) {
  auto a = std::make_shared<ChatArguments>();
  auto* command = app.add_subcommand("chat", "converse with a model: on a terminal, or with a question a line");
  add_model_flags(*command, a->flags);
  add_tokenizer_flag(*command, a->flags);
  command->add_option(
      "--chat-template", a->form,
      fmt::format("how the model reads a conversation (default: as its file says): {}", chat_template_names()));
  command->add_option("--system", a->system, "what the model is told before all else");
  command->add_option("-f,--file", a->file, "a script: a question, or a command like /reset, a line (default: stdin)");
  add_answer_flags(*command, a->n, "what the context has room for", a->stops);
  add_sampler_flags(*command, a->sampling);
  command->add_flag("--koalpaca", a->koalpaca,
                    "as KoAlpaca.cpp has it, for what no other flag says: --chat-template koalpaca.cpp --temp 0.1 "
                    "--top-k 40 --top-p 0.95 --repeat-penalty 1.3 --repeat-last-n 64 -c 512, and for a vocabulary of "
                    "sentence pieces --tokenizer longest-match");
  command->callback([a, command, &status] { status = chat(*command, *a); });
}

}  // namespace assay
