#include "harness/cli/block_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "harness/cli/random_block.h"
#include "harness/runtime/error.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

TEST(BlockCheck, EveryMixOfVariantsMatchesTheReferenceBlock) {
  BlockCheckOptions options;
  options.samples = 40;
  for (const Architecture& architecture : architectures()) {
    options.architecture = architecture.name;
    const Verdict v = check_block(detect_cpu(), options);
    EXPECT_EQ(v.status, Status::pass) << v.reason << "\n" << v.reproduce;
    EXPECT_EQ(v.samples, 40u);
    EXPECT_GT(v.errors.worst_over_bound, 0.001) << "a bound that far off judges nothing";
  }
}

/// Rows of x through the block, `at_once` of them at a time.
std::vector<float> through_block(const RandomBlock& random, std::vector<float> x, size_t at_once, unsigned threads,
                                 const std::string& isa = "scalar") {
  Dispatch::Options options;
  options.force = "*=" + isa;
  Dispatch dispatch(detect_cpu(), options);
  ThreadPool pool(threads);
  Attention attention(random.sizes(), dispatch);
  Workspace work;
  Block block(random.source(), "", random.sizes(), attention, work, dispatch);
  Arena weights(block.weight_bytes(), Arena::Pages::usual, "the weights");
  Arena cache(block.cache_bytes(), Arena::Pages::usual, "the keys and values");
  block.load(random.source(), weights, cache, pool);
  const size_t n = random.sizes().n_embd;
  for (size_t t = 0; t * n < x.size(); t += at_once) {
    block.forward(&x[t * n], std::min(at_once, x.size() / n - t), t, pool);
  }
  return x;
}

// Keys are shared among threads by parts, which are the same whoever takes them. Only attention over floats adds in another order for
// several tokens than for one.
TEST(Block, ResultsDependNeitherOnThreadsNorOnTheBatch) {
  int by_parts = 0;
  for (const Architecture& architecture : architectures()) {
    for (uint64_t seed = 0; seed < 8; ++seed) {
      Rng rng(mix_seed(seed, 77));
      const RandomBlock random(rng, architecture);
      const size_t tokens = 50;
      by_parts += random.sizes().cache != CacheType::f32 && random.sizes().keys_of_part < tokens;
      std::vector<float> x(tokens * random.sizes().n_embd);
      std::ranges::generate(x, [&] { return rng.normal(); });
      const std::vector<float> whole = through_block(random, x, tokens, 1);
      for (const size_t at_once : {size_t{1}, size_t{7}, tokens}) {
        ASSERT_EQ(through_block(random, x, at_once, 1), whole) << architecture.name << " " << seed << " " << at_once;
        ASSERT_EQ(through_block(random, x, at_once, 2), whole) << architecture.name << " " << seed << " " << at_once;
      }
      if (isa_status(detect_cpu(), "jit_avx2").runnable) {
        EXPECT_EQ(through_block(random, x, 7, 1, "jit_avx2"), through_block(random, x, tokens, 1, "jit_avx2"))
            << architecture.name << " " << seed;
      }
    }
  }
  EXPECT_GT(by_parts, 10);
}

TEST(BlockCheck, TheWrongVariantIsBlamedAndNoOther) {
  size_t blamed = 0;
  for (const std::string guilty : {
           "add_f32=sse!last_element_missed",
           "attention_f32=scalar!mask_one_early",
           "gelu_f32=jit_avx2!fma_operands_exchanged",
           "layer_norm_f32=avx2!bias_twice_in_the_tail",
           "matmul_f32=sse!odd_token_missed",
           "matmul_q1_0=scalar-select!scale_of_the_neighbouring_block",
           "quantize_q8_0=scalar!scale_of_the_previous_block",
       }) {
    const auto run = run_assay({"check", "--block", "gpt2", "--force", guilty, "--json"}, ASSAY_SELFTEST_BINARY);
    if (run.status == 3) {
      continue;  // this CPU lacks the ISA
    }
    ASSERT_EQ(run.status, 1) << guilty << "\n" << run.out << run.err;
    const std::string reason = nlohmann::json::parse(run.out).at(0).at("reason");
    std::string name = guilty;
    name[name.find('=')] = '/';
    EXPECT_NE(reason.find("; to blame: " + name + "; variants: "), std::string::npos) << guilty << "\n" << reason;
    ++blamed;
  }
  EXPECT_GE(blamed, 3u);
}

/// Tensors of a block as a runner has them that reads or maps some of them wrongly.
class WrongBlock {
 public:
  explicit WrongBlock(const RandomBlock& block) : block_(&block) {}

  const Tensor& operator()(const std::string& name) const {
    const auto changed = changed_.find(name);
    return changed != changed_.end() ? changed->second : block_->source().tensor(name);
  }

  void exchange(const std::string& a, const std::string& b) {
    const Tensor first = (*this)(a);
    const Tensor second = (*this)(b);
    changed_[a] = second;
    changed_[b] = first;
  }

  /// Each byte of the tensor through `change`, which is told its place.
  template <class F>
  void change(const std::string& name, F change) {
    Tensor t = (*this)(name);
    auto& bytes = bytes_[name];
    bytes.assign(t.data.begin(), t.data.end());
    change(std::span(bytes));
    t.data = bytes;
    changed_[name] = t;
  }

  /// What the block check makes of it.
  BlockOutcome outcome() const {
    BlockInput input{3, 2, {}};
    Rng rng(5);
    input.x.resize(5 * block_->sizes().n_embd);
    std::ranges::generate(input.x, [&] { return rng.normal(); });
    Dispatch::Options options;
    options.force = "*=scalar";
    Dispatch dispatch(detect_cpu(), options);
    const auto find = [this](const std::string& name) {
      return block_->source().find(name) != nullptr ? &(*this)(name) : nullptr;
    };
    return compare_block({"wrong block", *this, find},
                         reference::block_of(block_->raw_tensors(), "", block_->hyperparameters()), block_->sizes(),
                         input, dispatch);
  }

