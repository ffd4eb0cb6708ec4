// Starts the warm interpreter of a slot, in namespaces of its own where they are to be had.
//
// Order, for namespaces (each step rests on the one before):
//   clone3 with all namespaces -> the parent maps one user -> sources of mounts are opened as the caller still sees
//   them
//   -> user and group of the namespace -> a tmpfs becomes the root: read-only /usr, the interpreter at its own path, a
//   few devices, made-up /etc, /proc -> the old root is detached -> no user namespaces inside -> capabilities over the
//   own namespaces are kept through exec (the interpreter isolates each job with them) -> exec with a new environment.
// The process dies with the thread that started it, so that thread must live as long as the slot.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "sandbox/fd.h"
#include "sandbox/inside/inside.h"
#include "sandbox/interpreter.h"

namespace assay {

struct Zygote {
  pid_t pid = -1;  // as this process sees it; 0 or less: none
  Fd pidfd;
  Fd control;    // SOCK_SEQPACKET, see wire.h
  Fd messages;   // its stderr until jobs replace it
  Fd cpu_clock;  // its own CPU time and that of all its jobs (usage.h); empty where the kernel gives none
};

struct ZygoteOptions {
  Isolation isolation = kIsolationNamespaces;  // of the mode; the checker's zygote gets the same surroundings
  bool checker = false;
  int slot = 0;
  std::string folder;                // modes without namespaces: where jobs may write
  std::vector<std::string> preload;  // modules that its jobs find loaded; the packages' folders are seen inside
};

// Starts it and waits until it is ready. Throws Error(kWorld) naming the step that failed.
Zygote launch_zygote(const Interpreter& python, const ZygoteOptions& options);

// Kills it with everything inside and reaps it. Nothing when there is none.
void end_zygote(Zygote& zygote);

}  // namespace assay
