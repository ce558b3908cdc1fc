#include "harness/check/threads.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "harness/check/sample_log.h"
#include "harness/runtime/plugin.h"

namespace assay {
namespace {

/// Two threads of which one runs at a time.
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

  /// Passes the turn of thread `me` at instructions drawn from `seed`, until the other is done. Not in the system's libraries: the other
  /// might wait for a lock that is held there.
  StepVisitor stepper(size_t me, uint64_t seed) {
    return [this, me, rng = Rng(mix_seed(seed, salt("turn") + me)), steps = uint64_t{0}](const Step& step) mutable {
      if (!is_system_code(step.rip) && let_others_in(rng, steps++)) {
        pass(me);
      }
      return !is_done(1 - me);
    };
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

/// The case that the other thread runs in its round number `round`.
CaseId case_of_round(const FuzzedCase& c, const char* name, uint64_t round) {
  CaseId id = c.id();
  id.input_class = InputClass::normal;
  id.seed = mix_seed(id.seed, salt(name) + round);
  return id;
}

/// What went wrong in the other thread, and the case that it ran.
struct Wrong {
  Mismatch mismatch;
  CaseId id;
};

/// Throws what went wrong in the other thread, if something did.
void judge_company(const FuzzedCase& c, const std::optional<Wrong>& wrong) {
  if (wrong) {
    // Throws if it is wrong without company as well: then the threads are not to blame.
    c.run_nested(wrong->id, c.pool(), nullptr);
    const Mismatch& m = wrong->mismatch;
    throw Mismatch(m.check == "value" ? "threads" : m.check, fmt::format("beside another thread: {}", m.what()));
  }
}

/// Compares what the last call wrote, made in company. Where it is wrong without company as well, the interruptions are to
/// blame.
void compare_interleaved(Caller& caller) {
  try {
    caller.compare("threads", "interleaved with another thread that runs it on other data");
  } catch (const Mismatch&) {
    caller.call_stepped(kPoison, [](const Step&) { return true; });
    caller.compare("interrupt", "interrupted after each instruction (signals overwrite what lies below the red zone)");
    throw;
  }
}

}  // namespace

bool threads_available() {
  static const bool available = [] {
    try {
      std::thread([] {}).join();
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  }();
  return available;
}

bool threads_for_a_check() {
  if (!threads_available() && SampleLog::of_this_process != nullptr) {
    SampleLog::of_this_process->leave_out_threads();
  }
  return threads_available();
}

void run_beside(const std::function<bool(int round)>& other, const std::function<bool()>& mine, int enough, int most) {
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::thread thread([&] {
    while (!stop && other(rounds)) {
      ++rounds;
    }
  });
  struct Joiner {
    std::atomic<bool>& stop;
    std::thread& thread;
    ~Joiner() {
      stop = true;
      thread.join();
    }
  } joiner{stop, thread};
  for (int i = 0; i < most && (i < enough || rounds < enough) && mine(); ++i) {
  }
}

void check_interleaved(FuzzedCase& c, Caller& caller) {
  if (!threads_for_a_check()) {
    return;
  }
  Turns turns;
  std::optional<Wrong> wrong;
  GuardedPool& pool = c.pool().of_other_thread();
  std::thread other([&] {
    turns.wait_for(1);
    for (uint64_t round = 0; !turns.is_done(0) && !wrong; ++round) {
      const CaseId id = case_of_round(c, "round", round);
      const StepVisitor step = turns.stepper(1, c.id().seed);
      try {
        c.run_nested(id, pool, &step);
        turns.pass(1);  // a call may be too short for any
      } catch (const Mismatch& m) {
        wrong.emplace(m, id);
      }
    }
    turns.done(1);
  });
  caller.call_stepped(kPoison, turns.stepper(0, c.id().seed), [&] {
    turns.done(0);
    other.join();
  });
  judge_company(c, wrong);
  caller.check_state();
  compare_interleaved(caller);
}

void check_beside_a_thread(FuzzedCase& c, Caller& caller) {
  if (!threads_for_a_check()) {
    return;
  }
  std::optional<Wrong> wrong;
  GuardedPool& pool = c.pool().of_other_thread();
  const auto other = [&](int round) {
    const CaseId id = case_of_round(c, "thread", static_cast<uint64_t>(round));
    try {
      c.run_nested(id, pool, nullptr);
    } catch (const Mismatch& m) {
      wrong.emplace(m, id);
    }
    return !wrong;
  };
  const auto mine = [&] {
    caller.call_again("threads", "called while another thread runs it on other data");
    return true;
  };
  run_beside(other, mine, 4, 64);
  judge_company(c, wrong);
}

}  // namespace assay
