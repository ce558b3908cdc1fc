#pragma once
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "harness/runtime/registry.h"

namespace assay {

/// What is compiled in one way, as ci/recipe.cmake writes it.
struct Unit {
  std::string name;
  std::string isa;  ///< "" for C
  std::vector<std::string> files, defines, options;
};

/// The sources of the kernels and how each variant is made of them.
class Recipe {
 public:
  /// That of this program: beside an installed one, else in its build. Throws MachineError where it has been taken away.
  static Recipe load();

  /// A file of the sources. Throws MachineError.
  std::string read(const std::string& path) const;

  /// What the files include of kernels/ and include/, and the files themselves, as paths in the sources.
  std::set<std::string> with_includes(const std::set<std::string>& files) const;

  const Unit& unit(const std::string& name) const;
  const std::vector<std::string>& flags_of_all() const { return flags_; }
  const std::vector<std::string>& flags_of(const std::string& isa) const { return flags_of_isa_.at(isa); }

  struct OfKernel {
    std::string header, format, unit;
  };
  const OfKernel& of_kernel(const std::string& kernel) const { return kernels_.at(kernel); }

  struct OfVariant {
    std::string unit, file, symbol, pack, unit_of_pack;
  };
  const OfVariant& of_variant(const Variant& variant) const {
    return variants_.at(variant.kernel + "/" + variant.usual_label());
  }

 private:
  std::string root_;
  std::map<std::string, Unit> units_;
  std::map<std::string, OfKernel> kernels_;
  std::map<std::string, OfVariant> variants_;
  std::map<std::string, std::vector<std::string>> flags_of_isa_;
  std::vector<std::string> flags_;
};

/// The type of a kernel's function, as its kernel.h has it.
struct Signature {
  std::string type;    ///< "dot_f32_fn"
  std::string result;  ///< "float"
  struct Parameter {
    std::string type, name;
  };
  std::vector<Parameter> parameters;

  bool takes_struct() const { return parameters.size() == 1 && parameters[0].type.starts_with("const struct "); }
  /// "float* y, const float* x": as they are declared.
  std::string declared() const;
  /// "dot_f32_gen": of its generators.
  std::string generator() const { return type.substr(0, type.size() - 2) + "gen"; }
  /// "y, x": as they are passed on.
  std::string passed() const;
  /// How a size of the contract is written where the parameters are at hand: "n", or "args->n". Throws MachineError if neither is there.
  std::string size(const std::string& dim, const std::string& header_text) const;
};

/// Throws MachineError where a header does not have it.
Signature signature_of(const Recipe& recipe, const std::string& header);

}  // namespace assay
