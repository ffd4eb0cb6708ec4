#include "sandbox/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "sandbox/fd.h"
#include "sandbox/launch.h"
#include "sandbox/native.h"
#include "sandbox/output.h"
#include "sandbox/sandbox.h"
#include "sandbox/scratch.h"
#include "sandbox/usage.h"
#include "sandbox/wire.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kTickS = 0.02;       // how often CPU time and memory of a running job are looked at
constexpr double kDeathTimeoutS = 5;  // from the kill until all are dead; a GiB takes 60 ms to free
constexpr double kMemorySlack = 1.1;  // the sum may be above the limit by this before the job is ended
constexpr int64_t kLeastCheckerMb = 1024;
constexpr size_t kMostRecordBytes = 1 << 16;
constexpr size_t kMostDrainedBytes = 4 << 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Fd memory_file(const std::string& content) {
  Fd file(static_cast<int>(::syscall(SYS_memfd_create, "assay-job", MFD_CLOEXEC)));
  if (!file) throw_errno("sandbox", "cannot make a file in memory", errno);
  for (size_t done = 0; done < content.size();) {
    const ssize_t written = ::write(file.get(), content.data() + done, content.size() - done);
    if (written < 0) throw_errno("sandbox", "cannot write a file in memory", errno);
    done += static_cast<size_t>(written);
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

struct Ends {
  Fd ours, theirs;
};

Ends make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("sandbox", "cannot make a pipe", errno);
  Ends made{Fd(ends[0]), Fd(ends[1])};
  ::fcntl(made.ours.get(), F_SETFL, O_NONBLOCK);
  return made;
}

std::string random_hex() {
  std::array<unsigned char, 16> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw_errno("sandbox", "cannot get random bytes", errno);
  }
  std::string text;
  for (unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name ? std::string("SIG") + name : fmt::format("signal {}", number);
}

// One of the two processes of a job, seen through its zygote.
struct Party {
  Zygote* zygote = nullptr;
  double clock_start_s = 0;  // the zygote's CPU clock before the job
  Fd pidfd;                  // kill this to end it
  bool busy = false;         // sent, and not all dead yet
  bool doomed = false;       // to be killed as soon as it can be
  DoneMessage done = {};
};

void send_job(Party& party, const InsideJob& job, const std::string& folder, const std::vector<int>& fds) {
  std::string message(reinterpret_cast<const char*>(&job), sizeof job);
  message += folder;
  iovec content = {message.data(), message.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
  msghdr header = {};
  header.msg_iov = &content;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
  cmsghdr* rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
  std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * fds.size());
  if (::sendmsg(party.zygote->control.get(), &header, MSG_NOSIGNAL) < 0)
    throw_errno("sandbox", "cannot reach the zygote", errno);
  party.busy = true;
}

void kill_party(Party& party) {
  party.doomed = true;
  if (party.busy && party.pidfd) ::syscall(SYS_pidfd_send_signal, party.pidfd.get(), SIGKILL, nullptr, 0);
}

// What the supervisor decided by itself.
struct Stop {
  Verdict verdict;
  std::string reason;
};

// One job on its way.
class Course {
 public:
  // `tests_alone`: a look at the tests with the job's stub in the program's place.
  Course(const ProgramJob& job, Isolation isolation, Zygote& candidate, Zygote* checker, const std::string& folder,
         const std::atomic<bool>* stopping, bool tests_alone = false)
      : job_(job),
        isolation_(isolation),
        stopping_(stopping),
        folder_(folder),
        tests_alone_(tests_alone),
        output_(static_cast<size_t>(job.limits.output_kb) << 10) {
    program_.zygote = &candidate;
    tests_.zygote = checker;
  }

  // Returns when every process of the job is dead; false: one would not die, the zygotes must go.
  bool run() {
    start_ = base_ = Clock::now();
    for (Party* party : {&program_, &tests_}) {
      if (party->zygote) party->clock_start_s = cpu_clock_seconds(party->zygote->cpu_clock);
    }
    send();
    while (program_.busy || tests_.busy) {
      if (ending_ && seconds_since(*ending_) > kDeathTimeoutS) return false;
      wait();
      if (!ending_ && (stop_ || !record_.is_null() || failed_ || (!program_.busy && !tests_.zygote))) end();
      // A program that is gone leaves the last word to the tests, which see their channel closed.
      if (!ending_ && !program_.busy && !tests_.busy) end();
    }
    cpu_seen_ = std::max(cpu_seen_, clock_of(program_));
    drain();
    return !lost_;
  }

  ProgramOutcome outcome() {
    ProgramOutcome out;
    out.mode = job_.language == Language::kPython ? job_.mode : ProgramMode::kInline;
    out.wall_s = seconds_since(start_);
    const auto &a = program_.done, &b = tests_.done;
    out.cpu_s = program_cpu() + static_cast<double>(b.user_us + b.system_us) / 1e6;
    out.memory_mb = std::max(static_cast<double>(a.peak_kib) / 1024, static_cast<double>(memory_seen_) / (1 << 20));
    out.processes = processes_seen_;
    out.output = output_.text();
    out.truncated = output_.truncated();
    decide(out);
    out.reason = escape_controls(out.reason);
    return out;
  }

 private:
  void send() {
    Ends output = make_pipe(), verdict = make_pipe();
    output_fd_ = std::move(output.ours);
    verdict_fd_ = std::move(verdict.ours);
    secret_ = random_hex();
    if (job_.language != Language::kPython) {
      const Fd payload =
          memory_file(tests_alone_ ? native_check_payload(job_, secret_) : native_payload(job_, secret_, random_hex()));
      send_job(program_, limits(JobKind::kNative), folder_, {output.theirs.get(), payload.get(), verdict.theirs.get()});
      return;
    }
    Json tests = {{"secret", secret_}, {"tests", job_.tests}, {"setup", job_.setup}, {"entry_point", job_.entry_point}};
    if (job_.mode == ProgramMode::kInline) {
      tests["program"] = job_.program;
      const Fd payload = memory_file(dump_json(tests));
      send_job(program_, limits(JobKind::kInline), folder_, {output.theirs.get(), payload.get(), verdict.theirs.get()});
      return;
    }
    int channel[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
      throw_errno("sandbox", "cannot make a socket", errno);
    const Fd program_end(channel[0]), tests_end(channel[1]);
    const Fd program = memory_file(job_.program), payload = memory_file(dump_json(tests));
    const Fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    send_job(program_, limits(JobKind::kCandidate), folder_, {output.theirs.get(), program.get(), program_end.get()});
    send_job(tests_, limits(JobKind::kChecker), "", {null.get(), payload.get(), tests_end.get(), verdict.theirs.get()});
  }

  InsideJob limits(JobKind kind) const {
    const ProgramLimits& limits = job_.limits;
    InsideJob inside = {};
    inside.kind = static_cast<uint32_t>(kind);
    inside.isolation = kind == JobKind::kChecker ? kIsolationChecker : isolation_;
    int64_t memory_mb = limits.memory_mb;
    if (kind == JobKind::kChecker) memory_mb = std::max(memory_mb, kLeastCheckerMb);
    if (kind != JobKind::kNative) inside.memory_bytes = static_cast<uint64_t>(memory_mb) << 20;
    // A second more than the supervisor's own limit: this one only catches what a stopped supervisor misses.
    inside.cpu_s =
        static_cast<uint64_t>(std::ceil(limits.cpu_s)) + 1 + (kind == JobKind::kNative ? kCompileSeconds : 0);
    inside.file_bytes = static_cast<uint64_t>(limits.file_mb) << 20;
    if (kind == JobKind::kNative) inside.file_bytes = std::max<uint64_t>(inside.file_bytes, kCompileFileBytes);
    // Who hears that children end may as well ignore it, and then their CPU time is in the kernel's clock alone. Where
    // there is none, or a program can leave it (inside.cc), only node and mono hear: they cannot wait otherwise, and
    // let no program ignore the signal.
    inside.hears_children = (program_.zygote->cpu_clock && kind != JobKind::kNative) ||
                            job_.language == Language::kJavaScript || job_.language == Language::kTypeScript ||
                            job_.language == Language::kCSharp;
    inside.processes = static_cast<uint64_t>(limits.processes + (kind == JobKind::kNative ? kRuntimeThreads : 0));
    return inside;
  }

  void wait() {
    std::array<pollfd, 4> ready = {{{output_fd_.get(), POLLIN, 0},
                                    {verdict_fd_.get(), POLLIN, 0},
                                    {program_.busy ? program_.zygote->control.get() : -1, POLLIN, 0},
                                    {tests_.busy ? tests_.zygote->control.get() : -1, POLLIN, 0}}};
    double timeout = kTickS;
    if (!ending_) timeout = std::min(timeout, std::max(0.0, wall_limit() - seconds_since(base_)));
    if (::poll(ready.data(), ready.size(), static_cast<int>(std::ceil(timeout * 1000))) < 0 && errno != EINTR) {
      throw_errno("sandbox", "poll", errno);
    }
    if (ready[0].revents) read_output();
    if (ready[1].revents) read_record();
    if (ready[2].revents) read_control(program_);
    if (ready[3].revents) read_control(tests_);
    if (!ending_) check_limits();
  }

  void read_output() {
    char part[1 << 16];
    const ssize_t got = ::read(output_fd_.get(), part, sizeof part);
    if (got > 0) {
      output_.add(part, static_cast<size_t>(got));
      if (output_.over() && !stop_) {
        stop_ = {Verdict::kOutputLimit, fmt::format("wrote more than {} KB", job_.limits.output_kb)};
      }
    } else if (got == 0 || errno != EAGAIN) {
      output_fd_.reset();
    }
  }

  // Lines of the secret and a JSON object; anything else on this pipe is not believed.
  void read_record() {
    char part[4096];
    const ssize_t got = ::read(verdict_fd_.get(), part, sizeof part);
    if (got <= 0) {
      if (got == 0 || errno != EAGAIN) verdict_fd_.reset();
      return;
    }
    if (record_text_.size() < kMostRecordBytes) record_text_.append(part, static_cast<size_t>(got));
    for (size_t end; (end = record_text_.find('\n')) != std::string::npos;) {
      take_record(record_text_.substr(0, end));
      record_text_.erase(0, end + 1);
    }
  }

  void take_record(const std::string& line) {
    if (!starts_with(line, secret_)) return;
    const Json json = Json::parse(line.substr(secret_.size()), nullptr, false);
    if (!json.is_object() || !record_.is_null()) return;
    if (json.contains("reason") && !json["reason"].is_string()) return;
    if (json.contains("compiled")) {
      base_ = Clock::now();
      cpu_base_ = program_usage().cpu_s;
      running_ = true;
    } else if (json.contains("verdict") && json["verdict"].is_string()) {
      record_ = json;
    }
  }

  void read_control(Party& party) {
    char message[512];
    iovec content = {message, sizeof message};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 4)];
    msghdr header = {};
    header.msg_iov = &content;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(party.zygote->control.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      failed_ = "the warm interpreter died";
      lost_ = true;
      party.busy = false;
      return;
    }
    if (message[0] == 'S') {
      const cmsghdr* rights = CMSG_FIRSTHDR(&header);
      int fd = -1;
      if (rights && rights->cmsg_type == SCM_RIGHTS) std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
      party.pidfd.reset(fd);
      if (party.doomed) kill_party(party);
    } else if (message[0] == 'E') {
      failed_ = "the job could not be set up: " + std::string(message + 1, static_cast<size_t>(got) - 1);
    } else if (message[0] == 'D' && got == 1 + static_cast<ssize_t>(sizeof(DoneMessage))) {
      std::memcpy(&party.done, message + 1, sizeof(DoneMessage));
      party.busy = false;
      party.pidfd.reset();
    }
  }

  Usage program_usage() const {
    Usage usage = usage_below(program_.zygote->pid, static_cast<int64_t>(job_.limits.memory_mb) << 20);
    usage.cpu_s = std::max(usage.cpu_s, clock_of(program_));
    return usage;
  }
  // CPU time of all processes of a job, the dead ones too; 0 where the kernel gives no clock.
  static double clock_of(const Party& party) {
    return party.zygote->cpu_clock ? cpu_clock_seconds(party.zygote->cpu_clock) - party.clock_start_s : 0;
  }
  static double cpu_of(const Party& party) {
    return party.zygote->cpu_clock ? clock_of(party) : usage_below(party.zygote->pid, kCpuAlone).cpu_s;
  }
  bool compiling() const { return tests_alone_ || (native_has_compiler(job_.language) && !running_); }
  double wall_limit() const { return compiling() ? 3 * kCompileSeconds : job_.limits.wall_s; }
  double cpu_limit() const { return compiling() ? kCompileSeconds : job_.limits.cpu_s; }

  // Processes of ours among those of a job: its init, and what compiles and starts a program in another language.
  int helpers() const { return (isolation_ == kIsolationNamespaces) + (job_.language != Language::kPython); }

  void check_limits() {
    const double wall = seconds_since(base_);
    if (!stop_ && stopping_ && *stopping_) stop_ = {Verdict::kSandboxError, kCancelledReason};
    if (!stop_ && wall >= wall_limit()) {
      stop_ = {Verdict::kTimeout, fmt::format("took more than {:g} s of wall time", wall_limit())};
    }
    if (seconds_since(looked_) < kTickS || wall < kTickS) return;
    looked_ = Clock::now();
    if (program_.busy) {
      const Usage usage = program_usage();
      cpu_seen_ = std::max(cpu_seen_, usage.cpu_s);
      memory_seen_ = std::max(memory_seen_, usage.memory_bytes);
      processes_seen_ = std::max(processes_seen_, usage.tasks - helpers());
      if (!stop_ && usage.cpu_s - cpu_base_ >= cpu_limit()) {
        stop_ = {Verdict::kTimeout, fmt::format("took more than {:g} s of CPU time", cpu_limit())};
      }
      const double most_mb = compiling() ? kCompileMemoryMb : job_.limits.memory_mb;
      if (!stop_ && static_cast<double>(usage.memory_bytes) > most_mb * kMemorySlack * (1 << 20)) {
        stop_ = {Verdict::kMemoryLimit, fmt::format("its processes together hold more than {:g} MiB", most_mb)};
      }
      // In a user namespace the kernel refuses what is above the limit.
      const int most_tasks = job_.limits.processes + (job_.language == Language::kPython ? 0 : kRuntimeThreads);
      if (!stop_ && !compiling() && isolation_ != kIsolationNamespaces && processes_seen_ > most_tasks) {
        stop_ = {Verdict::kRuntimeError, fmt::format("more than {} processes and threads at once", most_tasks)};
      }
    }
    if (tests_.busy && !stop_ && cpu_of(tests_) >= job_.limits.cpu_s) {
      stop_ = {Verdict::kTimeout,
               fmt::format("the tests took more than {:g} s of CPU time with its answers", job_.limits.cpu_s)};
    }
  }

  void end() {
    ending_ = Clock::now();
    // Of processes that we end, nobody waits for the last ones. A job shorter than a tick has had no time to hide much.
    if (program_.busy && seconds_since(base_) > kTickS) cpu_seen_ = std::max(cpu_seen_, cpu_of(program_));
    kill_party(program_);
    kill_party(tests_);
  }

  // What was written before the end still counts.
  void drain() {
    size_t drained = 0;
    while (output_fd_ && drained < kMostDrainedBytes) {
      char part[1 << 16];
      const ssize_t got = ::read(output_fd_.get(), part, sizeof part);
      if (got <= 0) break;
      output_.add(part, static_cast<size_t>(got));
      drained += static_cast<size_t>(got);
    }
    while (verdict_fd_ && record_.is_null()) {
      const size_t before = record_text_.size();
      read_record();
      if (!verdict_fd_ || record_text_.size() == before) break;
    }
    if (!stop_ && output_.over()) {
      stop_ = {Verdict::kOutputLimit, fmt::format("wrote more than {} KB", job_.limits.output_kb)};
    }
  }

  // Of all its processes, from its start.
  double program_cpu() const {
    return std::max(static_cast<double>(program_.done.user_us + program_.done.system_us) / 1e6, cpu_seen_);
  }

  // How the program's process ended by itself, for the reason; empty when we ended it.
  std::string own_end() const {
    const int status = static_cast<int>(program_.done.status);
    if (WIFSIGNALED(status)) return "killed by " + signal_name(WTERMSIG(status));
    return fmt::format("the program ended early: exit({}) before the tests were through", WEXITSTATUS(status));
  }

  void decide(ProgramOutcome& out) const {
    if (failed_) {
      out.verdict = Verdict::kSandboxError, out.reason = *failed_;
    } else if (stop_) {
      out.verdict = stop_->verdict, out.reason = stop_->reason;
    } else if (program_cpu() - cpu_base_ >= cpu_limit()) {  // between two looks
      out.verdict = Verdict::kTimeout, out.reason = fmt::format("took more than {:g} s of CPU time", cpu_limit());
    } else if (record_.is_null()) {
      decide_without_record(out);
    } else {
      if (!verdict_from_string(record_["verdict"].get<std::string>(), out.verdict))
        out.verdict = Verdict::kSandboxError;
      out.reason = record_.value("reason", "");
      if (out.reason == kGoneReason) out.reason = own_end();
    }
  }

  void decide_without_record(ProgramOutcome& out) const {
    const int tests_status = static_cast<int>(tests_.done.status);
    if (!tests_.zygote) {
      out.verdict = Verdict::kRuntimeError, out.reason = own_end();
    } else if (WIFSIGNALED(tests_status)) {
      out.verdict = WTERMSIG(tests_status) == SIGXCPU ? Verdict::kTimeout : Verdict::kRuntimeError;
      out.reason = "the tests died of its answers: killed by " + signal_name(WTERMSIG(tests_status));
    } else {
      out.verdict = Verdict::kSandboxError, out.reason = "the tests gave no verdict";
    }
  }

  // As python/assay_checker.py words it.
  static constexpr const char* kGoneReason = "the program ended before the tests were through";

  const ProgramJob& job_;
  const Isolation isolation_;
  const std::atomic<bool>* stopping_;
  const std::string& folder_;
  const bool tests_alone_;
  Party program_, tests_;
  Fd output_fd_, verdict_fd_;
  OutputKeeper output_;
  std::string secret_, record_text_;
  Json record_;
  Clock::time_point start_, base_, looked_;
  double cpu_base_ = 0, cpu_seen_ = 0;
  int64_t memory_seen_ = 0;
  int processes_seen_ = 0;
  bool running_ = false;  // compiled languages: the compiler is done
  bool lost_ = false;
  std::optional<Stop> stop_;
  std::optional<std::string> failed_;
  std::optional<Clock::time_point> ending_;
};

}  // namespace

