#include "harness/cli/block_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "harness/runtime/error.h"
#include "reference/gpt2.h"
#include "runner/gpt2.h"

namespace assay {
namespace {

using Table = std::map<std::string, std::string>;  // kernel -> variant

/// The weights of one random block, owned here and seen as tensors.
class RandomBlock {
 public:
  RandomBlock(Rng& rng, bool q1) {
    sizes_.n_layer = 1;
    sizes_.n_vocab = 1;
    sizes_.n_ctx = 64;
    sizes_.eps = 1e-5f;
    sizes_.n_head = 1 + rng.below(4);
    sizes_.n_embd = q1 ? 128 * (1 + rng.below(2)) : sizes_.n_head * (1 + rng.below(rng.below(4) == 0 ? 64 : 20));
    if (q1) {
      sizes_.n_head = size_t{1} << rng.below(4);
    }
    sizes_.n_ff = q1 ? sizes_.n_embd * (1 + rng.below(4)) : 1 + rng.below(4 * sizes_.n_embd);
    const size_t n = sizes_.n_embd;
    const size_t ff = sizes_.n_ff;
    for (const char* norm : {"attn_norm", "ffn_norm"}) {
      vector(std::string(norm) + ".weight", n, rng, 1);
      vector(std::string(norm) + ".bias", n, rng, 0);
    }
    linear("attn_qkv", 3 * n, n, q1, rng);
    linear("attn_output", n, n, q1, rng);
    linear("ffn_up", ff, n, q1, rng);
    linear("ffn_down", n, ff, q1, rng);
  }

  const Gpt2Sizes& sizes() const { return sizes_; }
  TensorSource source() const {
    return {"random block", [this](const std::string& name) -> const Tensor& { return tensors_.at(name); }};
  }

 private:
  std::vector<std::byte>& bytes_of(const std::string& name, TensorType type, std::vector<uint64_t> ne) {
    Tensor& t = tensors_[name];
    auto& bytes = data_[name];
    bytes.resize(tensor_bytes(type, ne));
    t.name = name;
    t.type = type;
    t.n_dims = static_cast<uint32_t>(ne.size());
    t.ne = {1, 1, 1, 1};
    std::ranges::copy(ne, t.ne.begin());
    t.n_elements = t.ne[0] * t.ne[1];
    t.data = bytes;
    return bytes;
  }

  void vector(const std::string& name, size_t n, Rng& rng, float mean) {
    auto& bytes = bytes_of(name, TensorType::f32, {n});
    for (size_t i = 0; i < n; ++i) {
      const float v = mean + 0.2f * rng.normal();
      std::memcpy(bytes.data() + 4 * i, &v, 4);
    }
  }

  void linear(const std::string& name, size_t rows, size_t cols, bool q1, Rng& rng) {
    vector(name + ".bias", rows, rng, 0);
    auto& bytes = bytes_of(name + ".weight", q1 ? TensorType::q1_0 : TensorType::f32, {cols, rows});
    if (q1) {
      for (auto& b : bytes) {
        b = static_cast<std::byte>(rng.next());
      }
      for (size_t i = 0; i < bytes.size(); i += 18) {
        const auto d = static_cast<uint16_t>(0x2800 + rng.below(0x800));  // fp16 2^-5 .. 2^-3
        std::memcpy(bytes.data() + i, &d, 2);
      }
      return;
    }
    const float gain = 1.0f / std::sqrt(static_cast<float>(cols));
    for (size_t i = 0; i < rows * cols; ++i) {
      const float v = gain * rng.normal();
      std::memcpy(bytes.data() + 4 * i, &v, 4);
    }
  }

  Gpt2Sizes sizes_{};
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::vector<std::byte>> data_;
};

struct Outcome {
  double error_over_bound = 0;
  std::string failure;  // "" if within the bound
};

struct Sample {
  Rng rng;
  bool q1;
  RandomBlock block;
  std::vector<float> x;  // (past + tokens) rows
  size_t past, tokens;

  explicit Sample(uint64_t seed) : rng(mix_seed(seed, 0x626c6f636b)), q1(rng.below(4) == 0), block(rng, q1) {
    past = rng.below(3) == 0 ? 0 : rng.below(20);
    tokens = 1 + rng.below(6);
    x.resize((past + tokens) * block.sizes().n_embd);
    for (float& v : x) {
      v = rng.normal();
    }
  }

