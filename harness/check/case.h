#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <type_traits>

#include "assay/contract.h"
#include "harness/check/case_id.h"
#include "harness/check/checked_call.h"
#include "harness/check/judge.h"
#include "harness/check/values.h"
#include "harness/runtime/claim.h"
#include "harness/runtime/registry.h"
#include "harness/runtime/rng.h"

namespace assay {

/// One buffer as the kernel sees it (`data`), and its contents before the call (`ref`) for the reference.
template <class T>
struct Input {
  const T* data;
  const T* ref;
  size_t count;
  size_t id;  ///< for aliasing an output with it
};

/// What a kernel may do with a buffer.
enum class BufferRole {
  input,    ///< read it
  packed,   ///< read what the variant's own set-up step wrote
  output,   ///< write it
  scratch,  ///< use it as it likes
};

/// One call of a kernel, its arguments inside.
struct Call {
  const void* target;  ///< the kernel's function
  /// Makes it through checked_call.
  std::function<void(bool single_step, Rng& garbage)> checked;
  /// Makes it over and over, with nothing around it.
  std::function<void(size_t iterations)> repeat;
  const void* result;  ///< where `checked` leaves what the function returned
  size_t result_bytes;
};

/// One sample of one variant, as a trial sees it: it makes buffers, calls, and judges what came of it. See Trial::run.
/// A FuzzedCase checks the call, a TimedCase takes its time.
class Case {
 public:
  virtual ~Case() = default;
  Case(const Case&) = delete;

  size_t dim(size_t i) const { return id_.shape[i]; }
  InputClass input_class() const { return id_.input_class; }
  /// What the variant says that it does not keep of the contract; nothing of most.
  const Claim& claim() const {
    static const Claim none;
    const Claim* claim = claim_of(variant_);
    return claim == nullptr ? none : *claim;
  }
  bool exact_inputs() const { return id_.input_class == InputClass::integers; }
  size_t alias() const { return id_.alias; }
  /// Whether the call is timed: nothing is judged.
  virtual bool timing() const = 0;
  /// Whether what is made before the call, packed weights and generated code, is checked as well: not when timing, nor in the
  /// midst of another case.
  virtual bool checks_preparation() const = 0;
  Rng& rng() { return rng_; }
  const CaseId& id() const { return id_; }
  const Variant& variant() const { return variant_; }

  /// The function to call: the variant itself, or code generated for the shape.
  template <class F>
  F* fn() {
    return reinterpret_cast<F*>(resolve(find_kernel(variant_.kernel).key(id_.shape, variant_.parameters)));
  }
  /// Calls a variant's pack, checked as a call of a kernel is, and gives what it returns.
  virtual size_t call_pack(assay_pack_fn* pack, void* packed, const void* w, size_t rows, size_t cols) = 0;
  /// From here on nothing may touch the input: what a kernel reads is the packed copy alone.
  virtual void withdraw(size_t input) = 0;

  /// A read-only buffer of `count` elements of the case's class.
  template <class T>
  Input<T> input(const char* name, size_t count) {
    return input<T>(name, count, [this](std::span<T> x, Rng& rng) { fill_class(x, id_.input_class, rng); });
  }
  /// The same, filled by `fill`.
  template <class T>
  Input<T> input(const char* name, size_t count, const std::function<void(std::span<T>, Rng&)>& fill,
                 size_t alignment = alignof(T)) {
    const NewBuffer buffer = make_buffer(name, count * sizeof(T), alignment, BufferRole::input);
    if (buffer.to_fill != nullptr) {
      const std::span<T> x(reinterpret_cast<T*>(buffer.to_fill), count);
      fill(x, rng_);
      if constexpr (std::is_same_v<T, float>) {
        simplify(x, id_);
      }
    }
    const uint8_t* const contents = keep_contents(buffer);
    return {reinterpret_cast<const T*>(buffer.data), reinterpret_cast<const T*>(contents), count, buffer.id};
  }

  /// A poisoned buffer for results. With `same_as` it is that input's memory (which then is writable).
  template <class T>
  T* output(const char* name, size_t count, const Input<T>* same_as = nullptr, size_t alignment = alignof(T)) {
    if (same_as != nullptr) {
      work_in_place(same_as->id);
      return const_cast<T*>(same_as->data);
    }
    return reinterpret_cast<T*>(make_buffer(name, count * sizeof(T), alignment, BufferRole::output).data);
  }

