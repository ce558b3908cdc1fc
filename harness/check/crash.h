#pragma once

namespace assay {

struct SampleLog;

/// For a child process: a fatal signal (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT) first writes to `progress` what
/// instruction it was, and where the address lies relative to the buffers of the case at work; then it kills as always.
void report_crashes_to(SampleLog& progress);

}  // namespace assay
