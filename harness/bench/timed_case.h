#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "harness/check/case.h"
#include "harness/runtime/jit_code.h"

namespace assay {

/// Memory that a timed kernel works on, kept between repetitions and shared by the variants of a kernel.
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
  /// What packing the weights for the variant, or for another of its layout, took.
  struct Packing {
    size_t bytes = 0;  ///< 0: it packs nothing
    double seconds = 0;
  };
  Packing& packing(const Variant& variant) { return packings_[layout_of(variant)]; }
  /// Writes every block out of all caches.
  void evict() const;

 private:
  size_t stride_;
  Rng rng_;
  std::map<std::string, std::unique_ptr<Block>> blocks_;
  std::map<std::string, std::unique_ptr<JitCode>> code_;
  std::map<std::string, Packing> packings_;  // by layout
};

/// Repeats a call and takes its time.
class CallTimer {
 public:
  virtual ~CallTimer() = default;
  virtual void time(const std::function<void(size_t iterations)>& repeat) = 0;
};

/// A call to time: aligned buffers from a store, class normal, nothing is judged.
class TimedCase : public Case {
 public:
  TimedCase(const Variant& variant, const Shape& shape, BenchStore& store, CallTimer& timer);

  bool timing() const override { return true; }
  bool checks_preparation() const override { return false; }
  size_t call_pack(assay_pack_fn* pack, void* packed, const void* w, size_t rows, size_t cols) override;
  void withdraw(size_t) override {}
  void keep_out(const char*, const float*, size_t) override {}

 private:
  AnyFn resolve(const Key& key) override;
  NewBuffer make_buffer(const char* name, size_t bytes, size_t alignment, BufferRole role) override;
  const uint8_t* keep_contents(const NewBuffer& buffer) override { return buffer.data; }
  void work_in_place(size_t) override {}
  void run(const Call& call) override { timer_.time(call.repeat); }

  BenchStore& store_;
  CallTimer& timer_;
};

}  // namespace assay
