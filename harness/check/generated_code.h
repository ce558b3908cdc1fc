#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "harness/runtime/registry.h"
#include "harness/runtime/rng.h"

namespace assay {

class CodePages;

/// What is checked of a generator beside the code that it makes.
struct GeneratorPlan {
  bool other_key;  ///< code for another key is generated before this one's is called
  bool moved;      ///< the code runs elsewhere than where it was generated
  bool room;       ///< memory of exactly its size is enough, less is refused and nothing written behind it
  bool repeated;   ///< generated again it is the same, and no memory is lost
  bool threaded;   ///< generated beside a thread that generates for other keys it is the same
};

/// Code that a variant's generator makes for a case. Behind it there is INT3. No page is ever writable and executable.
class GeneratedCode {
 public:
  /// `other_key` gives keys of other shapes, `garbage` what registers hold. `written` is called when the code is written and
  /// not yet executable, and may throw. Throws Mismatch, or MachineError if memory cannot be mapped.
  GeneratedCode(const Variant& variant, const Key& key, const GeneratorPlan& plan,
                const std::function<Key()>& other_key, Rng& garbage, const std::function<void()>& written);
  ~GeneratedCode();

  AnyFn entry() const;
  bool contains(uint64_t address) const;

 private:
  std::unique_ptr<CodePages> pages_;
  std::unique_ptr<CodePages> others_;  ///< code for another key
  size_t size_ = 0;
};

}  // namespace assay
