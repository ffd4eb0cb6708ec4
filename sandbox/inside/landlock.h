// File access rules of a process for itself (Landlock), for the mode without namespaces.
#pragma once

namespace assay {

// Highest ABI of the kernel, 0 when there is none.
int landlock_abi();

// From now on the calling process may read and execute what a program needs (the system's libraries, the interpreter's
// prefix, its own /proc folder), write below `job_folder` alone, open no TCP connection (ABI 4), and signal or reach by
// abstract socket nobody outside (ABI 6). Needs no_new_privs. Gives 0 or -errno.
//   readable: null-terminated list of further folders to read; missing ones are passed over.
int restrict_files(const char* job_folder, const char* const* readable);

}  // namespace assay
