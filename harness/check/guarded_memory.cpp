#include "harness/check/guarded_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "harness/runtime/error.h"

namespace assay {
namespace {

constexpr size_t kPage = 4096;

size_t usable_bytes(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage + (bytes == 0 ? kPage : 0); }

// One reservation: guard, the view that kernels get, guard, its alias, guard.
size_t reserved_bytes(size_t size) { return 2 * size + 3 * kPage; }

}  // namespace

GuardedPages::GuardedPages(size_t bytes, bool writable) : size_(usable_bytes(bytes)), writable_(writable) {
  const auto fail = [&] { throw MachineError(fmt::format("cannot map {} bytes of guarded memory", size_)); };
  void* map = mmap(nullptr, reserved_bytes(size_), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) {
    fail();
  }
  begin_ = static_cast<uint8_t*>(map) + kPage;
  const int file = memfd_create("assay", MFD_CLOEXEC);
  const auto map_file = [&](uint8_t* at, int protection) {
    return mmap(at, size_, protection, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED;
  };
  const bool mapped = file >= 0 && ftruncate(file, static_cast<off_t>(size_)) == 0 &&
                      map_file(begin_, writable ? PROT_READ | PROT_WRITE : PROT_READ) &&
                      map_file(alias(begin_), PROT_READ | PROT_WRITE);
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
    : begin_(std::exchange(other.begin_, nullptr)), size_(other.size_), writable_(other.writable_) {}

void GuardedPages::set_writable(bool writable) {
  if (writable == writable_) {
    return;
  }
  if (mprotect(begin_, size_, writable ? PROT_READ | PROT_WRITE : PROT_READ) != 0) {
    throw MachineError(fmt::format("mprotect of {} bytes failed", size_));
  }
  writable_ = writable;
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

GuardedPages GuardedPool::take(size_t bytes, bool writable) {
  const size_t size = usable_bytes(bytes);
  for (const bool as_it_is : {true, false}) {  // to change what others left is still cheaper than to map anew
    auto& list = free_[{size, writable == as_it_is}];
    if (!list.empty()) {
      GuardedPages pages = std::move(list.back());
      list.pop_back();
      pages.set_writable(writable);
      return pages;
    }
  }
  return GuardedPages(bytes, writable);
}

void GuardedPool::give_back(GuardedPages pages) {
  constexpr size_t kKeepUpTo = size_t{1} << 20;
  if (pages.size() <= kKeepUpTo) {
    free_[{pages.size(), pages.writable()}].push_back(std::move(pages));
  }
}

GuardedPool& GuardedPool::of_other_thread() {
  if (!other_) {
    other_ = std::make_unique<GuardedPool>();
  }
  return *other_;
}

}  // namespace assay
