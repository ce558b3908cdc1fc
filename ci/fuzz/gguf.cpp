// A model file: the reader, its typed metadata, the tokenizer and the sizes of the model made from it. All that is done
// with a file before its weights are used.
// Covers: runner/gguf.cpp runner/gguf_metadata.cpp runner/gguf_types.cpp runner/tokenizer.cpp harness/runtime/text.cpp
#include <cstdint>
#include <span>
#include <vector>

#include "ci/fuzz/model_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy, aligned as a mapping is, and of its own size, so that AddressSanitizer sees one byte too many.
  const std::vector<uint8_t> bytes(data, data + size);
  may_reject([&] { use(assay::GgufFile::parse("fuzz.gguf", std::as_bytes(std::span(bytes)))); });
  return 0;
}
