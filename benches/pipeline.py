#!/usr/bin/env python3
"""The whole pipeline on a 720p H.264 clip beside the bare model: frames/s, CPU a frame and peak memory.

usage: pipeline.py VIDEO MODEL [ROUNDS]

Rounds of all the candidates take turns, so that whatever else the machine does meets all alike; medians are
reported with the range. The bare model is ONNX Runtime in Python on a prepared tensor: nothing can be faster on
the same threads. The plugin has to be on GST_PLUGIN_PATH. VIDEO is scaled to 1280x720 once.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import cv2

# About so many frames: `identity` lets a few pass that were under way.
LENGTH = 300
BARE = """
import sys, time, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
node = session.get_inputs()[0]
tensor = numpy.full(node.shape, 114, numpy.float32)
session.run(None, {node.name: tensor})
start = time.monotonic()
for _ in range(int(sys.argv[3])):
    session.run(None, {node.name: tensor})
print(time.monotonic() - start)
"""


def prepare(video, clip):
    """Scales the first frames of a video to 720p H.264 and gives their number."""
    subprocess.run(
        ["gst-launch-1.0", "-q", *f"filesrc location={video} ! decodebin ! identity eos-after={LENGTH} ! videoconvert "
         "! videoscale ! video/x-raw,format=I420,width=1280,height=720,pixel-aspect-ratio=1/1 "
         f"! x264enc speed-preset=veryfast ! h264parse ! mp4mux ! filesink location={clip}".split()],
        check=True, timeout=300,
    )
    video, frames = cv2.VideoCapture(clip), 0
    while video.grab():
        frames += 1
    return frames


def measure(command):
    """Wall seconds, CPU seconds, peak MiB and the output of a process."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command} failed: {output}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output


def pipeline(clip, elements):
    return ["gst-launch-1.0", "-q", *f"filesrc location={clip} ! decodebin ! {elements} ! fakesink sync=false".split()]


def candidates(clip, model, frames, out):
    """Name and command of everything that is compared."""
    infer = f"nvpinference model={model} threads="
    line = f"nvptracker ! nvppublish location={out}"
    return {
        "decode only": pipeline(clip, "identity"),
        "bare model, 1 thread": [sys.executable, "-c", BARE, model, "1", str(frames)],
        "infer, track, publish, 1 thread": pipeline(clip, f"{infer}1 ! {line}"),
        "infer, track, publish, draw, 1 thread": pipeline(clip, f"{infer}1 ! {line} ! nvpoverlay"),
        "bare model, 2 threads": [sys.executable, "-c", BARE, model, "2", str(frames)],
        "infer, track, publish, 2 threads": pipeline(clip, f"{infer}2 ! {line}"),
    }


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    video, model = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    os.environ["RUST_BACKTRACE"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        clip = f"{folder}/clip.mp4"
        frames = prepare(video, clip)
        compared = candidates(clip, model, frames, f"{folder}/out.jsonl")
        results = {name: [] for name in compared}
        for _ in range(rounds):
            for name, command in compared.items():
                results[name].append(measure(command))
    print(f"{frames} frames, {rounds} rounds; medians and ranges. Start and end of the process count, but for "
          "the bare model's frames/s.\n")
    print("| | frames/s | CPU ms a frame | peak MiB |\n|---|---|---|---|")
    speed = {}
    for name, runs in results.items():
        seconds = [float(r[3]) if "bare" in name else r[0] for r in runs]
        speed[name] = [frames / s for s in seconds]
        cpu = [1000 * r[1] / frames for r in runs]
        print(f"| {name} | {spread(speed[name])} | {spread(cpu)} | {spread([r[2] for r in runs], 0)} |")
    for threads in ("1 thread", "2 threads"):
        whole, bare = speed[f"infer, track, publish, {threads}"], speed[f"bare model, {threads}"]
        print(f"\nWhole pipeline against the bare model, {threads}: {spread([w / b for w, b in zip(whole, bare)], 2)}")


if __name__ == "__main__":
    main()
