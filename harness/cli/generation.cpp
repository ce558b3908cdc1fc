#include "harness/cli/generation.h"

#include <signal.h>

#include <cstdio>

namespace assay {
namespace {

volatile sig_atomic_t interrupts_noted = 0;

void note_interrupt(int /*signal*/) { interrupts_noted = 1; }

void print_at_once(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

InterruptNote::InterruptNote() {
  interrupts_noted = 0;
  struct sigaction before {};
  sigaction(SIGINT, nullptr, &before);
  if (before.sa_handler == SIG_DFL) {
    struct sigaction action {};
    action.sa_handler = note_interrupt;
    action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
    is_installed_ = sigaction(SIGINT, &action, nullptr) == 0;
  }
}

InterruptNote::~InterruptNote() {
  if (is_installed_) {
    signal(SIGINT, SIG_DFL);
  }
}

bool InterruptNote::came() const { return interrupts_noted != 0; }

GeneratedAnswer generate(std::span<const float> logits, const GenerationLimits& limits, const Tokenizer& tokenizer,
                         Sampler& sampler, StopStrings& stops, const InterruptNote* interrupt,
                         const std::function<std::span<const float>(int32_t token)>& eval) {
  GeneratedAnswer answer;
  const auto add = [&](const std::string& text) {
    answer.text += text;
    print_at_once(text);
  };
  while (true) {
    if (interrupt != nullptr && interrupt->came()) {
      answer.end = AnswerEnd::interrupt;
      break;
    }
    const int32_t token = sampler.sample(logits);
    sampler.accept(token);
    if (tokenizer.ends(token)) {
      break;
    }
    answer.tokens.push_back(token);
    add(stops.add(tokenizer.decode_piece(token)));
    if (stops.stopped()) {
      answer.end = AnswerEnd::stop;
      break;
    }
    if (answer.tokens.size() >= limits.tokens) {
      answer.end = AnswerEnd::limit;
      break;
    }
    if (answer.tokens.size() > limits.room) {
      answer.end = AnswerEnd::context;
      break;
    }
    logits = eval(token);
  }
  add(stops.finish());
  print_at_once("\n");  // stderr may go to the same file: each says its part before the other does
  return answer;
}

}  // namespace assay
