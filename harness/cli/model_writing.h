#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "harness/runtime/dispatch.h"
#include "runner/gguf.h"
#include "runner/thread_pool.h"

namespace assay {

/// Throws InputError where both are one file, whatever it is called.
void expect_other_file(const std::string& in, const std::string& out);

/// No model means NaN or an infinity, and one of them is in every answer: throws InputError that names the first. `values`: all of t, of
/// the file of that name.
void expect_finite(const std::string& file, const Tensor& t, std::span<const float> values);

/// Throws InputError: weight number i of t is too large for a type.
[[noreturn]] void refuse_too_large(const std::string& file, const Tensor& t, size_t i, TensorType type, float weight);

/// The rows of t, whose weights are `values`, in a type that the rows are whole blocks of: by the kernel that makes it, by all threads. Throws
/// InputError for a block that the type has no scale for.
std::vector<std::byte> encode_tensor(const std::string& file, const Tensor& t, std::span<const float> values,
                                     TensorType type, Dispatch& dispatch, ThreadPool& pool);

}  // namespace assay
