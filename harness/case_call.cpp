// How Case calls a kernel: what is checked beside its results.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "harness/buffer.h"
#include "harness/case.h"
#include "harness/instructions.h"
#include "harness/single_step.h"
#include "harness/trial.h"

namespace assay {
namespace {

// Samples that get the dearer checks, from the seed so that `--case` repeats them.
constexpr uint64_t kBetweenOneIn = 8;
constexpr uint64_t kSteppedOneIn = 24;
constexpr uint64_t kThreadedOneIn = 64;
constexpr uint64_t kStepLimit = 2500;  // about 2 us each

/// Entry points of the variants that have one: a step onto another's is a call of it.
const std::unordered_map<uint64_t, const Variant*>& entries() {
  static const auto map = [] {
    std::unordered_map<uint64_t, const Variant*> m;
    for (const auto& kernel : kernels()) {
      for (const auto& v : kernel.variants) {
        m[reinterpret_cast<uint64_t>(v.run)] = &v;
      }
    }
    return m;
  }();
  return map;
}

thread_local const Case* current = nullptr;

}  // namespace

const Case* Case::at_work() { return current; }

std::string Case::offset_text(uint64_t address) const {
  const uint64_t offset = address - reinterpret_cast<uint64_t>(code_ ? code_->entry() : variant_.run);
  constexpr uint64_t kLargest = 1 << 16;  // beyond, it is another function
  return offset < kLargest ? fmt::format(" ({}+{:#x})", variant_.name(), offset) : "";
}

std::string Case::jit_disassembly(uint64_t address) const {
  if (!code_ || !code_->contains(address)) {
    return "";
  }
  const auto base = reinterpret_cast<uint64_t>(code_->entry());
  // From the start: x86 code cannot be read backwards.
  const std::string all = disassemble_block(base, address - base + 32, base, 100000);
  constexpr size_t kLast = 1200;
  return all.size() <= kLast ? all : all.substr(all.find('\n', all.size() - kLast) + 1);
}

void Case::reset(uint8_t poison) {
  for (auto& b : buffers_) {
    b->pages->set_writable(b->writable());  // no system call where it is so already
    if (b->role != Role::input) {
      std::fill_n(b->data, b->bytes, poison);
    } else if (b->in_place) {
      std::ranges::copy(b->original, b->to_fill());
    }
  }
}

void Case::check_canaries() {
  for (auto& buffer : buffers_) {
    buffer->visit_slack([&](const uint8_t* from, const uint8_t* to) {
      for (const uint8_t* p = from; p != to; ++p) {
        if (*p != kCanary) {
          throw Mismatch("canary", fmt::format("{}: byte at offset {} of the buffer ({} bytes) was overwritten",
                                               buffer->name, p - buffer->data, buffer->bytes));
        }
      }
    });
  }
}

std::vector<uint8_t> Case::written(const void* result, size_t result_bytes) {
  const auto* begin = static_cast<const uint8_t*>(result);
  std::vector<uint8_t> all(begin, begin + result_bytes);
  for (const auto& b : buffers_) {
    if (b->role == Role::output || b->in_place) {
      all.insert(all.end(), b->data, b->data + b->bytes);
    }
  }
  return all;
}

void Case::run_checked(const void* target, const std::function<void(bool)>& call, const void* result,
                       size_t result_bytes) {
  const auto call_once = [&](uint8_t poison) {
    reset(poison);
    const Case* const outer = std::exchange(current, this);
    call(false);
    current = outer;
    if (const StateFault fault = fault_of_call(); !fault.check.empty()) {
      throw Mismatch(fault.check, fault.text);
    }
    check_canaries();
  };
  if (nested_) {
    call_once(kPoison);
    return;
  }
  // Other data at the same addresses: the inputs' bytes reversed, or put back.
  const auto reverse_inputs = [&](bool reversed) {
    for (auto& b : buffers_) {
      if (!b->original.empty()) {
        std::ranges::copy(b->original, b->to_fill());
        if (reversed) {
          std::reverse(b->to_fill(), b->to_fill() + b->bytes);
        }
      }
    }
  };
  const uint64_t draw = mix_seed(id_.seed, 0x70726f6265);
  const bool other_contents_first = draw % kBetweenOneIn == 3;
  if (other_contents_first) {
    reverse_inputs(true);
    call_once(kPoison);
    reverse_inputs(false);
  }
  call_once(kFirstPoison);
  const std::vector<uint8_t> first = written(result, result_bytes);
  const auto compare = [&](uint8_t poison, const char* check, const char* how) {
    const std::vector<uint8_t> again = written(result, result_bytes);
    for (size_t i = 0; i < first.size(); ++i) {
      // What is never written holds each call's own poison.
      if (first[i] != again[i] && !(first[i] == kFirstPoison && again[i] == poison)) {
        throw Mismatch(
            check, fmt::format("{}: byte {} of what it wrote is {:#04x}, it was {:#04x}", how, i, again[i], first[i]));
      }
    }
  };
  if (draw % kBetweenOneIn == 0 || other_contents_first) {
    run_on_other_data(1);
  }
  call_once(kPoison);
  compare(kPoison, "determinism",
          "called again with the same inputs, from other garbage in registers, stack, outputs and scratch");
  if (draw % kSteppedOneIn == 1 && single_step_available()) {
    reset(kPoison);
    current = this;
    step_through(target, [&] { call(true); });
    current = nullptr;
    compare(kPoison, "interrupt",
            "interrupted after each instruction (signals overwrite what lies below the red zone) and re-entered on "
            "other data");
  }
  if (draw % kThreadedOneIn == 2) {
    run_beside_a_thread([&] {
      call_once(kPoison);
      compare(kPoison, "threads", "called while another thread runs it on other data");
    });
  }
}

void Case::run_on_other_data(uint64_t salt) {
  CaseId other = id_;
  other.seed = mix_seed(id_.seed, 0x6f74686572 + salt);
  other.input_class = InputClass::normal;
  ErrorStats ignored;
  const CallState mine = assay_call_state;
  try {
    Case nested(variant_, other, *pool_, ignored);
    nested.nested_ = true;
    find_kernel(variant_.kernel).trial->run(nested);
  } catch (const Mismatch& m) {
    assay_call_state = mine;
    throw Mismatch(m.check, fmt::format("on other data, in between: {}", m.what()));
  }
  assay_call_state = mine;
}

void Case::step_through(const void* target, const std::function<void()>& call) {
  std::optional<Mismatch> wrong;
  uint64_t steps = 0;
  uint64_t reentries = 0;
  Rng rng(mix_seed(id_.seed, 0x73746570));
  const std::string& isa = variant_.isa;
  const auto own = reinterpret_cast<uint64_t>(target);
  single_step(kStepLimit, call, [&](uint64_t rip) {
    if (wrong) {
      return;
    }
    if (const auto it = entries().find(rip); it != entries().end() && rip != own) {
      wrong.emplace("foreign-call",
                    fmt::format("it runs {}, another variant, instead of code of its own", it->second->name()));
      return;
    }
    if (const std::string why = foreign_instruction(isa, rip, code_ ? code_->contains(rip) : false); !why.empty()) {
      wrong.emplace("isa", why);
      return;
    }
    // Ever rarer, so that calls of every length are re-entered from beginning to end: about 2 ln(steps / 8) times.
    if (rng.below(8 + steps++) < 2) {
      ++reentries;
      try {
        run_on_other_data(1 + reentries);
      } catch (const Mismatch& m) {
        wrong.emplace(m);
      }
    }
  });
  if (wrong) {
    throw *wrong;
  }
}

void Case::run_beside_a_thread(const std::function<void()>& call_and_compare) {
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::optional<Mismatch> wrong;
  CaseId id = id_;
  id.input_class = InputClass::normal;
  const auto run_nested = [&](GuardedPool& pool) {
    ErrorStats ignored;
    Case nested(variant_, id, pool, ignored);
    nested.nested_ = true;
    find_kernel(variant_.kernel).trial->run(nested);
  };
  std::thread other([&] {
    GuardedPool pool;
    try {
      while (!stop) {
        id.seed = mix_seed(id_.seed, 0x746872656164 + static_cast<uint64_t>(rounds));
        run_nested(pool);
        ++rounds;
      }
    } catch (const Mismatch& m) {
      wrong.emplace(m);
    }
  });
  struct Joiner {
    std::atomic<bool>& stop;
    std::thread& thread;
    ~Joiner() {
      stop = true;
      thread.join();
    }
  };
  {
    const Joiner joiner{stop, other};
    constexpr int kMostCalls = 64;  // enough to overlap; a core that is taken away must not stall the check
    for (int i = 0; i < kMostCalls && (i < 4 || rounds < 4); ++i) {
      call_and_compare();
    }
  }
  if (wrong) {
    run_nested(*pool_);  // throws if it is wrong without company as well: then the threads are not to blame
    throw Mismatch(wrong->check == "value" ? "threads" : wrong->check,
                   fmt::format("beside another thread: {}", wrong->what()));
  }
}

}  // namespace assay
