"""The checks of evaluate.py that are about motion without a model: what moves in scenes beside their truth, and what a
model misses that sleeps while nothing moves."""

import json

from evaluation import ROOT, Failed, launch, records, table

# Frames a second of the scenes, how long they are played, and how many of them.
RATE, SECONDS, SEEDS = 15, 30, 3
# Something moves when its centre has gone this part of its size within a third of a second.
MOVED = 0.15
# It is found when regions cover this part of it, and a region is about nothing when this part of it is about something.
COVERED, ABOUT = 0.25, 0.3
# What is around an object and may belong to it: a shadow, or what is still hidden by the picture's edge.
MARGIN, EDGE = (0.5, 0.3), 0.01
# The least part of what moves that is found, and the most regions a frame that are about nothing.
FOUND = {"fixed": 0.92, "handheld": 0.85, "ptz": 0.75}
NOTHING = 0.35
# The least part of the inference that gating a quiet clip saves, and the least part of the frames with tracks that keep one.
SAVED, KEPT = 0.25, 0.95


def area(box):
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def overlap(a, b):
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def iou(a, b):
    common = overlap(a, b)
    return common / (area(a) + area(b) - common)


def centre(box, h):
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    w = h[6] * x + h[7] * y + h[8]
    return (h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w


def followed(lines):
    """The true objects of each frame, with the places of their centres in the reference view for a third of a second."""
    before = []
    for line in lines:
        h, now = line["view"]["to_reference"] or [1, 0, 0, 0, 1, 0, 0, 0, 1], []
        for box in (d["box"] for d in line.get("detections", []) if d["model"] == "testscene"):
            same = max(before, key=lambda other: iou(other[0], box), default=None)
            path = same[1][-RATE // 3:] if same and iou(same[0], box) > 0.4 else []
            now.append((box, path + [centre(box, h)]))
        before = now
        yield line, now


def moves(box, path):
    gone = [abs(path[-1][i] - path[0][i]) / (box[2 + i] - box[i]) for i in (0, 1)]
    return len(path) > 2 and max(gone) > MOVED


def surroundings(box):
    (across, down), width, height = MARGIN, box[2] - box[0], box[3] - box[1]
    x, y = across * width + EDGE, down * height + EDGE
    return box[0] - x, box[1] - y, box[2] + x, box[3] + y


def check_moving(e):
    """What moves in made-up streets, beside the truth: how much of it is found, and how many regions are about nothing."""
    rows = []
    for camera, bound in FOUND.items():
        for noise in (2, 8):
            found = moving = nothing = frames = unknown = 0
            for seed in range(SEEDS):
                out = e.work / "moving.jsonl"
                launch(f"nvptestsrc num-buffers={RATE * SECONDS} seed={seed + 1} camera={camera} noise={noise} detections=perfect "
                       f"! video/x-raw,width=640,height=360,framerate={RATE}/1 ! nvpviewstate ! nvpmotion "
                       f"! nvppublish location={out} ! fakesink")
                for line, objects in followed(records(out)):
                    levels = [s["value"] for s in line["signals"] if s["name"] == "motion.level"]
                    if levels[0] is None:
                        unknown += 1
                        continue
                    regions = [d["box"] for d in line["detections"] if d["model"] == "motion"]
                    frames += 1
                    for box in (box for box, path in objects if moves(box, path)):
                        moving += 1
                        found += sum(overlap(box, region) for region in regions) >= COVERED * area(box)
                    nothing += sum(all(overlap(surroundings(box), region) < ABOUT * area(region) for box, _ in objects)
                                   for region in regions)
            e.at_least("moving", f"{camera} camera, noise {noise}: part found", found / moving, bound)
            e.say("moving", f"{camera} camera, noise {noise}: {nothing / frames:.2f} regions a frame are about nothing",
                  nothing / frames <= NOTHING)
            rows.append((camera, noise, moving, f"{found / moving:.3f}", f"{nothing / frames:.3f}", unknown))
    table("What moves", ("camera", "noise", "objects that move", "found", "regions about nothing a frame", "frames not known"), rows)


def played(e, clip, gate, infer):
    """What the door's rules say of a clip: frames inferred, frames with tracks, and events."""
    out = e.work / "gating.jsonl"
    launch(f"filesrc location={e.path('video') / clip} ! decodebin {gate} "
           f"! nvpinference model={e.path('models/yolox_nano.onnx')} {infer} ! nvptracker "
           f"! nvpevents rules={ROOT / 'pipelines/door.json'} ! nvppublish location={out} ! fakesink")
    lines = records(out)
    if not lines:
        raise Failed(f"{clip}: nothing was published")
    inferred = sum(any(stage["element"].startswith("nvpinference") and stage["outcome"] == "ok"
                       for stage in line["provenance"]["stages"]) for line in lines)
    tracked = {i for i, line in enumerate(lines) if any(t["state"] == "confirmed" for t in line["tracks"])}
    events = [event["rule"] for line in lines for event in line.get("events", []) if event["state"] == "confirmed"]
    return len(lines), inferred, tracked, sorted(events)


def check_gating(e):
    """A quiet clip with a model that sleeps while nothing moves: what is saved, and what is missed."""
    rows = []
    for clip in ("one-by-one-person-detection.mp4",):
        frames, _, tracked, events = played(e, clip, "", "")
        for gate, infer in (("! nvpmotion detections=false", "run-when=motion.active>0"),
                            ("! nvpmotion detections=false gate-hold=500000000", "run-when=motion.active>0"),
                            ("! nvpmotion detections=false gate=flag", "")):
            _, inferred, kept, seen = played(e, clip, gate, infer)
            saved, both = 1 - inferred / frames, len(tracked & kept) / len(tracked)
            e.at_least("gating", f"{clip} {gate[2:]} {infer}: part of the inference saved", saved, SAVED)
            e.at_least("gating", "part of the frames with tracks that keep one", both, KEPT)
            e.say("gating", f"events {json.dumps(seen)}, without gating {json.dumps(events)}", seen == events)
            rows.append((clip, f"{gate[2:]} {infer}", frames, f"{saved:.2f}", f"{both:.3f}", len(events), len(seen)))
    table("Gating", ("clip", "gate", "frames", "inference saved", "frames with tracks kept", "events", "with gating"), rows)


MOTION = {"moving": check_moving, "gating": check_gating}
