// The formats as pack, the runner and the trials know them (kernels/formats/) against the reference's own decoders.
#include "harness/runtime/formats.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/runtime/rng.h"
#include "reference/formats.h"

namespace assay {
namespace {

/// Any codes, with scales that are finite.
std::vector<uint8_t> random_block(const weight_format& format, Rng& rng) {
  std::vector<uint8_t> block(format.bytes);
  for (auto& byte : block) {
    byte = static_cast<uint8_t>(rng.next());
  }
  for (const size_t number : {format.d_at, format.m_at}) {
    if (number != NOWHERE && format.are_floats != 0) {
      block[number + 3] &= 0xbf;
    } else if (number != NOWHERE && !format.d_is_power) {
      block[number + 1] &= 0xbb;
    }
  }
  return block;
}

TEST(WeightFormats, DecodeAsTheReferenceDoes) {
  ASSERT_FALSE(weight_formats().empty());
  for (const weight_format* format : weight_formats()) {
    const reference::Format* other = reference::find_format(format->gguf_type);
    ASSERT_NE(other, nullptr) << format->name;
    EXPECT_EQ(other->elements, format->elements);
    EXPECT_EQ(other->bytes, format->bytes);
    if (format->values == nullptr) {
      continue;  // of floats: encode below, and dequantize's trial
    }
    Rng rng(7);
    for (int i = 0; i < 1000; ++i) {
      const std::vector<uint8_t> block = random_block(*format, rng);
      std::vector<int8_t> values(format->elements);
      std::vector<float> scales(kMostGroups);
      std::vector<float> offsets(kMostGroups);
      format->values(values.data(), block.data());
      scales_of_block(format, scales.data(), offsets.data(), block.data());
      const std::vector<double> want = reference::decode(*other, block.data(), 1);
      for (size_t e = 0; e < format->elements; ++e) {
        const double scale = static_cast<double>(scales[e / format->group]);
        const double offset = static_cast<double>(offsets[e / format->group]);
        ASSERT_EQ(scale * values[e] + offset, want[e]) << format->name << " element " << e;
      }
    }
  }
}

bool is_searched(const weight_format& format) {
  return format.sub_scales != nullptr || std::string_view(format.name) == "iq4_nl";
}

TEST(WeightFormats, EncodeComesNear) {
  for (const weight_format* format : weight_formats()) {
    if (has_scale_of_tensor(format)) {
      continue;  // the scale is the tensor's, and no block's
    }
    ASSERT_NE(format->encode, nullptr) << format->name;
    const reference::Format* other = reference::find_format(format->gguf_type);
    Rng rng(8);
    for (int i = 0; i < 1000; ++i) {
      std::vector<float> x(format->elements);
      float most = 0;
      for (float& v : x) {
        v = rng.normal();
        most = std::max(most, std::fabs(v));
      }
      std::vector<uint8_t> block(format->bytes);
      ASSERT_EQ(format->encode(block.data(), x.data()), 1);
      const std::vector<double> got = reference::decode(*other, block.data(), 1);
      // Half a step, a whole one at the end that has no code, and the scale's own rounding.
      const bool is_bf16 = std::string_view(format->layout) == "bf16";
      double step = static_cast<double>(most) * (is_bf16 ? 0x1p-8 : 0x1p-11);  // of floats
      if (std::string_view(format->layout) == "u1") {
        step = 2 * static_cast<double>(most);  // a sign alone
      } else if (format->values != nullptr) {
        std::vector<float> scales(kMostGroups);
        std::vector<float> offsets(kMostGroups);
        scales_of_block(format, scales.data(), offsets.data(), block.data());
        step = 0;
        for (size_t g = 0; g < format->elements / format->group; ++g) {
          step = std::max(step, std::fabs(static_cast<double>(scales[g])));
        }
        ASSERT_LE(step, static_cast<double>(most) * (1 + 0x1p-11)) << format->name;  // an fp16
        // A search leaves out the ends where that is better for the others; and values of a table are up to 24 apart.
        step *= is_searched(*format) ? 3 : 1;
        step *= std::string_view(format->layout).find_first_of("te") != std::string_view::npos ? 13 : 1;
      }
      for (size_t e = 0; e < x.size(); ++e) {
        ASSERT_LE(std::fabs(got[e] - static_cast<double>(x[e])), 1.01 * step) << format->name << " element " << e;
      }
    }
  }
}

/// All that the codes of a format stand for.
std::set<int> all_values(const weight_format& format) {
  std::set<int> all;
  Rng rng(9);
  std::vector<int8_t> values(format.elements);
  for (int i = 0; i < 2000; ++i) {
    format.values(values.data(), random_block(format, rng).data());
    all.insert(values.begin(), values.end());
  }
  return all;
}

// What the K-quants and IQ4 leave to a search are the scales: given those, no other code is nearer.
TEST(WeightFormats, SearchedCodesAreTheNearest) {
  int searched = 0;
  for (const weight_format* format : weight_formats()) {
    if (!is_searched(*format)) {
      continue;
    }
    ++searched;
    const std::set<int> all = all_values(*format);
    Rng rng(10);
    for (int i = 0; i < 300; ++i) {
      // With outliers, and all on one side of 0.
      std::vector<float> x(format->elements);
      for (float& v : x) {
        const float normal = rng.normal();
        v = i % 3 == 0 ? normal : i % 3 == 1 ? normal * normal * normal : 4 + normal;
      }
      std::vector<uint8_t> block(format->bytes);
      ASSERT_EQ(format->encode(block.data(), x.data()), 1) << format->name;
      std::vector<int8_t> values(format->elements);
      std::vector<float> scales(kMostGroups);
      std::vector<float> offsets(kMostGroups);
      format->values(values.data(), block.data());
      scales_of_block(format, scales.data(), offsets.data(), block.data());
      for (size_t e = 0; e < x.size(); ++e) {
        const auto error = [&](int value) {
          const auto scale = static_cast<double>(scales[e / format->group]);
          const auto offset = static_cast<double>(offsets[e / format->group]);
          return std::fabs(scale * value + offset - static_cast<double>(x[e]));
        };
        for (const int other : all) {
          ASSERT_LE(error(values[e]), error(other) * (1 + 1e-5) + 1e-6) << format->name << " element " << e;
        }
      }
    }
  }
  EXPECT_EQ(searched, 7);
}

TEST(WeightFormats, EncodeRefusesWhatItCannotHold) {
  for (const weight_format* format : weight_formats()) {
    if (has_scale_of_tensor(format)) {
      continue;
    }
    ASSERT_NE(format->encode, nullptr) << format->name;
    std::vector<uint8_t> block(format->bytes);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3.4e38f}) {
      std::vector<float> x(format->elements, 1.0f);
      x.back() = bad;
      // Floats hold NaN and Inf, and those of 32 bits every number, as does a scale that is a power of two or a float.
      const bool every_number = format->bytes == 4 || format->d_is_power != 0 || format->are_floats != 0;
      const bool held = std::isfinite(bad) ? every_number : format->values == nullptr;
      EXPECT_EQ(format->encode(block.data(), x.data()), held) << format->name << " " << bad;
    }
    const std::vector<float> zeros(format->elements, 0.0f);
    EXPECT_EQ(format->encode(block.data(), zeros.data()), 1);
    for (const double v : reference::decode(*reference::find_format(format->gguf_type), block.data(), 1)) {
      EXPECT_EQ(v, 0);
    }
  }
}

