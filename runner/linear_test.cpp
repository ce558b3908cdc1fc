// The weight matrix of a model, in every format: against the reference, packed once, by any number of threads alike.
#include "runner/linear.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"
#include "harness/runtime/profile.h"
#include "harness/runtime/rng.h"
#include "reference/formats.h"

namespace assay {
namespace {

constexpr size_t kRows = 70, kCols = 1280;  // more columns than the tiles of floats take at once

/// A matrix of random weights of a format.
struct Matrix {
  explicit Matrix(const weight_format& format) {
    Rng rng(format.gguf_type + 1);
    bytes.resize(kRows * kCols / format.elements * format.bytes);
    std::vector<float> x(format.elements);
    for (size_t at = 0; at < bytes.size(); at += format.bytes) {
      for (float& v : x) {
        v = rng.normal();
      }
      if (format.encode != nullptr) {
        format.encode(reinterpret_cast<uint8_t*>(&bytes[at]), x.data());
        continue;
      }
      for (size_t i = 0; i < format.bytes; ++i) {  // codes of two bits
        bytes[at + i] =
            static_cast<std::byte>(rng.below(3) | rng.below(3) << 2 | rng.below(3) << 4 | rng.below(3) << 6);
      }
    }
    tensor = {"w", static_cast<TensorType>(format.gguf_type), 2, {kCols, kRows, 1, 1}, kRows * kCols, bytes, {}};
    if (has_scale_of_tensor(&format)) {
      const float scale = 0.375f;
      tail.resize(32);
      std::memcpy(tail.data(), &scale, sizeof scale);
      tensor.tail = tail;
    }
  }
  Matrix(const Matrix&) = delete;

