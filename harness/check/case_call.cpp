// How Case calls a kernel: what is checked beside its results.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>

#include "harness/check/buffer.h"
#include "harness/check/case.h"
#include "harness/check/instructions.h"
#include "harness/check/single_step.h"
#include "harness/check/trial.h"

namespace assay {
namespace {

// Samples that get the dearer checks, from the seed so that `--case` repeats them.
constexpr uint64_t kBetweenOneIn = 8;
constexpr uint64_t kSteppedOneIn = 24;
constexpr uint64_t kThreadedOneIn = 64;
constexpr uint64_t kMappingsOneIn = 32;

/// Of a stepped call: 2500 instructions (about 2 us each, 5 us on a virtual CPU), but mostly fewer, since most that goes
/// wrong does so early; and mostly no more rounds of a loop than two and what 256 further instructions make: what is wrong
/// in one round is wrong in each, and where it is not, as state may have grown, one call in eight goes on.
StepLimits step_limits(uint64_t seed) {
  constexpr uint64_t kMost = 2500;
  constexpr uint64_t kMostOld = 256;
  const uint64_t draw = mix_seed(seed, 0x6c696d6974);
  return draw / 4 % 8 == 0 ? StepLimits{kMost} : StepLimits{kMost >> draw % 4, kMostOld};
}

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

/// Two threads of which one runs at a time: the order is drawn, not the scheduler's, so that it repeats and needs no
/// second core.
class Turns {
 public:
  /// Lets the other go on until it passes the turn back or is done.
  void pass(size_t me) {
    std::unique_lock lock(mutex_);
    turn_ = 1 - me;
    changed_.notify_all();
    wait(lock, me);
  }
  void wait_for(size_t me) {
    std::unique_lock lock(mutex_);
    wait(lock, me);
  }
  void done(size_t me) {
    const std::lock_guard lock(mutex_);
    done_[me] = true;
    changed_.notify_all();
  }
  bool is_done(size_t who) {
    const std::lock_guard lock(mutex_);
    return done_[who];
  }

