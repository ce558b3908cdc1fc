#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "harness/runtime/rng.h"

namespace assay {

/// The usual options of llama.cpp, by its definitions. Each is off by default.
struct SamplerOptions {
  float temperature = 0;  ///< >= 0, finite; 0: the most probable token of those that are left, always
  int32_t top_k = 0;      ///< >= 0: only the k most probable tokens; 0: all
  float top_p = 1;        ///< (0, 1]: only the most probable tokens that together reach p; 1: all
  uint64_t seed = 0;
  float min_p = 0;              ///< [0, 1]: only tokens at least p times as probable as the best; 0: all
  float typical = 1;            ///< (0, 1]: only the tokens least unlike the mean, together over p; 1: all
  float repeat_penalty = 1;     ///< > 0, finite: divides a positive logit of a token seen, multiplies another; 1: off
  float presence_penalty = 0;   ///< finite: what a token seen loses
  float frequency_penalty = 0;  ///< finite: what it loses each time that it was seen
  int32_t repeat_last_n = 64;   ///< >= -1: the last tokens are those seen; 0: none; -1: all
};

/// Throws InputError that names the flag for an option outside its range.
void check_options(const SamplerOptions& options);

/// y[i] = softmax(scale * x)[i], i in [0, n), with y == x allowed: the contract of kernel
/// softmax_f32.
using SoftmaxFn = std::function<void(float* y, const float* x, float scale, size_t n)>;

/// Chooses the next token. With the same options, tokens seen and probabilities it draws the same
/// tokens on every machine; probabilities of different softmax variants differ in their last bits.
class Sampler {
 public:
  /// Throws as check_options does. `softmax` is called with few lengths: powers of two, and that of the logits.
  Sampler(const SamplerOptions& options, SoftmaxFn softmax);

  /// A token of the text, of the prompt or drawn: it is seen from now on. It must have a logit.
  void accept(int32_t token);

  /// A token in [0, logits.size()). Of equal logits, the lowest token ranks first. A logit of -Inf
  /// is a token that is never chosen. Throws InputError for no logits, a NaN or +Inf, or all -Inf.
  int32_t sample(std::span<const float> logits);

 private:
  struct Candidate {
    int32_t token;
    float logit;
    float probability;  ///< as find_probabilities left it
  };
  static bool ranks_before(const Candidate& a, const Candidate& b);

  void penalize();
  void keep_top_k();
  void keep_typical();
  void keep_top_p();
  void keep_min_p();
  int32_t draw();

  const Candidate& best() const;
  double find_probabilities(float temperature);
  template <class Before, class Enough>
  void keep_first(Before before, Enough enough);

  SamplerOptions options_;
  SoftmaxFn softmax_;
  Rng rng_;
  std::deque<int32_t> seen_;           ///< the last tokens, the latest at the end
  std::map<int32_t, int32_t> counts_;  ///< of them
  size_t n_vocab_ = 0;
  std::vector<Candidate> candidates_;  ///< what is left, in ascending order of tokens
  std::vector<float> row_;             ///< what softmax works on
};

}  // namespace assay
