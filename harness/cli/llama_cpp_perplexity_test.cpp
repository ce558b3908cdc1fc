// `assay perplexity` beside llama.cpp's probabilities, from which perplexity and divergence are computed here, by llama.cpp's method
// (tools/perplexity): see harness/cli/llama_cpp.h.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "harness/cli/llama_cpp.h"
#include "harness/cli/made_up_model.h"
#include "harness/runtime/atomic_file.h"
#include "harness/runtime/formats.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

constexpr size_t kJudgedContext = 128, kJudgedChunks = 8;

struct ValueAndError {
  double value, error;
};

/// What the program prints behind `name`: "VALUE +/- ERROR".
ValueAndError printed(const std::string& text, const std::string& name) {
  const size_t at = text.find(name);
  const size_t sign = text.find("+/-", at);
  EXPECT_NE(at, std::string::npos) << name << " in " << text;
  return at == std::string::npos
             ? ValueAndError{NAN, NAN}
             : ValueAndError{std::stod(text.substr(at + name.size())), std::stod(text.substr(sign + 3))};
}

ValueAndError mean_and_error(const std::vector<double>& all) {
  const auto n = static_cast<double>(all.size());
  double sum = 0;
  double squares = 0;
  for (const double x : all) {
    sum += x;
    squares += x * x;
  }
  return {sum / n, std::sqrt((squares / n - sum * sum / n / n) / (n - 1))};
}

ValueAndError perplexity_of_surprises(const std::vector<double>& surprises) {
  const ValueAndError mean = mean_and_error(surprises);
  return {std::exp(mean.value), std::exp(mean.value) * mean.error};
}

/// Makes it one that neither knows what comes nor nothing of it; `made`: of 64 columns.
void fit_to_be_judged(MadeUpModel& made, const Architecture& a, bool begins_texts) {
  constexpr uint64_t kWidth = 64;
  const float deviation = a.gemma ? 0.15f : 0.3f;  // it multiplies the rows by 8
  made.fit_for_llama_cpp(begins_texts);
  made.set("context_length", static_cast<uint32_t>(2 * kJudgedContext));
  made.remove("token_embd.weight").add("token_embd.weight", {kWidth, MadeUpModel::kVocabulary}, 0, deviation);
  if (a.turn == Turn::none) {
    made.remove("position_embd.weight").add("position_embd.weight", {kWidth, 2 * kJudgedContext}, 0, 0.3f);
  }
}

/// What the model says if it says what it holds for probable, of printable ASCII.
std::string said_by(const GgufFile& file, const ContextOptions& options) {
  Dispatch dispatch(detect_cpu(), Dispatch::Options{});
  Model model(file, dispatch, 1, options);
  const Tokenizer tokenizer(file);
  Rng rng(1);
  std::string text;
  for (size_t chunk = 0; chunk < kJudgedChunks + 1; ++chunk) {
    model.reset();
    int32_t token = 'a';
    for (size_t i = 0; i < kJudgedContext; ++i) {
      text += tokenizer.decode_piece(token);
      const auto logits = model.eval(std::span(&token, 1));
      // By the largest of logits that have Gumbel's noise.
      const auto noisy = [&](float logit) {
        return static_cast<double>(logit) - std::log(-std::log(static_cast<double>(rng.uniform())));
      };
      double most = -INFINITY;
      for (int32_t next = '!'; next <= '~'; ++next) {
        if (const double value = noisy(logits[static_cast<size_t>(next)]); value > most) {
          most = value;
          token = next;
        }
      }
    }
  }
  return text;
}

/// Of llama.cpp: chunks of a text, and the probabilities in those places of them that are judged.
class JudgedByLlamaCpp {
 public:
  JudgedByLlamaCpp(const GgufFile& file, const std::string& text) {
    const Tokenizer tokenizer(file);
    const std::vector<int32_t> tokens = tokenizer.encode_text(text);
    std::vector<std::vector<int32_t>> chunks;
    for (size_t begin = 0; begin + kJudgedContext <= tokens.size() && chunks.size() < kJudgedChunks;
         begin += kJudgedContext) {
      const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(begin);
      chunks.emplace_back(first, first + static_cast<std::ptrdiff_t>(kJudgedContext));
      if (file.find_boolean("tokenizer.ggml.add_bos_token").value_or(false)) {
        chunks.back()[0] = static_cast<int32_t>(file.u32("tokenizer.ggml.bos_token_id"));
      }
    }
    const auto all = llama_cpp_probabilities(file.path(), MadeUpModel::kVocabulary, chunks);
    for (size_t i = 0; i < all.size(); ++i) {
      const size_t place = i % kJudgedContext;
      if (place >= kJudgedContext / 2 && place + 1 < kJudgedContext) {
        rows_.push_back(all[i]);
        next_.push_back(static_cast<size_t>(chunks[i / kJudgedContext][place + 1]));
      }
    }
  }

