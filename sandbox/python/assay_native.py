"""Programs in other languages: writes the sources, compiles, runs, and says how it went.

This process stays outside the program: it holds the verdict pipe and the secret, and the program gets two pipes of its
own: a nonce to read from descriptor 3 and to write to descriptor 4 after the last assert. An exit status alone is
believed only when it tells of a failure. The program could answer the nonce itself, so these results are labelled inline.
"""
import ctypes
import json
import os
import re
import resource
import signal
import subprocess
import sys

PR_SET_DUMPABLE = 4
NONCE_IN, NONCE_OUT = 3, 4
# Runtimes reserve far more address space than they use: the data segment is what is limited for them.
LIMITS = {"address_space": resource.RLIMIT_AS, "data": resource.RLIMIT_DATA}


def report(fd, secret, record):
    os.write(fd, (secret + json.dumps(record) + "\n").encode("ascii", "replace"))


def compile_program(command, timeout):
    """Nothing, or why it does not compile."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return "the compiler took more than %d s" % timeout
    if done.returncode == 0:
        return None
    text = done.stdout.decode("utf-8", "replace")
    print(text[:20000], flush=True)
    errors = [line for line in text.splitlines() if "error" in line.lower()]
    return "does not compile: " + (errors[0] if errors else "status %d" % done.returncode)[:300]


def defect_of_tests(job):
    """Why the tests do not compile without the program; nothing when they do, or when it can't be told.

    With a stub by the data every message counts. Without one a message counts when it is about syntax and no name of the
    program's is missed in its line."""
    try:
        done = subprocess.run(job["check"], stdin=subprocess.DEVNULL, timeout=job["compile_s"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode <= 0:
        return None
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if job["syntax_error"] is None:
        return ([line for line in lines if "error" in line.lower()] or ["status %d" % done.returncode])[0]
    place = re.compile(r"^[^\s:]+:(?:\s*line )?(\d+)")
    absent = {place.match(line)[1] for line in lines if job["absent_name"] and re.search(job["absent_name"], line) and place.match(line)}
    for line in lines:
        if re.search(job["syntax_error"], line) and not (place.match(line) and place.match(line)[1] in absent):
            return line
    return None


def run_program(job, started):
    """(wait status, what came back over the nonce pipe). `started()` is called when the program's own code begins; what
    goes wrong before is an exception."""
    ask, answer, trouble = os.pipe(), os.pipe(), os.pipe()
    os.write(ask[1], job["nonce"].encode())
    os.close(ask[1])
    pid = os.fork()
    if pid == 0:
        try:
            failed = os.dup2(trouble[1], 22, False)
            ends = [os.dup2(os.dup(ask[0]), 20), os.dup2(os.dup(answer[1]), 21)]
            os.dup2(ends[0], NONCE_IN)
            os.dup2(ends[1], NONCE_OUT)
            os.closerange(5, failed)
            os.closerange(failed + 1, 256)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            null = os.open("/dev/null", os.O_RDONLY)
            os.dup2(null, 0)
            for name, value in job["limits"].items():
                resource.setrlimit(LIMITS[name], (value, value))
            os.execv(job["run"][0], job["run"])
        except BaseException as error:
            os.write(failed, str(error).encode("utf-8", "replace")[:300])
        os._exit(127)
    for fd in (ask[0], answer[1], trouble[1]):
        os.close(fd)
    problem = os.read(trouble[0], 4096).decode("utf-8", "replace")  # ends empty when the program replaced our code
    if problem:
        os.waitpid(pid, 0)
        raise RuntimeError(problem)
    started()
    _, status = os.waitpid(pid, 0)
    os.set_blocking(answer[0], False)
    try:
        came = os.read(answer[0], 4096)
    except BlockingIOError:
        came = b""
    return status, came.decode("ascii", "replace")


def verdict_of(job, status, came):
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name
        if number == signal.SIGABRT:  # an assert that failed
            return "wrong_answer", "ended by SIGABRT: an assert failed"
        if number == signal.SIGXCPU:
            return "timeout", "used up its CPU time"
        return "runtime_error", "killed by %s" % name
    code = os.WEXITSTATUS(status)
    if str(code) in job["statuses"]:
        return job["statuses"][str(code)]
    if code != 0:
        return "wrong_answer", "ended with status %d before the tests were through" % code
    if came != job["nonce"]:
        return "runtime_error", "the program ended early: exit(0) before the tests were through"
    return "pass", ""


def run_native(payload, verdict_fd):
    """`payload`: JSON of {secret, nonce, files: {name: text}, compile: argv or null, compile_s, run: argv, limits, statuses:
    {exit status: [verdict, reason]}}, or for a look at the tests alone {secret, files, check: argv, compile_s, syntax_error:
    expression or null, absent_name}."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program may send it
    os.set_inheritable(verdict_fd, False)
    job = json.loads(payload)
    secret = job.pop("secret")
    begun = []
    try:
        record = native_record(job, lambda compiled: report(verdict_fd, secret, compiled), lambda: begun.append(True))
    except BaseException as error:
        what = "%s: %s" % (type(error).__name__, error)
        record = {"verdict": "runtime_error", "reason": "the program disturbed what runs it: " + what[:300]} if begun else \
            {"verdict": "sandbox_error", "reason": "the program could not be started: " + what[:300]}
    report(verdict_fd, secret, record)


def native_record(job, tell, started):
    """The last record of a job."""
    for name, text in job["files"].items():
        with open(name, "wb") as file:
            file.write(text.encode("utf-8", "surrogatepass"))
    if "check" in job:
        defect = defect_of_tests(job)
        return {"verdict": "sandbox_error" if defect else "pass", "reason": "the tests do not compile: " + defect[:300] if defect else ""}
    if job["compile"]:
        problem = compile_program(job["compile"], job["compile_s"])
        if problem:
            return {"verdict": "runtime_error", "reason": problem}
        tell({"compiled": True})
    verdict, reason = verdict_of(job, *run_program(job, started))
    return {"verdict": verdict, "reason": reason}
