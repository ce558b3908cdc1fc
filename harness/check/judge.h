#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace assay {

/// The variant broke its contract.
struct Mismatch : std::runtime_error {
  explicit Mismatch(const std::string& text) : Mismatch("value", text) {}
  Mismatch(std::string which, const std::string& text) : std::runtime_error(text), check(std::move(which)) {}
  std::string check;  ///< which check saw it: "value", "canary", "determinism", "register", ...
};

// Bins of errors: of the share of the bound each tenth, and what is over it, which only a claim allows; of ULPs up to 1/4, 1/2, 1, 2, ...
// 64, and over.
inline constexpr size_t kBoundBins = 11, kUlpBins = 10;
std::vector<std::string> bound_bin_names();
std::vector<std::string> ulp_bin_names();

/// The largest errors seen so far; over the contract's bound. max_ulp counts only finite nonzero-bound comparisons of floats.
struct ErrorStats {
  double max_ulp = 0;
  double worst_over_bound = 0;
  double worst_over_claim = 0;  ///< over what is allowed: wider than the contract's bound where a claim asks for that
  std::array<uint64_t, kBoundBins> bound_bins = {};  ///< how many results of a nonzero bound
  std::array<uint64_t, kUlpBins> ulp_bins = {};      ///< of these, those that max_ulp is of

  void add_over_bound(double share);
  void add_ulp(double ulp);
  /// What another saw, too.
  void add(const ErrorStats& other);
};

/// The distance between floats at `value`, which is finite: 2^-149 for subnormals and 0.
double float_ulp(double value);

/// What one element should be.
struct Expected {
  double value;           ///< the reference's result; NaN: any NaN is right
  double bound;           ///< allowed |got - value|; 0: exact
  bool overflow = false;  ///< an intermediate may overflow: NaN and Inf are allowed too
  double claimed = 0;     ///< a wider bound, of a claim: see Claim::exact_blocks
};

// What a call finds in its outputs and scratch. As floats numbers, so that they never pass for an expected NaN.
inline constexpr uint8_t kPoison = 0xA5;       ///< of the last call, which is judged: -2.9e-16
inline constexpr uint8_t kFirstPoison = 0x5B;  ///< of the first: 6.2e16

/// One element of a result, for people.
struct Element {
  std::string name;  ///< "y[3]"
  std::string got, want;
  bool wrong;
};

/// Compares what a kernel wrote with what it should be, and remembers the largest errors. Each function throws Mismatch.
class Judge {
 public:
  /// From here on errors of floats may be up to `factor` times their bounds.
  void allow(double factor) { factor_ = factor; }
  /// From here on elements that are wrong throw nothing: the first wrong one and those about it are kept.
  void record() { recording_ = true; }
  const std::vector<Element>& recorded() const { return recorded_; }

  /// One float.
  void expect(const char* what, size_t index, float got, const Expected& want);
  /// Bit for bit, any NaN for a NaN.
  void expect_bits(const char* what, size_t index, float got, float want);
  /// Integers and bytes.
  void expect_equal(const char* what, size_t index, int64_t got, int64_t want);
  /// That each of the floats was written.
  void expect_written(const char* what, const float* p, size_t count) const;
  /// Elements that the kernel must not write still hold the poison.
  void expect_untouched(const char* what, const float* p, size_t count) const;

  const ErrorStats& errors() const { return errors_; }

 private:
  /// One element to be kept; it is wrong where `compare` throws Mismatch.
  template <class F>
  void keep(const char* what, size_t index, const std::string& got, const std::string& want, const F& compare);

  ErrorStats errors_;
  double factor_ = 1;
  bool recording_ = false;
  std::vector<Element> recorded_;
};

}  // namespace assay
