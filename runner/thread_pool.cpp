#include "runner/thread_pool.h"

#include <fmt/format.h>

#include <new>
#include <system_error>

#include "harness/runtime/error.h"
#include "harness/runtime/usable_cpus.h"

namespace assay {

ThreadPool::ThreadPool(unsigned threads) {
  const unsigned wanted = threads != 0 ? threads : usable_cpus();
  try {
    for (unsigned t = 1; t < wanted; ++t) {
      workers_.emplace_back([this, t] { worker(t); });
    }
  } catch (const std::system_error& e) {
    if (threads == 0) {
      return;
    }
    const size_t started = workers_.size() + 1;
    stop();  // a thread that is still joinable would end the program
    throw MachineError(
        fmt::format("the system gives {} threads, not {}: {}; use fewer with --threads", started, threads, e.what()));
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& w : workers_) {
    w.join();
  }
}

void ThreadPool::reserve_scratch(size_t bytes) {
  if (bytes <= scratch_bytes_) {
    return;
  }
  const size_t whole_lines = (bytes + 63) / 64 * 64;
  scratch_.clear();
  scratch_bytes_ = 0;
  for (unsigned t = 0; t < size(); ++t) {
    scratch_.emplace_back(static_cast<std::byte*>(std::aligned_alloc(64, whole_lines)), &std::free);
    if (!scratch_.back()) {
      throw std::bad_alloc();
    }
  }
  scratch_bytes_ = whole_lines;
}

std::byte* ThreadPool::shared(size_t bytes) {
  if (bytes > shared_.size()) {
    shared_.resize(bytes);
  }
  return shared_.data();
}

void ThreadPool::take_chunks(unsigned thread) {
  for (size_t chunk = next_.fetch_add(1); chunk < chunks_; chunk = next_.fetch_add(1)) {
    (*work_)(chunk, thread);
  }
}

void ThreadPool::worker(unsigned thread) {
  uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || step_ != seen; });
    if (stopping_) {
      return;
    }
    seen = step_;
    if (next_.load() >= chunks_) {
      continue;  // woken after the others had done it all
    }
    ++busy_;
    lock.unlock();
    take_chunks(thread);
    lock.lock();
    --busy_;
    done_.notify_one();
  }
}

void ThreadPool::run(size_t chunks, const std::function<void(size_t, unsigned)>& work) {
  if (chunks <= 1 || workers_.empty()) {
    for (size_t chunk = 0; chunk < chunks; ++chunk) {
      work(chunk, 0);
    }
    return;
  }
  {
    const std::scoped_lock lock(mutex_);
    work_ = &work;
    chunks_ = chunks;
    next_ = 0;
    ++step_;
  }
  wake_.notify_all();
  take_chunks(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return busy_ == 0; });
}

}  // namespace assay
