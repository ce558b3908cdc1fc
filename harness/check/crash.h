#pragma once

namespace assay {

/// For a child process: a fatal signal (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT) first writes to the log of the
/// sample at work (SampleLog::of_this_process) what instruction it was, and where the address lies relative to the buffers
/// of the case at work; then it kills as always.
void report_crashes();

}  // namespace assay
