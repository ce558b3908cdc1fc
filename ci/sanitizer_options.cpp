// Linked into what a sanitizer preset builds.
//
// A child of the harness that crashes must end by its signal, which is what the harness reports and its tests expect:
// the run-time libraries may not take SIGSEGV and the like for themselves. A finding exits with 86, which is no status
// of assay's own.
#define OPTIONS "handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:handle_abort=0:exitcode=86"

extern "C" {
const char* __asan_default_options();
const char* __tsan_default_options();
const char* __asan_default_options() { return OPTIONS ":detect_stack_use_after_return=1:strict_string_checks=1"; }
// The children of a process with threads check, too. A single step is a signal whose handler may do anything: what it
// interrupts is a kernel, never the harness (single_step.h).
const char* __tsan_default_options() { return OPTIONS ":die_after_fork=0:report_signal_unsafe=0"; }
}
