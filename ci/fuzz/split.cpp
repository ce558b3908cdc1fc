// A model in parts, model-00001-of-0000N.gguf: the files themselves, one after the other in the input, each with two bytes before it that say
// how long it is.
// Covers: runner/gguf.cpp
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "ci/fuzz/model_file.h"

namespace {

/// A folder for the files of this process, in memory where the machine has that; gone with it.
class Folder {
 public:
  Folder() {
    const bool has_memory = access("/dev/shm", W_OK) == 0;
    path_ = std::filesystem::path(has_memory ? "/dev/shm" : "/tmp") / fmt::format("assay_fuzz_split_{}", getpid());
    std::filesystem::create_directory(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string part(size_t number, size_t parts) const {
    return (path_ / fmt::format("model-{:05}-of-{:05}.gguf", number, parts)).string();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  const size_t parts = size > 0 ? 1 + data[0] % 4 : 1;
  size_t at = std::min<size_t>(size, 1);
  for (size_t number = 1; number <= parts; ++number) {
    size_t length = size - at >= 2 ? size_t{data[at]} | size_t{data[at + 1]} << 8 : 0;
    at = std::min(size, at + 2);
    length = std::min(length, size - at);
    std::ofstream(folder.part(number, parts), std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(data + at), static_cast<std::streamsize>(length));
    at += length;
  }
  may_reject([&] { use(assay::GgufFile::open(folder.part(1, parts))); });
  return 0;
}
