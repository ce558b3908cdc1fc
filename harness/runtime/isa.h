#pragma once
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

enum class IsaKind { plain, compiler, hand, generated, foreign };

/// How the machine's limit of arithmetic is measured with an ISA; "" where it is not.
struct IsaPeak {
  std::string vector;  ///< "xmm", "ymm" or "zmm"
  std::string f32;     ///< the instruction that multiplies and adds floats
  std::string int8;    ///< and bytes
};

/// Where CPUID tells of a feature.
struct CpuidBit {
  uint32_t leaf, subleaf;
  int reg;  ///< 0 to 3: EAX to EDX
  int bit;
};

/// All that is known of an ISA: a row of isas.json, or what add_isa made.
struct Isa {
  std::string name;
  IsaKind kind;
  std::string level;                  ///< of x86-64: "v1" to "v4"
  std::vector<std::string> features;  ///< those of its level too, the older first, as `assay cpu --json` names them
  uint64_t xcr0;                      ///< the register state that the operating system must have enabled
  /// What a variant may execute: names of Zydis's instruction-set extensions, or of instruction sets (one that ends in _
  /// begins those that it means).
  std::set<std::string> executes;
  bool unmeasured;  ///< the last such ISA that runs is used where nobody measured
  IsaPeak peak;
  /// What its instructions are for beyond those of its level: other kernels have no variant for it. "": for anything.
  std::string only_for;
  std::string flags;  ///< of the compiler, for its variants
};

/// Every ISA, the simpler first: ties between variants go to the earlier. Those that add_isa made come last.
const std::deque<Isa>& isas();

/// The ISA of code from elsewhere that says what it needs: features of isas.json, which stand for what they imply too, or levels of
/// x86-64 ("v3"), separated by commas; "": nothing beyond the first level. Its name is "[avx2,fma]". Not thread-safe. Throws
/// InputError for a name that is neither.
const Isa& add_isa(std::string_view features);

/// Throws InputError that lists the names.
const Isa& find_isa(std::string_view name);

/// Where CPUID tells of a feature, and the register state that it needs. Throws InputError for a name that isas.json does not have.
CpuidBit cpuid_bit(std::string_view feature);
uint64_t xcr0_of(std::string_view feature);

/// Features of a level of x86-64 and those below it: "v3". Throws InputError for another name.
std::set<std::string> features_of_level(std::string_view level);

/// Names of isas(), in order.
const std::vector<std::string>& isa_names();

/// Whether code of `isa` may execute an instruction, by Zydis's names of its extension and of its instruction set: "AVX512EVEX",
/// "AVX512F_512". What no row of the table names, none may.
bool may_execute(const Isa& isa, std::string_view extension, std::string_view instruction_set);

}  // namespace assay
