#!/usr/bin/env python3
"""Trains the detector of nvptestsrc's scene and writes it as ONNX: train.py TRAIN VALIDATION OUT.onnx

TRAIN and VALIDATION are folders of `testscene-frames`. Needs Debian's python3-torch (1.13 or later) and, to write
the file, the package onnx. The seed, the data and the number of epochs decide the result, but for the rounding of
the machine that it runs on.

The network is a small anchor-free detector with strides 8, 16 and 32. Objects are assigned to points as in SimOTA
(Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430); scores are trained towards the IoU (Zhang et
al., "VarifocalNet", CVPR 2021), boxes by GIoU (Rezatofighi et al., CVPR 2019). The output is that of YOLOv8:
1x8xN, each column the centre, width and height in pixels and the scores of four classes.
"""

import argparse
import json
import math
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

WIDTH, HEIGHT = 320, 192
CLASSES = ["person", "bicycle", "car", "bus"]
STRIDES = [8, 16, 32]
# Objects of which less can be seen are neither right nor wrong.
LEAST_VISIBLE = 0.25


class Conv(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs, outputs, size=3, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class Block(nn.Module):
    """Bottleneck with a shortcut (He et al., "Deep Residual Learning", CVPR 2016)."""

    def __init__(self, channels):
        super().__init__()
        self.down, self.up = Conv(channels, channels // 2, 1), Conv(channels // 2, channels)

    def forward(self, x):
        return x + self.up(self.down(x))


class Detector(nn.Module):
    """From 1x3x192x320, values in [0, 1], to what each point sees: scores before the sigmoid, and boxes."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(Conv(3, 12, 3, 2), Conv(12, 24, 3, 2))
        self.c3 = nn.Sequential(Conv(24, 40, 3, 2), Block(40), Block(40))
        self.c4 = nn.Sequential(Conv(40, 56, 3, 2), Block(56), Block(56))
        self.c5 = nn.Sequential(Conv(56, 64, 3, 2), Block(64), Block(64))
        self.lateral = nn.ModuleList([Conv(40, 40, 1), Conv(56, 40, 1), Conv(64, 40, 1)])
        self.merge = nn.ModuleList([Block(40), Block(40)])
        self.heads = nn.ModuleList([nn.Sequential(Conv(40, 40), nn.Conv2d(40, 4 + len(CLASSES), 1)) for _ in STRIDES])
        for head in self.heads:
            nn.init.normal_(head[1].weight, std=0.01)
            nn.init.constant_(head[1].bias, 0)
            nn.init.constant_(head[1].bias[4:], -math.log((1 - 0.01) / 0.01))
        grid = []
        for stride in STRIDES:
            y, x = torch.meshgrid(torch.arange(HEIGHT // stride), torch.arange(WIDTH // stride), indexing="ij")
            grid.append(torch.stack([(x.flatten() + 0.5) * stride, (y.flatten() + 0.5) * stride,
                                     torch.full((x.numel(),), stride)], 1))
        # Centre and stride of each point.
        self.register_buffer("points", torch.cat(grid).float(), persistent=False)

    def forward(self, x):
        c3 = self.c3(self.stem(x))
        c4 = self.c4(c3)
        p5 = self.lateral[2](self.c5(c4))
        p4 = self.merge[1](self.lateral[1](c4) + F.interpolate(p5, scale_factor=2.0, mode="nearest"))
        p3 = self.merge[0](self.lateral[0](c3) + F.interpolate(p4, scale_factor=2.0, mode="nearest"))
        out = torch.cat([head(p).flatten(2) for head, p in zip(self.heads, [p3, p4, p5])], 2)
        reach = torch.exp(out[:, :4].clamp(max=6)) * self.points[:, 2]
        x, y = self.points[:, 0], self.points[:, 1]
        left, top, right, bottom = reach.unbind(1)
        boxes = torch.stack([x - left, y - top, x + right, y + bottom], 1)
        return boxes, out[:, 4:]


class Deployed(nn.Module):
    """The detector with the output of YOLOv8."""

    def __init__(self, detector):
        super().__init__()
        self.detector = detector

    def forward(self, images):
        boxes, scores = self.detector(images)
        low, high = boxes[:, :2], boxes[:, 2:]
        return torch.cat([(low + high) / 2, high - low, scores.sigmoid()], 1)


def iou(a, b, generalised=False):
    """IoU of boxes that broadcast; the last axis is x_min, y_min, x_max, y_max."""
    size = (torch.min(a[..., 2:], b[..., 2:]) - torch.max(a[..., :2], b[..., :2])).clamp(min=0)
    both = size.prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - both
    value = both / union.clamp(min=1e-6)
    if not generalised:
        return value
    hull = (torch.max(a[..., 2:], b[..., 2:]) - torch.min(a[..., :2], b[..., :2])).prod(-1).clamp(min=1e-6)
    return value - (hull - union) / hull


@torch.no_grad()
def assign(points, boxes, scores, objects):
    """SimOTA: for every point the object it stands for, or -1."""
    target = torch.full((len(points),), -1)
    if not len(objects):
        return target
    truth, classes = objects[:, 1:5], objects[:, 0].long()
    centre = (truth[:, :2] + truth[:, 2:]) / 2
    offset = (points[None, :, :2] - centre[:, None]).abs().amax(2)
    near = offset < 1.5 * points[None, :, 2]
    inside = ((points[None, :, :2] > truth[:, None, :2]) & (points[None, :, :2] < truth[:, None, 2:])).all(2)
    overlap = iou(truth[:, None], boxes[None])
    wrong = F.binary_cross_entropy_with_logits(
        scores[None].expand(len(truth), -1, -1), F.one_hot(classes, len(CLASSES)).float()[:, None].expand(
            -1, len(points), -1), reduction="none").sum(2)
    cost = wrong + 3 * -torch.log(overlap + 1e-8) + 1e5 * ~(near & inside) + 1e6 * ~near
    best = torch.full((len(points),), 1e9)
    for i in range(len(truth)):
        count = int(overlap[i].where(near[i], torch.zeros(())).topk(10).values.sum().clamp(min=1))
        chosen = cost[i].topk(count, largest=False)
        better = chosen.values < best[chosen.indices]
        chosen_points = chosen.indices[better & (chosen.values < 1e6)]
        best[chosen_points] = cost[i][chosen_points]
        target[chosen_points] = i
    return target


def loss(points, boxes, scores, objects):
    """Of one image: the scores' and the boxes' sum, and how many points stand for objects."""
    clear = objects[objects[:, 5] >= LEAST_VISIBLE]
    hidden = objects[objects[:, 5] < LEAST_VISIBLE]
    target = assign(points, boxes.detach(), scores.detach(), clear)
    positive = target >= 0
    wanted, weight = torch.zeros_like(scores), torch.ones_like(scores)
    if len(hidden):
        inside = ((points[:, None, :2] > hidden[None, :, 1:3]) & (points[:, None, :2] < hidden[None, :, 3:5])).all(2)
        weight[inside.any(1) & ~positive] = 0
    chosen = clear[target[positive]]
    overlap = iou(boxes[positive], chosen[:, 1:5], generalised=True)
    wanted[positive, chosen[:, 0].long()] = iou(boxes[positive].detach(), chosen[:, 1:5])
    # Points that stand for nothing count the less the surer they are of it.
    weight = torch.where(wanted > 0, weight, weight * 0.75 * scores.detach().sigmoid() ** 1.5)
    of_scores = (F.binary_cross_entropy_with_logits(scores, wanted, reduction="none") * weight).sum()
    return of_scores, (1 - overlap).sum(), positive.sum()


def load(folder):
    """Images as bytes, and for each its objects: class, box, visibility."""
    folder = pathlib.Path(folder)
    images = np.fromfile(folder / "frames", np.uint8).reshape(-1, 3, HEIGHT, WIDTH)
    rows = np.loadtxt(folder / "objects", dtype=np.float32, ndmin=2)
    ends = np.searchsorted(rows[:, 0], np.arange(len(images) + 1))
    return images, [torch.from_numpy(rows[a:b, 1:]) for a, b in zip(ends, ends[1:])]


def augment(image, objects, dice):
    """Mirrors and changes light and colours."""
    image = torch.from_numpy(image.astype(np.float32) / 255)
    objects = objects.clone()
    if dice.random() < 0.5:
        image = image.flip(2)
        objects[:, [1, 3]] = WIDTH - objects[:, [3, 1]]
    gain = torch.from_numpy(dice.uniform(0.9, 1.1, (3, 1, 1)).astype(np.float32))
    return ((image - 0.5) * dice.uniform(0.8, 1.2) * gain + 0.5 + dice.uniform(-0.08, 0.08)).clamp(0, 1), objects


@torch.no_grad()
def accuracy(detector, images, objects, least_height=16, least_visible=0.5):
    """Average precision at IoU 0.5 by class, over objects that are high and visible enough."""
    found, wanted = [[] for _ in CLASSES], [0] * len(CLASSES)
    for start in range(0, len(images), 32):
        boxes, scores = detector(torch.from_numpy(images[start:start + 32].astype(np.float32) / 255))
        boxes, scores = boxes.transpose(1, 2), scores.sigmoid().transpose(1, 2)
        for i in range(len(boxes)):
            truth = objects[start + i]
            counts = (truth[:, 4] - truth[:, 2] >= least_height) & (truth[:, 5] >= least_visible)
            for c in range(len(CLASSES)):
                of_class, counted = truth[truth[:, 0] == c], counts[truth[:, 0] == c]
                wanted[c] += int(counted.sum())
                for score, hit in matches(boxes[i], scores[i, :, c], of_class, counted):
                    found[c].append((score, hit))
    return [average_precision(f, w) for f, w in zip(found, wanted)]


def matches(boxes, scores, truth, counted):
    """Detections after NMS as (score, right or wrong); those of objects that do not count are left out."""
    order = scores.argsort(descending=True)[:100]
    boxes, scores = boxes[order], scores[order]
    close = (iou(boxes[:, None], boxes[None]) > 0.6).numpy()
    right = iou(boxes[:, None], truth[None, :, 1:5]).numpy()
    kept, taken = [], set()
    for i in range(int((scores > 0.02).sum())):
        if close[i, kept].any():
            continue
        kept.append(i)
        free = [(right[i, k], k) for k in range(len(truth)) if k not in taken and right[i, k] >= 0.5]
        best = max((f for f in free if counted[f[1]]), default=None)
        if best:
            taken.add(best[1])
            yield float(scores[i]), True
        elif not free:
            yield float(scores[i]), False


def average_precision(found, wanted):
    """Area under the interpolated curve of precision over recall."""
    found.sort(reverse=True)
    hits = np.cumsum([hit for _, hit in found])
    precision = hits / np.arange(1, len(found) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = np.concatenate([[0], hits / max(wanted, 1)])
    return float((np.diff(recall) * precision).sum()) if len(found) else 0.0


def train(options, detector):
    images, objects = load(options.train)
    validation = load(options.validation)
    dice = np.random.default_rng(options.seed)
    steps = options.epochs * (len(images) // options.batch)
    decayed = [p for p in detector.parameters() if p.ndim > 1]
    plain = [p for p in detector.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0}])
    average = {k: v.clone() for k, v in detector.state_dict().items()}
    step, started = 0, time.monotonic()
    for epoch in range(options.epochs):
        order = dice.permutation(len(images))
        for start in range(0, len(order) - options.batch + 1, options.batch):
            warm = min(1, (step + 1) / 300)
            rate = options.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
            for group in optimiser.param_groups:
                group["lr"] = rate
            batch = [augment(images[i], objects[i], dice) for i in order[start:start + options.batch]]
            inputs = torch.stack([b[0] for b in batch]).contiguous(memory_format=torch.channels_last)
            boxes, scores = detector(inputs)
            boxes, scores = boxes.transpose(1, 2), scores.transpose(1, 2)
            parts = [loss(detector.points, boxes[i], scores[i], batch[i][1]) for i in range(len(batch))]
            count = sum(p[2] for p in parts).clamp(min=1)
            total = (sum(p[0] for p in parts) + 3 * sum(p[1] for p in parts)) / count
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            nn.utils.clip_grad_norm_(detector.parameters(), 10)
            optimiser.step()
            keep = min(0.998, (step + 1) / (step + 20))
            for key, value in detector.state_dict().items():
                if value.dtype.is_floating_point:
                    average[key].lerp_(value, 1 - keep)
                else:
                    average[key] = value.clone()
            step += 1
            if step % 50 == 0:
                print(f"epoch {epoch} step {step}/{steps} loss {float(total.detach()):.3f} "
                      f"{(time.monotonic() - started) / step:.2f} s/step", flush=True)
        torch.save(average, options.out + ".pt")
        if epoch % 3 == 2 or epoch == options.epochs - 1:
            trained = Detector().eval()
            trained.load_state_dict(average)
            each = accuracy(trained, *validation)
            print(f"epoch {epoch}: mAP@0.5 {np.mean(each):.3f} " +
                  " ".join(f"{name} {ap:.3f}" for name, ap in zip(CLASSES, each)), flush=True)
    detector.load_state_dict(average)


def fold(detector):
    """Puts each batch norm into its convolution."""
    for module in detector.modules():
        if isinstance(module, Conv):
            norm, conv = module.norm, module.conv
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            conv.weight.data *= gain.reshape(-1, 1, 1, 1)
            conv.bias = nn.Parameter((norm.bias - norm.running_mean * gain).detach())
            module.norm = nn.Identity()


def write(detector, options):
    import onnx

    detector.eval()
    fold(detector)
    torch.onnx.export(Deployed(detector), torch.zeros(1, 3, HEIGHT, WIDTH), options.out, opset_version=17,
                      input_names=["images"], output_names=["output0"], do_constant_folding=True)
    model = onnx.load(options.out)
    about = {
        "names": json.dumps(dict(enumerate(CLASSES))).replace('"', "'").replace("'0'", "0").replace("'1'", "1")
        .replace("'2'", "2").replace("'3'", "3"),
        "task": "detect",
        "imgsz": f"[{HEIGHT}, {WIDTH}]",
        "description": "Detector of nvptestsrc's scene; it knows nothing else",
        "license": "MIT OR Apache-2.0",
    }
    for key, value in about.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    model.producer_name, model.producer_version = "models/testscene/train.py", ""
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, options.out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "validation", "out"):
        parser.add_argument(name)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    detector = Detector()
    train(options, detector.to(memory_format=torch.channels_last))
    write(detector, options)


if __name__ == "__main__":
    main()
