#!/usr/bin/python3
"""What nvpinference adds to the time of a buffer in mode=async, beside identity in its place.

usage: latency.py MODEL [SECONDS [ROUNDS]]

A live source of 30 frames/s, 1280x720; the two take turns. Added is the time from the sink pad to the source pad of the
element, for every buffer; the age of results and the memory at the start and the end are told as well. Needs
python3-gst-1.0 and the plugin on GST_PLUGIN_PATH.
"""

import statistics
import sys
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


def run(element, seconds):
    pipeline = Gst.parse_launch(
        "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1 "
        f"! {element} name=it ! fakesink sync=false")
    it = pipeline.get_by_name("it")
    entered, added = {}, []

    def enter(_pad, info):
        entered[info.get_buffer().pts] = time.monotonic_ns()
        return Gst.PadProbeReturn.OK

    def leave(_pad, info):
        now = time.monotonic_ns()
        start = entered.pop(info.get_buffer().pts, None)
        if start is not None:
            added.append((now - start) / 1e6)
        return Gst.PadProbeReturn.OK

    it.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, enter)
    it.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, leave)
    pipeline.set_state(Gst.State.PLAYING)
    loop = GLib.MainLoop()
    memory = []
    GLib.timeout_add(max(1000, seconds * 250), lambda: memory.append(resident()) or False)
    GLib.timeout_add(seconds * 1000, loop.quit)
    loop.run()
    memory.append(resident())
    stats = it.get_property("stats") if "nvpinference" in element else None
    pipeline.set_state(Gst.State.NULL)
    return sorted(added[15:]), stats, memory


def quantile(values, q):
    return values[min(len(values) - 1, int(q * len(values)))]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    Gst.init(None)
    print("| | buffers | added ms p50 | p99 | max | inferred | run p50 ms | age p50 / p99 ms | RSS MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    more = []
    for _ in range(rounds):
        p99 = []
        for element in ("identity", f"nvpinference mode=async model={sys.argv[1]}"):
            added, stats, memory = run(element, seconds)
            p99.append(quantile(added, 0.99))
            rest = ["", "", ""]
            if stats:
                value = lambda name: stats.get_uint64(name)[1]  # noqa: E731
                rest = [value("inferred"), f"{value('run-p50') / 1e6:.0f}",
                        f"{value('age-p50') / 1e6:.0f} / {value('age-p99') / 1e6:.0f}"]
            print(f"| {element.split()[0]} | {len(added)} | {statistics.median(added):.3f} | {p99[-1]:.3f} | "
                  f"{added[-1]:.3f} | {' | '.join(map(str, rest))} | {memory[0]} to {memory[-1]} |", flush=True)
        more.append(p99[1] - p99[0])
    print(f"\np99 over identity: {statistics.median(more):.3f} ms ({min(more):.3f} to {max(more):.3f})")


if __name__ == "__main__":
    main()
