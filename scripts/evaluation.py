"""What the checks of evaluate.py stand on: the data, how a pipeline is run, and what is said of it."""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT = 600


class Failed(Exception):
    """A check that could not be made, with the reason."""


class Evaluation:
    """The data, and what was found so far."""

    def __init__(self, data, work):
        self.data = pathlib.Path(data).resolve()
        self.work = pathlib.Path(work)
        self.failures = 0
        self.kept = {}

    def path(self, name):
        path = self.data / name
        if not path.exists():
            raise Failed(f"{path} is missing")
        return path

    def say(self, name, text, ok=True):
        self.failures += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {name}: {text}", flush=True)

    def at_least(self, name, what, value, bound):
        self.say(name, f"{what} {value:.2f}, at least {bound:.2f}", value >= bound)

    def once(self, make, *arguments):
        """What `make(e, *arguments)` gives, made when it is first asked for."""
        key = (make.__name__, *arguments)
        if key not in self.kept:
            self.kept[key] = make(self, *arguments)
        return self.kept[key]


def table(title, header, rows):
    """Prints a table in Markdown, each row as it comes."""
    print(f"\n{title}\n")
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header), flush=True)
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
    print(flush=True)


def run(command):
    """Runs a program and gives what it prints; one that fails is a failed check."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode != 0:
        raise Failed(f"{command[0]}: {done.stderr}")
    return done.stdout


def launch(pipeline, check=True):
    """Runs a pipeline and gives its process's result; with `check`, one that fails is a failed check."""
    # Without --no-fault a crash would spin, for a debugger, until the time is over.
    command = ["gst-launch-1.0", "-q", "--no-fault", *pipeline.split()]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT)
    if check and done.returncode != 0:
        raise Failed(f"{pipeline}\n{done.stdout}")
    return done


def records(path):
    """The frames of a file of JSON lines, each of which has to be whole."""
    text = path.read_text()
    if text and not text.endswith("\n"):
        raise Failed(f"{path.name} ends within a line")
    return [json.loads(line) for line in text.splitlines()]


def scores(e, results, truth):
    """What eval_mot.py says of each sequence, and of all of a set together, by (set, sequence or ALL)."""
    tool = e.data.parent / "tools/eval_mot.py"
    if not tool.exists():
        raise Failed(f"{tool} is missing")
    found = results / "scores.json"
    run([sys.executable, tool, results, "--suite", truth, "--json", found])
    sets = json.loads(found.read_text())
    return {(name, sequence.replace("COMBINED_SEQ", "ALL")): row
            for name, rows in sets.items() for sequence, row in rows.items()}