 private:
  const RandomBlock* block_;
  std::map<std::string, Tensor> changed_;
  std::map<std::string, std::vector<std::byte>> bytes_;
};

/// Calls f(block, name) for matrices of the type in the blocks of one seed after the other, for 20 at least; returns how many there
/// were.
template <class F>
size_t each_matrix(TensorType type, F f) {
  size_t found = 0;
  for (uint64_t seed = 1; found < 20 && seed <= 200; ++seed) {
    Rng rng(seed);
    const auto all = architectures();
    const RandomBlock block(rng, all[seed % all.size()], *tensor_type_info(type).format);
    for (const std::string& name : block.matrices()) {
      if (block.sizes().n_embd >= 4 && block.source().tensor(name).type == type) {
        f(block, name);
        ++found;
      }
    }
  }
  return found;
}

TEST(BlockCheck, RandomBlocksHaveMatricesOfEachTypeThatTheRunnerReads) {
  for (const TensorTypeInfo& info : tensor_types()) {
    const size_t found = each_matrix(info.type, [](const RandomBlock& block, const std::string& name) {
      const BlockOutcome right = WrongBlock(block).outcome();
      EXPECT_EQ(right.failure, "") << name;
    });
    EXPECT_GE(found, 20u) << info.name;
  }
}

TEST(BlockCheck, HalvesReadWrongByTheRunnerAloneAreCaught) {
  each_matrix(TensorType::f16, [](const RandomBlock& block, const std::string& name) {
    WrongBlock exchanged(block);
    exchanged.change(name, [](std::span<std::byte> bytes) {
      for (size_t i = 0; i < bytes.size(); i += 2) {
        std::swap(bytes[i], bytes[i + 1]);
      }
    });
    EXPECT_NE(exchanged.outcome().failure, "") << name;
    WrongBlock unsigned_halves(block);
    unsigned_halves.change(name, [](std::span<std::byte> bytes) {
      for (size_t i = 1; i < bytes.size(); i += 2) {
        bytes[i] &= std::byte{0x7f};
      }
    });
    EXPECT_NE(unsigned_halves.outcome().failure, "") << name;
    if (block.sizes().cache == CacheType::f16) {
      return;  // the bound of a cache of halves, 2^-8, hides the last bits of a matrix
    }
    if (std::ranges::any_of(block.matrices(), [&](const std::string& m) {
          return std::string(tensor_type_info(block.source().tensor(m).type).format->activations) != "f32";
        })) {
      return;  // and so does that of rounded activations, 2^-6, of a matrix beside it
    }
    WrongBlock bfloat(block);
    bfloat.change(name, [](std::span<std::byte> bytes) {
      for (size_t i = 0; i < bytes.size(); i += 2) {
        bytes[i] &= std::byte{0xf8};
      }
    });
    EXPECT_NE(bfloat.outcome().failure, "") << name;
  });
}

TEST(BlockCheck, Q1ReadWrongByTheRunnerAloneIsCaught) {
  each_matrix(TensorType::q1_0, [](const RandomBlock& block, const std::string& name) {
    WrongBlock reversed(block);
    reversed.change(name, [](std::span<std::byte> bytes) {
      for (size_t i = 0; i < bytes.size(); ++i) {
        if (i % 18 >= 2) {  // nibbles exchanged
          bytes[i] = bytes[i] << 4 | bytes[i] >> 4;
        }
      }
    });
    EXPECT_NE(reversed.outcome().failure, "") << name;
    WrongBlock negated(block);
    negated.change(name, [](std::span<std::byte> bytes) {
      for (size_t i = 1; i < bytes.size(); i += 18) {
        bytes[i] ^= std::byte{0x80};
      }
    });
    EXPECT_NE(negated.outcome().failure, "") << name;
    WrongBlock neighbour(block);
    neighbour.change(name, [](std::span<std::byte> bytes) {
      for (size_t i = 0; i + 19 < bytes.size(); i += 18) {
        bytes[i] = bytes[i + 18];
        bytes[i + 1] = bytes[i + 19];
      }
    });
    EXPECT_NE(neighbour.outcome().failure, "") << name;
  });
}

TEST(BlockCheck, TensorsExchangedByTheRunnerAloneAreCaught) {
  size_t tried = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Rng rng(seed);
    const RandomBlock block(rng, find_architecture("gpt2"));
    if (block.sizes().n_embd < 4) {
      continue;  // one or two elements are 0 or +-1 after a norm, whatever they were
    }
    for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{
             {"attn_norm.weight", "ffn_norm.weight"},
             {"attn_norm.bias", "ffn_norm.bias"},
             {"attn_norm.weight", "attn_norm.bias"},
             {"attn_output.bias", "ffn_down.bias"},
         }) {
      WrongBlock wrong(block);
      wrong.exchange(a, b);
      EXPECT_NE(wrong.outcome().failure, "") << "seed " << seed << ": " << a << " for " << b;
      ++tried;
    }
  }
  EXPECT_GE(tried, 100u);
}

TEST(BlockCheck, ForcingAKernelThatTheBlockHasNotIsAnError) {
  BlockCheckOptions options;
  options.force = "dot_f32=scalar";
  EXPECT_THROW(check_block(detect_cpu(), options), InputError);
}

TEST(BlockCheck, NoVariantToMixIsAnError) {
  BlockCheckOptions options;
  options.variant_glob = "none_such";
  EXPECT_THROW(check_block(detect_cpu(), options), MachineError);
}

}  // namespace
}  // namespace assay
