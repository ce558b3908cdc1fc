// For ci/emulate_test.sh: copies file IN to OUT, shows its arguments, and ends as told: "exit N", "signal N" or "hang".
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 5) {
    return 99;
  }
  FILE* in = fopen(argv[1], "rb");
  FILE* out = fopen(argv[2], "wb");
  if (in == NULL || out == NULL) {
    perror(in == NULL ? argv[1] : argv[2]);
    return 98;
  }
  for (int c; (c = getc(in)) != EOF;) {
    putc(c, out);
  }
  fclose(out);
  for (int i = 3; i < argc; ++i) {
    printf("[%s]", argv[i]);
  }
  printf(" stdin %s\n", getchar() == EOF ? "empty" : "not empty");
  fflush(stdout);
  fprintf(stderr, "to stderr\n");
  if (strcmp(argv[3], "signal") == 0) {
    raise(atoi(argv[4]));
  }
  while (strcmp(argv[3], "hang") == 0) {
    sleep(1);
  }
  return atoi(argv[4]);
}
