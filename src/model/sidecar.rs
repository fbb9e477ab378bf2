//! What people say about a model: properties and the sidecar file beside it.
//!
//! The sidecar is a JSON object, described for people and editors in `schema/model.schema.json`; a test holds
//! the two together. Every key is optional, and an unknown one is an error.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::decode::Quantization;
use super::nearest::suggestion;
use crate::detection::Labels;
use crate::preprocess::{ColorOrder, ResizeMode};

/// The longest side of a model's input in pixels.
pub const MAX_SIDE: usize = 65535;

const KEYS: [&str; 14] = [
    "family",
    "input-size",
    "color",
    "scale",
    "mean",
    "std",
    "resize",
    "pad",
    "labels",
    "keypoints",
    "activation",
    "box-order",
    "input-quantization",
    "output-quantization",
];

/// What turns a classifier's numbers into scores in \[0, 1\].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// They are so already.
    None,
    /// One class of all is right: logits.
    Softmax,
    /// Each class is right or wrong by itself: logits.
    Sigmoid,
}

/// The order of a box's edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoxOrder {
    /// x min, y min, x max, y max.
    #[default]
    Xyxy,
    /// y min, x min, y max, x max.
    Yxyx,
}

impl fmt::Display for BoxOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xyxy => "xyxy",
            Self::Yxyx => "yxyx",
        })
    }
}

/// Where the names of the classes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelSource {
    /// Here.
    Names(Labels),
    /// In a file, relative to the sidecar; its reader puts the names here before
    /// [`understand`](super::understand).
    File(String),
}

/// Statements about a model, each of which overrides what is known otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    /// The name of a [`Family`](super::Family).
    pub family: Option<String>,
    /// Width and height of the input in pixels, for models that leave them open.
    pub input_size: Option<(usize, usize)>,
    /// The channels of the input, in order.
    pub color: Option<ColorOrder>,
    /// What a pixel in \[0, 255\] is multiplied by, per channel in the order of `color`.
    pub scale: Option<[f32; 3]>,
    /// What is subtracted then.
    pub mean: Option<[f32; 3]>,
    /// What the rest is divided by; never 0.
    pub std: Option<[f32; 3]>,
    /// How a frame is fitted into the input.
    pub resize: Option<ResizeMode>,
    /// The pixel value around the picture, in \[0, 255\].
    pub pad: Option<f32>,
    /// The names of the classes.
    pub labels: Option<LabelSource>,
    /// How many keypoints an object has, and how many numbers each: 2 (x, y) or 3 (x, y, confidence).
    pub keypoints: Option<(usize, usize)>,
    /// What turns a classifier's numbers into scores.
    pub activation: Option<Activation>,
    /// The order of a box's edges, for families that give edges.
    pub box_order: Option<BoxOrder>,
    /// What the bytes of an i8 or u8 input stand for.
    pub input_quantization: Option<Quantization>,
    /// What the bytes of i8 and u8 outputs stand for: one for all, or one for each in their order.
    pub output_quantization: Option<Vec<Quantization>>,
}

/// Why a sidecar cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SidecarError {
    /// Not a JSON object; what the JSON reader says, with line and column.
    Json(String),
    /// A key that means nothing here.
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A key that is there twice.
    RepeatedKey {
        /// The key.
        key: String,
    },
    /// A value that its key does not take.
    Value {
        /// The key.
        key: &'static str,
        /// What it takes.
        expected: &'static str,
        /// The value, as JSON, shortened.
        got: String,
    },
}

impl fmt::Display for SidecarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(why) => write!(f, "not a JSON object: {why}"),
            Self::UnknownKey { key } => {
                let near = suggestion(key, KEYS);
                write!(f, "unknown key \"{key}\"{near} (known: {})", KEYS.join(", "))
            }
            Self::RepeatedKey { key } => write!(f, "the key \"{key}\" is there twice"),
            Self::Value { key, expected, got } => write!(f, "\"{key}\" takes {expected}, not {got}"),
        }
    }
}

impl std::error::Error for SidecarError {}

