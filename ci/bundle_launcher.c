// bin/assay of what ci/bundle.sh makes: starts libexec/assay by the loader and with the libraries that lie beside it, so that nothing is
// asked of the machine's C library, which may be older or another. A program alone cannot say so: the path of its loader is absolute.
// Static; a script would need a shell.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

int main(int argc, char** argv) {
  char folder[PATH_MAX];
  // Not /proc/self/exe, which a bare chroot has not.
  if (realpath((const char*)getauxval(AT_EXECFN), folder) == NULL) {
    fprintf(stderr, "assay: cannot tell where it lies: %s; start it by its whole path\n", strerror(errno));
    return 3;
  }
  for (int up = 0; up < 2; ++up) {  // from FOLDER/bin/assay
    char* slash = strrchr(folder, '/');
    if (slash != NULL) {
      *slash = '\0';
    }
  }
  char loader[PATH_MAX + 64];
  char libraries[PATH_MAX + 64];
  char program[PATH_MAX + 64];
  snprintf(loader, sizeof loader, "%s/lib/ld-linux-x86-64.so.2", folder);
  snprintf(libraries, sizeof libraries, "%s/lib", folder);
  snprintf(program, sizeof program, "%s/libexec/assay", folder);
  char** words = calloc((size_t)argc + 5, sizeof *words);
  if (words == NULL) {
    fputs("assay: out of memory\n", stderr);
    return 3;
  }
  words[0] = loader;
  words[1] = "--library-path";
  words[2] = libraries;
  words[3] = program;
  for (int i = 1; i < argc; ++i) {
    words[i + 3] = argv[i];
  }
  // They name libraries of the machine, which need its C library.
  unsetenv("LD_PRELOAD");
  unsetenv("LD_AUDIT");
  execv(loader, words);
  fprintf(stderr, "assay: cannot start %s: %s; copy the whole folder\n", loader, strerror(errno));
  return 3;
}
