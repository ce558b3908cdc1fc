#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace assay {

/// Hands out chunks of work as threads come free: a thread whose core the hypervisor takes away
/// delays its one chunk, not a fixed share of the step.
class ThreadPool {
 public:
  /// `threads` in all, the caller included; MachineError if the system gives fewer. 0: one for each CPU that this process may use
  /// (usable_cpus.h), or as many as the system gives.
  explicit ThreadPool(unsigned threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;

  /// Calls work(chunk, thread) for every chunk in [0, chunks), each once, thread in [0, size());
  /// returns when all are done. An exception of `work` ends the process: kernels do not throw.
  void run(size_t chunks, const std::function<void(size_t chunk, unsigned thread)>& work);

  /// Gives each thread at least `bytes` of scratch memory. Throws std::bad_alloc.
  void reserve_scratch(size_t bytes);
  /// That of one thread, aligned to 64; what it holds is anybody's.
  void* scratch(unsigned thread) const { return scratch_[thread].get(); }

  /// Memory that all threads may use; what it held is lost. Throws std::bad_alloc.
  std::byte* shared(size_t bytes);

  unsigned size() const { return static_cast<unsigned>(workers_.size()) + 1; }

 private:
  void stop();
  void take_chunks(unsigned thread);
  void worker(unsigned thread);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  uint64_t step_ = 0;      // guarded by mutex_
  size_t busy_ = 0;        // workers inside this step; guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  const std::function<void(size_t, unsigned)>* work_ = nullptr;
  size_t chunks_ = 0;
  std::atomic<size_t> next_{0};
  std::vector<std::thread> workers_;
  std::vector<std::byte> shared_;
  size_t scratch_bytes_ = 0;
  std::vector<std::unique_ptr<std::byte, decltype(&std::free)>> scratch_;
};

}  // namespace assay
