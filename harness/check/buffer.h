#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "harness/check/case.h"

namespace assay {

inline constexpr uint8_t kCanary = 0xC3;
inline constexpr uint8_t kPoison =
    0xA5;  ///< as a float: -2.9e-16, a number, so that it never passes for an expected NaN
inline constexpr uint8_t kFirstPoison = 0x5B;  ///< of the first call: 6.2e16

/// One buffer of a Case: between guard pages while fuzzing, in the BenchStore while timing.
struct Case::Buffer {
  std::string name;
  std::unique_ptr<GuardedPages> pages;  ///< none while timing
  uint8_t* data = nullptr;
  size_t bytes = 0;
  Role role = Role::input;
  bool fresh = true;
  bool in_place = false;  ///< an input that the kernel overwrites
  std::vector<uint8_t> original;

  bool writable() const { return role != Role::input || in_place; }
  /// `data`, writable also where it is not for the kernel.
  uint8_t* to_fill() const { return pages ? pages->alias(data) : data; }

  template <class Visit>
  void visit_slack(Visit&& visit) {
    visit(pages->begin(), data);
    visit(data + bytes, pages->end());
  }
};

}  // namespace assay
