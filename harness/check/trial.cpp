#include "harness/check/trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "harness/runtime/error.h"

namespace assay {

size_t round_length(Rng& rng, size_t most) {
  constexpr std::array<size_t, 5> kRound = {256, 512, 768, 1024, 4096};
  const size_t of = kRound[rng.below(kRound.size())];
  // A power of two times, or any number of times.
  const size_t most_times = most / of;
  size_t times = 1 + rng.below(most_times);
  if (rng.below(2) == 0) {
    times = std::min(size_t{1} << rng.below(9), most_times);
  }
  return of * times + rng.below(3) - 1;
}

namespace {
constexpr uint64_t kEveryLength = 4 * 64 + 4;  // past four vectors of the widest type: 64 bytes hold up to 64 lanes
}

std::optional<size_t> length_for_pairs(uint64_t index) {
  constexpr uint64_t kPairs = 4;
  constexpr uint64_t kLengths = 80;
  const uint64_t number = index - kEveryLength;
  return index >= kEveryLength && number < kPairs * kLengths ? std::optional(number / kPairs) : std::nullopt;
}

size_t draw_length(Rng& rng, uint64_t index, size_t unit) {
  if (index < kEveryLength) {
    return index * unit;
  }
  if (const auto length = length_for_pairs(index)) {
    return *length * unit;
  }
  // By chance alone, one seed in six would have no length over 16 bits among 2000 samples.
  if (index % 1000 == 500) {
    return (65536 + rng.below(34464)) * unit;
  }
  if (index % 600 == 590) {  // of the size of a model's matrices: each power of two as likely
    const size_t power = size_t{1} << (14 + rng.below(8));
    return (power + rng.below(power)) / unit * unit;
  }
  if (index % 32 == 16) {
    return round_length(rng, index % 256 == 16 ? 65536 : 8192) * unit;
  }
  constexpr std::array<size_t, 8> kPrimes = {257, 263, 331, 509, 1021, 2053, 4099, 8191};
  switch (rng.below(16)) {
    case 0:
      return kPrimes[rng.below(kPrimes.size())] * unit;
    case 1:
      return rng.below(4096) * unit;
    case 2:
      return rng.below(64) == 0 ? (65536 + rng.below(34464)) * unit : rng.below(1024) * unit;
    // Special cases of code are mostly of one short length, and each is to meet every placement of every buffer.
    case 3:
    case 4:
    case 5:
      return rng.below(24) * unit;
    default:
      return rng.below(260) * unit;
  }
}

Shape draw_model_product(Rng& rng, uint64_t number, size_t unit) {
  constexpr std::array<size_t, 8> kSizes = {512, 768, 1024, 1536, 2048, 3072, 4096, 11008};
  constexpr std::array<size_t, 3> kLarge = {3072, 4096, 11008};
  const auto about = [&](size_t whole, size_t step) { return (whole / step + rng.below(3) - 1) * step; };
  const auto short_cols = [&] { return (1 + rng.below(std::max<size_t>(64 / unit, 1))) * unit; };
  const size_t tokens = about(rng.below(2) == 0 ? 64 : 128, 1);
  switch (number % 4) {
    case 0: {  // one token, a matrix of up to 2^22
      const size_t rows = about(kSizes[rng.below(kSizes.size())], 1);
      const size_t most = (size_t{1} << 22) / rows / unit * unit;
      return {rows, std::min(about(kSizes[rng.below(kSizes.size())], unit), most), 1};
    }
    case 1:  // long rows, over 3072
      return {1 + rng.below(24), about(kLarge[rng.below(kLarge.size())], unit) + 2 * unit, tokens};
    case 2:  // many rows, over 3072
      return {about(rng.below(2) == 0 ? 3072 : 4096, 1) + 2, short_cols(), tokens};
    default:
      return {500 + rng.below(300), about(512, unit), tokens};
  }
}

std::vector<size_t> rows_to_judge(Rng rng, size_t begin, size_t end, size_t work) {
  constexpr size_t kPanel = 64;  // of rows, the largest that a layout has
  constexpr size_t kDrawn = 64;
  std::vector<size_t> rows;
  const bool all = end - begin <= 3 * kPanel || (end - begin) * work <= size_t{1} << 21;
  for (size_t r = begin; r < end; ++r) {
    if (all || r < begin + 2 || r + kPanel >= end || rng.below(end - begin) < kDrawn) {
      rows.push_back(r);
    }
  }
  return rows;
}

const Trial& trial_of(const Kernel& kernel) {
  static const std::map<std::string, const Trial*> all = [] {
    const auto list = generated_trials();
    return std::map<std::string, const Trial*>(list.begin(), list.end());
  }();
  return *all.at(kernel.name);
}

namespace {
/// The shape with each size over 1 one step less, or more; empty if the contract has none such.
Shape shape_beside(const Kernel& kernel, const Shape& shape, bool more) {
  for (const size_t step : {size_t{1}, size_t{32}, size_t{64}, size_t{128}, size_t{256}}) {
    Shape other = shape;
    for (size_t& size : other) {
      size = size <= step ? size : more ? size + step : size - step;
    }
    if (is_allowed(kernel, other)) {  // else it is no multiple of its blocks
      return other == shape ? Shape{} : other;
    }
  }
  return {};
}
}  // namespace

std::vector<Shape> shapes_about(const Kernel& kernel, const Shape& shape) {
  // Most variants take a tenth of a second for these operations; a sample of those bytes takes as long to make and to judge.
  constexpr double kMostOps = 0x1p27;
  constexpr double kMostBytes = 0x1p24;
  std::vector<Shape> shapes = {shape};
  for (const bool more : {false, true}) {
    if (const Shape other = shape_beside(kernel, shape, more); !other.empty()) {
      const Work work = trial_of(kernel).work(other);
      if (work.ops <= kMostOps && work.bytes() <= kMostBytes) {
        shapes.push_back(other);
      }
    }
  }
  return shapes;
}

std::vector<InputClass> Trial::classes() const {
  auto all = all_input_classes();
  if (unary_reference() == nullptr) {
    std::erase(all, InputClass::any_bits);
  }
  return all;
}

namespace {
/// Few wrong inputs of a function of one float: a million of them, one in each 4096.
bool is_sweep(const Trial& trial, uint64_t index) { return trial.unary_reference() != nullptr && index % 2000 == 301; }
}  // namespace

Shape Trial::draw_shape(Rng& rng, uint64_t index) const {
  return {is_sweep(*this, index) ? size_t{1} << 20 : draw_length(rng, index)};
}

std::optional<InputClass> Trial::class_for(uint64_t index, const Shape& shape) const {
  const auto known = classes();
  const auto if_known = [&](InputClass c) {
    return std::ranges::count(known, c) != 0 ? std::optional(c) : std::nullopt;
  };
  if (shape.size() != 1) {
    return std::nullopt;
  }
  if (is_sweep(*this, index)) {
    return InputClass::any_bits;
  }
  if (length_for_pairs(index) == shape[0]) {
    return if_known(InputClass::special);
  }
  return index % 128 == 16 ? if_known(InputClass::absorbed) : std::nullopt;
}

void Trial::validate(const Kernel& kernel, const Shape& shape) const {
  const auto names = kernel.dims();
  for (size_t i = 0; i < shape.size(); ++i) {
    const int bits = shape.size() == 1 ? 30 : 28;
    if (shape[i] > (size_t{1} << bits)) {
      throw InputError(
          fmt::format("size {}={} is over 2^{}; a case that large does not fit the harness", names[i], shape[i], bits));
    }
  }
}

bool is_allowed(const Kernel& kernel, const Shape& shape) {
  try {
    trial_of(kernel).validate(kernel, shape);
    return true;
  } catch (const InputError&) {
    return false;
  }
}

std::vector<ShapeClass> vector_shape_classes(const CacheInfo& caches, size_t bytes_per_element, size_t multiple) {
  const auto elements = [&](size_t bytes) {
    return std::max<size_t>(bytes / bytes_per_element / multiple, 1) * multiple;
  };
  const size_t l1 = caches.l1d != 0 ? caches.l1d : size_t{32} << 10;
  const size_t l2 = caches.l2 != 0 ? caches.l2 : size_t{512} << 10;
  const size_t l3 = caches.l3 != 0 ? caches.l3 : size_t{8} << 20;
  // Caches of servers are larger than any vector of a model, and filling such vectors takes longer than timing them.
  const size_t half_of_l3 = std::min(l3 / 2, size_t{16} << 20);
  const size_t memory = std::clamp(4 * l3, size_t{64} << 20, size_t{128} << 20);
  return {{"L1", {elements(l1 / 2)}},
          {"L2", {elements(l2 / 2)}},
          {"L3", {elements(half_of_l3)}},
          {"mem", {elements(memory)}}};
}

namespace {
bool takes_any_length(const Kernel& kernel) { return kernel.dims().size() == 1 && is_allowed(kernel, {65}); }
}  // namespace

std::vector<ShapeClass> timed_classes(const Kernel& kernel, const CacheInfo& caches) {
  auto classes = trial_of(kernel).shape_classes(caches);
  classes.push_back({classes.front().label + "-cold", classes.front().shape, true});
  constexpr size_t kShort = size_t{1} << 14;
  for (size_t i = 0, count = classes.size(); i < count; ++i) {
    const ShapeClass& own = classes[i];
    if (takes_any_length(kernel) && own.shape[0] <= kShort) {
      classes.push_back(scaled(kernel, {own.label + "-ragged", own.shape, own.cold, 100, true}, 100));
    }
  }
  return classes;
}

std::string ShapeClass::name() const { return percent == 100 ? label : fmt::format("{} x {}", label, percent / 100.0); }

ShapeClass scaled(const Kernel& kernel, const ShapeClass& own, int percent) {
  if (takes_any_length(kernel)) {
    constexpr std::array<size_t, 4> kRemainders = {63, 7, 29, 13};
    const size_t blocks = std::max<size_t>(own.shape[0] / 64 * static_cast<size_t>(percent) / 100, 1);
    const size_t remainder = own.ragged ? kRemainders[static_cast<size_t>(std::abs(100 - percent)) / 20 % 4] : 0;
    return {own.label, {64 * blocks + remainder}, own.cold, percent, own.ragged};
  }
  for (const size_t unit : {size_t{1}, size_t{32}, size_t{64}, size_t{128}}) {
    ShapeClass other{own.label, own.shape, own.cold, percent};
    for (size_t i = 0; i < std::min(other.shape.size(), trial_of(kernel).scaled_sizes()); ++i) {
      size_t& size = other.shape[i];
      size = size <= 1 ? size : std::max<size_t>(size * static_cast<size_t>(percent) / 100 / unit, 1) * unit;
    }
    if (is_allowed(kernel, other.shape)) {  // else it is no multiple of its blocks
      return other;
    }
  }
  return own;
}

}  // namespace assay
