// Runs the GoogleTest suites. What a user keeps in the cache, a profile above all, is not theirs: with it they would try other variants, and
// a large one took a test ten times as long.
#include <cstdlib>

#include "harness/runtime/testing.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const assay::TemporaryFolder cache;
  setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  return RUN_ALL_TESTS();
}
