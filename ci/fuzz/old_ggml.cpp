// A LLaMA of 2023: the reader, which lays rows out anew, and what is done with the file before its weights are used.
// Covers: runner/old_ggml.cpp runner/old_ggml_types.cpp runner/old_ggml_model.cpp
#include <cstdint>
#include <span>
#include <vector>

#include "ci/fuzz/model_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of its own size, so that AddressSanitizer sees one byte too many.
  const std::vector<uint8_t> bytes(data, data + size);
  try {
    may_reject([&] { use(assay::GgufFile::parse("fuzz.bin", std::as_bytes(std::span(bytes)))); });
  } catch (const assay::MachineError&) {  // what it lays out anew may take more memory than there is
  }
  return 0;
}
