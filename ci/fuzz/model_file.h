// All that is done with a model file before its weights are used.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "harness/runtime/error.h"
#include "runner/gguf.h"
#include "runner/model.h"
#include "runner/tokenizer.h"

template <class F>
void may_reject(F f) {
  try {
    f();
  } catch (const assay::InputError&) {
  }
}

inline void use(const assay::GgufFile& file) {
  for (const auto& tensor : file.tensors()) {
    if (tensor.data.size() + tensor.tail.size() != assay::tensor_bytes(tensor.type, tensor.shape()) ||
        file.find_tensor(tensor.name) != &tensor) {
      std::abort();
    }
    // First and last byte: inside the file?
    volatile std::byte sink = tensor.data.front();
    sink = tensor.data.back();
  }
  for (const auto& entry : file.metadata()) {
    may_reject([&] { file.u32(entry.key); });
    may_reject([&] { file.u64(entry.key); });
    may_reject([&] { file.i32(entry.key); });
    may_reject([&] { file.f32(entry.key); });
    may_reject([&] { file.boolean(entry.key); });
    may_reject([&] { file.string(entry.key); });
    may_reject([&] { file.strings(entry.key); });
    may_reject([&] { file.i32s(entry.key); });
    may_reject([&] { file.f32s(entry.key); });
  }
  may_reject([&] { assay::ModelSizes::read(file); });
  may_reject([&] {
    const assay::Tokenizer tokenizer(file);
    const bool keeps_bytes = file.string("tokenizer.ggml.model") == "gpt2";
    // Text of many kinds comes back as it was, whatever the vocabulary; sentence pieces may know no token for some of it.
    std::string all;
    for (int b = 0; b < 256; ++b) {
      all += static_cast<char>(b);
    }
    for (const std::string& text :
         {all, std::string("it's 12 o'clock,\n\n  isn't it? \xc3\xa9\xe2\x82\xac"), std::string(300, 'a')}) {
      std::string back;
      for (const int32_t id : tokenizer.encode(text)) {
        back += tokenizer.decode_piece(id);
      }
      if (keeps_bytes && back != text) {
        std::abort();
      }
    }
  });
}
