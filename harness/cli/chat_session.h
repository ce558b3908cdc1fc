#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/cli/generation.h"
#include "runner/conversation.h"
#include "runner/model.h"
#include "runner/sampler.h"

namespace assay {

/// A model in conversation. It reads again only what it does not have in its cache.
class ChatSession {
 public:
  ChatSession(Model& model, const Tokenizer& tokenizer, Conversation conversation, const SamplerOptions& options,
              const SoftmaxFn& softmax, std::vector<std::string> stops)
      : model_(&model),
        tokenizer_(&tokenizer),
        beginning_(std::move(conversation)),
        conversation_(beginning_),
        options_(options),
        softmax_(softmax),
        sampler_(options, softmax),
        stops_(std::move(stops)) {}

  /// As if nothing had been said.
  void reset() {
    model_->reset();
    read_.clear();
    conversation_ = beginning_;
    sampler_ = Sampler(options_, softmax_);
  }

  /// Prints the answer as it comes, and a newline. Throws InputError for a question that no context has room for; where only this one
  /// has none left, the end is AnswerEnd::context and the question, if it has no answer, forgotten.
  AnswerEnd ask(const std::string& question, size_t limit);

  /// What the context holds, and how fast it went: a line.
  std::string stats() const;

 private:
  std::optional<std::span<const float>> read(const std::vector<int32_t>& wanted, const InterruptNote& interrupt);
  void keep(const GeneratedAnswer& answer);

  Model* model_;
  const Tokenizer* tokenizer_;
  Conversation beginning_, conversation_;
  SamplerOptions options_;
  SoftmaxFn softmax_;
  Sampler sampler_;
  std::vector<std::string> stops_;
  std::vector<int32_t> read_;  ///< what the model has in its cache
  TokenCount read_count_, generated_;
};

}  // namespace assay
