#!/usr/bin/env python3
"""nvpinference beside what the machine can do, and beside a flow in Python.

usage: inference.py VIDEO MODEL [ROUNDS [PROVIDER]]

VIDEO is scaled to 1280x720 H.264 once. Rounds of all candidates take turns, so that whatever else the machine does
meets all alike; medians are reported with the range.

ceiling   cores / (core-time of a bare run + core-time of decoding a frame): nothing that runs it as it comes can be faster. A bare run is ONNX
          Runtime on a prepared tensor, one process a core with one thread each and one process with a thread a core;
          the better of the two counts.
python    OpenCV decodes and letterboxes, ONNX Runtime runs with a thread a core, numpy decodes, OpenCV suppresses,
          supervision's ByteTrack tracks, json writes: one process, as such flows are written.
stock     the pipeline with ONNX Runtime's own SiLU in place of the plugin's (see elements/inference/onnx/silu.rs).

PROVIDER is cpu (default), openvino or openvino-bf16; onnxruntime in this Python has to have it, and the library that
the plugin finds as well. Needs onnxruntime, opencv-python-headless, numpy and supervision==0.26.1.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

LENGTH = 300
CORES = os.cpu_count()
HERE = pathlib.Path(__file__).resolve()


def session(model, threads, provider):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if provider == "cpu":
        providers = ["CPUExecutionProvider"]
    else:
        precision = "bf16" if provider.endswith("bf16") else "f32"
        config = {"CPU": {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": "1", "ENABLE_CPU_PINNING": "NO",
                          "INFERENCE_NUM_THREADS": str(threads)}}
        providers = [("OpenVINOExecutionProvider", {"device_type": "CPU", "load_config": json.dumps(config)})]
    return onnxruntime.InferenceSession(model, options, providers=providers)


def bare(model, threads, frames, provider):
    """Seconds of `frames` runs on a prepared tensor."""
    import numpy

    run = session(model, threads, provider)
    node = run.get_inputs()[0]
    tensor = numpy.full([d if isinstance(d, int) else 1 for d in node.shape], 0.4, numpy.float32)
    run.run(None, {node.name: tensor})
    start = time.monotonic()
    for _ in range(frames):
        run.run(None, {node.name: tensor})
    print(time.monotonic() - start)


def flow(clip, model, out, provider):
    """The usual loop; YOLOX is decoded with its grid, everything else as YOLOv8."""
    import cv2
    import numpy
    import supervision

    run = session(model, CORES, provider)
    node = run.get_inputs()[0]
    height, width = node.shape[2:]
    yolox = "yolox" in pathlib.Path(model).name
    grid = []
    for stride in (8, 16, 32):
        ys, xs = numpy.mgrid[0:height // stride, 0:width // stride]
        grid.append(numpy.stack([xs.ravel(), ys.ravel(), numpy.full(xs.size, stride)], 1))
    grid = numpy.concatenate(grid).astype(numpy.float32)
    tracker = supervision.ByteTrack()
    video = cv2.VideoCapture(clip)
    frames = 0
    start = time.monotonic()
    with open(out, "w") as lines:
        while True:
            ok, picture = video.read()
            if not ok:
                break
            h, w = picture.shape[:2]
            ratio = min(width / w, height / h)
            resized = cv2.resize(picture, (round(w * ratio), round(h * ratio)))
            x, y = (0, 0) if yolox else ((width - resized.shape[1]) // 2, (height - resized.shape[0]) // 2)
            padded = numpy.full((height, width, 3), 114, numpy.uint8)
            padded[y:y + resized.shape[0], x:x + resized.shape[1]] = resized
            if yolox:
                tensor = padded.transpose(2, 0, 1)[None].astype(numpy.float32)
            else:
                tensor = padded[..., ::-1].transpose(2, 0, 1)[None].astype(numpy.float32) / 255.0
            values = run.run(None, {node.name: numpy.ascontiguousarray(tensor)})[0][0]
            if yolox:
                centres = (values[:, :2] + grid[:, :2]) * grid[:, 2:]
                sizes = numpy.exp(values[:, 2:4]) * grid[:, 2:]
                scores = values[:, 5:] * values[:, 4:5]
            else:
                values = values.T
                centres, sizes, scores = values[:, :2], values[:, 2:4], values[:, 4:]
            classes = scores.argmax(1)
            best = scores[numpy.arange(len(scores)), classes]
            kept = best >= 0.25
            corners = centres[kept] - sizes[kept] / 2
            boxes = numpy.concatenate([corners, sizes[kept]], 1)
            picked = cv2.dnn.NMSBoxesBatched(boxes.tolist(), best[kept].tolist(), classes[kept].tolist(), 0.25, 0.45)
            picked = numpy.array(picked, int).ravel()
            boxes = boxes[picked] if len(picked) else numpy.zeros((0, 4))
            xyxy = numpy.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
            xyxy = (xyxy - [x, y, x, y]) / ratio
            found = supervision.Detections(xyxy=xyxy, confidence=best[kept][picked], class_id=classes[kept][picked])
            tracked = tracker.update_with_detections(found)
            rows = [{"id": int(i), "box": box.tolist()} for i, box in zip(tracked.tracker_id, tracked.xyxy)]
            lines.write(json.dumps({"frame": frames, "tracks": rows}) + "\n")
            frames += 1
    print(time.monotonic() - start, frames)


def prepare(video, clip):
    """Scales the first frames of a video to 720p H.264 and gives their number."""
    import cv2

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


def with_stock_silu(model, copy):
    """A copy with a metadata key `location`: the plugin takes it for a model with numbers in other files."""
    key = b"location"
    entry = b"\x0a" + bytes([len(key)]) + key + b"\x12\x01-"
    pathlib.Path(copy).write_bytes(pathlib.Path(model).read_bytes() + b"\x72" + bytes([len(entry)]) + entry)
    return copy


def launch(clip, elements):
    return ["gst-launch-1.0", "-q", *f"filesrc location={clip} ! decodebin ! {elements} fakesink sync=false".split()]


def timed(commands):
    """Wall seconds, CPU seconds, the largest peak in MiB and outputs of processes that run side by side."""
    start = time.monotonic()
    running = [subprocess.Popen(c, stdout=subprocess.PIPE, text=True) for c in commands]
    outputs, cpu, peak = [], 0.0, 0.0
    for process in running:
        outputs.append(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{process.args} failed: {outputs[-1]}")
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1024)
    return time.monotonic() - start, cpu, peak, outputs


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    video, model = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:3])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    provider = sys.argv[4] if len(sys.argv) > 4 else "cpu"
    os.environ["RUST_BACKTRACE"] = "0"
    properties = {"cpu": "", "openvino": "provider=openvino",
                  "openvino-bf16": "provider=openvino precision=bf16"}[provider]
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        clip, out = f"{folder}/clip.mp4", f"{folder}/out.jsonl"
        frames = prepare(video, clip)
        runs = max(frames // 3, 50)
        stock = with_stock_silu(model, f"{folder}/{pathlib.Path(model).name}")

        def plug(model):
            return f"nvpinference model={model} {properties} ! nvptracker ! nvppublish location={out} !"

        def play(model):
            """Frames a second and CPU milliseconds a frame; a model's load and a process's start are not frames."""
            wall, cpu, peak, _ = timed([launch(clip, plug(model))])
            idle, idle_cpu, *_ = timed([launch(clip, f"identity eos-after=1 ! {plug(model)}")])
            return (frames - 1) / (wall - idle), (cpu - idle_cpu) / (frames - 1) * 1000, peak

        def me(*arguments):
            return [sys.executable, str(HERE), *map(str, arguments)]

        for _ in range(rounds):
            def note(name, value):
                results.setdefault(name, []).append(value)

            *_, outputs = timed([me("--bare", model, 1, runs, provider)] * CORES)
            one = statistics.mean(float(o) for o in outputs) / runs
            note("core-ms of a run, a process a core", one * 1000)
            *_, outputs = timed([me("--bare", model, CORES, runs, provider)])
            all_ = float(outputs[0]) / runs * CORES
            note("core-ms of a run, a thread a core", all_ * 1000)
            _, cpu, *_ = timed([launch(clip, "")])
            note("core-ms of decoding", cpu / frames * 1000)
            ceiling = CORES / (min(one, all_) + cpu / frames)
            note("ceiling, frames/s", ceiling)
            ours, cpu, peak = play(model)
            note("pipeline, CPU ms a frame", cpu)
            note("pipeline, peak MiB", peak)
            note("pipeline, frames/s", ours)
            if provider == "cpu":
                theirs, stock_cpu, _ = play(stock)
                note("pipeline / stock", ours / theirs)
                note("CPU time, pipeline / stock", cpu / stock_cpu)
            *_, outputs = timed([me("--flow", clip, model, out, provider)])
            seconds, count = map(float, outputs[0].split())
            note("python, frames/s", count / seconds)
            note("pipeline / ceiling", ours / ceiling)
            note("pipeline / python", ours * seconds / count)
    print(f"{pathlib.Path(model).name}, {provider}, {frames} frames, {CORES} cores, {rounds} rounds; median (range)\n")
    for name, values in results.items():
        print(f"| {name} | {spread(values, 2)} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    elif sys.argv[1:2] == ["--flow"]:
        flow(*sys.argv[2:6])
    else:
        main()
