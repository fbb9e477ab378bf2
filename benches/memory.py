#!/usr/bin/python3
"""Memory and speed of nvpinference over many frames, in every mode and with one, two and four workers.

usage: memory.py [FRAMES [MODEL]]

Frames are the synthetic scene's (nvptestsrc) and the model is the built-in one, unless another is given. Resident memory
is told after a tenth of the frames and at the end: nothing may grow in between. Needs python3-gst-1.0 and the plugin on
GST_PLUGIN_PATH.
"""

import subprocess
import sys
import time

LINES = {
    "sync, 1 worker": "nvpinference model={m} threads=1 workers=1",
    "sync, 2 workers": "nvpinference model={m} threads=1 workers=2",
    "sync, 4 workers": "nvpinference model={m} threads=1 workers=4",
    "async": "nvpinference model={m} mode=async",
    "cascade": "nvpinference model={m} ! nvptracker ! nvpinference model={m} model-id=second region=tracks reinfer-interval=5",
}


def child(line, frames):
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    pipeline = Gst.parse_launch(
        f"nvptestsrc num-buffers={frames} ! video/x-raw,format=I420,width=320,height=192,framerate=25/1 ! {line} "
        "! fakesink name=sink sync=false")
    state = {"count": 0, "start": 0.0}

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4 / 1024

    def frame(_pad, _info):
        state["count"] += 1
        if state["count"] == frames // 10:
            state["first"], state["start"] = resident(), time.monotonic()
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("sink").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, frame)
    pipeline.set_state(Gst.State.PLAYING)
    ends = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, ends)
    seconds, last = time.monotonic() - state["start"], resident()
    if message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error().gerror.message)
    pipeline.set_state(Gst.State.NULL)
    print(f"{(state['count'] - frames // 10) / seconds:.1f} {state['first']:.1f} {last:.1f}")


def main():
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    model = sys.argv[2] if len(sys.argv) > 2 else "builtin:testscene"
    print(f"{frames} frames\n\n| | frames/s | MiB after a tenth | MiB at the end |\n|---|---|---|---|", flush=True)
    for name, line in LINES.items():
        command = [sys.executable, __file__, "--child", line.format(m=model), str(frames)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{name}: {done.stderr}")
        speed, first, last = done.stdout.split()
        print(f"| {name} | {speed} | {first} | {last} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]))
    else:
        main()
