#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/runtime/cpu.h"

namespace assay {

/// The limits of one core, measured with generated loops that do nothing else.
struct Peak {
  struct Level {
    std::string name;  ///< "L1", "L2", "L3", "mem"
    double bytes_per_second;
  };
  std::string isa;            ///< the widest vectors that this CPU runs: "sse", "avx2", "avx512"
  double f32_flops = 0;       ///< floating-point operations a second; a fused multiply-add is two
  double int8_ops = 0;        ///< multiplications and additions of bytes a second, by vpmaddubsw, vpmaddwd, vpaddd
  std::vector<Level> levels;  ///< sequential reads

  /// The level that holds `bytes`.
  const Level& level_of(double bytes, const CacheInfo& caches) const;
};

/// Takes about a second.
Peak measure_peak(const Cpu& cpu);

nlohmann::json to_json(const Peak& peak);

}  // namespace assay
