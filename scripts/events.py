"""The check of evaluate.py that is about events: every crossing and occupancy beside exact geometry, computed here."""

import json

import cv2
import numpy as np

from evaluation import Failed, launch, records, table

# Anchors that are this close to an edge, in pixels, are left aside: boxes are whole pixels, and lines have a margin.
NEAR = 1.5
# A path goes on over a gap of at most this many seconds.
GAP = 2.0
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


def crossings(tracks, line, rate):
    """Every crossing of a segment: frame, id, direction, and whether an anchor was too close to tell for sure."""
    a, b = (np.array(p, float) for p in line["points"])
    d, found = b - a, []
    for i, (frames, boxes) in tracks.items():
        path = anchors(boxes, line["anchor"])
        close = [to_segment(p, a, b) <= NEAR for p in path]
        for k in range(1, len(path)):
            if (frames[k] - frames[k - 1]) / rate > GAP:
                continue
            p, q = path[k - 1], path[k]
            # Where the path p + s (q - p) meets the line a + t d.
            grid = np.column_stack((q - p, -d))
            if abs(np.linalg.det(grid)) < 1e-12:
                continue
            s, t = np.linalg.solve(grid, a - p)
            end = min(t, 1 - t) * np.linalg.norm(d)
            doubt = close[k] or close[k - 1] or abs(end) <= NEAR
            if 0 <= s <= 1 and (0 <= t <= 1 or abs(end) <= NEAR):
                # To the right of d in a picture whose y grows downwards.
                forward = d[0] * (q - p)[1] - d[1] * (q - p)[0] > 0
                found.append((int(frames[k]), i, "forward" if forward else "backward", doubt))
            elif doubt:
                found.append((int(frames[k]), i, None, True))
    return found


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
        "lines": [{"name": name, "points": points(item), "anchor": item["anchor"]} for name, item in lines],
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
        exact = crossings(tracks, items[i], rate)
        sure = {(frame, track, way) for frame, track, way, doubt in exact if not doubt}
        doubtful = {(frame + lag, track) for frame, track, _, doubt in exact if doubt for lag in (0, 1)}
        counted = set(found)
        sums["agree"] += len(sure & counted)
        rest = [c for c in counted ^ sure if (c[0], c[1]) not in doubtful]
        sums["doubt"] += len(counted ^ sure) - len(rest)
        sums["wrong"] += len(rest)
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
            doubtful = {t for _, t, _, doubt in crossings(tracks, shape, rate) if doubt}
            different = theirs ^ ours
            why = sorted({"at the edge" if t in doubtful else "NOT EXPLAINED" for _, t, _ in different})
            rows.append([item["seq"], "line", f"{len(ours)}", f"{len(theirs)}", len(different), ", ".join(why)])
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


EVENTS = {"geometry": check_geometry, "reference": check_reference}
