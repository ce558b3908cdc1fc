#!/usr/bin/env python3
"""Looks at the page of a report in headless Chromium.

  ci/page.py test ASSAY               a short run of ASSAY, its page, and a page of two CPUs: what must hold of them
  ci/page.py look PAGE FOLDER         pictures of a page: light, dark, phone, and its print as PDF
  ci/page.py picture PAGE FILE [ID]   a page from its top, or from the section ID on, as a picture

Exit status: 0 good, 1 something does not hold, 2 wrong usage, 3 Chromium is not here (Debian: chromium).
"""
import json
import os
import subprocess
import sys
import tempfile

import browser

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KERNELS = "add_f32,dot_f32,exp_f32"


def url_of(path):
    return "file://" + os.path.abspath(path)


def run(*command):
    """What it prints. A verdict that failed is no matter here."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def make_pages(assay, folder):
    """A run and its page, and that beside a report that is kept."""
    at = lambda name: os.path.join(folder, name)
    run(assay, "bench", "--kernel", KERNELS, "--quick", "--repetitions", "9", "--min-time", "0.00002", "--samples", "20", "--out", at("run.json"))
    with open(at("check.json"), "w", encoding="utf-8") as file:
        file.write(run(assay, "check", "--kernel", KERNELS, "--samples", "300", "--json"))
    run(assay, "report", at("run.json"), at("check.json"), "--html", at("one.html"), "--summary", at("one.json"))
    run(assay, "report", at("one.json"), os.path.join(ROOT, "reports/amd-zen5.json"), "--html", at("two.html"))


def time_text(ns):
    for unit, size, digits in (("ns", 1, 1), ("µs", 1e3, 2), ("ms", 1e6, 2), ("s", 1e9, 2)):
        if ns < 1e3 * size or unit == "s":
            return f"{ns / size:.{digits}f} {unit}"


CELLS = """(() => Object.fromEntries([...document.querySelectorAll('details[id] table.times')].map((table) => {
  const classes = [...table.tHead.rows[0].cells].map((c) => c.textContent);
  return [table.closest('details').id, Object.fromEntries([...table.tBodies[0].rows].map((row) =>
    [row.cells[0].textContent, Object.fromEntries([...row.cells].map((c, i) => [classes[i], c.firstChild?.textContent.replace('▸ ', '') ?? '']))]))];
})))()"""


def wrong_numbers(page, report):
    """Times of the run that the page has not, or otherwise. The page's come from four digits."""
    cells = page.ask(CELLS)
    wrong, right = [], 0
    for shape in report["shapes"]:
        for timing in shape["timings"]:
            shown = cells.get(shape["kernel"], {}).get(timing["variant"], {}).get(shape["class"])
            if shown == time_text(float(f"{timing['median_ns']:.4g}")):
                right += 1
            else:
                wrong.append(f"{shape['kernel']}/{timing['variant']} {shape['class']}: {shown}, not {time_text(timing['median_ns'])}")
    return wrong if right else wrong + ["no time of the run is in the page"]


CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d');
  const light = (colour) => {
    canvas.fillStyle = colour;
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(canvas.fillStyle.slice(i, i + 2), 16) / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(document.documentElement);
  const of = (name) => light(style.getPropertyValue(name).trim());
  return ['--fg', '--muted', '--link', '--good', '--bad', '--warn'].flatMap((name) => ['--bg', '--card'].map((ground) => {
    const [a, b] = [of(name), of(ground)].sort((x, y) => y - x);
    return [name, ground, (a + 0.05) / (b + 0.05)];
  })).filter(([, , ratio]) => ratio < 4.5);
})()"""


class Checks:
    def __init__(self, page):
        self.page, self.failed = page, []

    def expect(self, holds, what):
        if not holds:
            self.failed.append(what)

    def one_page(self, path, report=None):
        page = self.page
        name = os.path.basename(path)
        url = url_of(path)
        page.requests = []
        charts, grounds = None, set()
        for scheme in ("light", "dark"):
            page.open(url, scheme)
            self.expect(page.ask("document.querySelectorAll('section').length") >= 4, f"{name}: has its sections")
            grounds.add(page.ask("getComputedStyle(document.body).backgroundColor"))
            self.expect(page.ask(CONTRAST) == [], f"{name}, {scheme}: text is too faint: {page.ask(CONTRAST)}")
            charts = page.ask("document.querySelectorAll('.chart svg').length")
            self.expect(charts == page.ask("document.querySelectorAll('.chart').length"), f"{name}, {scheme}: each chart is drawn")
        self.expect(len(grounds) == 2, f"{name}: dark is another ground than light")
        if report:
            self.failed += [f"{name}: {what}" for what in wrong_numbers(page, report)]
        self.expect(page.pdf().startswith(b"%PDF"), f"{name}: prints")
        self.narrow(url, name)
        self.sorts(url, name)
        self.without_script(url, name, charts)
        # Of the file itself and what it holds.
        asked = [address for address in page.requests if not address.startswith(("data:", "about:")) and address.split("#")[0] != url]
        self.expect(not asked, f"{name}: asks for {asked}")
        return charts

    def narrow(self, url, name):
        self.page.open(url, width=360, height=740)
        width = self.page.ask("document.documentElement.scrollWidth")
        self.expect(width <= 360, f"{name}: is {width} wide on a phone of 360")

    def sorts(self, url, name):
        page = self.page
        page.open(url)
        column = "[...document.querySelector('table.heatmap').tBodies[0].rows].map((row) => row.cells[0].textContent)"
        before = page.ask(column)
        page.ask("document.querySelector('table.heatmap th button').click()")
        page.ask("document.querySelector('table.heatmap th button').click()")
        self.expect(page.ask(column) == sorted(before, reverse=True), f"{name}: a table can be sorted")
        page.open(url + "#exp_f32")
        self.expect(page.ask("document.getElementById('exp_f32').open"), f"{name}: a link to a kernel opens it")

    def without_script(self, url, name, charts):
        page = self.page
        page.open(url, script=False)
        self.expect(page.ask("document.querySelectorAll('table tbody tr').length") > 10, f"{name}: has its tables without JavaScript")
        shown = page.ask("[...document.querySelectorAll('.chart')].filter((c) => c.offsetParent).length")
        self.expect(shown == 0, f"{name}: shows no empty charts without JavaScript")
        if charts:
            closed = page.ask("[...document.querySelectorAll('figure + details .scroll')].filter((t) => t.getBoundingClientRect().height < 20).length")
            self.expect(closed == 0, f"{name}: the charts' tables are open without JavaScript")


def test(assay, program):
    with tempfile.TemporaryDirectory() as folder:
        make_pages(assay, folder)
        with open(os.path.join(folder, "run.json"), encoding="utf-8") as file:
            report = json.load(file)
        page = browser.Browser(program)
        try:
            checks = Checks(page)
            charts = checks.one_page(os.path.join(folder, "one.html"), report)
            checks.one_page(os.path.join(folder, "two.html"))
            checks.failed += [f"console: {problem}" for problem in page.problems]
        finally:
            page.close()
    for what in checks.failed:
        print(f"does not hold: {what}")
    print(f"{charts} charts" if charts else "no charts: ci/charts.sh had not put them beside the program")
    return 1 if checks.failed else 0


def look(path, folder, program):
    os.makedirs(folder, exist_ok=True)
    page = browser.Browser(program)
    try:
        for name, scheme, width in (("light", "light", 1280), ("dark", "dark", 1280), ("phone", "light", 360)):
            page.open(url_of(path), scheme, width)
            page.picture(os.path.join(folder, f"{name}.png"), whole=True)
        page.open(url_of(path))
        with open(os.path.join(folder, "print.pdf"), "wb") as file:
            file.write(page.pdf())
    finally:
        page.close()
    return 0


def picture(path, out, section, program):
    page = browser.Browser(program)
    try:
        page.open(url_of(path) + (f"#{section}" if section else ""), width=1100, height=660)
        page.picture(out)
    finally:
        page.close()
    return 0


def main(words):
    program = browser.find()
    usable = (len(words) == 2 and words[0] == "test") or (len(words) == 3 and words[0] == "look") or (len(words) in (3, 4) and words[0] == "picture")
    if not usable:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    if program is None:
        print("not tried: Chromium is not here (Debian: chromium)")
        return 3
    if words[0] == "test":
        return test(words[1], program)
    if words[0] == "look":
        return look(words[1], words[2], program)
    return picture(words[1], words[2], words[3] if len(words) > 3 else "", program)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
