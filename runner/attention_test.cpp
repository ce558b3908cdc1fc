// Attention over caches of fp16 and q8_0: a query's result is the same whatever other queries are in the call.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "harness/runtime/dispatch.h"
#include "harness/runtime/rng.h"
#include "kernels/formats/format.h"
#include "runner/block.h"
#include "runner/weights.h"

namespace assay {
namespace {

struct Sizes {
  size_t d, group, window;
};

/// A cache of `keys` rows of d elements: fp16, or blocks of 32 codes behind a scale.
std::vector<uint8_t> random_cache(bool is_q8_0, size_t keys, size_t d, Rng& rng) {
  std::vector<uint8_t> cache;
  for (size_t i = 0; i < keys * d; ++i) {
    if (!is_q8_0 || i % 32 == 0) {
      const uint16_t half = float_to_half(is_q8_0 ? 0.01f + 0.01f * rng.uniform() : rng.normal());
      cache.push_back(static_cast<uint8_t>(half));
      cache.push_back(static_cast<uint8_t>(half >> 8));
    }
    if (is_q8_0) {
      cache.push_back(static_cast<uint8_t>(rng.below(256)));
    }
  }
  return cache;
}

// So a text does not depend on how many of its tokens were read at once.
TEST(Attention, AQuerysResultsDoNotDependOnTheOthers) {
  constexpr size_t kQueries = 75, kPast = 43;
  for (const CacheType cache : {CacheType::f16, CacheType::q8_0}) {
    const bool is_q8_0 = cache == CacheType::q8_0;
    const Kernel& kernel = find_kernel(is_q8_0 ? "attention_q8_0" : "attention_f16");
    for (const Variant& v : kernel.variants) {
      if (!isa_status(detect_cpu(), v.isa).runnable) {
        continue;
      }
      Dispatch dispatch(detect_cpu(), std::map<std::string, std::string>{{"*", "scalar"}, {kernel.name, v.label()}});
      for (const auto [d, group, window] : {Sizes{is_q8_0 ? 64u : 40u, 1, 0}, Sizes{64, 3, 37}, Sizes{32, 8, 100}}) {
        Rng rng(mix_seed(d, group));
        const size_t wide = group * d;
        std::vector<float> q(kQueries * wide);
        std::ranges::generate(q, [&] { return rng.normal(); });
        const auto keys = random_cache(is_q8_0, kPast + kQueries, d, rng);
        const auto values = random_cache(is_q8_0, kPast + kQueries, d, rng);
        BlockSizes sizes;
        sizes.n_head = group;
        sizes.n_head_kv = 1;
        sizes.head_size = d;
        sizes.scale = 0.2f;
        sizes.window = window;
        sizes.cache = cache;
        Attention attention(sizes, dispatch);
        const size_t scratch_bytes = attention.scratch_bytes(kQueries, kPast);
        Arena memory(scratch_bytes, Arena::Pages::usual, "a test");
        void* const scratch = memory.take(scratch_bytes);
        const auto in_calls_of = [&](size_t at_once) {
          std::vector<float> out(kQueries * wide);
          for (size_t first = 0; first < kQueries; first += at_once) {
            const size_t n = std::min(at_once, kQueries - first);
            attention.prepare(n, kPast + first);
            attention.run(&out[first * wide], wide, &q[first * wide], wide, keys.data(), values.data(), n,
                          kPast + first, scratch);
          }
          return out;
        };
        const std::vector<float> one_by_one = in_calls_of(1);
        for (const size_t at_once : {size_t{2}, size_t{5}, size_t{33}, kQueries}) {
          EXPECT_EQ(std::memcmp(in_calls_of(at_once).data(), one_by_one.data(), q.size() * sizeof(float)), 0)
              << v.name() << ": " << at_once << " queries of " << group << " heads of " << d << ", window " << window;
        }
      }
    }
  }
}

}  // namespace
}  // namespace assay
