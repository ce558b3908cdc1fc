#include "harness/cli/model_writing.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>

#include "harness/runtime/error.h"
#include "harness/runtime/registry.h"
#include "harness/runtime/text.h"
#include "kernels/quantize/kernel.h"

namespace assay {
namespace {

[[noreturn]] void refuse_element(const std::string& file, const Tensor& t, size_t i, const std::string& what) {
  throw InputError(fmt::format("{}: tensor {}: element {} (row {}, column {}) is {}", file, quote(t.name), i,
                               i / t.ne[0], i % t.ne[0], what));
}

/// Of a row: how many weights are written before a block that the format has no scale for.
std::function<size_t(uint8_t* to, const float* row)> writer_of_rows(const weight_format& format, size_t n,
                                                                    Dispatch& dispatch) {
  if (format.values == nullptr) {  // floats
    return [&format, n](uint8_t* to, const float* row) {
      size_t i = 0;
      while (i < n && format.encode(to + i * format.bytes, row + i) != 0) {
        ++i;
      }
      return i;
    };
  }
  const std::string of_files = fmt::format("quantize_{}_file", format.name);
  const bool is_of_files = std::ranges::find(kernels(), of_files, &Kernel::name) != kernels().end();
  const auto kernel = dispatch.get<quantize_fn>(is_of_files ? of_files : fmt::format("quantize_{}", format.name), {n});
  return [kernel, n](uint8_t* to, const float* row) { return kernel(to, row, n); };
}

}  // namespace

void expect_other_file(const std::string& in, const std::string& out) {
  struct stat a {};
  struct stat b {};
  if (stat(in.c_str(), &a) == 0 && stat(out.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
    throw InputError(fmt::format("{}: input and output are the same file: name another output", out));
  }
}

void expect_finite(const std::string& file, const Tensor& t, std::span<const float> values) {
  const auto bad = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  if (bad != values.end()) {
    refuse_element(file, t, static_cast<size_t>(bad - values.begin()),
                   fmt::format("{} in {}; re-convert the model", *bad, tensor_type_info(t.type).name));
  }
}

void refuse_too_large(const std::string& file, const Tensor& t, size_t i, TensorType type, float weight) {
  refuse_element(file, t, i,
                 fmt::format("inf in {}; the weight {} is too large for this type: use another",
                             tensor_type_info(type).name, weight));
}

std::vector<std::byte> encode_tensor(const std::string& file, const Tensor& t, std::span<const float> values,
                                     TensorType type, Dispatch& dispatch, ThreadPool& pool) {
  std::vector<std::byte> out(tensor_bytes(type, t.shape()));
  const size_t n = t.ne[0];
  const size_t rows = t.n_elements / n;
  const size_t row_bytes = out.size() / rows;
  const weight_format& format = *tensor_type_info(type).format;
  const auto write = writer_of_rows(format, n, dispatch);
  std::atomic<size_t> first_bad{values.size()};
  pool.run(rows, [&](size_t row, unsigned) {
    const size_t written = write(reinterpret_cast<uint8_t*>(out.data()) + row * row_bytes, &values[row * n]);
    const size_t bad = row * n + written;
    size_t least = first_bad;
    while (written < n && bad < least && !first_bad.compare_exchange_weak(least, bad)) {
    }
  });
  if (first_bad < values.size()) {
    const auto block = values.subspan(first_bad, format.elements);
    const auto largest = std::ranges::max_element(block, {}, [](float x) { return std::fabs(x); });
    refuse_too_large(file, t, first_bad + static_cast<size_t>(largest - block.begin()), type, *largest);
  }
  return out;
}

}  // namespace assay
