#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "harness/check/checked_call.h"
#include "harness/check/guarded_memory.h"
#include "harness/check/single_step.h"
#include "harness/runtime/jit_code.h"
#include "harness/runtime/registry.h"
#include "harness/runtime/rng.h"

namespace assay {

/// Buffers of gigabytes: such a case is called once and judged, without what takes copies of them.
bool is_large(const Shape& shape);

/// Families of values that a sample's inputs are drawn from.
enum class InputClass {
  normal,        ///< about N(0, 1)
  wide,          ///< exponents log-uniform over 2^-40 .. 2^40
  integers,      ///< small integers: sums and products are exact, the error bound of a linear kernel is 0
  cancellation,  ///< pairs of large values of opposite sign that nearly cancel
  subnormals,    ///< subnormal and smallest normal values
  zeros,         ///< +0, -0 and a few ones
  huge,          ///< near FLT_MAX
  special,       ///< normal values with a few NaN and Inf among them
  extreme,       ///< the largest magnitudes of one sign: saturation, extreme integers
  constant,      ///< one value everywhere
};
std::vector<InputClass> all_input_classes();
std::string to_string(InputClass c);
InputClass input_class_from(std::string_view name);  ///< throws InputError

/// Where a case puts its buffers.
enum class Place {
  drawn,  ///< as the seed says
  end,    ///< each flush against the guard page behind it
  begin,  ///< each flush behind the guard page before it
};

/// What identifies a case: the same CaseId gives the same inputs, offsets and calls on every machine.
struct CaseId {
  std::string variant;  ///< "dot_f32/avx2"
  Shape shape;
  InputClass input_class = InputClass::normal;
  size_t alias = 0;  ///< index into Trial::aliases()
  uint64_t seed = 0;
  // What the shrinker simplifies: see shrink.h.
  Place place = Place::drawn;
  size_t keep_from = 0;  ///< elements of float inputs outside [keep_from, keep_to) become 0 ...
  size_t keep_to = kKeepAll;
  bool small_integers = false;  ///< ... and finite ones inside it integers of -8 .. 8

  static constexpr size_t kKeepAll = SIZE_MAX;
};
/// "dot_f32/avx2:n=17,class=normal,alias=none,seed=0x1f": what `assay check --case` takes.
std::string to_string(const CaseId& id);
CaseId case_from(std::string_view text);  ///< throws InputError

/// The variant broke its contract.
struct Mismatch : std::runtime_error {
  explicit Mismatch(const std::string& text) : Mismatch("value", text) {}
  Mismatch(std::string which, const std::string& text) : std::runtime_error(text), check(std::move(which)) {}
  std::string check;  ///< which check saw it: "value", "canary", "determinism", "register", ...
};

/// The largest errors seen so far. max_ulp counts only finite nonzero-bound comparisons of floats.
struct ErrorStats {
  double max_ulp = 0;
  double worst_over_bound = 0;
};

/// The distance between floats at `value`, which is finite: 2^-149 for subnormals and 0.
double float_ulp(double value);

/// What one element should be.
struct Expected {
  double value;           ///< the reference's result; NaN: any NaN is right
  double bound;           ///< allowed |got - value|; 0: exact
  bool overflow = false;  ///< an intermediate may overflow: NaN and Inf are allowed too
};

/// Memory that a timed kernel works on, kept between repetitions and shared by the variants of a kernel.
class BenchStore;

/// Repeats a call and takes its time.
class CallTimer {
 public:
  virtual ~CallTimer() = default;
  virtual void time(const std::function<void(size_t iterations)>& repeat) = 0;
};

/// One buffer as the kernel sees it (`data`), and its contents before the call (`ref`) for the reference.
template <class T>
struct Input {
  const T* data;
  const T* ref;
  size_t count;
  size_t id;  ///< for aliasing an output with it
};

/// Fills the elements for the class of the case. Of large cases the first million are drawn and then repeated, and integers
/// are of -1 .. 1, so that their sums stay exact.
void fill_class(std::span<float> x, InputClass c, Rng& rng);
void fill_class(std::span<int32_t> x, InputClass c, Rng& rng);

/// One sample of one variant: makes guarded buffers, calls, judges. Trials use it; see Trial::run.
///
/// A fuzzed call is made twice or more, each time from other garbage in registers, stack, outputs and scratch, through
/// checked_call: the machine state is checked each time, and the results must be the same bits. On samples that
/// follow from the seed, there is more: a call on other data in between, or before and at the same addresses; a call
/// that is interrupted after every instruction (each SIGTRAP's frame overwrites what lies below the red zone) and
/// re-entered on other data at a few of them; calls while another thread runs the same variant on other data, at full
/// speed, and instruction by instruction in a drawn order.
class Case {
 public:
  /// For fuzzing. `stats` receives the errors.
  Case(const Variant& variant, const CaseId& id, GuardedPool& pool, ErrorStats& stats);
  /// For timing: aligned buffers from `store`, class normal, nothing is judged.
  Case(const Variant& variant, const Shape& shape, BenchStore& store, CallTimer& timer);
  ~Case();
  Case(const Case&) = delete;

