#!/usr/bin/env python3
"""Runs the plugin on real videos, pictures and sequences, and holds what comes out against bounds.

usage: evaluate.py DATA [CHECK...]

DATA holds video/, images/, models/, mot/, ptz/ and homography/, and a README.md with what other trackers reach;
eval_mot.py is in DATA/../tools. The plugin has to be on GST_PLUGIN_PATH, the examples `mot`, `score`, `visits` and
`register` in target/release/examples. One line a measured value, and tables in Markdown; the exit status is 1 when a
bound is missed or an input is missing.
"""

import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import traceback

import cv2
import jsonschema
import numpy as np
import onnxruntime

from evaluation import ROOT, TIMEOUT, Evaluation, Failed, launch, records
from events import EVENTS
from motion import MOTION
from reference import Yolox, iou
from tracking import TRACKING
from views import VIEWS

LEGACY = ROOT / "scripts/models/yolox_nano_legacy.json"
SCHEMA = ROOT / "schema/nvperception.frame-1.schema.json"
FORMATS = ["I420", "NV12", "RGB", "BGRx"]


def count_frames(path):
    """The frames of a video, counted by another decoder."""
    video, count = cv2.VideoCapture(str(path)), 0
    while video.grab():
        count += 1
    return count


def check_videos(e):
    """Every clip from its start to its end, at its own size."""
    model = e.path("models/yolox_nano.onnx")
    schema = jsonschema.validators.validator_for(json.loads(SCHEMA.read_text()))(json.loads(SCHEMA.read_text()))
    clips = sorted(p for p in e.path("video").iterdir() if p.suffix in (".mp4", ".avi"))
    for clip in clips:
        out, start = e.work / "video.jsonl", time.monotonic()
        launch(f"filesrc location={clip} ! decodebin ! nvpinference model={model} ! nvptracker "
               f"! nvppublish location={out} ! fakesink")
        lines, seconds = records(out), time.monotonic() - start
        for line in lines[:: max(1, len(lines) // 20)]:
            schema.validate(line)
        times = [line["pts"] for line in lines]
        found = sum(len(line["detections"]) for line in lines)
        tracks = {t["id"] for line in lines for t in line["tracks"] if t["state"] == "confirmed"}
        ok = len(lines) == count_frames(clip) and times == sorted(set(times)) and found and tracks
        e.say(clip.name, f"{len(lines)} frames in {seconds:.0f} s, {found} detections, {len(tracks)} tracks", ok)


def detect(e, picture, model, form, properties=""):
    """What the plugin finds in a JPEG, as `Yolox.detect` gives it, with class names in a second list."""
    out = e.work / "picture.jsonl"
    launch(f"filesrc location={picture} ! jpegdec ! videoconvert ! video/x-raw,format={form} "
           f"! nvpinference model={model} {properties} ! nvppublish location={out} ! fakesink")
    found = records(out)[0]["detections"]
    objects = [(d["class"], d["confidence"], d["box"]) for d in found]
    return objects, {d["label"] for d in found}


def worst_overlap(objects, others, least=0.4):
    """The least IoU of a confident object with its best partner of the same class in `others`."""
    best = [max((iou(box, other) for o, _, other in others if o == c), default=0.0)
            for c, confidence, box in objects if confidence >= least]
    return min(best, default=0.0)


def check_pictures(e):
    """The same boxes as an independent decoding, from every layout of pixels."""
    model = e.path("models/yolox_nano.onnx")
    reference = Yolox(model)
    for name, expected in [("dog.jpg", {"dog", "bicycle", "car"}), ("person.jpg", {"person", "dog", "horse"})]:
        picture = e.path(f"images/{name}")
        wanted = reference.detect(cv2.imread(str(picture)))
        for form in FORMATS:
            objects, labels = detect(e, picture, model, form)
            worst = min(worst_overlap(objects, wanted), worst_overlap(wanted, objects))
            missing = expected - labels
            text = f"{len(objects)} objects, worst IoU with the reference {worst:.3f}, at least 0.9"
            e.say(f"{name} {form}", text + (f"; not found: {missing}" if missing else ""), worst >= 0.9 and not missing)


def check_families(e):
    """Other families, recognised without a description."""
    for name, picture, expected in [
        ("picodet_s_416_coco", "dog.jpg", {"dog", "bicycle", "car"}),
        ("picodet_s_416_coco", "person.jpg", {"person", "dog", "horse"}),
    ]:
        objects, labels = detect(e, e.path(f"images/{picture}"), e.path(f"models/{name}.onnx"), "I420", "confidence=0.4")
        wanted = Yolox(e.path("models/yolox_nano.onnx")).detect(cv2.imread(str(e.path(f"images/{picture}"))))
        worst = worst_overlap([w for w in wanted if w[1] >= 0.6], objects, least=0.6)
        missing = expected - labels
        e.say(f"{name} {picture}", f"{sorted(labels)}, worst IoU with YOLOX {worst:.2f}, at least 0.6",
              worst >= 0.6 and not missing)
    picture = cv2.imread(str(e.path("images/dls_people_detection.png")))
    cv2.imwrite(str(e.work / "people.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 98])
    height, width = picture.shape[:2]
    yunet = e.path("models/face_detection_yunet_2026may.onnx")
    face = cv2.FaceDetectorYN.create(str(yunet), "", (width, height), 0.5, 0.45).detect(picture)[1][0]
    wanted = [(0, 1.0, [face[0] / width, face[1] / height, (face[0] + face[2]) / width, (face[1] + face[3]) / height])]
    for model in ("face_detection_yunet_2026may", "version-RFB-320"):
        objects, labels = detect(e, e.work / "people.jpg", e.path(f"models/{model}.onnx"), "I420", "confidence=0.4")
        worst = worst_overlap(wanted, objects)
        e.say(model, f"{sorted(labels)}, IoU with OpenCV's face {worst:.2f}, at least 0.5",
              worst >= 0.5 and labels == {"face"})


def crop_vector(session, picture, box):
    """What a re-identification model says of a part of a BGR picture, made with OpenCV."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = (max(0, round(v * side)) for v, side in zip(box, (width, height) * 2))
    crop = cv2.cvtColor(cv2.resize(picture[y0:y1, x0:x1], (128, 256)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    crop = (crop - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    tensor = crop.transpose(2, 0, 1)[None].astype(np.float32)
    vector = session.run(None, {session.get_inputs()[0].name: tensor})[0][0]
    return vector / np.linalg.norm(vector)


def check_cascade(e):
    """Persons described by a second model: the same vectors as from OpenCV's crops, and persons told apart."""
    detector, reid = e.path("models/yolox_nano.onnx"), e.path("models/osnet_x0_25_msmt17.onnx")
    session, out = onnxruntime.InferenceSession(str(reid)), e.work / "cascade.jsonl"
    picture = cv2.imread(str(e.path("images/dls_people_detection.png")))
    cv2.imwrite(str(e.work / "crowd.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 98])
    launch(f"filesrc location={e.work}/crowd.jpg ! jpegdec ! nvpinference model={detector} classes=person "
           f"! nvpinference model={reid} region=detections ! nvppublish location={out} embeddings=true ! fakesink")
    vectors = [d for d in records(out)[0]["detections"] if d.get("task") == "embed"]
    worst = min((float(crop_vector(session, picture, d["box"]) @ d["embedding"]) for d in vectors), default=0.0)
    e.say("osnet on people", f"{len(vectors)} persons, worst similarity to the reference's vector {worst:.3f}, "
          "at least 0.95", bool(vectors) and worst >= 0.95)
    clip = e.path("video/pets09-s2l1_480x360.avi")
    launch(f"filesrc location={clip} ! decodebin ! nvpinference model={detector} classes=person ! nvptracker "
           f"! nvpinference model={reid} region=tracks reinfer-interval=4 region-limit=8 "
           f"! nvppublish location={out} embeddings=true ! fakesink")
    same, other, last = [], [], {}
    for line in records(out):
        fresh = {d["parent"]["track"]: np.array(d["embedding"]) for d in line["detections"]
                 if d.get("task") == "embed" and "age" not in d["parent"]}
        same += [float(v @ last[i]) for i, v in fresh.items() if i in last]
        other += [float(a @ b) for i, a in fresh.items() for j, b in fresh.items() if i < j]
        last.update(fresh)
    gap = np.mean(same) - np.mean(other)
    e.say("osnet on tracks", f"similarity of a person to itself {np.mean(same):.2f}, to others {np.mean(other):.2f}; "
          f"{gap:.2f} apart, at least 0.1", gap >= 0.1)


def check_openvino(e):
    """The same objects from OpenVINO as from the CPU's own engine."""
    if platform.machine() != "x86_64":
        return e.say("openvino", "there is a library for x86-64 only (not checked)")
    subprocess.run([ROOT / "scripts/deps"], check=True, timeout=TIMEOUT, env=os.environ | {"PROVIDER": "openvino"},
                   stdout=subprocess.DEVNULL)
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    picture, model = e.path("images/dog.jpg"), e.path("models/yolox_nano.onnx")
    wanted, _ = detect(e, picture, model, "I420")
    objects, _ = detect(e, picture, model, "I420", f"provider=openvino onnxruntime={home}/nvperception/openvino")
    worst = min(worst_overlap(objects, wanted), worst_overlap(wanted, objects))
    off = max((abs(a[1] - b[1]) for a, b in zip(objects, wanted)), default=1.0)
    e.say("openvino", f"{len(objects)} objects, worst IoU with the CPU's {worst:.4f}, at least 0.99; confidences differ "
          f"by {off:.5f}", worst >= 0.99)
    return None


def check_frames(e):
    """A whole clip, frame by frame, beside the reference: decoders differ a little, boxes must not."""
    clip, model, out = e.path("video/car-detection.mp4"), e.path("models/yolox_nano.onnx"), e.work / "frames.jsonl"
    launch(f"filesrc location={clip} ! decodebin ! nvpinference model={model} ! nvppublish location={out} ! fakesink")
    reference, video, confident, alone = Yolox(model), cv2.VideoCapture(str(clip)), 0, 0
    for line in records(out):
        found = [(d["class"], d["confidence"], d["box"]) for d in line["detections"]]
        for wanted in reference.detect(video.read()[1], confidence=0.4):
            confident += 1
            alone += worst_overlap([wanted], found) < 0.9
    e.say("car-detection.mp4 frame by frame", f"{alone} of {confident} reference boxes without a partner at IoU 0.9, "
          "at most 2 %", confident > 0 and alone <= 0.02 * confident)


def check_legacy(e):
    """A model that needs its description finds the same with it."""
    picture = e.path("images/dog.jpg")
    modern, _ = detect(e, picture, e.path("models/yolox_nano.onnx"), "I420")
    legacy = e.path("models/yolox_nano_legacy_v010.onnx")
    objects, labels = detect(e, picture, legacy, "I420", f"model-config={LEGACY}")
    missing = {"dog", "bicycle"} - labels
    worst = worst_overlap(objects, modern, least=0.5)
    e.say("legacy model", f"{sorted(labels)}, worst IoU with the modern one {worst:.2f}, at least 0.7",
          worst >= 0.7 and not missing)
    flood, _ = detect(e, picture, legacy, "I420")
    e.say("legacy model without its description", f"{len(flood)} objects (for information)")


def damage(clip, target, how):
    data = bytearray(clip.read_bytes())
    if how == "cut":
        data = data[: len(data) * 6 // 10]
    else:
        dice = random.Random(1)
        for _ in range(1000):
            data[dice.randrange(4096, len(data))] = dice.randrange(256)
    target.write_bytes(data)


def check_damage(e):
    """Cut and corrupt files end, in an error or not, and what was written is whole."""
    model = e.path("models/yolox_nano.onnx")
    for name in ("car-detection.mp4", "pets09-s2l1_480x360.avi"):
        for how in ("cut", "corrupt"):
            clip, out = e.work / f"{how}-{name}", e.work / "damage.jsonl"
            out.unlink(missing_ok=True)
            damage(e.path(f"video/{name}"), clip, how)
            done = launch(f"filesrc location={clip} ! decodebin ! nvpinference model={model} interval=4 ! nvptracker "
                          f"! nvppublish location={out} ! fakesink", check=False)
            lines = len(records(out)) if out.exists() else 0
            e.say(f"{how} {name}", f"exit status {done.returncode}, {lines} whole lines", done.returncode in (0, 1))


CHECKS = {
    "videos": check_videos, "pictures": check_pictures, "families": check_families,
    "cascade": check_cascade, "openvino": check_openvino, "frames": check_frames, "legacy": check_legacy,
    "damage": check_damage, **TRACKING, **VIEWS, **EVENTS, **MOTION,
}


def main():
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(CHECKS):
        sys.exit(f"{__doc__}\nchecks: {', '.join(CHECKS)}")
    os.environ.setdefault("RUST_BACKTRACE", "0")
    with tempfile.TemporaryDirectory() as work:
        e = Evaluation(sys.argv[1], work)
        for name in sys.argv[2:] or CHECKS:
            start = time.monotonic()
            print(f"     {name}: {' '.join(CHECKS[name].__doc__.split())}", flush=True)
            try:
                CHECKS[name](e)
            except Failed as error:
                e.say(name, str(error), False)
            # Whatever stops one check must not hide the others.
            except Exception as error:  # pylint: disable=broad-except
                traceback.print_exc()
                e.say(name, f"{type(error).__name__}: {error}", False)
            print(f"     {name}: {time.monotonic() - start:.0f} s", flush=True)
    print("all bounds hold" if e.failures == 0 else f"{e.failures} failed")
    sys.exit(e.failures > 0)


if __name__ == "__main__":
    main()
