// The first process of the emulated machine that ci/bochs.py boots: runs the command lines of /assay/commands in order
// and sends what they write, how they end and the files asked for through port 0xE9, which Bochs copies to its standard
// output. Built statically by ci/bochs.py, for the x86-64 baseline.
//
// A frame is "\x1e" KIND " " INDEX " " LENGTH "\n" and LENGTH bytes. Kinds: B booted (the index is meaningless), O and
// E standard output and error of command INDEX, S how it ended ("exit 3", "signal 4"), F a part of output file
// INDEX, M output file INDEX is missing (its reason), Q the end.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Bochs, "port_e9_hack" and, for the end of the emulation, port 0x8900 (iodev/unmapped.cc).
enum { port_out = 0xe9, port_shutdown = 0x8900 };

static void send_bytes(const void* bytes, size_t n) {
  __asm__ volatile("rep outsb" : "+S"(bytes), "+c"(n) : "d"(port_out) : "memory");
}

static void send_frame(char kind, int index, const void* payload, size_t n) {
  char head[64];
  const int m = snprintf(head, sizeof head, "\x1e%c %d %zu\n", kind, index, n);
  send_bytes(head, (size_t)m);
  send_bytes(payload, n);
}

static void send_text(char kind, int index, const char* text) { send_frame(kind, index, text, strlen(text)); }

static void power_off(void) {
  for (const char* c = "Shutdown"; *c != '\0'; ++c) {
    outb((unsigned char)*c, port_shutdown);
  }
  for (;;) {
    pause();
  }
}

static void fatal(const char* what) {
  char text[256];
  snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
  send_text('Q', 1, text);
  power_off();
}

// A whole file with a NUL behind it.
static char* read_all(const char* path, size_t* size) {
  const int file = open(path, O_RDONLY);
  struct stat s;
  if (file < 0 || fstat(file, &s) != 0) {
    fatal(path);
  }
  char* text = calloc(1, (size_t)s.st_size + 1);
  *size = 0;
  for (ssize_t n; text != NULL && (n = read(file, text + *size, (size_t)s.st_size - *size)) > 0;) {
    *size += (size_t)n;
  }
  if (text == NULL || *size != (size_t)s.st_size) {
    fatal(path);
  }
  close(file);
  return text;
}

static void run(int index, char** arguments, const char* folder) {
  static char buffer[65536];
  char text[256];
  int out[2];
  int err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    fatal("pipe");
  }
  const pid_t child = fork();
  if (child < 0) {
    fatal("fork");
  }
  if (child == 0) {
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    if (chdir(folder) == 0) {
      execvp(arguments[0], arguments);
    }
    fprintf(stderr, "emulate: cannot run %s in the emulated machine: %s%s\n", arguments[0], strerror(errno),
            errno == ENOENT ? " (it, or the loader that it names)" : "");
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  struct pollfd open_ends[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  int status = 0;
  int ended = 0;
  while (open_ends[0].fd >= 0 || open_ends[1].fd >= 0) {
    if (!ended && waitpid(child, &status, WNOHANG) == child) {
      ended = 1;
      kill(-1, SIGKILL);  // what it left behind would hold the pipes open; init itself is exempt
    }
    poll(open_ends, 2, 100);
    for (int i = 0; i < 2; ++i) {
      if (open_ends[i].fd >= 0 && open_ends[i].revents != 0) {
        const ssize_t n = read(open_ends[i].fd, buffer, sizeof buffer);
        if (n > 0) {
          send_frame(i == 0 ? 'O' : 'E', index, buffer, (size_t)n);
        } else {
          close(open_ends[i].fd);
          open_ends[i].fd = -1;
        }
      }
    }
  }
  if (!ended) {
    waitpid(child, &status, 0);
  }
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
  snprintf(text, sizeof text, WIFSIGNALED(status) ? "signal %d" : "exit %d",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  send_text('S', index, text);
}

static void send_file(int index, const char* path) {
  static char buffer[65536];
  const int file = open(path, O_RDONLY);
  ssize_t n = file < 0 ? -1 : 0;
  send_frame('F', index, buffer, 0);  // an empty file is a file too
  while (file >= 0 && (n = read(file, buffer, sizeof buffer)) > 0) {
    send_frame('F', index, buffer, (size_t)n);
  }
  if (n < 0) {
    send_text('M', index, strerror(errno));
  }
  close(file);
}

int main(void) {
  if (ioperm(port_out, 1, 1) != 0 || iopl(3) != 0) {
    return 1;  // the kernel panics and Bochs ends without a frame
  }
  send_frame('B', 0, "", 0);
  mkdir("/dev", 0755);
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mkdir("/tmp", 01777);
  mount("devtmpfs", "/dev", "devtmpfs", 0, "");
  mount("proc", "/proc", "proc", 0, "");
  mount("sysfs", "/sys", "sysfs", 0, "");
  setenv("HOME", "/tmp", 1);
  setenv("PATH", "/bin", 1);
  setenv("TERM", "dumb", 1);

  // The folder, then for each command the number of its arguments and the arguments, all ended by NUL.
  size_t size = 0;
  char* text = read_all("/assay/commands", &size);
  const char* folder = text;
  char* at = text + strlen(text) + 1;
  for (int index = 0; at < text + size; ++index) {
    const long count = strtol(at, NULL, 10);
    char** arguments = calloc((size_t)count + 1, sizeof *arguments);
    for (long i = 0; i < count; ++i) {
      at += strlen(at) + 1;
      arguments[i] = at;
    }
    at += strlen(at) + 1;
    run(index, arguments, folder);
    free(arguments);
  }
  text = read_all("/assay/outputs", &size);
  at = text;
  for (int index = 0; at < text + size; ++index, at += strlen(at) + 1) {
    send_file(index, at);
  }
  send_text('Q', 0, "done");
  power_off();
}
