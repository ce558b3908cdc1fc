#include "harness/check/interrupt.h"

#include <fmt/format.h>

#include <optional>
#include <unordered_map>

#include "harness/check/instructions.h"
#include "harness/runtime/plugin.h"

namespace assay {
namespace {

/// Entry points of the variants that have one: a step onto another's is a call of it.
const std::unordered_map<uint64_t, const Variant*>& entries() {
  static const auto map = [] {
    std::unordered_map<uint64_t, const Variant*> m;
    for (const auto& kernel : kernels()) {
      for (const auto& v : kernel.variants) {
        if (!v.foreign) {
          m[reinterpret_cast<uint64_t>(v.run)] = &v;
        }
      }
    }
    return m;
  }();
  return map;
}

std::optional<Mismatch> judge_step(const FuzzedCase& c, uint64_t own, const Step& step) {
  const std::string& isa = c.variant().isa;
  const bool generated = c.is_generated(step.rip);
  if (step.is_new) {
    if (const auto it = entries().find(step.rip); it != entries().end() && step.rip != own) {
      return Mismatch("foreign-call",
                      fmt::format("it runs {}, another variant, instead of code of its own", it->second->name()));
    }
    if (const std::string why = foreign_instruction(isa, step.rip, generated); !why.empty()) {
      return Mismatch("isa", why);
    }
  }
  // Of the variant's own code: the C library's functions are asked for nothing but what they are given. One that keeps state has it somewhere.
  if ((generated || is_code(step.rip)) && c.claim().reentrant) {
    std::string why;
    visit_touched(step.rip, *step.machine,
                  [&](const Touched& touched) { why += why.empty() ? c.why_not(touched) : ""; });
    if (!why.empty()) {
      return Mismatch("memory", fmt::format("`{}`{} {}", disassemble(step.rip), c.offset_text(step.rip), why));
    }
  }
  // What a compiler wrote may call its own local functions from any stack: GCC aligns it only as they need it.
  if ((generated || isa == "x87") && is_call(step.rip, generated) && step.rsp % 16 != 0) {
    return Mismatch("stack-alignment",
                    fmt::format("it calls a function{} with the stack pointer at {:#x}, which is no multiple of 16",
                                c.offset_text(step.rip), step.rsp));
  }
  return std::nullopt;
}

/// A system call that a kernel is about to make. Numbers alone: where one is seen, the C library may hold a lock that making a text of
/// it would wait for.
struct SystemCall {
  uint64_t address = 0;    ///< of the instruction; 0: none
  uint64_t called_at = 0;  ///< the last CALL before that was not of the system's libraries; 0: none
  long long number = 0;    ///< asm/unistd_64.h
};

Mismatch mismatch_of(const FuzzedCase& c, const SystemCall& call) {
  const std::string function = function_of_system(call.address);
  return {"system-call",
          fmt::format(
              "it makes the system call number {}, `{}`{}: a kernel asks nothing of the system; what gets memory or "
              "takes locks there can claim \"reentrant\": false",
              call.number, disassemble(call.address),
              function.empty() ? c.offset_text(call.address)
                               : fmt::format(" of {}{}", function, c.offset_text(call.called_at)))};
}

}  // namespace

void check_interrupted(FuzzedCase& c, Caller& caller) {
  std::optional<Mismatch> wrong;
  SystemCall system_call;
  uint64_t steps = 0;
  uint64_t reentries = 0;
  Rng rng(mix_seed(c.id().seed, salt("step")));
  const auto visit = [&](const Step& step) {
    if (is_call(step.rip, c.is_generated(step.rip))) {
      system_call.called_at = step.rip;
    }
    if (step.is_new && c.claim().reentrant && is_system_call(step.rip)) {
      system_call.address = step.rip;
      system_call.number = step.machine->gregs[REG_RAX];
      return false;
    }
    if (is_system_code(step.rip)) {
      return true;  // it may hold locks of the C library, which all that follows may need
    }
    wrong = judge_step(c, caller.target(), step);
    if (!wrong && c.claim().reentrant && let_others_in(rng, steps++)) {
      ++reentries;
      try {
        c.run_on_other_data(1 + reentries);
      } catch (const Mismatch& m) {
        wrong.emplace(m);
      }
    }
    return !wrong;
  };
  caller.call_stepped(kPoison, visit);
  if (system_call.address != 0) {
    throw mismatch_of(c, system_call);
  }
  if (wrong) {
    throw *wrong;
  }
  caller.check_state();
  caller.compare(
      "interrupt",
      "interrupted after each instruction (signals overwrite what lies below the red zone) and re-entered on "
      "other data");
}

}  // namespace assay
