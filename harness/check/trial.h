#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/check/case.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/rng.h"

namespace assay {

/// What one call costs at least, for the comparison with the machine's limits.
struct Work {
  double ops;                 ///< multiplications and additions (a fused one counts 2), or integer ones
  double read, written;       ///< bytes, each once: the least that must move
  bool integer_ops = false;   ///< ops are int8 multiply-adds: compare with that peak
  int sums_in_16_bits = 1;    ///< of those, so many products fit one before it is widened: 1, 2, 4 or 8
  double ops_per_lookup = 0;  ///< of those, what one byte from a table of 16 stands for; 0: tables are of no use

  double bytes() const { return read + written; }
};

/// A shape that is timed and chosen for.
struct ShapeClass {
  std::string label;  ///< "L1", "L2", "L3", "mem"; "decode-256", "prefill-768", ...; "L1-cold"
  Shape shape;
  bool cold = false;    ///< each call finds its data in memory, whatever cache it would fit
  int percent = 100;    ///< of the class's own sizes: see scaled
  bool ragged = false;  ///< lengths that leave a remainder, which costs some variants more than others

  /// "L1", or "L1 x 0.7".
  std::string name() const;
};

/// How one kernel is fuzzed, judged and timed. kernels/<kernel>/trial.cpp derives from it and is the one file
/// of the kernel that knows the harness and the reference.
class Trial {
 public:
  virtual ~Trial() = default;

  /// Names of the aliasing modes that the contract allows; the first is always "none".
  virtual std::vector<std::string> aliases() const { return {"none"}; }

  /// Input classes that mean something for this kernel. Default: all, but any_bits only for functions of one float: what is summed would be
  /// as good as one of its terms.
  virtual std::vector<InputClass> classes() const;

  /// The shape of sample number `index`. Default (one dimension): every length 0..`4 * 64 + 3` in turn on the
  /// first samples, then primes, short, round and random lengths, a few up to 100,000 and one in 2000 up to 2^22.
  virtual Shape draw_shape(Rng& rng, uint64_t index) const;

  /// The class of sample number `index` where its shape is made to show what that class does. Default, for shapes of the default: pairs of
  /// special values, and sums that are long enough to lose terms.
  virtual std::optional<InputClass> class_for(uint64_t index, const Shape& shape) const;

  /// A Shape that a person wrote: throws InputError if the contract does not allow it. Default: nothing is refused
  /// up to 2^28 elements, or 2^30 of one dimension.
  virtual void validate(const Kernel& kernel, const Shape& shape) const;

  /// One case: makes the buffers, calls the variant through Case::call, and judges the result. The same function
  /// serves timing: Case::call then repeats the call, and judging must be skipped where Case::timing() says so.
  virtual void run(Case& c) const = 0;

  /// The shapes that are timed, for these caches.
  virtual std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const = 0;

  virtual Work work(const Shape& shape) const = 0;

  /// How many of a shape's sizes, from the first on, are others where a class is timed at another size. Default: all. The size of a head is
  /// one of a few: what is the fastest at others is nobody's question.
  virtual size_t scaled_sizes() const { return assay_most_dims; }

  /// A shape with a buffer of over 2^31 bytes; empty: none at which judging means something (error bounds of sums grow with
  /// the length) and that fits the memory of a machine. See check_large.
  virtual Shape large_shape() const { return {}; }

  /// Elementwise functions of one float: the reference in double, and the contract's limit in ULP. nullptr for the
  /// others. They have the exhaustive mode over all 2^32 inputs.
  virtual double (*unary_reference() const)(double) { return nullptr; }
  virtual double unary_ulp_limit() const { return 0; }
};

/// Whether Trial::validate lets the shape pass.
bool is_allowed(const Kernel& kernel, const Shape& shape);

/// The shape and, where that does not take long, the same with each size over 1 a step less, and more: what a variant does at the
/// end of its loops.
std::vector<Shape> shapes_about(const Kernel& kernel, const Shape& shape);

/// A product of matrices {rows, cols, tokens} with sizes of a model, or a step less or more: by its number in turn one token,
/// long rows, many rows, or some of each, such that it is 2^25 multiplications at most. Columns are multiples of `unit`.
Shape draw_model_product(Rng& rng, uint64_t number, size_t unit);

/// Which rows of begin .. end to judge where judging all, each `work` multiplications, would take long: those at both ends, a
/// panel's worth, and some between.
std::vector<size_t> rows_to_judge(Rng rng, size_t begin, size_t end, size_t work);

/// How `kernel` is tried: what the generated trials.cpp lists.
const Trial& trial_of(const Kernel& kernel);

/// What the generated trials.cpp defines: kernel -> trial.
std::vector<std::pair<std::string, const Trial*>> generated_trials();

/// Shape classes "L1", "L2", "L3", "mem" of a kernel that moves `bytes_per_element` per element of its one
/// dimension: half of each cache (16 MiB at most), and for memory four times the last cache (64 to 128 MiB).
/// Lengths are multiples of `multiple`.
std::vector<ShapeClass> vector_shape_classes(const CacheInfo& caches, size_t bytes_per_element, size_t multiple = 64);

/// The trial's shape classes, its first (the smallest) once more with cold caches, and those of short vectors once more with
/// ragged lengths: there the remainder is a tenth of the time.
std::vector<ShapeClass> timed_classes(const Kernel& kernel, const CacheInfo& caches);

/// The class at another size: `percent` of each size over 1, in whole blocks where the contract wants them. A length is a
/// multiple of 64 elements, or ragged if the class is: 63, 7, 29 or 13 more.
ShapeClass scaled(const Kernel& kernel, const ShapeClass& own, int percent);

/// A multiple of 256, 768, 1024 or more, up to about `most`, or one less or one more: what blocks of loops end at.
size_t round_length(Rng& rng, size_t most);

/// The length that sample number `index` has to show pairs of special values in: four samples for each of 0 .. 79, which has
/// every remainder of 64. nullopt: it is another kind of sample.
std::optional<size_t> length_for_pairs(uint64_t index);

/// A length for fuzzing: as Trial::draw_shape's default, in steps of `unit`.
size_t draw_length(Rng& rng, uint64_t index, size_t unit = 1);

}  // namespace assay
