#include "harness/check/caller.h"

#include <fmt/format.h>

#include <utility>

#include "harness/check/small_stack.h"

namespace assay {
namespace {

thread_local const FuzzedCase* current_case = nullptr;
thread_local const char* current_step = "";

}  // namespace

AtWork::AtWork(const FuzzedCase* c, const char* step)
    : outer_case_(std::exchange(current_case, c)), outer_step_(std::exchange(current_step, step)) {}

AtWork::~AtWork() {
  current_case = outer_case_;
  current_step = outer_step_;
}

const FuzzedCase* AtWork::the_case() { return current_case; }

const char* AtWork::step() { return current_step; }

void Caller::make(bool step) {
  const AtWork at_work(&case_, "");
  // Signals of steps need more, and nested cases are called in the midst of a call.
  const OnSmallStack small(!step && !case_.is_nested());
  call_.checked(step, case_.garbage());
}

void Caller::call(uint8_t poison) {
  case_.buffers().reset(poison);
  make(false);
}

void Caller::call_stepped(uint8_t poison, const StepVisitor& visit, const std::function<void()>& and_then) {
  case_.buffers().reset(poison);
  const auto call = [&] {
    make(true);
    if (and_then) {
      and_then();
    }
  };
  single_step(case_.plan().step_limits, call, visit);
}

void Caller::check_state() const {
  if (const StateFault fault = fault_of_call(); !fault.check.empty()) {
    throw Mismatch(fault.check, fault.text);
  }
  case_.buffers().check_canaries();
}

std::vector<uint8_t> Caller::written() const {
  std::vector<uint8_t> all = case_.buffers().written();
  const auto* result = static_cast<const uint8_t*>(call_.result);
  all.insert(all.begin(), result, result + call_.result_bytes);
  return all;
}

void Caller::call_first() {
  call(kFirstPoison);
  check_state();
  first_ = written();
}

void Caller::call_again(const char* check, const char* how) {
  call(kPoison);
  check_state();
  compare(check, how);
}

void Caller::compare(const char* check, const char* how) const {
  const std::vector<uint8_t> again = written();
  if (again == first_) {
    return;
  }
  for (size_t i = 0; i < first_.size(); ++i) {
    // What is never written holds each call's own poison.
    if (first_[i] != again[i] && !(first_[i] == kFirstPoison && again[i] == kPoison)) {
      throw Mismatch(
          check, fmt::format("{}: byte {} of what it wrote is {:#04x}, it was {:#04x}", how, i, again[i], first_[i]));
    }
  }
}

}  // namespace assay