impl Hints {
    /// Reads the text of a sidecar file.
    ///
    /// `input-size` is a side or `[width, height]`; `scale`, `mean` and `std` are a number or one for each of
    /// three channels; `labels` is an array of names or the path of a labels file.
    ///
    /// # Errors
    /// [`SidecarError`] names the key at fault, and the nearest known one for a slip.
    pub fn from_json(text: &str) -> Result<Self, SidecarError> {
        let Entries(entries) = serde_json::from_str(text).map_err(|e| SidecarError::Json(e.to_string()))?;
        let mut hints = Self::default();
        for (i, (key, value)) in entries.iter().enumerate() {
            if entries[..i].iter().any(|(earlier, _)| earlier == key) {
                return Err(SidecarError::RepeatedKey { key: key.clone() });
            }
            hints.set(key, value)?;
        }
        Ok(hints)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), SidecarError> {
        match key {
            "family" => self.family = Some(take(value, "family", "the name of a family", text)?),
            "input-size" => {
                let expected = "a side or [width, height] in pixels, 1 to 65535";
                self.input_size = Some(take(value, "input-size", expected, size)?);
            }
            "color" => self.color = Some(take(value, "color", "\"rgb\", \"bgr\" or \"gray\"", named)?),
            "scale" => self.scale = Some(take(value, "scale", NUMBERS, numbers)?),
            "mean" => self.mean = Some(take(value, "mean", NUMBERS, numbers)?),
            "std" => {
                let expected = "a number or an array of 3, none of them 0";
                self.std = Some(take(value, "std", expected, divisors)?);
            }
            "resize" => {
                let expected = "\"letterbox\", \"letterbox-topleft\", \"stretch\" or \"center-crop\"";
                self.resize = Some(take(value, "resize", expected, named)?);
            }
            "pad" => self.pad = Some(take(value, "pad", "a number from 0 to 255", pixel)?),
            "labels" => {
                let expected = "an array of names or the path of a file with one name a line";
                self.labels = Some(take(value, "labels", expected, labels)?);
            }
            "keypoints" => {
                let expected = "[how many, 2 or 3 numbers each]";
                self.keypoints = Some(take(value, "keypoints", expected, keypoints)?);
            }
            "activation" => {
                let expected = "\"none\", \"softmax\" or \"sigmoid\"";
                self.activation = Some(take(value, "activation", expected, named)?);
            }
            "box-order" => {
                self.box_order = Some(take(value, "box-order", "\"xyxy\" or \"yxyx\"", named)?);
            }
            "input-quantization" => {
                self.input_quantization =
                    Some(take(value, "input-quantization", QUANTIZATION, quantization)?);
            }
            "output-quantization" => {
                let all = |v: &Value| match v.as_array() {
                    Some(list) if !list.is_empty() => list.iter().map(quantization).collect(),
                    Some(_) => None,
                    None => quantization(v).map(|q| vec![q]),
                };
                let expected = "{\"scale\", \"zero-point\"} or an array of them, one an output";
                self.output_quantization = Some(take(value, "output-quantization", expected, all)?);
            }
            _ => return Err(SidecarError::UnknownKey { key: key.to_owned() }),
        }
        Ok(())
    }
}

const NUMBERS: &str = "a number or an array of 3";
const QUANTIZATION: &str = "{\"scale\": a number above 0, \"zero-point\": a whole number}";

fn take<T>(
    value: &Value,
    key: &'static str,
    expected: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T, SidecarError> {
    let shortened = || value.to_string().chars().take(60).collect();
    read(value).ok_or_else(|| SidecarError::Value { key, expected, got: shortened() })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|s| !s.is_empty()).map(str::to_owned)
}

fn named<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

/// JSON numbers are f64; one that f32 cannot hold is refused rather than turned into infinity.
fn number(value: &Value) -> Option<f32> {
    value.as_f64().map(|v| v as f32).filter(|v| v.is_finite())
}

fn numbers(value: &Value) -> Option<[f32; 3]> {
    match value.as_array().map(Vec::as_slice) {
        Some([a, b, c]) => Some([number(a)?, number(b)?, number(c)?]),
        Some(_) => None,
        None => number(value).map(|v| [v; 3]),
    }
}

fn divisors(value: &Value) -> Option<[f32; 3]> {
    numbers(value).filter(|v| !v.contains(&0.0))
}

fn keypoints(value: &Value) -> Option<(usize, usize)> {
    let [count, numbers] = value.as_array()?.as_slice() else { return None };
    let (count, numbers) = (count.as_u64()?, numbers.as_u64()?);
    ((1..=256).contains(&count) && [2, 3].contains(&numbers)).then_some((count as usize, numbers as usize))
}

fn quantization(value: &Value) -> Option<Quantization> {
    let object = value.as_object()?;
    let known = object.keys().all(|key| ["scale", "zero-point"].contains(&key.as_str()));
    let scale = number(object.get("scale")?).filter(|s| *s > 0.0 && known)?;
    let zero_point = object.get("zero-point").map_or(Some(0), Value::as_i64)?;
    let zero_point = i32::try_from(zero_point).ok().filter(|z| (-128..=255).contains(z))?;
    Some(Quantization { scale, zero_point })
}

fn pixel(value: &Value) -> Option<f32> {
    number(value).filter(|v| (0.0..=255.0).contains(v))
}

fn size(value: &Value) -> Option<(usize, usize)> {
    let side = |v: &Value| {
        let side = v.as_f64().filter(|s| s.fract() == 0.0 && (1.0..=MAX_SIDE as f64).contains(s));
        side.map(|s| s as usize)
    };
    match value.as_array().map(Vec::as_slice) {
        Some([width, height]) => Some((side(width)?, side(height)?)),
        Some(_) => None,
        None => side(value).map(|s| (s, s)),
    }
}

