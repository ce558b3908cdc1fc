#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runner/sampler.h"
#include "runner/stop_strings.h"
#include "runner/tokenizer.h"

namespace assay {

/// Tokens, and the time that the model took for them.
struct TokenCount {
  size_t tokens = 0;
  std::chrono::steady_clock::duration time{};

  void add(size_t more, std::chrono::steady_clock::time_point begin) {
    tokens += more;
    time += std::chrono::steady_clock::now() - begin;
  }
  double per_second() const {
    return static_cast<double>(tokens) / std::max(std::chrono::duration<double>(time).count(), 1e-9);
  }
};

/// While it lives, SIGINT (Ctrl-C) does not end the program but is noted; a second one ends it. Where the parent has it ignored it stays
/// ignored. One at a time.
class InterruptNote {
 public:
  InterruptNote();
  ~InterruptNote();
  InterruptNote(const InterruptNote&) = delete;

  bool came() const;

 private:
  bool is_installed_ = false;
};

/// Why an answer is at its end: the model ended it, a stop string did, the limit or the context allows no more, or Ctrl-C came.
enum class AnswerEnd { model, stop, limit, context, interrupt };

struct GeneratedAnswer {
  std::vector<int32_t> tokens;  ///< without the one that ends it; the last may not have been evaluated
  std::string text;             ///< what was shown of it
  AnswerEnd end = AnswerEnd::model;
};

struct GenerationLimits {
  size_t tokens;  ///< of the answer, >= 1
  size_t room;    ///< positions that the context has left
};

/// Draws an answer token by token. `logits`: those after the question; `eval` gives those after a further token. The text goes to
/// stdout as it comes, and a newline behind it; `interrupt` may be nullptr. Throws as the sampler and `eval` do.
GeneratedAnswer generate(std::span<const float> logits, const GenerationLimits& limits, const Tokenizer& tokenizer,
                         Sampler& sampler, StopStrings& stops, const InterruptNote* interrupt,
                         const std::function<std::span<const float>(int32_t token)>& eval);

}  // namespace assay
