//! Understanding a model from what its file says, and decoding what it gives.
//!
//! [`understand`] turns the [`Facts`] of a loaded model into a [`Plan`] before any frame: how to make the
//! input, how to read the outputs, what the classes are called, and what had to be assumed. What is known
//! comes from, in this order, properties, the sidecar (both [`Hints`]), the metadata in the file, and the
//! shapes. A family's documented preprocessing fills what is left; where two families fit, the model is
//! refused with the choices.
//!
//! | family | models | outputs | default preprocessing |
//! |---|---|---|---|
//! | `yolov5` | YOLOv5, with objectness | \[1, N, 5 + C\], 3 anchors a cell | RGB / 255, letterbox, pad 114 |
//! | `yolov5-segment` | YOLOv5-seg | the same + K, and mask prototypes \[1, K, h, w\] | as `yolov5` |
//! | `yolov8` | YOLOv8, 9, 11, 12 | \[1, 4 + C, N\] or \[1, N, 4 + C\] | RGB / 255, letterbox, pad 114 |
//! | `yolov8-segment` | the same, -seg | + K, and mask prototypes \[1, K, h, w\] | as `yolov8` |
//! | `yolov8-pose` | the same, -pose | + keypoints x 2 or 3 | as `yolov8` |
//! | `yolov8-obb` | the same, -obb | + an angle | as `yolov8` |
//! | `end-to-end` | YOLOv10, YOLO26 | \[1, N, 6\], no suppression | RGB / 255, letterbox, pad 114 |
//! | `end-to-end-segment`, `-pose`, `-obb` | YOLO26-seg, -pose, -obb | the same + what `yolov8-...` add | as `end-to-end` |
//! | `end-to-end-rtdetr` | RT-DETR from Ultralytics | \[1, N, 6\] in units of the input | RGB / 255, stretch |
//! | `yolox` | YOLOX | \[1, N, 5 + C\], one a cell, grid not applied | BGR, letterbox-topleft, pad 114 |
//! | `yolox-decoded` | YOLOX, grid applied | \[1, N, 5 + C\], one a cell; only by name | as `yolox` |
//! | `picodet` | PicoDet | 4 of \[1, cells, C\] and 4 of \[1, cells, 32\], strides 8 to 64 | RGB, ImageNet mean and std, stretch |
//! | `nanodet` | NanoDet-Plus | \[1, N, C + 32\], strides 8 to 64 | BGR, ImageNet mean and std, stretch |
//! | `ultraface` | UltraFace | \[1, N, 2\] and \[1, N, 4\] | RGB, (x - 127) / 128, stretch |
//! | `yunet` | YuNet, with five points | 12 maps of strides 8 to 32 | BGR, letterbox, pad 0 |
//! | `detr` | RT-DETR, D-FINE | \[1, N, C\] logits and \[1, N, 4\], no suppression | RGB / 255, stretch |
//! | `rtdetr` | older RT-DETR from Ultralytics | \[1, N, 4 + C\], no suppression | RGB / 255, stretch |
//! | `ssd` | SSD and others with suppression in the graph | boxes, scores and classes, with or without a count | RGB / 255, stretch |
//! | `classifier` | plain classifiers | \[1, C\] | RGB, ImageNet mean and std, center-crop |
//! | `yolo-classify` | YOLOv8-cls to YOLO26-cls | \[1, C\] | RGB / 255, center-crop |
//! | `embedding` | re-identification | \[1, length\] | RGB, ImageNet mean and std, stretch |
//!
//! N counts the cells of the input's grids of stride 8, 16 and 32 (also with 4 or 64, or without 8; any N of a
//! top-k for `end-to-end`); C is the
//! number of classes. Each prediction counts as its best class only. Models with u8 inputs normalise
//! themselves: they get pixels as they are, unless the sidecar says what the bytes stand for. Of a fixed batch one
//! place is one picture; a decoder always sees one picture's part of the outputs.
//!
//! A caller goes: read the sidecar with [`Hints::from_json`] and the labels file it names with
//! [`labels::from_text`]; [`input`] says which tensor to run the model on once; put the shapes that came out
//! into the facts with [`Facts::observe`]; [`understand`]; [`Decoder::check`] on the outputs of that run; then
//! [`Decoder::decode`] every frame.
//!
//! A new family is one file in `family/` with a static [`Family`], and a row in [`FAMILIES`], in the table
//! above and in the examples of `schema/model.schema.json`.

mod decode;
mod error;
mod facts;
mod family;
mod filter;
pub mod labels;
pub(crate) mod nearest;
mod sidecar;
#[cfg(test)]
mod tests;
mod understand;

pub use decode::{
    DecodeError, DecodeParams, DecodeReport, Decoder, MAX_CANDIDATES, Quantization, TensorData, TensorView,
};
pub use error::{Choice, ModelError, Source};
pub use facts::{ElementKind, Facts, TensorFacts};
pub use family::{FAMILIES, Family, Preprocess};
pub use filter::{ClassFilter, FilterError};
pub use sidecar::{Activation, BoxOrder, Hints, LabelSource, MAX_SIDE, SidecarError};
pub use understand::{Input, Plan, input, understand};