  size_t dim(size_t i) const { return id_.shape[i]; }
  InputClass input_class() const { return id_.input_class; }
  bool exact_inputs() const { return id_.input_class == InputClass::integers; }
  size_t alias() const { return id_.alias; }
  bool timing() const { return timer_ != nullptr; }
  Rng& rng() { return rng_; }

  /// The function to call: the variant itself, or code generated for the shape.
  template <class F>
  F* fn() {
    return reinterpret_cast<F*>(resolve(find_kernel(variant_.kernel).key(id_.shape)));
  }
  /// The variant's pack step.
  template <class F>
  F* pack() const {
    return reinterpret_cast<F*>(variant_.pack);
  }

  /// A read-only buffer of `count` elements of the case's class.
  template <class T>
  Input<T> input(const char* name, size_t count) {
    return input<T>(name, count, [this](std::span<T> x, Rng& rng) { fill_class(x, id_.input_class, rng); });
  }
  /// The same, filled by `fill`.
  template <class T>
  Input<T> input(const char* name, size_t count, const std::function<void(std::span<T>, Rng&)>& fill,
                 size_t alignment = alignof(T)) {
    const size_t id = make_buffer(name, count * sizeof(T), alignment, Role::input);
    if (auto* fresh = reinterpret_cast<T*>(fresh_bytes(id))) {
      fill(std::span<T>(fresh, count), rng_);
      if constexpr (std::is_same_v<T, float>) {
        simplify(std::span<float>(fresh, count));
      }
      keep_original(id);
    }
    return {reinterpret_cast<const T*>(bytes(id)), reinterpret_cast<const T*>(original(id)), count, id};
  }

  /// A poisoned buffer for results. With `same_as` it is that input's memory (which then is writable).
  template <class T>
  T* output(const char* name, size_t count, const Input<T>* same_as = nullptr, size_t alignment = alignof(T)) {
    if (same_as != nullptr) {
      return reinterpret_cast<T*>(make_writable(same_as->id));
    }
    return reinterpret_cast<T*>(bytes(make_buffer(name, count * sizeof(T), alignment, Role::output)));
  }

  /// The uninitialised memory that the contract lets the kernel use as it likes.
  template <class T>
  T* scratch(const char* name, size_t alignment = alignof(T)) {
    const size_t size = find_kernel(variant_.kernel).scratch_bytes(id_.shape);
    return reinterpret_cast<T*>(bytes(make_buffer(name, size, alignment, Role::scratch)));
  }

  /// Memory that is filled once by the variant's own set-up step (pack) and read-only for the kernel. Kept
  /// between repetitions while timing; `fill` writes it through the pointer it gets.
  void* packed(const char* name, size_t bytes, const std::function<void(void*)>& fill);

  /// Calls the kernel: everything about the call that is checked is checked here.
  template <class F, class... A>
  auto call(F* f, A... args) -> std::invoke_result_t<F*, A...> {
    using Result = std::invoke_result_t<F*, A...>;
    if constexpr (std::is_void_v<Result>) {
      if (timer_ != nullptr) {
        timer_->time([=](size_t iterations) {
          for (size_t i = 0; i < iterations; ++i) {
            f(args...);
            asm volatile("" : : : "memory");
          }
        });
      } else {
        run_checked(
            reinterpret_cast<const void*>(f),
            [&](bool single_step) { checked_call(f, single_step, call_rng_, args...); }, nullptr, 0);
      }
    } else {
      Result result{};
      if (timer_ != nullptr) {
        timer_->time([=](size_t iterations) {
          for (size_t i = 0; i < iterations; ++i) {
            auto timed = f(args...);
            asm volatile("" : : "x"(timed) : "memory");
          }
        });
      } else {
        run_checked(
            reinterpret_cast<const void*>(f),
            [&](bool single_step) { result = checked_call(f, single_step, call_rng_, args...); }, &result,
            sizeof result);
      }
      return result;
    }
  }

