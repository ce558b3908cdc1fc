#include "harness/cli/chat_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/runtime/error.h"

namespace assay {

/// The logits after `wanted`; nothing if Ctrl-C came before.
std::optional<std::span<const float>> ChatSession::read(const std::vector<int32_t>& wanted,
                                                        const InterruptNote& interrupt) {
  // The last token is always read: its logits are what counts.
  const auto earlier = std::span(wanted).first(std::max<size_t>(wanted.size(), 1) - 1);
  read_.erase(std::ranges::mismatch(read_, earlier).in1, read_.end());
  model_->rewind(read_.size());
  std::span<const float> logits;
  while (read_.size() < wanted.size()) {
    if (interrupt.came()) {
      return std::nullopt;
    }
    const auto begin = std::chrono::steady_clock::now();
    const auto next = std::span(wanted).subspan(read_.size());
    const auto batch = next.first(std::min(next.size(), Model::kBatch));
    logits = model_->eval(batch);
    read_.insert(read_.end(), batch.begin(), batch.end());
    read_count_.add(batch.size(), begin);
  }
  return logits;
}

void ChatSession::keep(const GeneratedAnswer& answer) {
  const std::string_view kept = conversation_.kept_of(answer.text);
  if (answer.end == AnswerEnd::stop || kept.size() != answer.text.size()) {
    conversation_.answer(answer.tokens, kept);
  } else {
    conversation_.answer(answer.tokens);
  }
}

AnswerEnd ChatSession::ask(const std::string& question, size_t limit) {
  const InterruptNote interrupt;
  const size_t before = conversation_.tokens().size();
  const std::vector<int32_t>& wanted = conversation_.ask(question);
  const size_t n_ctx = model_->sizes().n_ctx;
  if (wanted.size() >= n_ctx) {
    const size_t needed = wanted.size();
    conversation_.take_back();
    if (before == 0) {
      throw InputError(fmt::format(
          "the question has {} tokens with its template, the context {}: it leaves no room for an answer; shorten it{}",
          needed, n_ctx, n_ctx < model_->sizes().n_ctx_trained ? ", or take a larger context with -c" : ""));
    }
    return AnswerEnd::context;
  }
  const auto logits = read(wanted, interrupt);
  if (!logits) {
    conversation_.take_back();
    return AnswerEnd::interrupt;
  }
  for (const int32_t token : std::span(wanted).subspan(before)) {
    sampler_.accept(token);
  }
  StopStrings stops(stops_);
  const auto eval = [&](int32_t token) {
    const auto begin = std::chrono::steady_clock::now();
    const auto next = model_->eval(std::span(&token, 1));
    read_.push_back(token);
    generated_.add(1, begin);
    return next;
  };
  const GeneratedAnswer answer =
      generate(*logits, {limit, n_ctx - wanted.size()}, *tokenizer_, sampler_, stops, &interrupt, eval);
  keep(answer);
  return answer.end;
}

std::string ChatSession::stats() const {
  return fmt::format(
      "context: {} of {} tokens; read: {} tokens, {:.1f} tokens/s; generated: {} tokens, {:.1f} tokens/s\n",
      conversation_.tokens().size(), model_->sizes().n_ctx, read_count_.tokens, read_count_.per_second(),
      generated_.tokens, generated_.per_second());
}

}  // namespace assay
