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
# The least part of what moves that is found, by the noise, and the most regions a frame that are about nothing.
FOUND = {"fixed": {2: 0.90, 8: 0.82}, "handheld": {2: 0.82, 8: 0.77}, "ptz": {2: 0.85, 8: 0.78}}
NOTHING = 0.25
# The least part of the inference that gating saves on a quiet street and on a clip that is not, and the least part of the
# frames with tracks that keep one.
SAVED, SAVED_CLIP, KEPT = 0.40, 0.08, 0.95


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
    for camera, bounds in FOUND.items():
        for noise, bound in bounds.items():
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


def played(e, source, model, rules, gated):
    """What rules say of a source: frames, those inferred, those with tracks, and the events or counts at the end."""
    out = e.work / "gating.jsonl"
    gate, when = ("! nvpmotion detections=false", "run-when=motion.active>0") if gated else ("", "")
    launch(f"{source} {gate} ! nvpinference model={model} {when} ! nvptracker ! nvpevents rules={rules} "
           f"! nvppublish location={out} ! fakesink")
    lines = records(out)
    if not lines:
        raise Failed(f"{source}: nothing was published")
    inferred = sum(any(stage["element"].startswith("nvpinference") and stage["outcome"] == "ok"
                       for stage in line["provenance"]["stages"]) for line in lines)
    tracked = {i for i, line in enumerate(lines) if any(t["state"] == "confirmed" for t in line["tracks"])}
    facts = {s["name"]: s["value"] for s in lines[-1]["signals"] if s["name"].endswith("ward")}
    return len(lines), inferred, tracked, facts


def check_gating(e):
    """A model that sleeps while nothing moves: what is saved, and what is missed."""
    lines = [{"name": name, "points": [[x, 1], [x, 0.3]]} for name, x in (("left", 0.2), ("middle", 0.5), ("right", 0.8))]
    street = e.work / "street.json"
    street.write_text(json.dumps({"version": 1, "lines": lines}))
    clip = "one-by-one-person-detection.mp4"
    plays = [(f"street {seed}", f"nvptestsrc num-buffers=900 seed={seed} objects=1 noise=3 ! "
              "video/x-raw,width=640,height=360,framerate=15/1", "builtin:testscene", street, SAVED) for seed in (1, 2, 3)]
    plays.append((clip, f"filesrc location={e.path('video') / clip} ! decodebin", e.path("models/yolox_nano.onnx"),
                  ROOT / "pipelines/door.json", SAVED_CLIP))
    rows = []
    for name, source, model, rules, bound in plays:
        frames, _, tracked, all_facts = played(e, source, model, rules, False)
        _, inferred, kept, facts = played(e, source, model, rules, True)
        saved, both = 1 - inferred / frames, len(tracked & kept) / len(tracked)
        e.at_least("gating", f"{name}: part of the inference saved", saved, bound)
        e.at_least("gating", f"{name}: part of the frames with tracks that keep one", both, KEPT)
        e.say("gating", f"{name}: crossings {json.dumps(facts)}", facts == all_facts)
        rows.append((name, frames, f"{saved:.2f}", f"{both:.3f}", int(sum(all_facts.values())), int(sum(facts.values()))))
    table("Gating", ("source", "frames", "inference saved", "frames with tracks kept", "crossings", "with gating"), rows)


MOTION = {"moving": check_moving, "gating": check_gating}
