"""The checks of evaluate.py that are about events: crossings and occupancy beside exact geometry, which is computed
here, beside another library and beside the truth of scenes."""

import json

import cv2
import numpy as np

from evaluation import ROOT, Failed, launch, records, run, table

# Anchors that are this close to an edge, in pixels, are left aside: boxes are whole pixels, and lines have a margin.
NEAR = 1.5
# A path goes on over a gap of at most this many seconds.
GAP = 2.0
# How long scenes are played, and how many of them.
SECONDS, SEEDS = 60, 20
# Another library may count a crossing this many frames earlier or later.
LAG = 3
# How many lines and polygons are thrown at each sequence.
THROWN = 12


def info(sequence):
    rows = (row.split("=") for row in (sequence / "seqinfo.ini").read_text().splitlines() if "=" in row)
    found = {key.strip(): value.strip() for key, value in rows}
    return int(found["seqLength"]), int(found["imWidth"]), int(found["imHeight"]), float(found["frameRate"])


def truth(sequence):
    """The true tracks that count: by id, rows of frame (from 0) and box (x, y, x, y) in pixels."""
    rows = np.atleast_2d(np.loadtxt(sequence / "gt/gt.txt", delimiter=","))
    rows = rows[rows[:, 6] > 0]
    rows = rows[np.lexsort((rows[:, 0], rows[:, 1]))]
    boxes = np.column_stack((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]))
    return {int(i): (rows[rows[:, 1] == i, 0].astype(int) - 1, boxes[rows[:, 1] == i]) for i in np.unique(rows[:, 1])}


def anchors(boxes, anchor):
    x = (boxes[:, 0] + boxes[:, 2]) / 2
    return np.column_stack((x, boxes[:, 3] if anchor == "bottom-center" else (boxes[:, 1] + boxes[:, 3]) / 2))


def to_segment(p, a, b):
    """Distance of a point from a segment."""
    along = np.clip(np.dot(p - a, b - a) / np.dot(b - a, b - a), 0, 1)
    return np.linalg.norm(p - a - along * (b - a))


def crosses(a, b, p, q):
    """How the way from p to q crosses the segment from a to b: 1 forward, -1 backward, 0 not; and whether it passes so
    close to an end that it is hard to say."""
    d = b - a
    # Where the path p + s (q - p) meets the line a + t d.
    grid = np.column_stack((q - p, -d))
    if abs(np.linalg.det(grid)) < 1e-12:
        return 0, False
    s, t = np.linalg.solve(grid, a - p)
    if not 0 <= s <= 1:
        return 0, False
    # To the right of d in a picture whose y grows downwards.
    sign = 1 if d[0] * (q - p)[1] - d[1] * (q - p)[0] > 0 else -1
    close = abs(min(t, 1 - t)) * np.linalg.norm(d) <= NEAR
    return (sign if 0 <= t <= 1 else 0), close


def crossings(tracks, line, rate):
    """For every track the stretches of its path from one anchor that is clear of the line to the next: first and last
    frame, net crossing, and whether it is hard to say. The last stretch of a path may end too close to the line."""
    a, b = (np.array(p, float) for p in line["points"])
    for i, (frames, boxes) in tracks.items():
        path = anchors(boxes, line["anchor"])
        clear = [to_segment(p, a, b) > NEAR for p in path]
        since, net, doubt = frames[0], 0, not clear[0]
        for k in range(1, len(path)):
            # A path that is broken off begins anew.
            if (frames[k] - frames[k - 1]) / rate > GAP:
                yield i, since, frames[k] - 1, net, True
                since, net, doubt = frames[k], 0, not clear[k]
                continue
            way, close = crosses(a, b, path[k - 1], path[k])
            net, doubt = net + way, doubt or close
            if clear[k]:
                yield i, since, frames[k], net, doubt
                since, net, doubt = frames[k], 0, False
        if not clear[-1]:
            yield i, since, frames[-1] + 10**9, net, True


def inside(points, p):
    """How deep a point lies in a polygon, in pixels; below 0 outside."""
    return cv2.pointPolygonTest(points.astype(np.float32).reshape(-1, 1, 2), (float(p[0]), float(p[1])), True)


def occupancy(tracks, polygon, length, shift=lambda boxes: boxes):
    """How many are certainly inside on each frame, and how many may be."""
    points = np.array(polygon["points"], float)
    sure, maybe = np.zeros(length, int), np.zeros(length, int)
    for frames, boxes in tracks.values():
        depths = [inside(points, p) for p in anchors(shift(boxes), polygon["anchor"])]
        for frame, depth in zip(frames, depths):
            sure[frame] += depth > NEAR
            maybe[frame] += abs(depth) <= NEAR
    return sure, maybe


