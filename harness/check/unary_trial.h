#pragma once
#include "harness/check/trial.h"

namespace assay {

/// How an elementwise function of one float is tried, timed and judged over all its inputs.
struct UnaryFunction {
  double (*reference)(double);
  double ulp_limit;            ///< of the contract
  double ops;                  ///< multiplications and additions for each element, for Trial::work
  float (*interesting)(Rng&);  ///< an input near to where the result or the method changes
};

/// The trial of void f(float* y, const float* x, size_t n), where y may be x. Results of which the exact one is under 2^-150 are
/// zeros of its sign, and those over FLT_MAX are Inf.
class UnaryTrial : public Trial {
 public:
  explicit UnaryTrial(const UnaryFunction& unary) : unary_(unary) {}

  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }
  void run(Case& c) const override;
  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override;
  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }
  Work work(const Shape& shape) const override;
  double (*unary_reference() const)(double) override { return unary_.reference; }
  double unary_ulp_limit() const override { return unary_.ulp_limit; }

 protected:
  /// Whether the contract gives one result alone for x.
  virtual bool is_exact(float /*x*/) const { return false; }

 private:
  const UnaryFunction unary_;
};

/// Random numbers of a class seldom meet the interesting ranges: some of the numbers of some classes, half or a few or none, are
/// drawn from those. Few, as a variant may treat a whole vector in another way for one extreme number in it.
void mix_in(std::span<float> values, InputClass input_class, float (*interesting)(Rng&), Rng& rng);

}  // namespace assay
