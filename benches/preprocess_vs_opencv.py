#!/usr/bin/env python3
"""Times the preprocessor against OpenCV, on one thread, from the same bytes, in one run.

Both turn the planes of a frame into a letterboxed planar RGB float32 tensor in [0, 1]. Rounds of the two
take turns, so that whatever else the machine does meets both alike. OpenCV's arrays are made once. Three
comparisons:
- "usual": cvtColor, resize, copyMakeBorder, then transpose to float, as it is usually written;
- "whole": the same with split and a multiplication of each channel straight into the tensor, the fastest way
  found, which also beats cv2.dnn.blobFromImage;
- "picture": as "whole", but both write the padding once and then the picture alone, as the plugin does for a
  stream.

The tensors are compared too. They differ a little by design: OpenCV repeats chroma samples where the
preprocessor interpolates them, and rounds to bytes after each step. So a smooth picture is used.

Needs numpy and opencv-python. Run it from anywhere in the repository.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import cv2
import numpy as np

CASES = [(1280, 720, 640), (1920, 1080, 640), (1280, 720, 416), (640, 360, 640)]
FORMATS = ["I420", "NV12", "RGB"]
PAD = 114
LARGEST_MEAN_DIFFERENCE = 1.0 / 255.0
LEAST_RATIO = 2.0


def build():
    """Builds the bench binary and returns its path."""
    command = ["cargo", "bench", "--no-default-features", "--bench", "preprocess", "--no-run"]
    result = subprocess.run(
        command + ["--message-format=json"], stdout=subprocess.PIPE, text=True, check=True
    )
    messages = (json.loads(line) for line in result.stdout.splitlines() if line.startswith("{"))
    found = [m["executable"] for m in messages
             if m.get("executable") and m["target"]["name"] == "preprocess"]
    if not found:
        sys.exit("cargo built no bench binary named preprocess")
    return found[-1]


class Ours:
    """The bench binary, spoken to over its pipes."""

    def __init__(self, binary):
        self.process = subprocess.Popen(
            [binary, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, line, data=b""):
        self.process.stdin.write(line.encode() + b"\n" + data)
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode().split()
        if not answer:
            sys.exit(f"the bench binary ended on {line!r}")
        return answer

    def load(self, pixel_format, width, height, side, data):
        self.ask(f"load {pixel_format} {width} {height} {side} {len(data)}", data)

    def time(self, runs, compared):
        return [int(t) / 1e6 for t in self.ask(f"time {runs} {int(compared != 'picture')}")]

    def tensor(self, side):
        count = int(self.ask("tensor")[0])
        data = self.process.stdout.read(4 * count)
        return np.frombuffer(data, np.float32).reshape(3, side, side)


class OpenCv:
    """The same work by OpenCV, all arrays made once."""

    CODES = {"I420": cv2.COLOR_YUV2RGB_I420, "NV12": cv2.COLOR_YUV2RGB_NV12, "RGB": None}

    def __init__(self, pixel_format, width, height, side, planes):
        self.code = self.CODES[pixel_format]
        self.planes = planes
        ratio = min(side / width, side / height)
        self.size = round(width * ratio), round(height * ratio)
        self.left = round((side - self.size[0]) / 2 - 0.1)
        self.top = round((side - self.size[1]) / 2 - 0.1)
        self.border = (self.top, side - self.size[1] - self.top,
                       self.left, side - self.size[0] - self.left)
        self.rgb = np.empty((height, width, 3), np.uint8)
        self.resized = np.empty((self.size[1], self.size[0], 3), np.uint8)
        self.bordered = np.empty((side, side, 3), np.uint8)
        self.channels = [np.empty((side, side), np.uint8) for _ in range(3)]
        self.inner = [np.empty((self.size[1], self.size[0]), np.uint8) for _ in range(3)]
        self.tensor = np.full((3, side, side), PAD / 255, np.float32)
        rows = slice(self.top, self.top + self.size[1])
        columns = slice(self.left, self.left + self.size[0])
        self.picture = [plane[rows, columns] for plane in self.tensor]

    def run(self, compared):
        rgb = self.planes
        if self.code is not None:
            rgb = cv2.cvtColor(self.planes, self.code, dst=self.rgb)
        if rgb.shape[1::-1] != self.size:
            rgb = cv2.resize(rgb, self.size, dst=self.resized, interpolation=cv2.INTER_LINEAR)
        channels, targets = self.inner, self.picture
        if compared != "picture":
            rgb = cv2.copyMakeBorder(
                rgb, *self.border, cv2.BORDER_CONSTANT, dst=self.bordered, value=(PAD,) * 3
            )
            channels, targets = self.channels, self.tensor
        if compared == "usual":
            np.multiply(rgb.transpose(2, 0, 1), np.float32(1 / 255), out=self.tensor)
            return
        for channel, target in zip(cv2.split(rgb, channels), targets):
            np.multiply(channel, np.float32(1 / 255), out=target)

    def time(self, runs, compared):
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            self.run(compared)
            times.append((time.perf_counter() - start) * 1e3)
        return times


def smooth_rgb(width, height):
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 90 + c) * np.cos(y / 70 - c) * 90 + 128 for c in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def planes_of(pixel_format, rgb):
    """The frame in a format, as OpenCV lays it out, which is without padding between rows."""
    if pixel_format == "RGB":
        return rgb
    i420 = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    if pixel_format == "I420":
        return i420
    height, width = rgb.shape[:2]
    luma, chroma = i420[:height], i420[height:].reshape(2, -1)
    return np.concatenate([luma, chroma.T.reshape(height // 2, width)])


def quartiles(times):
    lower, _, upper = statistics.quantiles(times, n=4)
    return f"{lower:.3f}-{upper:.3f}"


def compare(ours, theirs, rounds, runs, compared):
    ours.time(runs, compared)
    theirs.time(runs, compared)
    a, b = [], []
    for _ in range(rounds):
        a += ours.time(runs, compared)
        b += theirs.time(runs, compared)
    return a, b


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", help="the bench binary, instead of building it")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--runs", type=int, default=20, help="frames each in a round")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    ours = Ours(arguments.binary or build())
    failures = []
    print(f"OpenCV {cv2.__version__}; medians in ms, quartiles in brackets")
    print(f"{'frame':<11}{'to':<5}{'format':<7}{'compared':<9}"
          f"{'ours':<22}{'OpenCV':<22}{'ratio':<7}mean difference")
    for width, height, side in CASES:
        rgb = smooth_rgb(width, height)
        for pixel_format in FORMATS:
            planes = np.ascontiguousarray(planes_of(pixel_format, rgb))
            ours.load(pixel_format, width, height, side, planes.tobytes())
            theirs = OpenCv(pixel_format, width, height, side, planes)
            for compared in ("usual", "whole", "picture"):
                a, b = compare(ours, theirs, arguments.rounds, arguments.runs, compared)
                difference = float(np.abs(ours.tensor(side) - theirs.tensor).mean())
                ratio = statistics.median(b) / statistics.median(a)
                print(f"{width}x{height:<6}{side:<5}{pixel_format:<7}{compared:<9}"
                      f"{statistics.median(a):.3f} ({quartiles(a)})   "
                      f"{statistics.median(b):.3f} ({quartiles(b)})   "
                      f"{ratio:<7.2f}{difference * 255:.3f}/255", flush=True)
                name = f"{pixel_format} {width}x{height} to {side}, {compared}"
                if difference > LARGEST_MEAN_DIFFERENCE:
                    failures.append(f"{name}: the tensors differ")
                if (width, height, side) == CASES[0] and compared == "usual" and ratio < LEAST_RATIO:
                    failures.append(f"{name}: less than {LEAST_RATIO} times as fast")
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
