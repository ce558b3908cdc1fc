// For tests of files made to do harm.
#pragma once
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "harness/runtime/child.h"
#include "harness/runtime/testing.h"

namespace assay {

/// Runs `work` with at most 256 MiB more memory than now and 60 s of CPU time.
inline void within_limits(const std::function<void()>& work) {
  Child child([&] {
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlim_t bytes = pages * 4096 + (rlim_t{256} << 20);
    const rlimit memory{bytes, bytes};
    const rlimit time{60, 60};
    if ((!kSanitized && setrlimit(RLIMIT_AS, &memory) != 0) || setrlimit(RLIMIT_CPU, &time) != 0) {
      _exit(9);
    }
    work();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  });
  while (!child.poll()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(child.end(), "") << "SIGXCPU or SIGKILL: over 60 s; exit status 70: over the limit of memory; 1: see above";
}

}  // namespace assay
