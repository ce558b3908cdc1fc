#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace assay {

/// What may be done to memory.
enum class Access { none, read, write };

/// Memory between two PROT_NONE pages: a touch outside it is a SIGSEGV, not a silent pass. It is mapped twice, so that what
/// is read-only for a kernel can be filled without a system call: changing a page's protection makes every processor
/// forget its translations, and would be most of a check's time.
class GuardedPages {
 public:
  /// At least `bytes` usable bytes. Throws MachineError if the system has no memory left.
  GuardedPages(size_t bytes, Access access);
  ~GuardedPages();
  GuardedPages(GuardedPages&& other) noexcept;
  GuardedPages& operator=(GuardedPages&&) = delete;

  uint8_t* begin() const { return begin_; }
  uint8_t* end() const { return begin_ + size_; }
  size_t size() const { return size_; }
  Access access() const { return access_; }
  void set_access(Access access);

  /// The same byte as `p` of begin() .. end(), writable whatever the access.
  uint8_t* alias(uint8_t* p) const;
  /// The byte of begin() .. end(), or of the guard pages beside, that `p` or its alias is; nullptr: neither is here.
  const uint8_t* find(const void* p) const;

 private:
  uint8_t* begin_ = nullptr;
  size_t size_ = 0;
  Access access_ = Access::write;
};

/// Keeps GuardedPages for reuse: mapping fresh ones for each of a million samples would be most of the time.
class GuardedPool {
 public:
  GuardedPages take(size_t bytes, Access access);
  void give_back(GuardedPages pages);

  /// A pool for another thread, which lives as long as this one.
  GuardedPool& of_other_thread();

 private:
  std::unique_ptr<GuardedPool> other_;
  std::map<std::pair<size_t, Access>, std::vector<GuardedPages>> free_;
};

}  // namespace assay
