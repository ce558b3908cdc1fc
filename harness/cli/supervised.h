#pragma once

namespace assay {

/// Goes on in a child process, which alone returns from here, before libraries are loaded: one of these may end the process that it is in,
/// and that must not look like success. This process waits for the child and ends as it does; where the child ends without finish(), it
/// says so and ends with exit status 2. A second call does nothing.
void continue_supervised();

/// The last word of a supervised process: it is about to end with this exit status.
void finish_supervised(int status);

}  // namespace assay
