#include "harness/runtime/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <thread>

#include "harness/runtime/child.h"
#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"
#include "runner/gguf.h"
#include "runner/gguf_writer.h"

namespace assay {
namespace {

using Names = std::vector<std::string>;

TEST(AtomicFile, ReplacesAndLeavesNothingBehind) {
  const TemporaryFolder folder;
  const std::string path = folder.path("sub/deep/report.json");
  write_file_atomically(path, "old");
  write_file_atomically(path, "new\0text");
  EXPECT_EQ(read_all(path), "new");
  write_file_atomically(path, "");
  EXPECT_EQ(read_all(path), "");
  EXPECT_EQ(folder.names(), Names{"sub"});
}

TEST(AtomicFile, WithoutCommitNothingChanges) {
  const TemporaryFolder folder;
  write_all(folder.path("f"), "old");
  {
    AtomicFile file(folder.path("f"));
    file.write(std::as_bytes(std::span(std::string_view("half"))));
    EXPECT_EQ(folder.names().size(), 2u);
    EXPECT_EQ(read_all(folder.path("f")), "old");
  }
  EXPECT_EQ(read_all(folder.path("f")), "old");
  EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(AtomicFile, TheModeIsByTheUmask) {
  const TemporaryFolder folder;
  const mode_t old = umask(027);
  write_file_atomically(folder.path("f"), "x");
  umask(old);
  struct stat status {};
  ASSERT_EQ(stat(folder.path("f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(AtomicFile, ALinkIsFollowed) {
  const TemporaryFolder folder;
  write_all(folder.path("real"), "old");
  ASSERT_EQ(symlink("real", folder.path("link").c_str()), 0);
  write_file_atomically(folder.path("link"), "new");
  EXPECT_EQ(read_all(folder.path("real")), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path("link")));
  ASSERT_EQ(symlink("nowhere", folder.path("dangling").c_str()), 0);
  expect_clear(input_error([&] { write_file_atomically(folder.path("dangling"), "x"); }), "leads nowhere");
}

TEST(AtomicFile, PlacesThatCannotBeWritten) {
  const TemporaryFolder folder;
  write_all(folder.path("file"), "old");
  ASSERT_EQ(mkfifo(folder.path("fifo").c_str(), 0600), 0);
  const auto refused = [&](const std::string& path, const std::string& part) {
    const std::string message = input_error([&] { write_file_atomically(path, "x"); });
    expect_clear(message, part);
    EXPECT_EQ(input_error([&] { check_writable(path); }), message);
  };
  refused("", "the output path is empty");
  refused(folder.path(), "is a folder");
  refused(folder.path("fifo"), "not a regular file");
  refused(folder.path("file/below"), "Not a directory");
  refused("/dev/full", "not a regular file");
  ASSERT_EQ(symlink("/dev/stdout", folder.path("to_stdout").c_str()), 0);
  for (const std::string& path : {std::string("/dev/stdout"), std::string("/dev/fd/1"), folder.path("to_stdout")}) {
    refused(path, "is a stream of a process, and no file that can be replaced; name a file");
  }
  refused("/proc/self/new", "temporary file");
  refused(folder.path(std::string(300, 'n')), "File name too long");
  refused(folder.path("a\x1b[2Jb/") + std::string(300, 'n'), "a\\x1b[2Jb");
  check_writable(folder.path("file"));
  EXPECT_EQ(read_all(folder.path("file")), "old");
  struct stat status {};
  ASSERT_EQ(stat("/dev/full", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode)) << "the device was replaced";
}

/// A disk that is full, played by a limit on the size of files.
TEST(AtomicFile, AFullDiskKeepsTheOldFile) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path("f"), "old");
  Child child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message =
        input_error([&] { write_file_atomically(folder.path("f"), std::string(100'000, 'x')); });
    _exit(message.find("cannot write it") != std::string::npos ? 0 : 9);
  });
  while (!child.poll()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(child.end(), "");
  EXPECT_EQ(read_all(folder.path("f")), "old");
  EXPECT_EQ(folder.names(), Names{"f"});
}

TEST(AtomicFile, LeftoversOfTheDeadAreRemovedThoseOfTheLivingAreNot) {
  const TemporaryFolder folder;
  const Names others = {"f.tmp-", "f.tmp-0123456", "f.tmp-0123456z", "f.tmp-012345678", "g.tmp-01234567"};
  for (const auto& name : others) {
    write_all(folder.path(name), "not ours");
  }
  write_all(folder.path("f.tmp-01234567"), "left by a killed writer");
  AtomicFile living(folder.path("f"));
  write_file_atomically(folder.path("f"), "second");
  EXPECT_EQ(folder.names().size(), others.size() + 2) << "f, and the living one's";
  living.write(std::as_bytes(std::span(std::string_view("first"))));
  living.commit();
  EXPECT_EQ(read_all(folder.path("f")), "first");
  Names expected = others;
  expected.emplace_back("f");
  std::ranges::sort(expected);
  EXPECT_EQ(folder.names(), expected);
}

TEST(AtomicFile, WritersAtOnceEachWriteAWholeFile) {
  const TemporaryFolder folder;
  std::vector<std::thread> writers;
  for (char c = 'a'; c < 'e'; ++c) {
    writers.emplace_back([&, c] {
      for (int i = 0; i < 10; ++i) {
        write_file_atomically(folder.path("f"), std::string(20'000, c));
      }
    });
  }
  for (auto& w : writers) {
    w.join();
  }
  const std::string text = read_all(folder.path("f"));
  EXPECT_EQ(text, std::string(20'000, text.at(0)));
  EXPECT_EQ(folder.names(), Names{"f"});
}

/// What a writer that is killed leaves. `write(n)` writes the file number n; `read` gives the n of the file, and fails the
/// test if that is not whole.
struct KilledWriters {
  const TemporaryFolder& folder;
  std::string path;
  std::function<void(uint64_t)> write;
  std::function<uint64_t()> read;

  /// By the limit on the size of a file, whose signal comes in the middle of a write, so it hits every time.
  void kill_at_random_bytes() {
    Rng rng(1);
    write(0);
    for (uint64_t n = 1; n <= 20; ++n) {
      const rlim_t bytes = rng.below(std::filesystem::file_size(path) / 2);
      Child child([&] {
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGXFSZ, SIG_DFL);
        const rlimit limit{bytes, bytes};
        setrlimit(RLIMIT_FSIZE, &limit);
        write(n);
      });
      while (!child.poll()) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
      EXPECT_TRUE(child.end().starts_with("SIGXFSZ")) << child.end();
      EXPECT_EQ(read(), n - 1);
      EXPECT_EQ(folder.names().size(), 2u) << "the file, and half of the next";
      write(n);
      EXPECT_EQ(read(), n);
      EXPECT_EQ(folder.names().size(), 1u) << "the next writer removes what a killed one left";
    }
  }

  /// A process that writes file after file, 100 times. Where most of its time goes into other things, such as reckoning
  /// what it writes, few of these kills come between the first byte and the last.
  void kill_at_random_moments() {
    using Clock = std::chrono::steady_clock;
    constexpr int kKills = 100;
    struct Progress {
      std::atomic<bool> started;
      std::atomic<uint64_t> finished;
    };
    auto took = Clock::duration::max();
    for (int i = 0; i < 3; ++i) {
      const auto begin = Clock::now();
      write(0);
      took = std::min(took, Clock::now() - begin);
    }
    Rng rng(1);
    for (int i = 0; i < kKills; ++i) {
      const SharedMemory memory(sizeof(Progress));
      auto& progress = *static_cast<Progress*>(memory.get());
      const uint64_t before = read();
      Child child([&] {
        progress.started = true;
        for (uint64_t n = before + 1;; ++n) {
          write(n);
          progress.finished = n;
        }
      });
      while (!progress.started && !child.poll()) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
      // Any moment of the first two writes.
      std::this_thread::sleep_for(took * static_cast<int>(rng.below(1000)) / 500);
      child.kill();
      EXPECT_EQ(child.end(), "SIGKILL (Killed)");
      const uint64_t n = read();
      EXPECT_GE(n, std::max<uint64_t>(progress.finished, before)) << "an older file came back";
      EXPECT_LE(n, std::max<uint64_t>(progress.finished, before) + 1);
      EXPECT_LE(folder.names().size(), 2u) << "the next writer removes what a killed one left";
    }
    write(0);
    EXPECT_EQ(folder.names().size(), 1u);
  }
};

TEST(AtomicFile, AKillAtAnyMomentLeavesAWholeFile) {
  const TemporaryFolder folder;
  const std::string path = folder.path("profile.json");
  const auto contents = [](uint64_t n) {
    return std::to_string(n) + "\n" + std::string(300'000 + n % 7 * 1000, static_cast<char>('a' + n % 26));
  };
  KilledWriters killed{folder, path, [&](uint64_t n) { write_file_atomically(path, contents(n)); },
                       [&] {
                         const std::string text = read_all(path);
                         const uint64_t n = std::stoull(text);
                         EXPECT_TRUE(text == contents(n)) << "a file of " << text.size() << " bytes that is not whole";
                         return n;
                       }};
  killed.kill_at_random_bytes();
  killed.kill_at_random_moments();
}

TEST(AtomicFile, AKillWhileAModelIsWrittenLeavesAWholeModel) {
  const TemporaryFolder folder;
  const std::string path = folder.path("model.gguf");
  KilledWriters killed{
      folder, path,
      [&](uint64_t n) {
        GgufWriter writer(path, std::vector<GgufKeyValue>{{"n", n}}, {{"t", TensorType::f32, {10'000}}});
        const std::vector<std::byte> piece(4000, static_cast<std::byte>(n));
        for (int i = 0; i < 10; ++i) {
          writer.write(piece);
        }
        writer.finish();
      },
      [&] {
        const GgufFile file = GgufFile::open(path);
        const uint64_t n = file.u64("n");
        const auto data = file.tensor("t").data;
        EXPECT_TRUE(std::ranges::all_of(data, [&](std::byte b) { return b == static_cast<std::byte>(n); }));
        return n;
      }};
  killed.kill_at_random_bytes();
  killed.kill_at_random_moments();
}

TEST(SmallFiles, AreReadWholeOrRefused) {
  const TemporaryFolder folder;
  write_all(folder.path("f"), std::string("a\0b\n", 4));
  EXPECT_EQ(read_small_file(folder.path("f"), 4), std::string("a\0b\n", 4));
  expect_clear(input_error([&] { read_small_file(folder.path("f"), 3); }), "at most 3 are read");
  write_all(folder.path("f"), "");
  EXPECT_EQ(read_small_file(folder.path("f"), 3), "");
  EXPECT_EQ(read_small_file("/proc/self/limits", 1 << 20).substr(0, 5), "Limit")
      << "a file whose size is not known before";
  ASSERT_EQ(mkfifo(folder.path("fifo").c_str(), 0600), 0);
  expect_clear(input_error([&] { read_small_file(folder.path("fifo"), 3); }), "not a regular file");
  expect_clear(input_error([&] { read_small_file(folder.path(), 3); }), "not a regular file");
  expect_clear(input_error([&] { read_small_file("/dev/zero", 3); }), "not a regular file");
  expect_clear(input_error([&] { read_small_file(folder.path("none"), 3); }), "No such file");
}

TEST(OutputPaths, AreRefusedBeforeTheWork) {
  const TemporaryFolder folder;
  for (const std::string& path : {folder.path(), std::string("/dev/full"), std::string("/proc/self/new")}) {
    expect_refused({"tune", "--quick", "--out", path}, path);
    expect_refused({"bench", "--quick", "--out", path}, path);
    expect_refused({"bench", "--quick", "--markdown", path}, path);
  }
  expect_refused({"check", "--kernel", "add_f32", "--junit", "/dev/stdout"}, "/dev/stdout: is a stream of a process");
  write_gguf(folder.path("in.gguf"), {}, {{"m", TensorType::f32, {1, 1}}},
             std::vector<std::span<const std::byte>>{std::vector<std::byte>(4)});
  for (const std::string& path :
       {folder.path(), std::string("/dev/full"), std::string("/proc/self/new"), folder.path("in.gguf")}) {
    expect_refused({"quantize", folder.path("in.gguf"), path, "--type", "f16"}, path);
  }
  EXPECT_EQ(folder.names(), Names{"in.gguf"});
}

TEST(Stdout, ThatIsFullIsNoPass) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"list"}, {"list", "--json"}, {"cpu"}, {"--help"}}) {
    std::string line = ASSAY_BINARY;
    for (const auto& word : command) {
      line += " " + word;
    }
    for (const char* where : {" > /dev/full", " >&-"}) {
      const TemporaryFolder folder;
      const int status = std::system((line + where + " 2>" + folder.path("err")).c_str());
      EXPECT_EQ(WEXITSTATUS(status), 2) << line << where;
      EXPECT_NE(read_all(folder.path("err")).find("cannot write to stdout"), std::string::npos)
          << read_all(folder.path("err"));
    }
  }
}

}  // namespace
}  // namespace assay
