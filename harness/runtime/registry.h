#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "assay/contract.h"

namespace assay {

/// A function of unknown type: cast back to the kernel's own type before the call.
using AnyFn = void (*)();

/// The sizes of one call, as the kernel's contract names them: {n}, or {rows, cols, tokens}.
using Shape = std::vector<size_t>;

/// What generated code is made for: sizes, then the generator's parameters.
using Key = std::vector<size_t>;

struct Foreign;  // plugin.h

/// One implementation of a kernel for one ISA. The build generates one for each file it finds; others come from plug-ins.
struct Variant {
  std::string kernel;
  std::string isa;
  std::string file;  ///< source, relative to the repository; or the plug-in
  AnyFn run;         ///< `<kernel>_<isa>`: the kernel itself, or for a JIT variant its generator. Call run_of
  AnyFn pack;        ///< `<kernel>_pack_<isa>`, or nullptr where the kernel has no pack step. Call pack_of
  bool jit;
  std::string nickname = {};  ///< tells it from others of its ISA or plug-in; "" for the one that is named for the ISA
  std::string defect = {};    ///< of a planted defect (ci/defects/): what it is called; "" for true variants
  std::string symbol = {};    ///< the name of its function in the executable
  std::string layout = {};    ///< of its packed weights: variants of one layout share them; "": a layout of its own
  std::string code = {};      ///< hash of its sources, compiler and flags; "" where nobody made one
  unsigned lines = 0;         ///< of code in its file and what that includes of its kernel's folder; 0: not known
  unsigned shared_lines = 0;  ///< of code in what else it includes of kernels/
  /// The generator's parameters, as the contract has them; empty: the contract's values.
  std::vector<size_t> parameters = {};
  std::shared_ptr<const Foreign> foreign = {};  ///< of a plug-in's variant

  /// What tells it from the kernel's other variants: `avx2`, `avx2-lut`, `avx2!tail_twice` for a planted defect, `mine:fast` of the
  /// plug-in `mine`, and `jit_avx2[2048,4]` with other parameters than the contract's.
  std::string label() const;
  /// The same without parameters: the registry's variant.
  std::string usual_label() const;
  std::string name() const { return kernel + "/" + label(); }
};

/// A label without the parameters that it may end in: "jit_avx2" of "jit_avx2[2048,4]".
std::string_view without_parameters(std::string_view label);

struct Kernel {
  std::string name;
  const assay_contract* contract;
  std::vector<Variant> variants;  ///< in the order of isa_names(): the simpler first

  /// By label. nullptr if there is none.
  const Variant* find(std::string_view label) const;

  /// Names of the sizes in a Shape, in order.
  std::vector<std::string> dims() const;
  /// "rows=3 cols=64 tokens=1".
  std::string text_of(const Shape& shape) const;
  /// What a generator makes code for at `shape`, with these parameters; without, with the contract's.
  Key key(const Shape& shape, const std::vector<size_t>& parameters = {}) const;
  /// "prefetch=2048 tile=4".
  std::string text_of_parameters(const std::vector<size_t>& parameters) const;
  /// Bytes of scratch for a call at `shape`.
  size_t scratch_bytes(const Shape& shape) const;
};

/// What tells the layout of a variant's packed weights from others of the kernel.
std::string layout_of(const Variant& variant);

/// The kernels and variants of this process.
class Registry {
 public:
  /// Kernels in alphabetical order, their variants by ISA: the simpler first.
  explicit Registry(std::vector<Kernel> kernels);

  /// One more variant of a kernel. References to the kernel's variants end here, so it comes before they are used.
  /// Throws InputError for an unknown kernel or ISA, or a label that the kernel has already.
  void add(Variant variant);

  const std::vector<Kernel>& kernels() const { return kernels_; }
  /// The kernel of that name. Throws InputError that lists the names.
  const Kernel& find_kernel(std::string_view name) const;

 private:
  std::vector<Kernel> kernels_;
};

/// That of this executable: what the build found in kernels/.
Registry& registry();

/// registry().kernels().
const std::vector<Kernel>& kernels();

/// The kernel of that name. Throws InputError that lists the names.
const Kernel& find_kernel(std::string_view name);

/// The variant "kernel/label". Throws InputError that lists the names, or the values of parameters.
const Variant& find_variant(std::string_view name);

/// The variant with these parameters of its generator; itself if there are none. Kept for good. Throws InputError unless the variant is
/// generated and the contract has these values.
const Variant& with_parameters(const Variant& variant, const std::vector<size_t>& parameters);

/// Whether `name` matches one of the glob patterns of `*` and `?` (fnmatch) that commas separate.
bool glob_match(const std::string& pattern, const std::string& name);

/// Whether a variant's label matches; planted defects match only a pattern that has a '!'.
bool glob_match(const std::string& pattern, const Variant& variant);

/// What the generated registry.cpp defines: kernels in any order.
std::vector<Kernel> generated_kernels();

}  // namespace assay
