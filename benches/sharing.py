#!/usr/bin/python3
"""One model for all streams beside one model for each: speed, CPU time and memory.

usage: sharing.py [MODEL [OPEN [FRAMES [ROUNDS]]]]

MODEL is the detector, the built-in one unless given; OPEN is one that takes any number of pictures a run (- for none):
with it the same is done in batches. 1, 4 and 8 streams of the synthetic scene (nvptestsrc, 320x192) run in one process
each. Rounds of all candidates take turns, so that whatever else the machine does meets all alike; medians are shown
with the range. CPU time depends less on the rest of the machine than frames a second do; drawing the scene is part of
both. Needs python3-gst-1.0 and the plugin on GST_PLUGIN_PATH.
"""

import os
import resource
import statistics
import subprocess
import sys
import time

STREAMS = (1, 4, 8)


def candidates(model, opened):
    lines = {
        "a model each": f"nvpinference model={model}",
        "shared": f"nvpinference model={model} model-instance=all",
    }
    if opened != "-":
        lines["shared, batch-size=1"] = f"nvpinference model={opened} model-instance=all batch-size=1"
        lines["shared, batches up to 8"] = f"nvpinference model={opened} model-instance=all"
    return lines


def child(line, streams, frames):
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    branch = ("nvptestsrc num-buffers={n} seed={i} ! video/x-raw,format=I420,width=320,height=192 ! {line} name=infer{i} "
              "! fakesink name=sink{i} sync=false")
    each = frames // streams
    pipeline = Gst.parse_launch(" ".join(branch.format(n=each, i=i, line=line) for i in range(streams)))
    shared = "model-instance" in line

    def pictures():
        elements = [pipeline.get_by_name(f"infer{i}") for i in range(1 if shared else streams)]
        return sum(element.get_property("stats").get_value("instance-pictures") for element in elements)

    # What is inferred before the pipeline plays, as much as the lines hold, does not count.
    pipeline.set_state(Gst.State.PAUSED)
    pipeline.get_state(Gst.CLOCK_TIME_NONE)
    before = -1
    while before != pictures():
        before = pictures()
        time.sleep(0.5)
    wall, cpu = time.monotonic(), time.process_time()
    pipeline.set_state(Gst.State.PLAYING)
    ends = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, ends)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    if message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error().gerror.message)
    count = pictures() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    stats = pipeline.get_by_name("infer0").get_property("stats")
    threads = len(os.listdir("/proc/self/task"))
    fill = stats.get_value("instance-fill-ratio")
    pipeline.set_state(Gst.State.NULL)
    print(count / wall, 1000 * cpu / count, peak, threads, fill)


def main():
    arguments = [*sys.argv[1:], *["builtin:testscene", "-", "480", "3"][len(sys.argv) - 1:]]
    model, opened, frames, rounds = arguments[0], arguments[1], int(arguments[2]), int(arguments[3])
    lines = candidates(model, opened)
    found = {(name, streams): [] for streams in STREAMS for name in lines}
    for _ in range(rounds):
        for name, streams in found:
            command = [sys.executable, __file__, "--child", lines[name], str(streams), str(frames)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(f"{name}: {done.stderr}")
            found[name, streams].append([float(value) for value in done.stdout.split()])
    print(f"{frames} frames in all, {rounds} rounds, {os.cpu_count()} cores\n\n"
          "| streams | | frames/s | CPU ms a frame | peak MiB | threads | fill ratio |\n|---|---|---|---|---|---|---|")

    def shown(values, digits):
        return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"

    for (name, streams), rows in found.items():
        speed, cpu, peak, threads, fill = zip(*rows)
        print(f"| {streams} | {name} | {shown(speed, 1)} | {shown(cpu, 1)} | {shown(peak, 0)} | {threads[0]:.0f} "
              f"| {statistics.median(fill):.2f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
