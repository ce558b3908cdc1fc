#pragma once
#include <stdexcept>

namespace assay {

/// Wrong usage or input: the message names the place (file, offset, flag), the value and the
/// remedy. Exit status 2.
struct InputError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// This machine cannot do it (missing ISA, missing tool). Exit status 3.
struct MachineError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace assay
