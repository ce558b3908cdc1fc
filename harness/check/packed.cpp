#include "harness/check/packed.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "harness/runtime/registry.h"

namespace assay {
namespace {

// The first byte in which they differ; `bytes` if none.
size_t first_difference(const void* a, const void* b, size_t bytes) {
  const auto* p = static_cast<const uint8_t*>(a);
  const auto* q = static_cast<const uint8_t*>(b);
  if (bytes == 0 || std::memcmp(p, q, bytes) == 0) {
    return bytes;
  }
  return static_cast<size_t>(std::mismatch(p, p + bytes, q).first - p);
}

/// 64-byte aligned memory of a pack.
struct PackedBytes {
  explicit PackedBytes(size_t bytes) : memory(bytes + 64, 0xff) {}
  uint8_t* data() { return memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64; }
  std::vector<uint8_t> memory;
};

void expect_same_packed(Case& c, const char* what, const void* packed, size_t bytes, const void* other) {
  const size_t at = first_difference(packed, other, bytes);
  if (at != bytes) {
    c.expect_equal(what, at, static_cast<const uint8_t*>(packed)[at], static_cast<const uint8_t*>(other)[at]);
  }
}

}  // namespace

const void* packed_weights(Case& c, const Input<uint8_t>& w, size_t rows, size_t cols) {
  auto* pack = c.pack<assay_pack_fn>();
  const size_t bytes = pack(nullptr, nullptr, rows, cols);
  size_t bytes_again = bytes;
  const void* packed = c.packed("packed", bytes, [&](void* to) {
    std::memset(to, 0xff, bytes);
    bytes_again = pack(to, w.data, rows, cols);
  });
  if (c.timing()) {
    return packed;
  }
  c.expect_equal("pack's size", 0, static_cast<int64_t>(bytes_again), static_cast<int64_t>(bytes));

  const Kernel& kernel = find_kernel(c.variant().kernel);
  const size_t step = kernel.contract->row_step;
  if (rows > step) {
    const size_t row_bytes = w.count / rows;
    PackedBytes parts(bytes);
    const size_t half = rows / 2 / step * step == 0 ? step : rows / 2 / step * step;
    pack(parts.data(), w.data, half, cols);
    pack(parts.data() + pack(nullptr, nullptr, half, cols), w.data + half * row_bytes, rows - half, cols);
    expect_same_packed(c, "rows packed in two parts", parts.data(), bytes, packed);
  }
  for (const Variant& other : kernel.variants) {
    if (!c.variant().layout.empty() && other.layout == c.variant().layout && other.pack != c.variant().pack) {
      PackedBytes again(bytes);
      reinterpret_cast<assay_pack_fn*>(other.pack)(again.data(), w.data, rows, cols);
      expect_same_packed(c, ("packed by " + other.label()).c_str(), packed, bytes, again.data());
    }
  }
  return packed;
}

void expect_weights_kept(Case& c, const Input<uint8_t>& w) {
  const size_t at = first_difference(w.data, w.ref, w.count);
  if (at != w.count) {
    c.expect_equal("w after pack", at, w.data[at], w.ref[at]);
  }
}

}  // namespace assay
