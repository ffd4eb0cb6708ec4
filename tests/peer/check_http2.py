"""Does Assay speak HTTP/2 with a server that has it?

    python3 tests/peer/check_http2.py [--assay BINARY] [--requests N]

Needs PyPI's h2 and the openssl program. An OpenAI-compatible server of a few lines, TLS with HTTP/2 only, answers chat
requests after 20 ms; Assay asks it N questions. All must be answered over HTTP/2, many at once on a connection.
Exit code 1 when one isn't, 77 when h2 or openssl is not there.
"""
import argparse
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

try:
    import h2.config
    import h2.connection
    import h2.events
except ImportError:
    print("SKIPPED: PyPI's h2 is not there")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPLY = json.dumps({"model": "h2", "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 5, "completion_tokens": 1}}).encode()


class Counts:
    def __init__(self):
        self.lock = threading.Lock()
        self.connections = self.answered = self.open = self.most = 0


def converse(stream, counts):
    with counts.lock:
        counts.connections += 1
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    stream.sendall(connection.data_to_send())
    stream.settimeout(0.005)
    due = []  # (moment, stream)
    while True:
        try:
            data = stream.recv(65536)
            if not data:
                return
        except (TimeoutError, ssl.SSLWantReadError):
            data = b""
        except OSError:
            return
        for event in connection.receive_data(data) if data else []:
            if isinstance(event, h2.events.DataReceived):
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                due.append((time.monotonic() + 0.02, event.stream_id))
                with counts.lock:
                    counts.open += 1
                    counts.most = max(counts.most, counts.open)
            elif isinstance(event, h2.events.ConnectionTerminated):
                return
        while due and due[0][0] <= time.monotonic():
            number = due.pop(0)[1]
            connection.send_headers(number, [(":status", "200"), ("content-type", "application/json"),
                                             ("content-length", str(len(REPLY)))])
            connection.send_data(number, REPLY, end_stream=True)
            with counts.lock:
                counts.open -= 1
                counts.answered += 1
        if out := connection.data_to_send():
            stream.sendall(out)


def serve(listener, context, counts):
    while True:
        try:
            plain = listener.accept()[0]
        except OSError:
            return
        stream = context.wrap_socket(plain, server_side=True)
        if stream.selected_alpn_protocol() != "h2":
            stream.close()
            continue
        threading.Thread(target=converse, args=(stream, counts), daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assay", default=str(ROOT / "build/release/assay"))
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        try:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test",
                            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                           check=True, capture_output=True)
        except FileNotFoundError:
            print("SKIPPED: the openssl program is not there")
            sys.exit(77)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["h2"])
        listener = socket.create_server(("127.0.0.1", 0))
        counts = Counts()
        threading.Thread(target=serve, args=(listener, context, counts), daemon=True).start()

        suite = folder / "suite"
        suite.mkdir()
        suite.joinpath("rows.jsonl").write_text("".join(json.dumps({"q": f"question {i}"}) + "\n"
                                                        for i in range(options.requests)))
        suite.joinpath("open.yaml").write_text(
            "task: open\ndata: {files: {test: rows.jsonl}}\ntest_split: test\noutput_type: generate_until\n"
            "doc_to_text: \"{{q}}\"\ndoc_to_target: \"\"\ngeneration_kwargs: {until: []}\nmetric_list: [{metric: repetition}]\n")
        done = subprocess.run(
            [options.assay, "run", "--model", "openai:h2", "--base-url",
             f"https://127.0.0.1:{listener.getsockname()[1]}/v1", "--chat-template", "on", "--include", suite, "--tasks",
             "open", "--db", folder / "scores.db", "--json", "--max-attempts", "2"],
            capture_output=True, text=True, env={**os.environ, "CURL_CA_BUNDLE": str(certificate), "no_proxy": "127.0.0.1"})
        if done.returncode != 0:
            sys.exit(f"assay ended with {done.returncode}: {done.stderr}")
        print(f"{counts.answered} of {options.requests} answered over HTTP/2, {counts.connections} connections, at most "
              f"{counts.most} at once")
        sys.exit(0 if counts.answered == options.requests and counts.most > counts.connections else 1)


main()