struct Slot::Implementation {
  int number;
  Isolation isolation;
  const std::atomic<bool>* stopping;
  // Warm with the modules in `preload`; a job that asks for others starts them anew.
  Zygote candidate, checker;
  std::vector<std::string> preload;
  std::optional<ScratchFolder> scratch;

  void start(bool needs_checker, const std::vector<std::string>& modules) {
    const Interpreter& python = find_python();
    if (isolation != kIsolationNamespaces && !scratch) scratch.emplace(number);
    const std::string folder = scratch ? scratch->path() : "";
    if (modules != preload) end();
    preload = modules;
    if (candidate.pid <= 0) candidate = launch_zygote(python, {isolation, false, number, folder, preload});
    if (needs_checker && checker.pid <= 0) checker = launch_zygote(python, {isolation, true, number, folder, preload});
  }
  void end() {
    end_zygote(candidate);
    end_zygote(checker);
  }
  int left_over() const {
    int count = 0;
    for (const Zygote* zygote : {&candidate, &checker}) {
      if (zygote->pid > 0) count += usage_below(zygote->pid, kCpuAlone).processes;
    }
    return count;
  }
};

Slot::Slot(int number, Isolation isolation, const std::atomic<bool>* stopping)
    : implementation_(new Implementation{number, isolation, stopping, {}, {}, {}, {}}) {}

