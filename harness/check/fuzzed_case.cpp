#include "harness/check/fuzzed_case.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/check/caller.h"
#include "harness/check/instructions.h"
#include "harness/check/interrupt.h"
#include "harness/check/small_stack.h"
#include "harness/check/threads.h"
#include "harness/check/trial.h"
#include "harness/runtime/jit_code.h"
#include "harness/runtime/plugin.h"

namespace assay {

namespace {

/// The key with values of the generator's parameters that others may choose, in half of the cases.
Key with_drawn_parameters(Key key, const assay_contract& contract, Rng& rng) {
  size_t count = 0;
  while (contract.parameters[count].name != nullptr) {
    ++count;
  }
  for (size_t i = 0; i < count; ++i) {
    const assay_parameter& parameter = contract.parameters[i];
    if (parameter.n_others != 0 && rng.below(2) == 0) {
      key[key.size() - count + i] = parameter.others[rng.below(parameter.n_others)];
    }
  }
  return key;
}

}  // namespace

FuzzedCase::FuzzedCase(const Variant& variant, const CaseId& id, GuardedPool& pool)
    : Case(variant, id),
      plan_(plan_of(id.seed, work_of(id.shape) <= 32)),
      pool_(pool),
      buffers_(pool),
      garbage_(mix_seed(id.seed, salt("call"))) {
  if (!claim().reentrant) {
    plan_.threaded = false;
    plan_.generator.threaded = false;
  }
}

AnyFn FuzzedCase::resolve(const Key& key) {
  if (!variant().jit) {
    entry_ = run_of(variant());
    return entry_;
  }
  const Kernel& kernel = find_kernel(variant().kernel);
  Rng rng(mix_seed(id().seed, salt("values")));
  const Key drawn = variant().parameters.empty() ? with_drawn_parameters(key, *kernel.contract, rng) : key;
  const auto other_key = [&] {
    return with_drawn_parameters(kernel.key(trial_of(kernel).draw_shape(rng, rng.below(2000))), *kernel.contract, rng);
  };
  // When it is written and not yet executable, too: a generator may have changed the protection of what it was given.
  code_ = std::make_unique<GeneratedCode>(variant(), drawn, nested_ ? GeneratorPlan{} : plan_.generator, other_key,
                                          garbage_, [this] { check_mappings(); });
  entry_ = code_->entry();
  return entry_;
}

Case::NewBuffer FuzzedCase::make_buffer(const char* name, size_t bytes, size_t alignment, BufferRole role) {
  const size_t index =
      buffers_.make(name, bytes, std::max(alignment, claim().align), role, claim().over_read, id(), rng());
  return {index, buffers_.data(index), buffers_.to_fill(index)};
}

const uint8_t* FuzzedCase::keep_contents(const NewBuffer& buffer) {
  // Of a large case only what the kernel may overwrite: it cannot write to inputs otherwise.
  return is_large(id().shape) && alias() == 0 ? buffer.data : buffers_.keep_contents(buffer.id);
}

size_t FuzzedCase::call_pack(assay_pack_fn* pack, void* packed, const void* w, size_t rows, size_t cols) {
  const AtWork at_work(this, "pack");
  const OnSmallStack small(!nested_);
  const size_t bytes = checked_call(pack, false, garbage_, packed, w, rows, cols);
  if (const StateFault fault = fault_of_call(); !fault.check.empty()) {
    throw Mismatch(fault.check, fmt::format("after pack: {}", fault.text));
  }
  return bytes;
}

void FuzzedCase::check_instructions(const Call& call) const {
  const auto entry = reinterpret_cast<uint64_t>(call.target);
  static uint64_t judged = 0;  // a compiled variant's code is always the same
  if (nested_ || entry == judged || (code_ && !plan_.all_code)) {
    return;
  }
  judged = code_ ? 0 : entry;
  const std::string why =
      foreign_instruction_within(variant().isa, entry, [this](uint64_t at) { return is_generated(at); });
  if (!why.empty()) {
    throw Mismatch("isa", why);
  }
}

void FuzzedCase::run(const Call& call) {
  check_call(call);
  for (const Part& part : kept_out_) {
    judge().expect_untouched(part.what, part.begin, part.count);
  }
}

void FuzzedCase::check_call(const Call& call) {
  check_instructions(call);
  Caller caller(*this, call);
  if (nested_ || is_large(id().shape)) {
    step_ != nullptr ? caller.call_stepped(kPoison, *step_) : caller.call(kPoison);
    caller.check_state();
    return;
  }
  if (plan_.other_contents_before) {
    buffers_.reverse_inputs(true);
    caller.call(kPoison);
    caller.check_state();
    buffers_.reverse_inputs(false);
  }
  caller.call_first();
  if (plan_.other_data_between) {
    run_on_other_data(1);
  }
  caller.call_again("determinism",
                    "called again with the same inputs, from other garbage in registers, stack, outputs and scratch");
  if (plan_.stepped && single_step_available()) {
    check_interrupted(*this, caller);
  }
  if (plan_.threaded) {
    if (single_step_available()) {
      check_interleaved(*this, caller);
    }
    check_beside_a_thread(*this, caller);
  }
  if (code_) {
    check_mappings();
  }
}

void FuzzedCase::check_mappings() const {
  if (nested_ || !plan_.mappings) {
    return;
  }
  if (const std::string line = writable_and_executable(); !line.empty()) {
    throw Mismatch("wx", fmt::format("memory is both writable and executable: {}", line));
  }
}

void FuzzedCase::run_nested(const CaseId& id, GuardedPool& pool, const StepVisitor* step) const {
  FuzzedCase nested(variant(), id, pool);
  nested.nested_ = true;
  nested.step_ = step;
  trial_of(find_kernel(variant().kernel)).run(nested);
}

std::vector<Element> FuzzedCase::elements() const {
  constexpr uint64_t kMostOthers = 16;
  std::vector<Element> seen;
  for (uint64_t number = 0; number <= kMostOthers; ++number) {
    FuzzedCase once(variant(), number == 0 ? id() : other_data(number), pool_);
    once.nested_ = true;
    once.judge().record();
    trial_of(find_kernel(variant().kernel)).run(once);
    seen = once.judge().recorded();
    if (std::ranges::any_of(seen, &Element::wrong)) {
      break;
    }
  }
  return seen;
}

CaseId FuzzedCase::other_data(uint64_t number) const {
  CaseId other = id();
  other.seed = mix_seed(other.seed, salt("other") + number);
  other.input_class = InputClass::normal;
  return other;
}

void FuzzedCase::run_on_other_data(uint64_t number) const {
  const CallState mine = assay_call_state;
  try {
    run_nested(other_data(number), pool_, nullptr);
  } catch (const Mismatch& m) {
    assay_call_state = mine;
    throw Mismatch(m.check, fmt::format("on other data, in between: {}", m.what()));
  }
  assay_call_state = mine;
}

std::string FuzzedCase::why_not(const Touched& touched) const {
  constexpr uint64_t kRedZone = 128;  // System V AMD64 ABI, section 3.2.2
  const uint64_t end = touched.address + touched.bytes;
  // The kernel's part of the stack ends with its return address, and reaches down over its frames.
  const uint64_t stack_end = assay_call_state.expected_rsp;
  if (end <= stack_end && touched.address >= stack_end - kMostStack - kRedZone) {
    return "";
  }
  const bool of_the_code = is_generated(touched.address) || is_static(touched.address);
  const bool kept_out = std::ranges::any_of(kept_out_, [&](const Part& part) {
    return touched.address < reinterpret_cast<uint64_t>(part.begin + part.count) &&
           end > reinterpret_cast<uint64_t>(part.begin);
  });
  const bool in_a_buffer = !kept_out && buffers_.may_touch(touched.address, touched.bytes, touched.write);
  if (in_a_buffer || (of_the_code && !touched.write)) {
    return "";
  }
  const std::string where = buffers_.locate(reinterpret_cast<const void*>(touched.address));
  return fmt::format("{} {} bytes at {}", touched.write ? "writes" : "reads", touched.bytes,
                     where.empty() ? fmt::format("{:#x}, in no buffer", touched.address) : where);
}

std::string FuzzedCase::offset_text(uint64_t address) const {
  const uint64_t offset = address - reinterpret_cast<uint64_t>(entry_);
  constexpr uint64_t kLargest = 1 << 16;  // beyond, it is another function
  return offset < kLargest ? fmt::format(" ({}+{:#x})", variant().name(), offset) : "";
}

std::string FuzzedCase::locate(const void* address) const {
  return is_below_small_stack(address)
             ? fmt::format("memory below the {} KiB of stack that it may use", kMostStack >> 10)
             : buffers_.locate(address);
}

std::string FuzzedCase::jit_disassembly(uint64_t address) const {
  if (!is_generated(address)) {
    return "";
  }
  const auto base = reinterpret_cast<uint64_t>(code_->entry());
  // From the start: x86 code cannot be read backwards.
  const std::string all = disassemble_block(base, address - base + 32, base, 100000);
  constexpr size_t kLast = 1200;
  return all.size() <= kLast ? all : all.substr(all.find('\n', all.size() - kLast) + 1);
}

}  // namespace assay
