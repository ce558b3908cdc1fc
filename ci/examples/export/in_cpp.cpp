// Dot products and softmax in C++, from many threads at once from the first call on. Prints which variants did it; exit status 1 if a result is wrong.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <thread>
#include <vector>

#include "assay/kernels.h"

int main() {
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int id = 0; id < 4; ++id) {
    threads.emplace_back([&wrong] {
      for (size_t n = 1; n < 3000; n += 61) {
        std::vector<float> x(n), y(n, 2.0f), p(n);
        std::iota(x.begin(), x.end(), 1.0f);
        const double exact = static_cast<double>(n) * (static_cast<double>(n) + 1);
        const auto is_near = [&](float got, double wanted) { return std::fabs(got - wanted) <= 1e-5 * std::fabs(wanted); };
        wrong += !is_near(assay_dot_f32(x.data(), y.data(), n), exact);
        // The same for code that is kept for this length; where generated code was the fastest, that is it.
        dot_f32_fn* const dot = assay_dot_f32_for(n);
        wrong += !is_near(dot(x.data(), y.data(), n), exact);
        assay_softmax_f32(p.data(), y.data(), 1.0f, n);
        wrong += !is_near(p[n / 2], 1.0 / static_cast<double>(n));
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  std::printf("dot_f32 %s\nsoftmax_f32 %s\n%d results are wrong\n", assay_chosen("dot_f32"), assay_chosen("softmax_f32"), wrong.load());
  return wrong != 0;
}
