"""YOLOX in plain Python, as independent of the plugin as can be: OpenCV, ONNX Runtime and numpy."""

import cv2
import numpy as np
import onnxruntime

PAD = 114
STRIDES = (8, 16, 32)


def iou(a, b):
    """Overlap of two boxes (x0, y0, x1, y1)."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    overlap = width * height
    return overlap / (area(a) + area(b) - overlap)


class Yolox:
    """A model whose outputs are offsets on its grids; pictures are BGR, 0 to 255, letterboxed at the top left."""

    def __init__(self, path, threads=2):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.side = self.session.get_inputs()[0].shape[2]
        self.cells, self.scale = self._grid()

    def _grid(self):
        cells, scale = [], []
        for stride in STRIDES:
            count = self.side // stride
            rows, columns = np.mgrid[:count, :count]
            cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
            scale.append(np.full((count * count, 1), stride))
        return np.concatenate(cells), np.concatenate(scale)

    def detect(self, picture, confidence=0.25, overlap=0.45):
        """The objects of a BGR picture as (class, confidence, (x0, y0, x1, y1)) in units of the picture."""
        height, width = picture.shape[:2]
        ratio = min(self.side / height, self.side / width)
        size = (int(width * ratio), int(height * ratio))
        padded = np.full((self.side, self.side, 3), PAD, np.uint8)
        padded[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        tensor = padded.transpose(2, 0, 1)[None].astype(np.float32)
        output = self.session.run(None, {self.input: tensor})[0][0]
        return self._decode(output, confidence, overlap, np.array([size[0], size[1]] * 2))

    def _decode(self, output, confidence, overlap, size):
        centre = (output[:, :2] + self.cells) * self.scale
        half = np.exp(output[:, 2:4]) * self.scale / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1) / size
        classes = output[:, 5:].argmax(axis=1)
        scores = output[:, 4] * output[:, 5:].max(axis=1)
        kept = []
        for i in np.argsort(-scores, kind="stable"):
            if scores[i] < confidence:
                break
            if all(classes[i] != c or iou(boxes[i], box) <= overlap for c, _, box in kept):
                kept.append((int(classes[i]), float(scores[i]), boxes[i].tolist()))
        return kept