// Beside llama.cpp's own quantizers and decoders: libggml-base.so of npm's @node-llama-cpp/linux-x64, where the environment's
// ASSAY_GGML_BASE names it (ci/peers.sh installs it); else skipped.
using Decode = void(const void*, float*, int64_t);
using QuantizeChunk = size_t(int, const float*, void*, int64_t, int64_t, int64_t, const float*);

/// The formats of codes that ggml has today: its numbers end at 42, and what others have added or 2023 had is beyond.
std::vector<const weight_format*> formats_of_ggml() {
  constexpr uint32_t kLast = 42;
  std::vector<const weight_format*> list;
  for (const weight_format* format : weight_formats()) {
    if (format->values != nullptr && format->gguf_type <= kLast && !has_scale_of_tensor(format)) {
      list.push_back(format);
    }
  }
  return list;
}

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
  for (const weight_format* format : formats_of_ggml()) {
    Decode* const decode = decoder(*format);
    ASSERT_NE(decode, nullptr) << format->name;
    const reference::Format& other = *reference::find_format(format->gguf_type);
    Rng rng(11);
    std::vector<float> want(format->elements);
    for (int i = 0; i < 5000; ++i) {
      const std::vector<uint8_t> block = random_block(*format, rng);
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
  for (const weight_format* format : formats_of_ggml()) {
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
      if (i == 0) {
        std::ranges::fill(x, 0.0f);
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
    if (is_searched(*format)) {
      EXPECT_LT(error, its_error) << format->name;
      EXPECT_GT(no_worse, kBlocks * 9 / 10) << format->name;
    } else {
      EXPECT_EQ(equal, kBlocks) << format->name;
    }
  }
}

TEST(Halves, AllOfThemSurvive) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const auto half = static_cast<uint16_t>(h);
    const float value = half_to_float(half);
    if ((h & 0x7fff) > 0x7c00) {
      EXPECT_TRUE(std::isnan(value));
    } else {
      ASSERT_EQ(float_to_half(value), half);
      if ((h & 0x7fff) < 0x7bff) {  // between two halves: to the even one
        const float middle = (value + half_to_float(static_cast<uint16_t>(half + 1))) / 2;
        ASSERT_EQ(float_to_half(middle), (h & 1) != 0 ? half + 1 : half);
      }
    }
  }
}

}  // namespace
}  // namespace assay