  Outcome run(const Cpu& cpu, const Table& table) const {
    Dispatch dispatch(cpu, table);
    ThreadPool pool(1);
    Gpt2Layer layer(block.source(), "", block.sizes(), dispatch);
    const size_t n = block.sizes().n_embd;
    std::vector<float> y = x;
    if (past > 0) {
      layer.forward(y.data(), past, 0, pool);
    }
    layer.forward(y.data() + past * n, tokens, past, pool);

    const reference::Gpt2Block reference_block = layer.reference_block();
    std::vector<double> want(x.begin(), x.end());
    reference::KvCache cache;
    reference::forward(reference_block, want, past + tokens, cache);

    double largest = 0;
    for (const double v : want) {
      largest = std::max(largest, std::fabs(v));
    }
    const double bound = (64 * std::sqrt(static_cast<double>(n)) * 0x1p-24 + (q1 ? 0x1p-6 : 0)) * largest;
    Outcome outcome;
    for (size_t i = 0; i < y.size(); ++i) {
      const double error = std::fabs(static_cast<double>(y[i]) - want[i]);
      outcome.error_over_bound = std::max(outcome.error_over_bound, error / bound);
      if (!(error <= bound) && outcome.failure.empty()) {
        outcome.failure =
            fmt::format("token {} element {} is {}, expected {} within {:.3g}", i / n, i % n, y[i], want[i], bound);
      }
    }
    for (const auto& [kernel, variant] : table) {  // what ran is what was asked
      for (const auto& [name, calls] : dispatch.ran()) {
        if (name.starts_with(kernel + "/") && name != kernel + "/" + variant) {
          outcome.failure = fmt::format("{} ran where {}/{} was asked for", name, kernel, variant);
        }
      }
    }
    return outcome;
  }
};

Table draw_table(const Cpu& cpu, const BlockCheckOptions& options, Rng& rng) {
  Table table;
  for (const char* kernel :
       {"add_f32", "attention_f32", "gelu_f32", "layer_norm_f32", "matmul_f32", "matmul_q1_0", "quantize_q8_0"}) {
    std::vector<std::string> runnable;
    for (const auto& v : find_kernel(kernel).variants) {
      if (glob_match(options.variant_glob, v) && isa_status(cpu, v.isa).runnable) {
        runnable.push_back(v.label());
      }
    }
    if (runnable.empty()) {
      throw MachineError(
          fmt::format("no variant of {} that matches '{}' runs on this CPU", kernel, options.variant_glob));
    }
    table[kernel] = runnable[rng.below(runnable.size())];
  }
  bool used = options.force.empty();
  for (const auto& [kernel, variant] : read_force(cpu, options.force, "--force")) {
    if (const auto it = table.find(kernel); it != table.end()) {
      it->second = variant;
      used = true;
    }
  }
  if (!used) {
    throw InputError(fmt::format("--force '{}': the block has none of these kernels", options.force));
  }
  return table;
}

std::string describe(const Table& table) {
  std::string text;
  for (const auto& [kernel, variant] : table) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", kernel, variant);
  }
  return text;
}

/// Which kernel's variant is at fault: with it on scalar, the sample passes. Each trial in a child process: the fault may be a
/// crash or a hang.
std::string blame(const Cpu& cpu, uint64_t seed, const Table& table) {
  std::string guilty;
  for (const auto& [kernel, variant] : table) {
    if (variant == "scalar") {
      continue;
    }
    Table swapped = table;
    swapped[kernel] = "scalar";
    constexpr double kTimeout = 5;
    const Verdict v = run_in_child("block", "gpt2", kTimeout, [&](SampleReporter& report) {
      const Outcome outcome = Sample(seed).run(cpu, swapped);
      outcome.failure.empty() ? report.done(outcome.error_over_bound) : report.fail(outcome.failure);
    });
    if (v.status == Status::pass) {
      guilty += fmt::format("{}{}/{}", guilty.empty() ? "" : ", ", kernel, variant);
    }
  }
  return guilty.empty() ? "no single kernel: several are wrong, or scalar or the graph is" : guilty;
}

/// The variants of the sample that `seed` makes.
Table table_of(const Cpu& cpu, const BlockCheckOptions& options, uint64_t seed) {
  Rng rng(mix_seed(seed, 0x7461626c65));
  return draw_table(cpu, options, rng);
}

}  // namespace

Verdict check_gpt2_block(const Cpu& cpu, const BlockCheckOptions& options) {
  table_of(cpu, options, options.seed);  // an empty choice is the caller's error, not a verdict
  Verdict verdict = run_in_child("block", "gpt2", options.timeout, [&](SampleReporter& report) {
    for (uint64_t i = 0; i < options.samples; ++i) {
      const uint64_t seed = options.seed + i;
      report.begin(fmt::format("assay check --block gpt2 --variant '{}'{} --seed {} --samples 1", options.variant_glob,
                               options.force.empty() ? "" : fmt::format(" --force '{}'", options.force), seed));
      const Outcome outcome = Sample(seed).run(cpu, table_of(cpu, options, seed));
      if (!outcome.failure.empty()) {
        report.fail(outcome.failure);
        return;
      }
      report.done(outcome.error_over_bound);
    }
  });
  if (verdict.status == Status::fail) {
    const uint64_t seed = options.seed + verdict.samples;
    const Table table = table_of(cpu, options, seed);
    verdict.reason += fmt::format("; to blame: {}; variants: {}", blame(cpu, seed, table), describe(table));
  }
  verdict.seed = options.seed;
  return verdict;
}

}  // namespace assay
