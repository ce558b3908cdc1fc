// A model that says what is most probable; only tests include it.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "harness/runtime/dispatch.h"
#include "runner/model.h"
#include "runner/tokenizer.h"

namespace assay {

/// A model file through variants: "" for the chosen ones, else all of one.
class GreedyModel {
 public:
  GreedyModel(const std::string& path, const std::string& variant, const ContextOptions& context = {})
      : file_(GgufFile::open(path)),
        tokenizer_(file_),
        variant_(variant),
        dispatch_(detect_cpu(), options(variant)),
        model_(file_, dispatch_, 1, context) {}

  const Tokenizer& tokenizer() const { return tokenizer_; }

  /// The next answer is to tokens that are read from the first on.
  void forget() { read_.clear(); }

  /// What it says after these tokens, up to one that ends a text, or to so many bytes and what the last token has over.
  std::string answer(std::span<const int32_t> tokens, size_t bytes) {
    // What they begin with may be what it read last.
    const auto common = std::ranges::mismatch(read_, tokens.first(tokens.size() - 1)).in1 - read_.begin();
    model_.rewind(static_cast<size_t>(common));
    auto logits = model_.eval(tokens.subspan(static_cast<size_t>(common)));
    read_.assign(tokens.begin(), tokens.end());
    std::string text;
    while (text.size() < bytes) {
      const auto token = static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin());
      if (tokenizer_.ends(token)) {
        break;
      }
      text += tokenizer_.decode_piece(token);
      logits = model_.eval(std::span(&token, 1));
    }
    return text;
  }

  /// Names of variants, and how often each was called.
  std::map<std::string, uint64_t> ran() const { return dispatch_.ran(); }

  /// Something ran, and nothing but the variant.
  void expect_variant() const {
    for (const auto& [name, calls] : ran()) {
      EXPECT_TRUE(variant_.empty() || name.ends_with("/" + variant_)) << name << " ran " << calls << " times";
    }
    EXPECT_FALSE(ran().empty());
  }

 private:
  static Dispatch::Options options(const std::string& variant) {
    Dispatch::Options o;
    o.force = variant.empty() ? "" : "*=" + variant;
    return o;
  }

  GgufFile file_;
  Tokenizer tokenizer_;
  std::string variant_;
  Dispatch dispatch_;
  Model model_;
  std::vector<int32_t> read_;  ///< of the last question
};

}  // namespace assay
