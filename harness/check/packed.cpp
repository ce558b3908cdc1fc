#include "harness/check/packed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <vector>

#include "harness/check/plan.h"
#include "harness/check/threads.h"
#include "harness/runtime/plugin.h"

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
  explicit PackedBytes(size_t bytes, uint8_t held_before = 0xff) : memory(bytes + 64, held_before) {}
  uint8_t* data() { return memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64; }
  std::vector<uint8_t> memory;
};

void expect_same_packed(Case& c, const char* what, const void* packed, size_t bytes, const void* other) {
  const size_t at = first_difference(packed, other, bytes);
  if (at != bytes) {
    c.expect_equal(what, at, static_cast<const uint8_t*>(packed)[at], static_cast<const uint8_t*>(other)[at]);
  }
}

/// A model takes no more memory packed than its file does, but for an eighth and what fills up panels of 64 rows and blocks of 256 columns.
/// Judged before the system is asked for so much: it would refuse, and what the system refuses is not a variant's fault.
void expect_size_of_file(size_t bytes, size_t file_bytes, size_t rows, size_t cols) {
  constexpr double kMostOfFile = 1.125;
  const auto whole = [](size_t n, size_t unit) { return static_cast<double>((n + unit - 1) / unit * unit); };
  const double for_a_weight = file_bytes == 0 ? 0 : static_cast<double>(file_bytes) / static_cast<double>(rows * cols);
  const double most = kMostOfFile * for_a_weight * whole(rows, 64) * whole(cols, 256) + whole(rows, 64) * 4;
  if (static_cast<double>(bytes) > most) {
    throw Mismatch("value",
                   fmt::format("pack says that {} x {} weights need {} bytes, of {} in the file: more than an eighth "
                               "over it and what fills up panels",
                               rows, cols, bytes, file_bytes));
  }
}

/// Two threads pack at once, one of them other weights.
void expect_threads_apart(Case& c, const Input<uint8_t>& w, size_t rows, size_t cols, const void* packed,
                          size_t bytes) {
  auto* pack = reinterpret_cast<assay_pack_fn*>(pack_of(c.variant()));
  const std::vector<uint8_t> reversed(std::make_reverse_iterator(w.data + w.count), std::make_reverse_iterator(w.data));
  PackedBytes others(bytes);
  PackedBytes again(bytes);
  size_t at = bytes;
  const auto pack_others = [&](int) {
    pack(others.data(), reversed.data(), rows, cols);
    return true;
  };
  const auto pack_again = [&] {
    std::memset(again.data(), 0xff, bytes);
    pack(again.data(), w.data, rows, cols);
    at = first_difference(again.data(), packed, bytes);
    return at == bytes;
  };
  run_beside(pack_others, pack_again, 4, 64);
  if (at != bytes) {
    c.expect_equal("packed beside another thread", at, again.data()[at], static_cast<const uint8_t*>(packed)[at]);
  }
}

}  // namespace

const void* packed_weights(Case& c, const Input<uint8_t>& w, size_t rows, size_t cols) {
  const Variant& variant = c.variant();
  const AnyFn own = pack_of(variant);
  const auto pack = [&](AnyFn f, void* to, const void* from, size_t n_rows) {
    return c.call_pack(reinterpret_cast<assay_pack_fn*>(f), to, from, n_rows, cols);
  };
  const size_t bytes = pack(own, nullptr, nullptr, rows);
  expect_size_of_file(bytes, w.count, rows, cols);
  size_t bytes_again = bytes;
  const void* packed = c.packed("packed", bytes, [&](void* to) {
    std::memset(to, 0xff, bytes);
    bytes_again = pack(own, to, w.data, rows);
  });
  if (!c.checks_preparation()) {
    return packed;
  }
  c.expect_equal("pack's size", 0, static_cast<int64_t>(bytes_again), static_cast<int64_t>(bytes));

  Rng rng(mix_seed(c.id().seed, salt("pack")));
  const Kernel& kernel = find_kernel(variant.kernel);
  const size_t step = kernel.contract->row_step;
  if (rows > step && rng.below(2) == 0) {
    const size_t row_bytes = w.count / rows;
    PackedBytes parts(bytes);
    const size_t half = rows / 2 / step * step == 0 ? step : rows / 2 / step * step;
    pack(own, parts.data(), w.data, half);
    pack(own, parts.data() + pack(own, nullptr, nullptr, half), w.data + half * row_bytes, rows - half);
    expect_same_packed(c, "rows packed in two parts", parts.data(), bytes, packed);
  }
  if (rng.below(4) == 0) {
    PackedBytes again(bytes, static_cast<uint8_t>(rng.next()));
    std::vector<uint8_t> elsewhere(w.count + 64);
    const size_t offset = rng.below(64);
    std::copy_n(w.data, w.count, elsewhere.data() + offset);
    pack(own, again.data(), elsewhere.data() + offset, rows);
    expect_same_packed(c, "packed from another address, to memory that held something else", again.data(), bytes,
                       packed);
  }
  if (rng.below(16) == 0 && c.claim().reentrant && threads_for_a_check()) {
    expect_threads_apart(c, w, rows, cols, packed, bytes);
  }
  for (const Variant& other : kernel.variants) {
    if (!variant.layout.empty() && other.layout == variant.layout && pack_of(other) != own) {
      PackedBytes again(bytes);
      pack(pack_of(other), again.data(), w.data, rows);
      expect_same_packed(c, ("packed by " + other.label()).c_str(), packed, bytes, again.data());
    }
  }
  c.withdraw(w.id);
  return packed;
}

ProductRows draw_product_rows(Case& c, size_t rows) {
  ProductRows r{rows, 0, rows, rows, true};
  if (!c.timing()) {
    Rng& rng = c.rng();
    const size_t step = find_kernel(c.variant().kernel).contract->row_step;
    const bool large = rows > 400;  // such samples are few: most have all rows and a bias
    if (rng.below(large ? 4 : 2) == 0) {
      r.begin = step * rng.below(rows / step + 1);
      r.end = std::min(rows, r.begin + step * rng.below((rows - r.begin) / step + 2));
    }
    r.ldy += rng.below(2) * rng.below(20);
    r.has_bias = rng.below(large ? 8 : 3) != 0;
  }
  return r;
}

void keep_out_of_other_rows(Case& c, const float* y, const ProductRows& r, size_t tokens) {
  for (size_t t = 0; t < tokens && !c.timing(); ++t) {
    const float* row = y + t * r.ldy;
    c.keep_out("y before row_begin", row, r.begin);
    c.keep_out("y from row_end on", row + r.end, (t + 1 < tokens ? r.ldy : r.rows) - r.end);
  }
}

}  // namespace assay
