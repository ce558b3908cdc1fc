// Code generated at the edges of each contract: the degenerate shapes, where it is called too, and the largest.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <new>

#include "harness/bench/timed_case.h"
#include "harness/check/check.h"
#include "harness/check/trial.h"
#include "harness/runtime/error.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

bool valid(const Kernel& kernel, const Shape& shape) {
  try {
    trial_of(kernel).validate(kernel, shape);
    return true;
  } catch (const InputError&) {
    return false;
  }
}

/// Every mix of 0, 1 and one block of the largest kind that the contract allows.
std::vector<Shape> degenerate_shapes(const Kernel& kernel) {
  std::vector<Shape> shapes = {{}};
  for (size_t d = 0; d < kernel.dims().size(); ++d) {
    std::vector<Shape> longer;
    for (const Shape& shape : shapes) {
      for (const size_t size : {size_t{0}, size_t{1}, size_t{128}}) {
        longer.push_back(shape);
        longer.back().push_back(size);
      }
    }
    shapes = longer;
  }
  std::erase_if(shapes, [&](const Shape& shape) { return !valid(kernel, shape); });
  return shapes;
}

/// From each degenerate shape, each size alone as large as the contract allows, by halves, and one step less: with
/// remainders.
std::vector<Shape> largest_shapes(const Kernel& kernel) {
  std::vector<Shape> shapes;
  for (const Shape& small : degenerate_shapes(kernel)) {
    for (size_t d = 0; d < small.size(); ++d) {
      Shape large = small;
      for (int bit = 40; bit >= 0; --bit) {
        large[d] |= size_t{1} << bit;
        large[d] ^= valid(kernel, large) ? 0 : size_t{1} << bit;
      }
      for (const size_t less : {0, 1, 32, 128}) {
        Shape shape = large;
        shape[d] -= std::min(shape[d], size_t{less});
        if (valid(kernel, shape)) {
          shapes.push_back(shape);
        }
      }
    }
  }
  std::ranges::sort(shapes);
  shapes.erase(std::unique(shapes.begin(), shapes.end()), shapes.end());
  return shapes;
}

template <class Visit>
void for_each_jit_variant(Visit&& visit) {
  size_t count = 0;
  for (const Kernel& kernel : kernels()) {
    for (const Variant& variant : kernel.variants) {
      if (variant.jit) {
        visit(kernel, variant);
        ++count;
      }
    }
  }
  EXPECT_GT(count, 0u);
}

TEST(JitGeneration, DegenerateShapesAreGeneratedAndPass) {
  const Cpu cpu = detect_cpu();
  size_t passed = 0;
  for_each_jit_variant([&](const Kernel& kernel, const Variant& variant) {
    const auto shapes = degenerate_shapes(kernel);
    EXPECT_FALSE(shapes.empty()) << variant.name();
    for (const Shape& shape : shapes) {
      CaseId id;
      id.variant = variant.name();
      id.shape = shape;
      id.seed = mix_seed(1, passed);
      const Verdict v = check_case(cpu, id, 10);
      EXPECT_NE(v.status, Status::fail) << v.reason << "\n" << v.reproduce;
      passed += v.status == Status::pass;
    }
  });
  if (passed == 0) {
    GTEST_SKIP() << "this CPU runs no generated code";
  }
}

struct NoTimer : CallTimer {
  void time(const std::function<void(size_t)>&) override {}
};

size_t mapped_bytes() {
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * 4096;
}

TEST(JitGeneration, TheLargestShapesAreGenerated) {
  if (kSanitized) {
    GTEST_SKIP() << "needs a limit on memory";
  }
  size_t generated = 0;
  for_each_jit_variant([&](const Kernel& kernel, const Variant& variant) {
    const auto shapes = largest_shapes(kernel);
    const Verdict v = run_in_child(variant.kernel, variant.label(), 60, [&](SampleLog& report) {
      // A trial asks for the code first. Memory for its buffers is then refused, so that none is filled in vain.
      const size_t limit = mapped_bytes() + (size_t{8} << 20);
      const rlimit few{limit, limit};
      setrlimit(RLIMIT_AS, &few);
      for (const Shape& shape : shapes) {
        report.begin(fmt::format("{} {{{}}}", variant.name(), fmt::join(shape, ",")));
        BenchStore store;
        NoTimer timer;
        std::string why = "no code was asked for";
        try {
          TimedCase c(variant, shape, store, timer);
          trial_of(kernel).run(c);
        } catch (const MachineError& e) {
          why = e.what();
        } catch (const std::bad_alloc&) {
        }
        const auto codes = store.codes();
        if (codes.size() != 1 || codes[0] == nullptr || codes[0]->size() == 0) {
          report.fail(why);
          return;
        }
        report.done(0);
      }
    });
    EXPECT_EQ(v.status, Status::pass) << v.reason << "\n" << v.reproduce;
    EXPECT_EQ(v.samples, shapes.size());
    generated += v.samples;
  });
  EXPECT_GT(generated, 0u);
}

}  // namespace
}  // namespace assay
