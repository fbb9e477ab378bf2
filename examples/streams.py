#!/usr/bin/env python3
"""Cameras that come, go and fail while the others play on.

GST_PLUGIN_PATH=target/release python3 examples/streams.py [SECONDS] adds a camera a second to a running pipeline, takes
the oldest out when there are four, and lets every third one fail. Nothing of this stops the pipeline, and each frame
keeps the name of its camera.
"""

import sys
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

MOST = 4


class Cameras:
    """The program's side of the pipeline."""

    def __init__(self):
        # There may be no camera at all for a while: keep-alive waits for the next one.
        self.pipeline = Gst.parse_launch("nvpbatchmux name=mux keep-alive=true ! nvpbatchdemux name=demux")
        self.mux = self.pipeline.get_by_name("mux")
        self.demux = self.pipeline.get_by_name("demux")
        self.demux.connect("pad-added", lambda _, pad: self.add_branch(pad))
        # Each source with its pad of the muxer, by its name.
        self.sources = {}

    def run(self, seconds):
        self.pipeline.set_state(Gst.State.PLAYING)
        bus = self.pipeline.get_bus()
        start = time.monotonic()
        for number in range(seconds):
            self.add(number)
            if len(self.sources) > MOST:
                self.remove(next(iter(self.sources)))
            while (left := start + number + 1 - time.monotonic()) > 0:
                message = bus.timed_pop(int(left * Gst.SECOND))
                if message:
                    self.hear(message)
        print(self.demux.get_property("stats").to_string())
        self.pipeline.set_state(Gst.State.NULL)

    def add(self, number):
        name = f"camera-{number:03}"
        after = "error-after=20" if number % 3 == 2 else ""
        launch = f"nvptestsrc is-live=true seed={number} ! video/x-raw,width=320,height=180 ! identity {after}"
        source = Gst.parse_bin_from_description(launch, True)
        source.set_name(name)
        self.pipeline.add(source)
        pad = self.mux.request_pad_simple("sink_%u")
        pad.set_property("stream-name", name)
        source.get_static_pad("src").link(pad)
        source.sync_state_with_parent()
        self.sources[name] = (source, pad)

    def remove(self, name):
        source, pad = self.sources.pop(name)
        # Whatever waits in the pad's queue, the source's thread is free to go after this.
        pad.send_event(Gst.Event.new_flush_start())
        source.set_state(Gst.State.NULL)
        self.mux.release_request_pad(pad)
        self.pipeline.remove(source)

    def hear(self, message):
        if message.type == Gst.MessageType.ERROR:
            error, _ = message.parse_error()
            name = next((n for n, (s, _) in self.sources.items() if message.src.has_as_ancestor(s)), None)
            if name:
                print(f"{name} has failed ({error.message}) and is taken out")
                self.remove(name)
            elif message.src.has_as_ancestor(self.pipeline):
                # Not a word of a camera that was taken out: this concerns all of them.
                raise SystemExit(error.message)
        elif message.type == Gst.MessageType.ELEMENT:
            said = message.get_structure()
            if said.get_name().startswith("nvp-stream-"):
                print(said.to_string())
        elif message.type == Gst.MessageType.APPLICATION:
            branch = message.src
            branch.set_state(Gst.State.NULL)
            self.pipeline.remove(branch)

    def add_branch(self, pad):
        """Whatever is to become of one camera's frames; it reports when the last one has gone through."""
        launch = "queue ! nvpviewstate ! nvptracker ! fakesink name=end sync=false async=false"
        branch = Gst.parse_bin_from_description(launch, True)
        self.pipeline.add(branch)
        branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))
        end = branch.get_by_name("end").get_static_pad("sink")

        def watch(_, info):
            if info.get_event().type == Gst.EventType.EOS:
                done = Gst.Structure.new_empty("branch-done")
                branch.post_message(Gst.Message.new_application(branch, done))
            return Gst.PadProbeReturn.OK

        end.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, watch)


if __name__ == "__main__":
    Gst.init(None)
    Cameras().run(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
