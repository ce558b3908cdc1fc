#include "harness/check/guarded_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "harness/runtime/error.h"

namespace assay {
namespace {

constexpr size_t kPage = 4096;

int protection(Access access) {
  return access == Access::none ? PROT_NONE : access == Access::read ? PROT_READ : PROT_READ | PROT_WRITE;
}

size_t usable_bytes(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage + (bytes == 0 ? kPage : 0); }

/// Where to look for memory of the region next; nullptr: wherever the system likes.
void* next_in(Region region, size_t bytes) {
  static std::array<std::atomic<uint64_t>, kRegions> next = {0, 0x1000'0000, 0x9000'0000, 0x2000'0000'0000,
                                                             0x2345'8000'0000};
  auto& address = next[static_cast<size_t>(region)];
  return region == Region::usual ? nullptr : reinterpret_cast<void*>(address.fetch_add(bytes));
}

// One reservation: guard, the view that kernels get, guard, its alias, guard.
size_t reserved_bytes(size_t size) { return 2 * size + 3 * kPage; }

}  // namespace

GuardedPages::GuardedPages(size_t bytes, Access access, Region region)
    : size_(usable_bytes(bytes)), access_(access), region_(region) {
  const auto fail = [&] {
    throw MachineError(fmt::format("cannot map {} bytes of guarded memory: {}", size_, std::strerror(errno)));
  };
  void* map = mmap(next_in(region, reserved_bytes(size_)), reserved_bytes(size_), PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) {
    fail();
  }
  begin_ = static_cast<uint8_t*>(map) + kPage;
  const int file = memfd_create("assay", MFD_CLOEXEC);
  const auto map_file = [&](uint8_t* at, Access allowed) {
    return mmap(at, size_, protection(allowed), MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED;
  };
  const bool mapped = file >= 0 && ftruncate(file, static_cast<off_t>(size_)) == 0 && map_file(begin_, access) &&
                      map_file(alias(begin_), Access::write);
  if (file >= 0) {
    close(file);
  }
  if (!mapped) {
    munmap(map, reserved_bytes(size_));
    fail();
  }
}

GuardedPages::~GuardedPages() {
  if (begin_ != nullptr) {
    munmap(begin_ - kPage, reserved_bytes(size_));
  }
}

GuardedPages::GuardedPages(GuardedPages&& other) noexcept
    : begin_(std::exchange(other.begin_, nullptr)),
      size_(other.size_),
      access_(other.access_),
      region_(other.region_) {}

void GuardedPages::set_access(Access access) {
  if (access == access_) {
    return;
  }
  if (mprotect(begin_, size_, protection(access)) != 0) {
    throw MachineError(fmt::format("mprotect of {} bytes failed", size_));
  }
  access_ = access;
}

uint8_t* GuardedPages::alias(uint8_t* p) const { return p + size_ + kPage; }

const uint8_t* GuardedPages::find(const void* p) const {
  const auto* byte = static_cast<const uint8_t*>(p);
  if (byte < begin_ - kPage || byte >= begin_ + reserved_bytes(size_) - kPage) {
    return nullptr;
  }
  // The guard between the two is behind the one and before the other: take it for the view's.
  return byte < end() + kPage ? byte : byte - size_ - kPage;
}

GuardedPages GuardedPool::take(size_t bytes, Access access, Region region) {
  const size_t size = usable_bytes(bytes);
  // To change what others left is still cheaper than to map anew.
  for (const Access left : {access, Access::none, Access::read, Access::write}) {
    auto& list = free_[{size, left, region}];
    if (!list.empty()) {
      GuardedPages pages = std::move(list.back());
      list.pop_back();
      pages.set_access(access);
      return pages;
    }
  }
  return GuardedPages(bytes, access, region);
}

void GuardedPool::give_back(GuardedPages pages) {
  constexpr size_t kKeepUpTo = size_t{1} << 20;
  if (pages.size() <= kKeepUpTo) {
    free_[{pages.size(), pages.access(), pages.region()}].push_back(std::move(pages));
  }
}

GuardedPool& GuardedPool::of_other_thread() {
  if (!other_) {
    other_ = std::make_unique<GuardedPool>();
  }
  return *other_;
}

}  // namespace assay
