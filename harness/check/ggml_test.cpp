// The formats beside llama.cpp's own quantizers and decoders: libggml-base.so of npm's @node-llama-cpp/linux-x64, where the environment's
// ASSAY_GGML_BASE names it (ci/peers.sh installs it); else skipped.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "harness/runtime/formats.h"
#include "harness/runtime/rng.h"
#include "reference/formats.h"

namespace assay {
namespace {

using Decode = void(const void*, float*, int64_t);
using QuantizeChunk = size_t(int, const float*, void*, int64_t, int64_t, int64_t, const float*);

class Ggml : public testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("ASSAY_GGML_BASE");
    if (path == nullptr) {
      GTEST_SKIP() << "ASSAY_GGML_BASE names no libggml-base.so";
    }
    library_ = dlopen(path, RTLD_NOW);
    ASSERT_NE(library_, nullptr) << dlerror();
  }

  template <class F>
  F* find(const std::string& name) const {
    return reinterpret_cast<F*>(dlsym(library_, name.c_str()));
  }

  /// "q4_k": dequantize_row_q4_K.
  Decode* decoder(const weight_format& format) const {
    std::string name = format.name;
    if (name.ends_with("_k")) {
      name.back() = 'K';
    }
    return find<Decode>("dequantize_row_" + name);
  }

 private:
  void* library_ = nullptr;
};

TEST_F(Ggml, BlocksAreReadAlike) {
  for (const weight_format* format : weight_formats()) {
    if (format->values == nullptr) {
      continue;
    }
    Decode* const decode = decoder(*format);
    ASSERT_NE(decode, nullptr) << format->name;
    const reference::Format& other = *reference::find_format(format->gguf_type);
    Rng rng(11);
    std::vector<uint8_t> block(format->bytes);
    std::vector<float> want(format->elements);
    for (int i = 0; i < 5000; ++i) {
      for (auto& byte : block) {
        byte = static_cast<uint8_t>(rng.next());
      }
      for (const size_t half : {format->d_at, format->m_at}) {  // finite
        if (half != NOWHERE && !format->d_is_power) {
          block[half + 1] &= 0xbb;
        }
      }
      decode(block.data(), want.data(), static_cast<int64_t>(format->elements));
      const std::vector<double> got = reference::decode(other, block.data(), 1);
      for (size_t e = 0; e < want.size(); ++e) {
        ASSERT_EQ(static_cast<float>(got[e]), want[e]) << format->name << " element " << e;
      }
    }
  }
}

// Where ggml has a rule, every byte is its; where it searches, the search here leaves less.
TEST_F(Ggml, BlocksAreWrittenAlikeOrBetter) {
  auto* const quantize = find<QuantizeChunk>("ggml_quantize_chunk");
  ASSERT_NE(quantize, nullptr);
  for (const weight_format* format : weight_formats()) {
    if (format->values == nullptr) {
      continue;
    }
    ASSERT_NE(format->encode, nullptr) << format->name;
    const bool searched = format->sub_scales != nullptr || std::string_view(format->name) == "iq4_nl";
    const reference::Format& other = *reference::find_format(format->gguf_type);
    Rng rng(12);
    int equal = 0;
    int no_worse = 0;
    double error = 0;
    double its_error = 0;
    constexpr int kBlocks = 2000;
    for (int i = 0; i < kBlocks; ++i) {
      const float size = std::ldexp(1.0f, static_cast<int>(rng.below(8)) - 6);
      std::vector<float> x(format->elements);
      for (float& v : x) {
        const float normal = rng.normal();
        v = size * (i % 2 == 0 ? normal : normal * normal * normal);
      }
      std::vector<uint8_t> ours(format->bytes);
      std::vector<uint8_t> its(format->bytes);
      ASSERT_EQ(format->encode(ours.data(), x.data()), 1);
      quantize(static_cast<int>(format->gguf_type), x.data(), its.data(), 0, 1, static_cast<int64_t>(x.size()),
               nullptr);
      const auto squared = [&](const std::vector<uint8_t>& block) {
        const std::vector<double> decoded = reference::decode(other, block.data(), 1);
        double sum = 0;
        for (size_t e = 0; e < x.size(); ++e) {
          const double off = (decoded[e] - static_cast<double>(x[e])) / static_cast<double>(size);
          sum += off * off;
        }
        return sum;
      };
      const double one = squared(ours);
      const double another = squared(its);
      equal += ours == its ? 1 : 0;
      no_worse += one <= another * (1 + 1e-9) ? 1 : 0;
      error += one;
      its_error += another;
    }
    std::printf("%-7s %4d of %d blocks equal, %4d with no larger error; all errors %.3f of its\n", format->name, equal,
                kBlocks, no_worse, error / its_error);
    if (searched) {
      EXPECT_LT(error, its_error) << format->name;
      EXPECT_GT(no_worse, kBlocks * 9 / 10) << format->name;
    } else {
      EXPECT_EQ(equal, kBlocks) << format->name;
    }
  }
}

}  // namespace
}  // namespace assay