Slot::~Slot() {
  implementation_->end();
}

ProgramOutcome Slot::run(const ProgramJob& job) {
  Implementation& self = *implementation_;
  ProgramOutcome out;
  try {
    const bool split = job.language == Language::kPython && job.mode == ProgramMode::kSplit;
    self.start(split, job.preload);
    if (self.scratch) self.scratch->clear();
    const std::string folder = self.scratch ? self.scratch->path() : "";
    Course course(job, self.isolation, self.candidate, split ? &self.checker : nullptr, folder, self.stopping);
    const bool clean = course.run();
    out = course.outcome();
    if (!clean) {
      if (out.reason.empty() || out.verdict != Verdict::kSandboxError) {
        out.verdict = Verdict::kSandboxError, out.reason = "a process of the job would not die";
      }
      self.end();
    }
    if (counts_left_over_) out.left_over = self.left_over();
    if (self.scratch) self.scratch->clear();
  } catch (const Error& error) {
    self.end();
    out.verdict = Verdict::kSandboxError;
    out.reason = error.what();
    out.mode = job.mode;
  }
  out.slot = self.number;
  return out;
}

std::string Slot::defect_of_tests(const ProgramJob& job) {
  Implementation& self = *implementation_;
  if (native_check_payload(job, "").empty()) return "";
  try {
    self.start(false, {});
    const std::string folder = self.scratch ? self.scratch->path() : "";
    Course course(job, self.isolation, self.candidate, nullptr, folder, self.stopping, true);
    const bool clean = course.run();
    const ProgramOutcome out = course.outcome();
    if (!clean) self.end();
    if (self.scratch) self.scratch->clear();
    const bool told = clean && out.verdict == Verdict::kSandboxError && out.reason != kCancelledReason;
    return told ? out.reason : "";
  } catch (const Error&) {
    self.end();
    return "";
  }
}

}  // namespace assay