fn labels(value: &Value) -> Option<LabelSource> {
    if let Some(path) = text(value) {
        return Some(LabelSource::File(path));
    }
    let names = value.as_array().filter(|names| !names.is_empty())?;
    names.iter().map(Value::as_str).collect::<Option<_>>().map(LabelSource::Names)
}

/// The members of a JSON object in order, so that a repeated key is seen.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schema() -> jsonschema::Validator {
        let text = include_str!("../../schema/model.schema.json");
        jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn a_whole_sidecar() {
        let text = r#"{"family": "yolox", "input-size": [416, 320], "color": "rgb", "scale": 0.5,
            "mean": [0.485, 0.456, 0.406], "std": 2, "resize": "letterbox-topleft", "pad": 0,
            "labels": ["a", "b"], "keypoints": [17, 3], "activation": "sigmoid", "box-order": "yxyx",
            "input-quantization": {"scale": 0.5, "zero-point": -128},
            "output-quantization": [{"scale": 2}]}"#;
        let expected = Hints {
            family: Some("yolox".into()),
            input_size: Some((416, 320)),
            color: Some(ColorOrder::Rgb),
            scale: Some([0.5; 3]),
            mean: Some([0.485, 0.456, 0.406]),
            std: Some([2.0; 3]),
            resize: Some(ResizeMode::LetterboxTopLeft),
            pad: Some(0.0),
            labels: Some(LabelSource::Names(["a", "b"].into_iter().collect())),
            keypoints: Some((17, 3)),
            activation: Some(Activation::Sigmoid),
            box_order: Some(BoxOrder::Yxyx),
            input_quantization: Some(Quantization { scale: 0.5, zero_point: -128 }),
            output_quantization: Some(vec![Quantization { scale: 2.0, zero_point: 0 }]),
        };
        assert_eq!(Hints::from_json(text), Ok(expected));
        assert_eq!(Hints::from_json("{}"), Ok(Hints::default()));
        let file = Hints::from_json(r#"{"labels": "coco.names"}"#).unwrap();
        assert_eq!(file.labels, Some(LabelSource::File("coco.names".into())));
    }

    #[test]
    fn errors_name_the_key() {
        let message = |text| Hints::from_json(text).unwrap_err().to_string();
        assert!(
            message(r#"{"colour": "rgb"}"#).starts_with(r#"unknown key "colour"; did you mean "color"?"#)
        );
        assert_eq!(message(r#"{"pad": 1, "pad": 2}"#), r#"the key "pad" is there twice"#);
        assert_eq!(message(r#"{"color": "yuv"}"#), r#""color" takes "rgb", "bgr" or "gray", not "yuv""#);
        assert!(message("[1]").starts_with("not a JSON object"));
        assert!(message("{\"pad\": 1").contains("line 1"));
    }

    #[test]
    fn schema_and_parser_agree() {
        let schema = schema();
        let values = [
            "null",
            "true",
            "0",
            "1",
            "-1",
            "0.5",
            "255",
            "256",
            "416",
            "65535",
            "65536",
            "1e300",
            "\"\"",
            "\"yolox\"",
            "\"rgb\"",
            "\"bgr\"",
            "\"gray\"",
            "\"RGB\"",
            "\"letterbox\"",
            "\"letterbox-topleft\"",
            "\"stretch\"",
            "[]",
            "[1]",
            "[1, 2]",
            "[0, 2]",
            "[640, 480.0]",
            "[1, 2, 3]",
            "[1, 0, 3]",
            "[1, \"a\"]",
            "[1.5, 2.5]",
            "[1, 2, 3, 4]",
            "[\"a\"]",
            "[\"a\", \"b\"]",
            "{}",
        ];
        for key in KEYS.into_iter().chain(["colour", "classes", ""]) {
            for value in values {
                let text = format!("{{\"{key}\": {value}}}");
                let valid = schema.is_valid(&serde_json::from_str(&text).unwrap());
                assert_eq!(Hints::from_json(&text).is_ok(), valid, "{text}");
            }
        }
    }

    #[test]
    fn schema_describes_every_key_and_family() {
        let schema: Value = serde_json::from_str(include_str!("../../schema/model.schema.json")).unwrap();
        let keys: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let mut known = KEYS.map(str::to_owned).to_vec();
        known.sort();
        assert_eq!(keys, known);
        let examples: Vec<String> = named(&schema["properties"]["family"]["examples"]).unwrap();
        let families: Vec<_> = super::super::FAMILIES.iter().map(|f| f.name).collect();
        assert_eq!(examples, families);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"\{?("(pad|std|labels|input-size)": )?[-0-9eE.,:\[\]{}" a-z]{0,30}\}?"#) {
            let _ = Hints::from_json(&text);
        }
    }
}
