"""The page in headless Chromium, driven over WebDriver (W3C) with the standard library only.

Loads the report and its items page from disk and checks what a reader would: no error on the console, tables sort and
filter, every curve is drawn, an item is shown, nothing of a model's text became markup. Exit code 77 = skipped.

    page_browser_test.py --make-page build/dev/tests/reports/page/make_page --sections tests/data/page/sections.json
    ... --screenshots FOLDER    keeps pictures: light, dark, narrow
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SKIPPED = 77
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def find_program(*names):
    return next((path for path in map(shutil.which, names) if path), None)


class Browser:
    """One WebDriver session."""

    def __init__(self, driver, chromium, dark=False, width=1440, height=1000):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.profile = tempfile.TemporaryDirectory(prefix="assay-browser-")
        self.process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                     f"--window-size={width},{height}", f"--user-data-dir={self.profile.name}"]
        if dark:
            arguments.append("--blink-settings=preferredColorScheme=0")
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"binary": chromium, "args": arguments},
                  "goog:loggingPrefs": {"browser": "ALL"}}
        self._wait_for_driver()
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = "/session/" + answer["sessionId"]

    def _wait_for_driver(self):
        for _ in range(600):
            try:
                if self._call("GET", "/status")["ready"]:
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the driver does not answer")

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=180) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as problem:
            raise RuntimeError(problem.read().decode()) from None

    def open(self, url):
        # A new hash alone would not load the page again.
        self._call("POST", self.session + "/url", {"url": "about:blank"})
        self._call("POST", self.session + "/url", {"url": url})

    def run(self, script, *arguments):
        return self._call("POST", self.session + "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self._call("POST", self.session + "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        self._call("POST", f"{self.session}/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self._call("POST", f"{self.session}/element/{self.find(selector)}/value", {"text": text})

    def errors(self):
        entries = self._call("POST", self.session + "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self._call("GET", self.session + "/screenshot")))

    def close(self):
        try:
            self._call("DELETE", self.session)
        finally:
            self.process.terminate()
            self.process.wait()
            self.profile.cleanup()


failures = 0


def check(what, actual, expected):
    global failures
    good = actual == expected
    failures += not good
    print(("ok      " if good else "FAILED  ") + what + ("" if good else f": {actual!r}, not {expected!r}"), flush=True)


FIRST_COLUMN = """return [...document.querySelectorAll('#results tbody th')].map(e => e.firstChild.textContent)"""
SORTED = """return [...document.querySelectorAll('#results thead th')].map(e => e.getAttribute('aria-sort')).filter(s => s !== 'none')"""


def check_report(browser, url):
    browser.open(url)
    check("no error on the console", browser.errors(), [])
    check("sections", browser.run("return [...document.querySelectorAll('h2')].map(e => e.textContent)"),
          ["Results", "Curves", "Scaling", "Comparisons", "Audit", "Judges", "Runs"])
    check("title is a text", browser.run("return document.title.startsWith('Sample </script>')"), True)
    check("no markup of a model's", browser.run("return document.querySelectorAll('img, main script').length"), 0)
    tasks = browser.run(FIRST_COLUMN)
    check("all tasks are there", len(tasks), 40)
    check("six newest checkpoints and the baseline",
          browser.run("return [...document.querySelectorAll('#results thead th')].slice(4).map(e => e.textContent)"),
          [f"step-{step:05}" for step in range(1500, 2001, 100)] + ["LLaMA-2 70B"])

    button = "#results thead th:nth-child(10) button"
    column = "return [...document.querySelectorAll('#results tbody td:nth-child(10)')].map(e => parseFloat(e.textContent))"
    browser.click(button)
    values = browser.run(column)
    check("a press sorts, best first", values, sorted(values, reverse=True))
    check("and says so to a screen reader", browser.run(SORTED), ["descending"])
    browser.click(button)
    check("a second press turns it round", browser.run(column), sorted(values))
    browser.run("document.querySelector(arguments[0]).focus()", button)
    browser.type(button, "\uE007")  # Enter
    check("the keyboard brings the given order back", browser.run(FIRST_COLUMN), tasks)

    browser.type("#filter", "task_1")
    check("the filter leaves matching tasks", browser.run(FIRST_COLUMN), [f"task_{i}" for i in range(10, 20)])
    browser.run("const f = document.getElementById('filter'); f.value = ''; f.dispatchEvent(new Event('input'))")
    check("and gives them back", browser.run(FIRST_COLUMN), tasks)

    browser.click("#curve-members")
    drawn = browser.run("""return [...document.querySelectorAll('#curves figure')].map(figure => {
        const line = figure.querySelector('path.line'), box = line ? line.getBBox() : {width: 0};
        return box.width > 100 && figure.querySelectorAll('circle').length === 20 && !!figure.querySelector('path.band');
      })""")
    check("every curve is drawn, with its interval and all points", drawn, [True] * 40)
    check("a drop is warned of", browser.run("return document.querySelector('.warnings').textContent.includes('task_04')"), True)
    browser.click("#curves figure details summary")
    check("a curve's values open", browser.run("return document.querySelectorAll('#curves figure table tbody tr').length"), 20)
    check("scaling fits are drawn", browser.run("return document.querySelectorAll('#fits path.band').length"), 4)
    check("verdicts of the comparison", browser.run("return [...document.querySelectorAll('#comparisons .verdict')].map(e => e.textContent)"),
          ["▲ better", "no difference shown", "▼ worse"])
    check("a task's name is a text", browser.run("return document.querySelector('#comparisons').textContent.includes('汉语 <b>成语</b>')"), True)
    check("the audit's intervals", browser.run("return document.querySelectorAll('#audits svg.interval').length"), 3)
    check("every table has a caption and heads with a scope", browser.run("""return [...document.querySelectorAll('main table')].every(
        table => table.caption && [...table.querySelectorAll('th')].every(th => th.scope))"""), True)
    check("every control has a name", browser.run("""return [...document.querySelectorAll('input, select')].every(
        e => e.labels.length && e.labels[0].textContent.trim())"""), True)
    check("the page itself is no wider than the window",
          browser.run("return document.documentElement.scrollWidth <= window.innerWidth"), True)
    check("no error after all that", browser.errors(), [])


VERDICTS = "return [...new Set([...document.querySelectorAll('#list tbody td:nth-child(2)')].map(e => e.textContent.split(' ')[1]))].sort()"


def choose(browser, key, value):
    browser.run("const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('change'))",
                key, value)


def check_items(browser, url):
    browser.open(url + "#run=19&task=task_03&convention=deepseek")
    check("items: no error on the console", browser.errors(), [])
    check("items of the task", browser.run("return document.querySelectorAll('#list tbody tr').length"), 5)
    browser.click("#list tbody tr:nth-child(1) button")
    check("the item is shown", browser.run("return document.querySelector('#item h2').textContent"), "test/task_03/0")
    check("its raw response, as a text", browser.run("return document.querySelector('#item .response').textContent.includes('</script><script>')"), True)
    check("extracted beside gold", browser.run("return [document.querySelector('#item .extracted').textContent, document.querySelector('#item pre.gold').textContent]"), ["7", "42"])
    check("its prompt, with the shots folded away", browser.run("return [document.querySelector('#item .prompt').textContent.startsWith('Q: Question 0 of task_03?'), document.querySelector('#item details').open]"), [True, False])
    browser.type("#list tbody tr:nth-child(1) button", "\uE015")  # arrow down
    check("arrow keys move on", browser.run("return document.querySelector('#item h2').textContent"), "test/task_03/1")
    for verdict in ("right", "wrong", "unparsed"):
        choose(browser, "verdict", verdict)
        shown = browser.run(VERDICTS)
        allowed = {"wrong", "unparsed"} if verdict == "wrong" else {verdict}
        check(f"only {verdict} items", bool(shown) and set(shown) <= allowed, True)
    choose(browser, "verdict", "")
    choose(browser, "against", "20")
    choose(browser, "verdict", "flip")
    flips = browser.run("""return [...document.querySelectorAll('#list tbody tr')].map(row =>
        (row.cells[1].textContent === '✓ right') !== (row.cells[2].textContent === '✓ right'))""")
    check("only flips", len(flips) > 0 and all(flips), True)
    check("both answers are shown", browser.run("return document.querySelectorAll('#item h3').length"), 2)
    choose(browser, "task", "task_04@deepseek")
    check("options with log-probabilities", browser.run("return document.querySelectorAll('#item table tbody tr').length > 0"), True)
    check("no markup of a model's in the items", browser.run("return document.querySelectorAll('img, main script').length"), 0)
    check("items: no error after all that", browser.errors(), [])


def take_screenshots(driver, chromium, report, items, folder):
    os.makedirs(folder, exist_ok=True)
    for name, dark, width, height in (("light", False, 1440, 2600), ("dark", True, 1440, 2600), ("narrow", False, 500, 1800)):
        browser = Browser(driver, chromium, dark, width, height)
        browser.open(report)
        browser.screenshot(f"{folder}/report-{name}.png")
        browser.run("window.scrollTo(0, document.querySelector('#fits, #runs').offsetTop)")
        browser.screenshot(f"{folder}/report-{name}-2.png")
        if items:
            browser.open(items + "#run=20&task=task_03&convention=deepseek&against=19")
            browser.screenshot(f"{folder}/items-{name}.png")
        browser.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--make-page", required=True)
    parser.add_argument("--sections", required=True)
    parser.add_argument("--screenshots")
    options = parser.parse_args()
    driver, chromium = find_program("chromedriver"), find_program("chromium", "chromium-browser", "google-chrome")
    if not driver or not chromium:
        print("SKIPPED page_browser_test: chromium and chromedriver are not there (Debian: chromium, chromium-driver)")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="assay-page-") as folder:
        report = pathlib.Path(folder) / "report.html"
        subprocess.run([options.make_page, options.sections, report], check=True)
        items = report.with_name("report-items.html")
        if options.screenshots:
            take_screenshots(driver, chromium, report.as_uri(), items.as_uri(), options.screenshots)
        browser = Browser(driver, chromium)
        try:
            check_report(browser, report.as_uri())
            check_items(browser, items.as_uri())
        finally:
            browser.close()
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