  /// The case whose kernel is being called in this thread; nullptr if none is.
  static const Case* at_work();
  /// " (dot_f32/avx2+0x1f)" for an address in the variant's code.
  std::string offset_text(uint64_t address) const;
  /// The generated code around `address`, disassembled; "" if it lies elsewhere.
  std::string jit_disassembly(uint64_t address) const;
  /// Where `address` lies: "8 bytes behind the end of x (68 bytes)"; "" if near no buffer.
  std::string locate(const void* address) const;

  /// Judges one float. Throws Mismatch.
  void expect(const char* what, size_t index, float got, const Expected& want);
  /// Bit for bit, any NaN for a NaN. Throws Mismatch.
  void expect_bits(const char* what, size_t index, float got, float want);
  /// Integers and bytes. Throws Mismatch.
  void expect_equal(const char* what, size_t index, int64_t got, int64_t want);
  /// Elements that the kernel must not write still hold the poison. Throws Mismatch.
  void expect_untouched(const char* what, const float* p, size_t count);

 private:
  enum class Role { input, output, scratch };
  struct Buffer;

  AnyFn resolve(const Key& key);
  void simplify(std::span<float> x) const;  ///< as the shrinker asks
  size_t make_buffer(const char* name, size_t bytes, size_t alignment, Role role);
  uint8_t* bytes(size_t id);
  uint8_t* fresh_bytes(size_t id);  ///< nullptr if it is already filled (timing)
  const uint8_t* original(size_t id);
  void keep_original(size_t id);
  uint8_t* make_writable(size_t id);
  void reset(uint8_t poison);  ///< every buffer as before the call, outputs and scratch poisoned, inputs read-only
  void check_canaries();       ///< Throws Mismatch
  std::vector<uint8_t> written(const void* result, size_t result_bytes);  ///< what the kernel wrote, without scratch
  void run_checked(const void* target, const std::function<void(bool single_step)>& call, const void* result,
                   size_t result_bytes);
  void run_on_other_data(uint64_t salt);
  void check_mappings() const;  ///< Throws Mismatch
  void step_through(const void* target, const std::function<void()>& call);
  void run_beside_a_thread(const std::function<void()>& call_and_compare);
  void interleave_with_a_thread(const std::function<void()>& call);
  /// The same variant on the data of `id`: called once, with nothing on top but `step`.
  void run_nested(const CaseId& id, GuardedPool& pool, const StepVisitor* step) const;
  /// Throws what went wrong in another thread, if something did.
  void judge_company(const std::optional<Mismatch>& wrong, const CaseId& id) const;

  const Variant& variant_;
  CaseId id_;
  Rng rng_;
  Rng call_rng_;                       ///< garbage of the calls: apart, so that it does not move the inputs
  bool nested_ = false;                ///< made by another Case's check: called once, with nothing on top
  const StepVisitor* step_ = nullptr;  ///< if nested: visits each of its instructions
  GuardedPool* pool_ = nullptr;
  ErrorStats* stats_ = nullptr;
  BenchStore* store_ = nullptr;
  CallTimer* timer_ = nullptr;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::unique_ptr<JitCode> code_;
};

class BenchStore {
 public:
  /// `placement`: how the buffers lie to each other.
  explicit BenchStore(int placement = 0);
  ~BenchStore();
  struct Block;
  /// The block of that name, made (zeroed, 64-byte aligned) if it is new: `fresh` tells.
  uint8_t* get(const std::string& name, size_t bytes, bool& fresh);
  /// Code kept between repetitions.
  const JitCode& code(const Variant& variant, const Key& key);
  /// All of it.
  std::vector<const JitCode*> codes() const;
  /// What the generation of the variant's code took, once; 0 if it has none.
  double generation_seconds(const Variant& variant) const;
  /// Writes every block out of all caches.
  void evict() const;

 private:
  size_t stride_;
  Rng rng_;
  std::map<std::string, std::unique_ptr<Block>> blocks_;
  std::map<std::string, std::unique_ptr<JitCode>> code_;
};

}  // namespace assay
