#include "runner/weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "harness/runtime/error.h"
#include "kernels/dequantize/kernel.h"
#include "kernels/scale_f32/kernel.h"

namespace assay {

size_t machine_memory() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

Arena::Arena(size_t bytes, Pages pages, const char* what) : bytes_(bytes) {
  if (bytes == 0) {
    return;
  }
  void* map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) {
    throw MachineError(
        fmt::format("the system does not give {} MiB of memory for {}: {}; use a smaller model, or "
                    "`assay quantize`",
                    bytes >> 20, what, std::strerror(errno)));
  }
  begin_ = static_cast<uint8_t*>(map);
  if (pages == Pages::huge) {
    madvise(map, bytes, MADV_HUGEPAGE);  // without them it is slower, and right
  }
}

Arena::~Arena() {
  if (begin_ != nullptr) {
    munmap(begin_, bytes_);
  }
}

uint8_t* Arena::take(size_t bytes) {
  if (round_up(bytes) > bytes_ - taken_) {
    throw std::logic_error("more memory than was counted");
  }
  taken_ += round_up(bytes);
  return begin_ + taken_ - round_up(bytes);
}

Dequantizer::Dequantizer(TensorType type, size_t n, Dispatch& dispatch) : n_(n) {
  const TensorTypeInfo& info = tensor_type_info(type);
  row_bytes_ = n / info.block * info.block_bytes;
  run_ = dispatch.get<dequantize_fn>(fmt::format("dequantize_{}", info.format->name), {n});
  if (info.tail_bytes != 0) {
    times_scale_ = dispatch.get<scale_f32_fn>("scale_f32", {n});
  }
}

void Dequantizer::operator()(float* y, const Tensor& tensor, size_t row) const {
  run_(y, tensor.data.data() + row * row_bytes_, n_);
  if (!tensor.tail.empty()) {
    times_scale_(y, y, tensor.scale(), n_);
  }
}

std::vector<float> tensor_floats(const Tensor& tensor, Dispatch& dispatch) {
  std::vector<float> values(tensor.n_elements);
  const size_t n = tensor.ne[0];
  const Dequantizer dequantize(tensor.type, n, dispatch);
  for (size_t row = 0; row < tensor.n_elements / n; ++row) {
    dequantize(values.data() + row * n, tensor, row);
  }
  return values;
}

std::vector<float> tensor_vector(const std::string& file, const Tensor& tensor, size_t n, Dispatch& dispatch) {
  if (tensor.n_elements != n || tensor.ne[0] != n) {
    throw InputError(fmt::format(
        "{}: tensor {} has shape [{}], expected [{}]: the metadata and the tensors disagree; convert the model again",
        file, quote(tensor.name), fmt::join(tensor.shape(), ", "), n));
  }
  return tensor_floats(tensor, dispatch);
}

void expect_matrix(const std::string& file, const Tensor& tensor, size_t rows, size_t cols) {
  if (tensor.ne[0] != cols || tensor.ne[1] != rows || tensor.n_elements != rows * cols) {
    throw InputError(
        fmt::format("{}: tensor {} has shape [{}], expected [{}, {}]: the metadata and the tensors disagree; convert "
                    "the model again",
                    file, quote(tensor.name), fmt::join(tensor.shape(), ", "), cols, rows));
  }
}

}  // namespace assay
