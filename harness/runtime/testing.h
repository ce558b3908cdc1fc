#pragma once
// What several tests need; only tests include it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

// The run-time libraries of sanitizers map terabytes and keep freed memory: limits on memory mean nothing there.
#ifdef ASSAY_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

namespace assay {

/// A folder of its own, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::path(testing::TempDir()) / "assay_XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
      throw MachineError("cannot make " + pattern);
    }
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;

  std::string path(std::string_view name = "") const { return name.empty() ? path_.string() : (path_ / name).string(); }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      all.push_back(entry.path().filename().string());
    }
    std::ranges::sort(all);
    return all;
  }

 private:
  std::filesystem::path path_;
};

/// A file with these contents, removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& contents) { std::ofstream(path(), std::ios::binary) << contents; }
  std::string path() const { return folder_.path("file"); }

 private:
  TemporaryFolder folder_;
};

inline std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_all(const std::string& path, std::string_view contents) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  ASSERT_TRUE(out.flush()) << path;
}

/// The message of the InputError that `f` throws; empty if it throws none. Another exception fails the test.
template <class F>
std::string input_error(F f) {
  try {
    f();
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

/// A message that a person can use: it names the file, and is one line that a terminal can show.
inline void expect_clear(const std::string& message, const std::string& names) {
  EXPECT_NE(message.find(names), std::string::npos) << message.substr(0, 500);
  EXPECT_LT(message.size(), 2500u) << message.substr(0, 500);
  EXPECT_EQ(message.find_first_of("\n\r\x1b"), std::string::npos) << message.substr(0, 500);
}

/// How a run of the program ended.
struct Run {
  int status = -1;  ///< exit status, or -signal
  std::string out, err;
};

/// Runs the program that is tested, with no profile of the user's; an argument goes to it as it is, whatever its bytes.
/// `in_child` sets the state that the program inherits; it may do only what fork leaves safe.
inline Run run_assay(const std::vector<std::string>& arguments, const std::string& binary = ASSAY_BINARY,
                     const std::function<void()>& in_child = nullptr) {
  const TemporaryFolder folder;
  const std::string out = folder.path("out");
  const std::string err = folder.path("err");
  std::vector<std::string> all = {binary};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& a : all) {
    argv.push_back(a.data());
  }
  argv.push_back(nullptr);
  std::string cache = "XDG_CACHE_HOME=" + folder.path();
  std::vector<char*> environment = {cache.data()};
  for (char** e = environ; *e != nullptr; ++e) {
    if (!std::string_view(*e).starts_with("XDG_CACHE_HOME=")) {
      environment.push_back(*e);
    }
  }
  environment.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    // Only what fork leaves safe.
    const int o = open(out.c_str(), O_WRONLY | O_CREAT, 0600);
    const int e = open(err.c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(o, STDOUT_FILENO);
    dup2(e, STDERR_FILENO);
    if (in_child) {
      in_child();
    }
    execve(argv[0], argv.data(), environment.data());
    _exit(127);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return {WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status), read_all(out), read_all(err)};
}

/// Wrong usage or input: exit status 2, nothing on stdout, and on stderr what to do about it.
inline void expect_refused(const std::vector<std::string>& arguments, const std::string& part) {
  const Run run = run_assay(arguments);
  std::string line = "assay";
  for (const auto& a : arguments) {
    line += " " + quote(a);
  }
  EXPECT_EQ(run.status, 2) << line << "\n" << run.err;
  EXPECT_EQ(run.out, "") << line;
  EXPECT_TRUE(run.err.starts_with("assay: ")) << line << "\n" << run.err;
  EXPECT_NE(run.err.find(part), std::string::npos) << line << "\n" << run.err;
  auto lines = std::ranges::count(run.err, '\n');
  lines -= run.err.starts_with("assay: no profile") ? 1 : 0;  // a notice
  EXPECT_LE(lines, run.err.find("Try `assay") != std::string::npos ? 2 : 1) << line << "\n" << run.err;
}

}  // namespace assay
