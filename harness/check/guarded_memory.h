#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace assay {

/// What may be done to memory.
enum class Access { none, read, write };

/// Where in the address space memory lies: an address, or the distance of two, that was cut to 32 bits leads elsewhere, with either sign.
enum class Region { usual, low, below_4_gib, middle, middle_odd };
inline constexpr size_t kRegions = 5;

/// Memory between two PROT_NONE pages: a touch outside it is a SIGSEGV, not a silent pass. It is mapped twice, so that what
/// is read-only for a kernel can be filled without a system call: changing a page's protection makes every processor
/// forget its translations, and would be most of a check's time.
class GuardedPages {
 public:
  /// At least `bytes` usable bytes; elsewhere if the system has no room in the region. Throws MachineError if it has no memory
  /// left.
  GuardedPages(size_t bytes, Access access, Region region);
  ~GuardedPages();
  GuardedPages(GuardedPages&& other) noexcept;
  GuardedPages& operator=(GuardedPages&&) = delete;

  uint8_t* begin() const { return begin_; }
  uint8_t* end() const { return begin_ + size_; }
  size_t size() const { return size_; }
  Access access() const { return access_; }
  Region region() const { return region_; }
  void set_access(Access access);

  /// The same byte as `p` of begin() .. end(), writable whatever the access.
  uint8_t* alias(uint8_t* p) const;
  /// The byte of begin() .. end(), or of the guard pages beside, that `p` or its alias is; nullptr: neither is here.
  const uint8_t* find(const void* p) const;

 private:
  uint8_t* begin_ = nullptr;
  size_t size_ = 0;
  Access access_ = Access::write;
  Region region_ = Region::usual;
};

/// Keeps GuardedPages for reuse: mapping fresh ones for each of a million samples would be most of the time.
class GuardedPool {
 public:
  GuardedPages take(size_t bytes, Access access, Region region);
  void give_back(GuardedPages pages);

  /// A pool for another thread, which lives as long as this one.
  GuardedPool& of_other_thread();

 private:
  std::unique_ptr<GuardedPool> other_;
  std::map<std::tuple<size_t, Access, Region>, std::vector<GuardedPages>> free_;
};

}  // namespace assay
