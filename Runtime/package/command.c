/* command.c: starts a program from an argument vector, with nothing inherited by accident. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "CBurin.h"

extern char **environ;

/* What a compiler may need to find its files; variables such as CPATH that change what it makes of
 * the same input are left behind. */
static int is_kept(const char *variable) {
  static const char *const kept[] = {"PATH=", "HOME=", "LD_LIBRARY_PATH=", "LANG=", "LC_ALL="};
  for (size_t index = 0; index < sizeof kept / sizeof *kept; index++)
    if (!strncmp(variable, kept[index], strlen(kept[index]))) return 1;
  return 0;
}

int burin_spawn(
    const char *path, char *const *arguments, const char *directory, int *output,
    int32_t *process) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return errno;
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  /* What a compiler leaves behind when it fails stands in the directory, and goes with it. */
  char temporary[PATH_MAX + 8];
  snprintf(temporary, sizeof temporary, "TMPDIR=%s", directory);
  char *environment[8] = {temporary};
  size_t count = 1;
  for (char **variable = environ; *variable && count < 7; variable++)
    if (is_kept(*variable)) environment[count++] = *variable;
  environment[count] = NULL;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int failure = posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  if (!failure) failure = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
  if (!failure) failure = posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  if (!failure) failure = posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  if (!failure) failure = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (!failure) failure = posix_spawn_file_actions_addchdir_np(&actions, directory);
  /* A group of its own, so that whatever it starts can be ended with it. */
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(
      &attributes,
      POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  if (!failure) failure = posix_spawn(&child, path, &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (failure) close(ends[0]);
  *output = ends[0];
  *process = child;
  return failure;
}
