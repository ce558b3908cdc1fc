#pragma once
#include "harness/check/trial.h"

namespace assay {

/// How a gated activation f(gate) * up is tried, timed and judged.
struct GatedActivation {
  double (*activation)(double);
  double ulp_limit;            ///< of the contract, for the product
  double ops;                  ///< multiplications and additions for each element, for Trial::work
  float (*interesting)(Rng&);  ///< a gate near to where the activation or its method changes
};

/// The trial of void f(float* z, const float* gate, const float* up, size_t n), where z may be either input. f(gate) may be rounded to
/// a float before it is multiplied.
class GatedTrial : public Trial {
 public:
  explicit GatedTrial(const GatedActivation& gated) : gated_(gated) {}

  std::vector<std::string> aliases() const override { return {"none", "z=gate", "z=up"}; }
  void run(Case& c) const override;
  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override;
  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }
  Work work(const Shape& shape) const override;

 private:
  void judge(Case& c, size_t i, float gate, float up, float got) const;

  const GatedActivation gated_;
};

}  // namespace assay
