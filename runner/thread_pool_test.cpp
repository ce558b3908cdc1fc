#include "runner/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "harness/runtime/child.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

TEST(ThreadPool, EveryChunkRunsOnce) {
  ThreadPool pool(4);
  for (size_t chunks : {0, 1, 3, 4, 100}) {
    std::vector<std::atomic<int>> runs(chunks);
    pool.run(chunks, [&](size_t chunk, unsigned thread) {
      EXPECT_LT(thread, 4u);
      ++runs[chunk];
    });
    for (const auto& n : runs) {
      EXPECT_EQ(n, 1);
    }
  }
}

TEST(ThreadPool, EachThreadHasScratchOfItsOwn) {
  ThreadPool pool(3);
  pool.reserve_scratch(100);
  pool.reserve_scratch(1000);
  pool.reserve_scratch(10);
  for (unsigned t = 0; t < 3; ++t) {
    std::memset(pool.scratch(t), static_cast<int>(t), 1000);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pool.scratch(t)) % 64, 0u);
  }
  for (unsigned t = 0; t < 3; ++t) {
    EXPECT_EQ(static_cast<const uint8_t*>(pool.scratch(t))[999], t);
  }
}

TEST(ThreadPool, ASystemThatGivesNoMoreThreadsIsReported) {
  if (kSanitized) {
    GTEST_SKIP() << "a sanitizer's own memory leaves no room to limit it";
  }
  Child child([] {
    const rlimit memory{rlim_t{512} << 20, rlim_t{512} << 20};  // a thread takes 8 MiB for its stack
    setrlimit(RLIMIT_AS, &memory);
    try {
      ThreadPool pool(1024);
      _exit(8);
    } catch (const MachineError& e) {
      _exit(std::string(e.what()).find("use fewer with --threads") != std::string::npos ? 0 : 9);
    }
  });
  while (!child.poll()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(child.end(), "");
}

}  // namespace
}  // namespace assay
