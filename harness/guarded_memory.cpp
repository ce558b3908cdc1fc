#include "harness/guarded_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <utility>

#include "harness/error.h"

namespace assay {
namespace {

constexpr size_t kPage = 4096;

size_t usable_bytes(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage + (bytes == 0 ? kPage : 0); }

}  // namespace

GuardedPages::GuardedPages(size_t bytes) : size_(usable_bytes(bytes)) {
  void* map = mmap(nullptr, size_ + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) {
    throw MachineError(fmt::format("cannot map {} bytes of guarded memory", size_));
  }
  begin_ = static_cast<uint8_t*>(map) + kPage;
  if (mprotect(begin_, size_, PROT_READ | PROT_WRITE) != 0) {
    munmap(map, size_ + 2 * kPage);
    throw MachineError(fmt::format("cannot make {} bytes of guarded memory writable", size_));
  }
}

GuardedPages::~GuardedPages() {
  if (begin_ != nullptr) {
    munmap(begin_ - kPage, size_ + 2 * kPage);
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

GuardedPages GuardedPool::take(size_t bytes) {
  auto& list = free_[usable_bytes(bytes)];
  if (list.empty()) {
    return GuardedPages(bytes);
  }
  GuardedPages pages = std::move(list.back());
  list.pop_back();
  pages.set_writable(true);
  return pages;
}

void GuardedPool::give_back(GuardedPages pages) {
  constexpr size_t kKeepUpTo = size_t{1} << 20;
  if (pages.size() <= kKeepUpTo) {
    free_[pages.size()].push_back(std::move(pages));
  }
}

}  // namespace assay