def throw(seed, width, height):
    """Lines and polygons all over the picture; the polygons are stars, most of them not convex."""
    dice, items = np.random.default_rng(seed), []
    for i in range(THROWN):
        anchor = ("bottom-center", "center")[i % 2]
        ends = dice.uniform((0.05 * width, 0.2 * height), (0.95 * width, 0.95 * height), (2, 2))
        items.append({"kind": "line", "points": ends.tolist(), "anchor": anchor})
        centre = dice.uniform((0.2 * width, 0.3 * height), (0.8 * width, 0.8 * height))
        angles = (np.arange(7) + dice.uniform(0, 0.7, 7)) * 2 * np.pi / 7
        radii = dice.uniform(0.08, 0.3, 7) * height
        star = centre + np.column_stack((np.cos(angles), np.sin(angles))) * radii[:, None]
        items.append({"kind": "polygon", "points": star.tolist(), "anchor": anchor})
    return items


def rules(items, width, height):
    """The rule file for lines and polygons in pixels."""
    def points(item):
        return [[x / width, y / height] for x, y in item["points"]]

    lines = [(f"l{i}", item) for i, item in enumerate(items) if item["kind"] == "line"]
    zones = [(f"z{i}", item) for i, item in enumerate(items) if item["kind"] == "polygon"]
    return json.dumps({
        "version": 1,
        "zones": [{"name": name, "polygon": points(item), "anchor": item["anchor"]} for name, item in zones],
        "lines": [{"name": name, "points": points(item), "anchor": item["anchor"],
                   "margin": 1 / height} for name, item in lines],
        "rules": [{"name": f"{name}-{way}", "per": "object", "when": f"object.line.{name}.{way}.now", "max-duration": 0}
                  for name, _ in lines for way in ("forward", "backward")],
    })


def count(e, sequence, items):
    """What nvpevents makes of the true tracks: crossings by item, and occupancies by item."""
    length, width, height, rate = info(sequence)
    (e.work / "rules.json").write_text(rules(items, width, height))
    out, true = e.work / "counted.jsonl", e.work / "true.txt"
    # What is marked as not to be considered is no object.
    rows = (sequence / "gt/gt.txt").read_text().splitlines()
    true.write_text("\n".join(row for row in rows if float(row.split(",")[6]) > 0))
    launch(f"videotestsrc num-buffers={length} pattern=black ! video/x-raw,format=GRAY8,width={width},height={height},"
           f"framerate={round(rate)}/1 ! nvpreplay location={true} ! nvpevents rules={e.work}/rules.json "
           f"! nvppublish location={out} ! fakesink")
    crossed = {i: [] for i, item in enumerate(items) if item["kind"] == "line"}
    occupied = {i: [] for i, item in enumerate(items) if item["kind"] == "polygon"}
    for frame, line in enumerate(records(out)):
        facts = {signal["name"]: signal["value"] for signal in line["signals"]}
        for i, found in occupied.items():
            found.append(int(facts[f"zone.z{i}.occupancy"]))
        for event in line["events"]:
            if event["state"] == "confirmed":
                name, way = event["rule"].split("-")
                crossed[int(name[1:])].append((frame, event["tracks"][0], way))
    return crossed, occupied


def compare(e, sequence, items):
    """Counted beside exact: lines and crossings that agree, are in doubt, and are wrong; the same of occupancies."""
    length, _, _, rate = info(sequence)
    tracks, sums = truth(sequence), dict.fromkeys(("agree", "doubt", "wrong", "frames", "unsure", "off"), 0)
    crossed, occupied = count(e, sequence, items)
    for i, found in crossed.items():
        for track, since, until, net, doubt in crossings(tracks, items[i], rate):
            counted = sum(1 if way == "forward" else -1 for frame, t, way in found if t == track and since < frame <= until)
            verdict = "doubt" if doubt else "agree" if counted == np.sign(net) else "wrong"
            sums[verdict] += bool(counted or net)
    for i, found in occupied.items():
        sure, maybe = occupancy(tracks, items[i], length)
        found = np.array(found + [0] * (length - len(found)))
        fits = (sure <= found) & (found <= sure + maybe)
        sums["frames"] += length
        sums["unsure"] += int((maybe > 0).sum())
        sums["off"] += int((~fits).sum())
    return sums


def check_geometry(e):
    """Ground-truth tracks: every crossing and occupancy is that of exact geometry."""
    known = json.loads(e.path("mot/line_zone_reference.json").read_text())
    sequences = sorted(p.parent for p in e.path("mot").glob("*/*/gt") if (p.parent / "seqinfo.ini").exists())
    if not sequences:
        raise Failed("mot has no sequences with their truth")
    rows, wrong, off, agree = [], 0, 0, 0
    for seed, sequence in enumerate(sequences):
        _, width, height, _ = info(sequence)
        items = [item for item in known if item["seq"] == sequence.name]
        items = [{**item, "points": item.get("points") or [item["start"], item["end"]]} for item in items]
        sums = compare(e, sequence, items + throw(seed, width, height))
        rows.append([f"{sequence.parent.name} {sequence.name}", *sums.values()])
        wrong, off, agree = wrong + sums["wrong"], off + sums["off"], agree + sums["agree"]
    table("Crossings and occupancy beside exact geometry", ["sequence", "crossings that agree", "in doubt", "wrong",
          "frames of zones", "in doubt", "wrong"], rows)
    e.say("crossings", f"{agree} agree, {wrong} wrong, at most 0", wrong == 0 and agree > 0)
    e.say("occupancy", f"{off} frames wrong, at most 0", off == 0)