  std::vector<std::byte> bytes, tail;
  Tensor tensor;
};

std::vector<float> random_tokens(size_t tokens) {
  Rng rng(5);
  std::vector<float> x(tokens * kCols);
  for (float& v : x) {
    v = rng.normal();
  }
  return x;
}

std::vector<float> product(const Matrix& w, size_t tokens, unsigned threads, Dispatch& dispatch) {
  ThreadPool pool(threads);
  Linear linear("test", w.tensor, nullptr, kRows, kCols, dispatch);
  Arena memory(linear.packed_bytes(), Arena::Pages::huge, "a test");
  linear.pack(memory, pool, [](std::span<const std::byte>) {});
  std::vector<float> y(tokens * kRows);
  linear.run(y.data(), kRows, random_tokens(tokens).data(), tokens, pool);
  return y;
}

TEST(Linear, EveryFormatIsTheProductThatTheReferenceHas) {
  for (const TensorTypeInfo& type : tensor_types()) {
    const weight_format* const format = type.format;
    const Matrix w(*format);
    const auto weights =
        reference::decode(*reference::find_format(format->gguf_type), reinterpret_cast<const uint8_t*>(w.bytes.data()),
                          kRows * kCols / format->elements);
    const std::vector<float> x = random_tokens(40);
    for (const size_t tokens : {1, 7, 40}) {
      Dispatch dispatch(detect_cpu(),
                        Dispatch::Options{.profile = {}, .force = {}, .use_environment = false, .notice = {}});
      const std::vector<float> y = product(w, tokens, 1, dispatch);
      for (size_t t = 0; t < tokens; ++t) {
        for (size_t r = 0; r < kRows; ++r) {
          double want = 0;
          double size = 0;
          for (size_t c = 0; c < kCols; ++c) {
            const double weight = weights[r * kCols + c] * static_cast<double>(w.tensor.scale());
            want += weight * static_cast<double>(x[t * kCols + c]);
            size += std::fabs(weight * static_cast<double>(x[t * kCols + c]));
          }
          // Activations of 8 bits are off by up to a 254th of their block's largest.
          const double bound = std::string(format->activations) == "f32" ? 1e-4 * size : 0.03 * size;
          ASSERT_NEAR(static_cast<double>(y[t * kRows + r]), want, bound) << format->name << " " << tokens << " tokens";
        }
      }
      for (const auto& [name, calls] : dispatch.ran()) {
        EXPECT_TRUE(name.starts_with("quantize_") || name.starts_with(std::string("matmul_") + format->name + "/"))
            << name;
      }
    }
  }
}

TEST(Linear, ThreadsChangeNoBit) {
  for (const TensorTypeInfo& type : tensor_types()) {
    const weight_format* const format = type.format;
    const Matrix w(*format);
    Dispatch dispatch(detect_cpu(), std::map<std::string, std::string>{{"*", "scalar"}});
    EXPECT_EQ(product(w, 5, 1, dispatch), product(w, 5, 3, dispatch)) << format->name;
  }
}

// So a text does not depend on how many of its tokens were read at once.
TEST(Linear, ATokensResultsDoNotDependOnTheOthers) {
  for (const TensorTypeInfo& type : tensor_types()) {
    const Matrix w(*type.format);
    const Kernel& kernel = find_kernel(std::string("matmul_") + type.format->name);
    for (const Variant& v : kernel.variants) {
      if (!isa_status(detect_cpu(), v.isa).runnable) {
        continue;
      }
      Dispatch dispatch(detect_cpu(), std::map<std::string, std::string>{{"*", "scalar"}, {kernel.name, v.label()}});
      const std::vector<float> all = product(w, 97, 1, dispatch);
      for (const size_t tokens : {1, 2, 3, 7, 12}) {
        const std::vector<float> first = product(w, tokens, 1, dispatch);
        EXPECT_EQ(std::memcmp(all.data(), first.data(), first.size() * sizeof(float)), 0) << v.name() << " " << tokens;
      }
    }
  }
}

TEST(Linear, TokensOfAPromptRunInTheLayoutOfOneToken) {
  const Kernel* kernel = nullptr;
  const Variant* others[2] = {};
  for (const weight_format* format : weight_formats()) {
    const Kernel& k = find_kernel(std::string("matmul_") + format->name);
    for (const Variant& v : k.variants) {
      if (isa_status(detect_cpu(), v.isa).runnable && v.layout.empty()) {
        kernel = &k;
        others[others[0] != nullptr && others[0]->kernel == k.name ? 1 : 0] = &v;
      }
    }
  }
  if (kernel == nullptr || others[1] == nullptr || others[0]->kernel != others[1]->kernel) {
    GTEST_SKIP() << "no kernel has two variants with layouts of their own that run here";
  }
  const std::string path = std::filesystem::temp_directory_path() / ("assay_linear_test_" + std::to_string(getpid()));
  Profile profile;
  profile.cpu = cpu_identity(detect_cpu());
  profile.date = "2026-01-01T00:00:00Z";
  const nlohmann::json verdict = {{"status", "pass"}, {"samples", 10}};
  for (size_t i = 0; i < 2; ++i) {
    Choice choice{
        kernel->name, i == 0 ? "decode" : "prefill", others[i]->label(), {kRows, kCols, i == 0 ? 1u : 40u}, "measured",
        verdict,      {{"median_ns", 1.0}}};
    choice.code = others[i]->code;
    profile.choices.push_back(choice);
  }
  write_profile(path, profile);
  Dispatch dispatch(detect_cpu(),
                    Dispatch::Options{.profile = path, .force = {}, .use_environment = false, .notice = {}});
  const Matrix w(find_format(kernel->contract->weights));
  product(w, 40, 1, dispatch);
  EXPECT_EQ(dispatch.ran().count(others[0]->name()), 1u);
  EXPECT_EQ(dispatch.ran().count(others[1]->name()), 0u) << "its packed weights were made for another";
  std::filesystem::remove(path);
}

TEST(Linear, AMatrixOfAnotherShapeIsRefused) {
  const Matrix w(find_format("f32"));
  Dispatch dispatch(detect_cpu(), std::map<std::string, std::string>{{"*", "scalar"}});
  EXPECT_THROW(Linear("test", w.tensor, nullptr, kCols, kRows, dispatch), InputError);
}

TEST(Arena, GivesAlignedPartsOfItsMemoryAndNoMore) {
  Arena memory(128 + Arena::round_up(3), Arena::Pages::usual, "a test");
  uint8_t* first = memory.take(3);
  uint8_t* second = memory.take(128);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  EXPECT_EQ(second - first, 64);
  first[2] = second[127] = 1;
  EXPECT_THROW(memory.take(1), std::logic_error);
}

TEST(Arena, MemoryThatTheSystemDoesNotGiveIsReported) {
  EXPECT_THROW(Arena(size_t{1} << 62, Arena::Pages::usual, "a test"), MachineError);
}

}  // namespace
}  // namespace assay
