#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "harness/check/buffers.h"
#include "harness/check/case.h"
#include "harness/check/generated_code.h"
#include "harness/check/operands.h"
#include "harness/check/plan.h"

namespace assay {

/// A sample that is checked: guarded buffers, and a call made twice or more, each time from other garbage in registers,
/// stack, outputs and scratch, through checked_call: the machine state is checked each time, and the results must be the
/// same bits. What there is more, the plan says, which follows from the seed.
class FuzzedCase : public Case {
 public:
  FuzzedCase(const Variant& variant, const CaseId& id, GuardedPool& pool);

  bool timing() const override { return false; }
  bool checks_preparation() const override { return !nested_; }

  size_t call_pack(assay_pack_fn* pack, void* packed, const void* w, size_t rows, size_t cols) override;
  void withdraw(size_t input) override { buffers_.withdraw(input); }
  void keep_out(const char* what, const float* part, size_t count) override {
    if (count != 0) {
      kept_out_.push_back({what, part, count});
    }
  }

  // For the checks that its call consists of.
  /// Made by another case's check, maybe in the midst of that one's call.
  bool is_nested() const { return nested_; }
  const CheckPlan& plan() const { return plan_; }
  Buffers& buffers() { return buffers_; }
  GuardedPool& pool() const { return pool_; }
  /// Garbage of the calls: apart, so that it does not move the inputs.
  Rng& garbage() { return garbage_; }
  /// Why the kernel may not touch this memory; "" if it may.
  std::string why_not(const Touched& touched) const;
  /// Whether this is an address in code generated for this case.
  bool is_generated(uint64_t address) const { return code_ && code_->contains(address); }
  /// The same variant on the data of `id`, called once, with nothing on top but `step`, which may be nullptr: it visits each
  /// instruction. Throws Mismatch.
  void run_nested(const CaseId& id, GuardedPool& pool, const StepVisitor* step) const;
  /// The same variant on other data, which follows from `number`: called once, in the midst of another call or not.
  void run_on_other_data(uint64_t number) const;

  /// The elements about the first wrong one, of one call with nothing on top; on other data if none is wrong on the case's own. Throws Mismatch where the call itself is wrong.
  std::vector<Element> elements() const;

  // For the text of a crash.
  /// " (dot_f32/avx2+0x1f)" for an address in the variant's code.
  std::string offset_text(uint64_t address) const;
  /// The generated code around `address`, disassembled; "" if it lies elsewhere.
  std::string jit_disassembly(uint64_t address) const;
  std::string locate(const void* address) const;

 private:
  AnyFn resolve(const Key& key) override;
  NewBuffer make_buffer(const char* name, size_t bytes, size_t alignment, BufferRole role) override;
  const uint8_t* keep_contents(const NewBuffer& buffer) override;
  void work_in_place(size_t index) override { buffers_.work_in_place(index); }
  void run(const Call& call) override;
  /// All that is done to the call. Throws Mismatch.
  void check_call(const Call& call);
  void check_mappings() const;  ///< Throws Mismatch
  /// Of the whole code, what runs and what does not. Throws Mismatch.
  void check_instructions(const Call& call) const;

  /// The case on other data, which follows from `number`.
  CaseId other_data(uint64_t number) const;

  /// A part of an output that is not the kernel's.
  struct Part {
    const char* what;
    const float* begin;
    size_t count;
  };

  CheckPlan plan_;
  GuardedPool& pool_;
  Buffers buffers_;
  Rng garbage_;
  std::vector<Part> kept_out_;
  std::unique_ptr<GeneratedCode> code_;
  AnyFn entry_ = nullptr;              ///< what is called
  bool nested_ = false;                ///< made by another case's check: called once, with nothing on top
  const StepVisitor* step_ = nullptr;  ///< if nested
};

}  // namespace assay