  /// The uninitialised memory that the contract lets the kernel use as it likes.
  template <class T>
  T* scratch(const char* name, size_t alignment = alignof(T)) {
    const size_t size = find_kernel(variant_.kernel).scratch_bytes(id_.shape);
    return reinterpret_cast<T*>(make_buffer(name, size, alignment, BufferRole::scratch).data);
  }

  /// Memory that is filled once by the variant's own set-up step (pack) and read-only for the kernel. Kept
  /// between repetitions while timing; `fill` writes it through the pointer it gets.
  void* packed(const char* name, size_t bytes, const std::function<void(void*)>& fill) {
    const NewBuffer buffer = make_buffer(name, bytes, 64, BufferRole::packed);
    if (buffer.to_fill != nullptr) {
      fill(buffer.to_fill);
    }
    return buffer.data;
  }

  /// The block of arguments that a kernel takes the address of: it may only read it.
  template <class T>
  const T* arguments(const T& block) {
    if (timing()) {
      return &block;
    }
    const NewBuffer buffer = make_buffer("the argument block", sizeof(T), alignof(T), BufferRole::packed);
    std::memcpy(buffer.to_fill, &block, sizeof(T));
    return reinterpret_cast<const T*>(buffer.data);
  }

  /// The kernel may not touch this part of an output: stepped calls do not, and no call has written there.
  virtual void keep_out(const char* what, const float* part, size_t count) = 0;

  /// Calls the kernel: everything about the call that is checked is checked here.
  template <class F, class... A>
  auto call(F* f, A... args) -> std::invoke_result_t<F*, A...> {
    using Result = std::invoke_result_t<F*, A...>;
    const auto* target = reinterpret_cast<const void*>(f);
    if constexpr (std::is_void_v<Result>) {
      const auto repeat = [=](size_t iterations) {
        for (size_t i = 0; i < iterations; ++i) {
          f(args...);
          asm volatile("" : : : "memory");
        }
      };
      run({target, [=](bool step, Rng& garbage) { checked_call(f, step, garbage, args...); }, repeat, nullptr, 0});
    } else {
      Result result{};
      const auto repeat = [=](size_t iterations) {
        for (size_t i = 0; i < iterations; ++i) {
          auto timed = f(args...);
          asm volatile("" : : "xr"(timed) : "memory");
        }
      };
      run({target, [&, f](bool step, Rng& garbage) { result = checked_call(f, step, garbage, args...); }, repeat,
           &result, sizeof result});
      return result;
    }
  }

  // The judge's functions: each throws Mismatch.
  void expect(const char* what, size_t index, float got, const Expected& want) {
    judge_.expect(what, index, got, want);
  }
  void expect_bits(const char* what, size_t index, float got, float want) {
    judge_.expect_bits(what, index, got, want);
  }
  void expect_equal(const char* what, size_t index, int64_t got, int64_t want) {
    judge_.expect_equal(what, index, got, want);
  }
  void expect_written(const char* what, const float* p, size_t count) { judge_.expect_written(what, p, count); }
  const ErrorStats& errors() const { return judge_.errors(); }

 protected:
  const Judge& judge() const { return judge_; }
  Judge& judge() { return judge_; }

  Case(const Variant& variant, CaseId id) : variant_(variant), id_(std::move(id)), rng_(id_.seed) {
    judge_.allow(claim().bound_factor);
  }

  struct NewBuffer {
    size_t id;
    uint8_t* data;
    uint8_t* to_fill;  ///< the same memory, writable; nullptr if it is filled already
  };

 private:
  virtual AnyFn resolve(const Key& key) = 0;
  virtual NewBuffer make_buffer(const char* name, size_t bytes, size_t alignment, BufferRole role) = 0;
  /// Once an input is filled: what it holds, in memory that the kernel does not write.
  virtual const uint8_t* keep_contents(const NewBuffer& buffer) = 0;
  /// The kernel may write this input.
  virtual void work_in_place(size_t id) = 0;
  virtual void run(const Call& call) = 0;

  const Variant& variant_;
  CaseId id_;
  Rng rng_;
  Judge judge_;
};

}  // namespace assay