  /// Places; 0: it does not take the model.
  size_t count() const { return rows_.size(); }

  ValueAndError perplexity() const {
    std::vector<double> surprises;
    for (size_t i = 0; i < count(); ++i) {
      surprises.push_back(-std::log(static_cast<double>(rows_[i][next_[i]])));
    }
    return perplexity_of_surprises(surprises);
  }

  ValueAndError divergence_from(const JudgedByLlamaCpp& base) const {
    std::vector<double> all;
    for (size_t i = 0; i < count(); ++i) {
      double sum = 0;
      for (size_t token = 0; token < rows_[i].size(); ++token) {
        const auto p = static_cast<double>(base.rows_[i][token]);
        sum += std::log(p) > -16 ? p * std::log(p / static_cast<double>(rows_[i][token])) : 0;
      }
      all.push_back(sum);
    }
    return mean_and_error(all);
  }

 private:
  std::vector<std::vector<float>> rows_;
  std::vector<size_t> next_;
};

/// Both within the error that is printed, which both compute alike.
void expect_same(const std::string& of, const ValueAndError& ours, const ValueAndError& theirs) {
  fmt::print("| {} | {:.5f} ± {:.5f} | {:.5f} ± {:.5f} | {:.1e} |\n", of, ours.value, ours.error, theirs.value,
             theirs.error, std::fabs(ours.value - theirs.value) / ours.error);
  // Nor is a divergence of less than what it rounds otherwise, such as activations to F16, of any account.
  constexpr double kOfRounding = 1e-4;
  EXPECT_LT(std::fabs(ours.value - theirs.value), std::max(ours.error, kOfRounding)) << of;
  EXPECT_NEAR(ours.error, theirs.error, 0.1 * theirs.error + kOfRounding / 10) << of;
}

TEST_F(LlamaCpp, PerplexityAndDivergenceAreTheSame) {
  fmt::print("| of | assay | llama.cpp | difference / error |\n|---|---|---|---|\n");
  size_t taken = 0;
  for (const Architecture& a : architectures()) {
    MadeUpModel made(a.name, 1, &find_format("f32"), true);
    fit_to_be_judged(made, a, taken % 2 == 0);
    const GgufFile wide = made.file();
    const bool by_tanh = a.activation == Activation::gelu_erf;
    const TemporaryFile text(said_by(wide, {.cache = CacheType::f16}));
    const JudgedByLlamaCpp base(wide, read_small_file(text.path(), size_t{1} << 20));
    if (base.count() == 0) {
      fmt::print("| {} | | not taken | |\n", a.name);
      continue;
    }
    ASSERT_EQ(base.count(), kJudgedChunks * (kJudgedContext / 2 - 1));
    ++taken;
    const auto judge = [&](const std::string& model, const std::string& beside) {
      std::vector<std::string> arguments = {"perplexity",
                                            "-m",
                                            model,
                                            "-f",
                                            text.path(),
                                            "-c",
                                            std::to_string(kJudgedContext),
                                            "--cache-type",
                                            "f16",
                                            "--chunks",
                                            std::to_string(kJudgedChunks)};
      if (by_tanh) {
        arguments.insert(arguments.end(), {"--gelu", "tanh"});
      }
      if (!beside.empty()) {
        arguments.insert(arguments.end(), {"--kl", beside});
      }
      const auto run = run_assay(arguments);
      EXPECT_EQ(run.status, 0) << run.err;
      return run.out;
    };
    const ValueAndError of_base = printed(judge(wide.path(), ""), "PPL = ");
    EXPECT_GT(of_base.value, 1.5) << a.name << " knows what comes";
    EXPECT_LT(of_base.value, 0.8 * MadeUpModel::kVocabulary) << a.name << " knows nothing";
    expect_same(fmt::format("{}: PPL", a.name), of_base, base.perplexity());
    for (const char* type : {"q8_0", "q4_0", "q4_k_m"}) {
      const TemporaryFolder folder;
      const std::string narrow = folder.path("narrow.gguf");
      ASSERT_EQ(run_assay({"quantize", wide.path(), narrow, "--type", type}).status, 0);
      const JudgedByLlamaCpp theirs(GgufFile::open(narrow), read_small_file(text.path(), size_t{1} << 20));
      ASSERT_EQ(theirs.count(), base.count());
      const std::string ours = judge(narrow, wide.path());
      expect_same(fmt::format("{} {}: PPL", a.name, type), printed(ours, "\nPPL "), theirs.perplexity());
      expect_same(fmt::format("{} {}: KL divergence", a.name, type), printed(ours, "\nKL divergence "),
                  theirs.divergence_from(base));
    }
  }
  EXPECT_GE(taken, 9u);  // it knows no bitnet-b1.58
}

}  // namespace
}  // namespace assay
