#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace assay {

/// Pages between two PROT_NONE pages: a touch outside them is a SIGSEGV, not a silent pass.
class GuardedPages {
 public:
  /// At least `bytes` usable bytes. Throws MachineError if the system has no memory left.
  explicit GuardedPages(size_t bytes);
  ~GuardedPages();
  GuardedPages(GuardedPages&& other) noexcept;
  GuardedPages& operator=(GuardedPages&&) = delete;

  uint8_t* begin() const { return begin_; }
  uint8_t* end() const { return begin_ + size_; }
  size_t size() const { return size_; }
  void set_writable(bool writable);

 private:
  uint8_t* begin_ = nullptr;
  size_t size_ = 0;
  bool writable_ = true;
};

/// Keeps GuardedPages for reuse: mapping fresh ones for each of a million samples would be most of the time.
class GuardedPool {
 public:
  GuardedPages take(size_t bytes);
  void give_back(GuardedPages pages);

 private:
  std::map<size_t, std::vector<GuardedPages>> free_;
};

}  // namespace assay
