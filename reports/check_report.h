#pragma once
#include <string>
#include <vector>

#include "harness/check/check.h"

namespace assay {

/// Verdicts as JUnit's XML, a test case each: what CI systems show. Not runnable is skipped; claimed is a test that ran, with what it claims in
/// its output.
std::string junit_text(const std::vector<Verdict>& verdicts);

/// A failure as an annotation of GitHub Actions: a line of the log.
std::string github_line(const Verdict& failure);

}  // namespace assay
