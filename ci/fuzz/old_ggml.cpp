// A LLaMA of 2023: the reader, which lays rows out anew, and what is done with the file before its weights are used.
// Covers: runner/old_ggml.cpp runner/old_ggml_types.cpp runner/old_ggml_model.cpp
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "harness/runtime/error.h"
#include "runner/gguf.h"
#include "runner/model.h"
#include "runner/tokenizer.h"

namespace {

template <class F>
void may_reject(F f) {
  try {
    f();
  } catch (const assay::InputError&) {
  } catch (const assay::MachineError&) {
  }
}

void use(const assay::GgufFile& file) {
  for (const auto& tensor : file.tensors()) {
    if (tensor.data.size() != assay::tensor_bytes(tensor.type, tensor.shape())) {
      std::abort();
    }
    // First and last byte: inside the file, or the memory?
    volatile std::byte sink = tensor.data.front();
    sink = tensor.data.back();
  }
  may_reject([&] { assay::ModelSizes::read(file); });
  may_reject([&] {
    const assay::Tokenizer tokenizer(file);
    for (const int32_t id : tokenizer.encode_prompt("it's 12 o'clock,\n\n  isn't it? \xc3\xa9\xe2\x82\xac")) {
      tokenizer.decode_piece(id);
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of its own size, so that AddressSanitizer sees one byte too many.
  const std::vector<uint8_t> bytes(data, data + size);
  may_reject([&] { use(assay::GgufFile::parse("fuzz.bin", std::as_bytes(std::span(bytes)))); });
  return 0;
}
