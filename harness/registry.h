#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace assay {

class Trial;

/// A function of unknown type: cast back to the kernel's own type before the call.
using AnyFn = void (*)();

/// One implementation of a kernel for one ISA. The build generates one for each file it finds.
struct Variant {
  std::string kernel;
  std::string isa;   ///< also the name of a true variant: `dot_f32/avx2` is variant `avx2` of `dot_f32`
  std::string file;  ///< source, relative to the repository
  AnyFn run;         ///< `<kernel>_<isa>`: the kernel itself, or for a JIT variant its generator
  AnyFn pack;        ///< `<kernel>_pack_<isa>`, or nullptr where the kernel has no pack step
  bool jit;
  std::string defect;  ///< of a planted defect (ci/defects/): what it is called; "" for true variants

  std::string name() const { return kernel + "/" + label(); }
  std::string label() const { return defect.empty() ? isa : isa + "!" + defect; }
};

struct Kernel {
  std::string name;
  const Trial* trial;
  std::vector<Variant> variants;  ///< in the order of isa_names(): the simpler first

  /// By label: `avx2`, or `avx2!tail_twice` for a planted defect. nullptr if there is none.
  const Variant* find(std::string_view label) const;
};

/// Every kernel of kernels/, in alphabetical order.
const std::vector<Kernel>& kernels();

/// The kernel of that name. Throws InputError that lists the names.
const Kernel& find_kernel(std::string_view name);

/// The variant "kernel/isa". Throws InputError that lists the names.
const Variant& find_variant(std::string_view name);

/// Whether `name` matches a glob pattern of `*` and `?` (fnmatch).
bool glob_match(const std::string& pattern, const std::string& name);

/// Whether a variant's label matches; planted defects match only a pattern that has a '!'.
bool glob_match(const std::string& pattern, const Variant& variant);

/// What the generated registry.cpp defines: kernels in any order.
std::vector<Kernel> generated_kernels();

}  // namespace assay
