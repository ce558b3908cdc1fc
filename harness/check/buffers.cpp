#include "harness/check/buffers.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "harness/check/plan.h"

namespace assay {
namespace {

constexpr uint8_t kCanary = 0xC3;

/// The first byte that is no canary; nullptr if all are.
const uint8_t* find_overwritten(const uint8_t* from, const uint8_t* to) {
  static const std::vector<uint8_t> page(4096, kCanary);
  while (from != to) {
    const size_t n = std::min(page.size(), static_cast<size_t>(to - from));
    if (std::memcmp(from, page.data(), n) != 0) {
      return std::find_if(from, to, [](uint8_t byte) { return byte != kCanary; });
    }
    from += n;
  }
  return nullptr;
}

/// In a quarter of the cases each buffer lies in a region of its own.
Region region_of(const CaseId& id, size_t bytes, size_t index) {
  constexpr size_t kLargest = size_t{1} << 26;  // the low regions are small
  const uint64_t drawn = mix_seed(id.seed, salt("region"));
  return bytes > kLargest || drawn % 4 != 0 ? Region::usual : static_cast<Region>(mix_seed(drawn, index) % kRegions);
}

}  // namespace

Buffers::~Buffers() {
  for (auto& buffer : buffers_) {
    pool_.give_back(std::move(buffer.pages));
  }
}

size_t Buffers::make(const char* name, size_t bytes, size_t alignment, BufferRole role, size_t over_read,
                     const CaseId& id, Rng& rng) {
  const bool is_result = role == BufferRole::output || role == BufferRole::scratch;
  const Region region = region_of(id, bytes, buffers_.size());
  const size_t readable = bytes + (is_result ? 0 : over_read);
  buffers_.push_back({name, pool_.take(readable + 128, is_result ? Access::write : Access::read, region), role, bytes});
  Buffer& buffer = buffers_.back();
  buffer.readable = readable;
  uint8_t* const begin = buffer.pages.begin();
  uint8_t* const end = buffer.pages.end();
  if (is_large(id.shape)) {  // a fault for each of a million pages is half of the time
    madvise(begin, buffer.pages.size(), MADV_HUGEPAGE);
  }
  const uint64_t drawn = rng.below(3);
  switch (id.place == Place::end ? 0 : id.place == Place::begin ? 1 : drawn) {
    case 0:  // flush against the guard behind it
      buffer.data = end - readable;
      buffer.data -= reinterpret_cast<uintptr_t>(buffer.data) % alignment;
      break;
    case 1:  // flush behind the guard before it
      buffer.data = begin;
      break;
    default:
      buffer.data = begin + rng.below(64 / std::min<size_t>(alignment, 64) + 1) * alignment;
      break;
  }
  const auto alias = [&](uint8_t* p) { return buffer.pages.alias(p); };
  std::fill(alias(begin), alias(buffer.data), kCanary);
  std::fill(alias(buffer.data + bytes), alias(end), kCanary);
  return buffers_.size() - 1;
}

const uint8_t* Buffers::keep_contents(size_t index) {
  Buffer& buffer = buffers_[index];
  buffer.contents.assign(buffer.data, buffer.data + buffer.bytes);
  return buffer.contents.empty() ? buffer.data : buffer.contents.data();
}

bool Buffers::may_touch(uint64_t address, uint64_t bytes, bool write) const {
  const uint64_t end = address + bytes;
  const auto contains = [&](const Buffer& b) {
    const auto begin = reinterpret_cast<uint64_t>(b.data);
    return address >= begin && end <= begin + (write ? b.bytes : b.readable) && b.access() != Access::none &&
           (!write || b.access() == Access::write);
  };
  return std::ranges::any_of(buffers_, contains);
}

void Buffers::withdraw(size_t index) {
  Buffer& buffer = buffers_[index];
  buffer.withdrawn = true;
  buffer.pages.set_access(Access::none);
}

void Buffers::reset(uint8_t poison) {
  for (Buffer& b : buffers_) {
    b.pages.set_access(b.access());  // no system call where it is so already
    if (!b.is_input()) {
      std::fill_n(b.data, b.bytes, poison);
    } else if (b.in_place) {
      std::ranges::copy(b.contents, b.to_fill());
    }
  }
}

void Buffers::reverse_inputs(bool reversed) {
  for (Buffer& b : buffers_) {
    if (reversed) {
      std::ranges::reverse_copy(b.contents, b.to_fill());
    } else {
      std::ranges::copy(b.contents, b.to_fill());
    }
  }
}

void Buffers::check_canaries() const {
  for (const Buffer& b : buffers_) {
    const uint8_t* p = find_overwritten(b.pages.alias(b.pages.begin()), b.to_fill());
    p = p != nullptr ? p : find_overwritten(b.to_fill() + b.bytes, b.pages.alias(b.pages.end()));
    if (p != nullptr) {
      throw Mismatch("canary", fmt::format("{}: byte at offset {} of the buffer ({} bytes) was overwritten", b.name,
                                           p - b.to_fill(), b.bytes));
    }
  }
}

std::vector<uint8_t> Buffers::written() const {
  std::vector<uint8_t> all;
  for (const Buffer& b : buffers_) {
    if (b.role == BufferRole::output || b.in_place) {
      all.insert(all.end(), b.data, b.data + b.bytes);
    }
  }
  return all;
}

std::string Buffers::locate(const void* address) const {
  for (const Buffer& b : buffers_) {
    const uint8_t* p = b.pages.find(address);
    if (p == nullptr) {
      continue;
    }
    const std::string of = fmt::format("{} ({} bytes)", b.name, b.bytes);
    if (p < b.data) {
      return fmt::format("{} bytes before {}", b.data - p, of);
    }
    const auto offset = static_cast<size_t>(p - b.data);
    return offset >= b.bytes ? fmt::format("{} bytes behind the end of {}", offset - b.bytes, of)
                             : fmt::format("byte {} of {}{}", offset, of,
                                           b.withdrawn ? ", which is no more the kernel's to read: it was packed"
                                           : b.access() == Access::write ? ""
                                                                         : ", an input");
  }
  return "";
}

}  // namespace assay
