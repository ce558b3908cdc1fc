#pragma once
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/runtime/cpu.h"

namespace assay {

/// The limits of one core, measured with generated loops that do nothing else.
struct Peak {
  /// The fastest of the instructions that the ISA table names and this CPU runs.
  struct Rate {
    std::string instruction;  ///< "vfmadd231ps zmm"
    double per_second = 0;
  };
  /// Sequential access to what one level of the caches holds: bytes a second.
  struct Level {
    std::string name;  ///< "L1", "L2", "L3", "mem"
    double read, write;
    double mixed;  ///< read and written, together: the faster of two reads to a write and one to one

    /// The least time that so many bytes take.
    double seconds(double bytes_read, double bytes_written) const;
  };
  Rate f32;   ///< operations on floats; a fused multiply-add is two
  Rate int8;  ///< multiplications and additions of bytes into sums of 32 bits
  /// The same where so many products of narrow codes fit a sum of 16 bits before it is widened: 2, 4, 8.
  std::map<int, Rate> int8_narrow;
  Rate lookups;  ///< bytes looked up in a table of 16 and added
  std::vector<Level> levels;
  std::string not_measured;  ///< why there is none of these; "" where they were measured

  /// The level that holds `bytes`.
  const Level& level_of(double bytes, const CacheInfo& caches) const;
  /// Of products of which so many fit a sum of 16 bits.
  const Rate& int8_of(int sums_in_16_bits) const;
};

/// Takes some three seconds. Nothing is measured where the system forbids generated code.
Peak measure_peak(const Cpu& cpu);

/// The larger of each: what was measured while others took bandwidth is no limit. Returns what grew by over 3%, for people; "": nothing.
std::string raise_limits(Peak& peak, const Peak& again);

/// The products of bytes of one ISA of the table alone, by its own instruction. Throws InputError where it names none.
Peak::Rate measure_int8(const Isa& isa);

nlohmann::json to_json(const Peak& peak);

}  // namespace assay