 private:
  void wait(std::unique_lock<std::mutex>& lock, size_t me) {
    changed_.wait(lock, [&] { return turn_ == me || done_[1 - me]; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t turn_ = 0;
  std::array<bool, 2> done_{};
};

/// Whether to let others in before instruction number `step`. Ever rarer, so that calls of every length are entered from
/// beginning to end: about 2 ln(steps / 8) times.
bool let_others_in(Rng& rng, uint64_t step) { return rng.below(8 + step) < 2; }

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
  static const std::vector<uint8_t> page(4096, kCanary);
  for (auto& buffer : buffers_) {
    buffer->visit_slack([&](const uint8_t* from, const uint8_t* to) {
      for (; from != to;) {
        const size_t n = std::min(page.size(), static_cast<size_t>(to - from));
        if (std::memcmp(from, page.data(), n) != 0) {
          const uint8_t* p = std::find_if(from, to, [](uint8_t byte) { return byte != kCanary; });
          throw Mismatch("canary", fmt::format("{}: byte at offset {} of the buffer ({} bytes) was overwritten",
                                               buffer->name, p - buffer->data, buffer->bytes));
        }
        from += n;
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
    if (step_ != nullptr) {
      single_step(
          step_limits(id_.seed), [&] { call(true); }, *step_);
    } else {
      call(false);
    }
    current = outer;
    if (const StateFault fault = fault_of_call(); !fault.check.empty()) {
      throw Mismatch(fault.check, fault.text);
    }
    check_canaries();
  };
  if (nested_ || is_large(id_.shape)) {
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
  if (draw % kThreadedOneIn == 2 && single_step_available()) {
    reset(kPoison);
    current = this;
    interleave_with_a_thread([&] { call(true); });
    current = nullptr;
    try {
      compare(kPoison, "threads", "interleaved with another thread that runs it on other data");
    } catch (const Mismatch&) {
      // Where it is wrong without company as well, the interruptions are to blame.
      reset(kPoison);
      single_step(
          step_limits(id_.seed), [&] { call(true); }, [](const Step&) { return true; });
      compare(kPoison, "interrupt",
              "interrupted after each instruction (signals overwrite what lies below the red zone)");
      throw;
    }
  }
  if (draw % kThreadedOneIn == 2) {
    run_beside_a_thread([&] {
      call_once(kPoison);
      compare(kPoison, "threads", "called while another thread runs it on other data");
    });
  }
  if (code_) {
    check_mappings();
  }
}

AnyFn Case::resolve(const Key& key) {
  if (!variant_.jit) {
    return variant_.run;
  }
  if (store_ != nullptr) {
    return store_->code(variant_, key).entry();
  }
  // When it is written and not yet executable, too: a generator may have changed the protection of what it was given.
  code_ = std::make_unique<JitCode>(variant_, key, [this] { check_mappings(); });
  return code_->entry();
}

void Case::check_mappings() const {
  if (nested_ || mix_seed(id_.seed, 0x6d617073) % kMappingsOneIn != 0) {
    return;
  }
  if (const std::string line = writable_and_executable(); !line.empty()) {
    throw Mismatch("wx", fmt::format("memory is both writable and executable: {}", line));
  }
}

void Case::run_on_other_data(uint64_t salt) {
  CaseId other = id_;
  other.seed = mix_seed(id_.seed, 0x6f74686572 + salt);
  other.input_class = InputClass::normal;
  const CallState mine = assay_call_state;
  try {
    run_nested(other, *pool_, nullptr);
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
  single_step(step_limits(id_.seed), call, [&](const Step& step) {
    const uint64_t rip = step.rip;
    const bool generated = code_ && code_->contains(rip);
    if (step.is_new) {
      if (const auto it = entries().find(rip); it != entries().end() && rip != own) {
        wrong.emplace("foreign-call",
                      fmt::format("it runs {}, another variant, instead of code of its own", it->second->name()));
      } else if (const std::string why = foreign_instruction(isa, rip, generated); !why.empty()) {
        wrong.emplace("isa", why);
      }
    }
    // What a compiler wrote may call its own local functions from any stack: GCC aligns it only as they need it.
    if (!wrong && (generated || isa == "x87") && is_call(rip, generated) && step.rsp % 16 != 0) {
      wrong.emplace("stack-alignment",
                    fmt::format("it calls a function{} with the stack pointer at {:#x}, which is no multiple of 16",
                                offset_text(rip), step.rsp));
    }
    if (!wrong && let_others_in(rng, steps++)) {
      ++reentries;
      try {
        run_on_other_data(1 + reentries);
      } catch (const Mismatch& m) {
        wrong.emplace(m);
      }
    }
    return !wrong;
  });
  if (wrong) {
    throw *wrong;
  }
}

void Case::run_nested(const CaseId& id, GuardedPool& pool, const StepVisitor* step) const {
  ErrorStats ignored;
  Case nested(variant_, id, pool, ignored);
  nested.nested_ = true;
  nested.step_ = step;
  trial_of(find_kernel(variant_.kernel)).run(nested);
}

void Case::judge_company(const std::optional<Mismatch>& wrong, const CaseId& id) const {
  if (wrong) {
    // Throws if it is wrong without company as well: then the threads are not to blame.
    run_nested(id, *pool_, nullptr);
    throw Mismatch(wrong->check == "value" ? "threads" : wrong->check,
                   fmt::format("beside another thread: {}", wrong->what()));
  }
}

void Case::interleave_with_a_thread(const std::function<void()>& call) {
  Turns turns;
  std::optional<Mismatch> wrong;
  CaseId id = id_;
  id.input_class = InputClass::normal;
  const auto stepper = [&](size_t me) {
    return [&turns, me, rng = Rng(mix_seed(id_.seed, 0x7475726e + me)), steps = uint64_t{0}](const Step&) mutable {
      if (let_others_in(rng, steps++)) {
        turns.pass(me);
      }
      return !turns.is_done(1 - me);
    };
  };
  GuardedPool& pool = pool_->of_other_thread();
  std::thread other([&] {
    turns.wait_for(1);
    try {
      for (uint64_t round = 0; !turns.is_done(0); ++round) {
        id.seed = mix_seed(id_.seed, 0x726f756e64 + round);
        const StepVisitor step = stepper(1);
        run_nested(id, pool, &step);
        turns.pass(1);  // a call may be too short for any
      }
    } catch (const Mismatch& m) {
      wrong.emplace(m);
    }
    turns.done(1);
  });
  single_step(
      step_limits(id_.seed),
      [&] {
        call();
        turns.done(0);
        other.join();  // before single_step takes its handler back
      },
      stepper(0));
  judge_company(wrong, id);
}

void Case::run_beside_a_thread(const std::function<void()>& call_and_compare) {
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::optional<Mismatch> wrong;
  CaseId id = id_;
  id.input_class = InputClass::normal;
  GuardedPool& pool = pool_->of_other_thread();
  std::thread other([&] {
    try {
      while (!stop) {
        id.seed = mix_seed(id_.seed, 0x746872656164 + static_cast<uint64_t>(rounds));
        run_nested(id, pool, nullptr);
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
  judge_company(wrong, id);
}

}  // namespace assay
