#pragma once

namespace assay {

/// What a program inherits and this one relies on, set as it needs it, whatever the parent left: standard streams, signals, rounding
/// of floats, the mask of new files' permissions, limits below what is needed. What the parent may mean stays: ignored SIGINT, SIGHUP
/// and SIGPIPE, niceness, affinity, and the limits above that.
/// Throws MachineError where a hard limit is in the way.
void set_process_state();

}  // namespace assay