def unmatched(these, those):
    """Those of some crossings that have no partner of the same track and way within a few frames."""
    return [c for c in these if not any(c[1:] == o[1:] and abs(c[0] - o[0]) <= LAG for o in those)]


def reason(tracks, line, rate, frame, track, way):
    """Why two may differ about a crossing."""
    for i, since, until, net, doubt in crossings({track: tracks[track]}, line, rate):
        if since - LAG <= frame <= until + LAG and (doubt or until - since > 1):
            return "feet within 1.5 px of the line or its ends"
        if since < frame <= until and net == 0:
            return "it crosses the line beside the segment's end"
    return "NOT EXPLAINED"


def check_reference(e):
    """What another library counts on the same lines and polygons, and why it differs."""
    known, rows = json.loads(e.path("mot/line_zone_reference.json").read_text()), []
    explained = True
    for item in known:
        sequence = e.path("mot") / item["set"] / item["seq"]
        length, _, _, rate = info(sequence)
        shape = {**item, "points": item.get("points") or [item["start"], item["end"]]}
        crossed, occupied = count(e, sequence, [shape])
        tracks = truth(sequence)
        if item["kind"] == "line":
            # Its `in` is from the right of the line to its left.
            theirs = {(f, t, "backward" if way == "in" else "forward") for f, t, way in item["events"]}
            ours = {(f, t, way) for f, t, way in crossed[0]}
            different = unmatched(ours, theirs) + unmatched(theirs, ours)
            why = [reason(tracks, shape, rate, *one) for one in different]
            rows.append([item["seq"], "line", len(ours), len(theirs), len(different), ", ".join(sorted(set(why)))])
            explained &= "NOT EXPLAINED" not in why
            continue
        ours, theirs = np.array(occupied[0] + [0] * length)[:length], np.array(item["occupancy"])
        edge = np.max(np.array(shape["points"]), axis=0)
        # It clips boxes to the polygon's extent, so that feet below it or beside it count as on its edge.
        sure, maybe = occupancy(tracks, shape, length, lambda boxes: np.clip(boxes, 0, np.tile(edge, 2)))
        different = ours != theirs
        fits = (sure <= theirs) & (theirs <= sure + maybe)
        rows.append([item["seq"], "polygon", int(ours.sum()), int(theirs.sum()), int(different.sum()),
                     f"boxes clipped to the polygon's extent or at its edge on {int((different & fits).sum())}"])
        explained &= bool((fits | ~different).all())
    table("Beside supervision 0.26.1", ["sequence", "kind", "counted", "it counts", "different", "why"], rows)
    e.say("supervision", "every difference is explained", explained)


def visits(*settings):
    """What examples/visits prints: a row of numbers a seed."""
    lines = run([ROOT / "target/release/examples/visits", *map(str, settings)]).splitlines()
    return np.array([[float(cell) for cell in line.strip("|").split("|")] for line in lines[2:]])


def check_noise(e):
    """Noisy detections through the tracker, beside the truth: one visit, one event."""
    found = visits(SECONDS, SEEDS)
    _, crossed, true_crossed, _, _, events, true_events, dwell, true_dwell = found.T
    table("Scene, noisy detections: counted and true",
          ["seeds", "crossings", "true", "events", "true visits", "mean error of the dwell"],
          [[len(found), int(crossed.sum()), int(true_crossed.sum()), int(events.sum()), int(true_events.sum()),
            f"{np.nanmean(np.abs(dwell - true_dwell)):.2f} s of {np.nanmean(true_dwell):.2f} s"]])
    share = events.sum() / true_events.sum()
    e.say("events per true visit", f"{share:.3f}, at most 0.02 from 1", abs(share - 1) <= 0.02)
    share = crossed.sum() / true_crossed.sum()
    e.say("crossings", f"{share:.3f} of the true, at most 0.05 from 1", abs(share - 1) <= 0.05)


def check_tour(e):
    """A camera that leaves and returns counts what one that stands still counts while the other looks there."""
    for what, settings, most in (("true tracks", ["tracker=none"], 0.0), ("tracker", ["detections=perfect"], 0.03)):
        found = visits(SECONDS, SEEDS, "camera=ptz", *settings)
        for name, (own, true) in {"crossings": (1, 2), "entries": (3, 4), "events": (5, 6)}.items():
            off, whole = np.abs(found[:, own] - found[:, true]).sum(), found[:, true].sum()
            e.say(f"tour of a PTZ camera, {what}", f"{int(off)} of {int(whole)} {name} over {len(found)} seeds differ, "
                  f"at most {most:.0%}", off <= most * whole)


EVENTS = {"events": check_geometry, "events-reference": check_reference, "events-noise": check_noise,
          "events-tour": check_tour}
