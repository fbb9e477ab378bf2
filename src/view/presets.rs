//! A file of presets: views with a name, known by where the camera points, by a picture, or by both.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::Ptz;
use super::telemetry::turn;
use crate::model::nearest::suggestion;

/// Most presets in a file.
pub const MOST_PRESETS: usize = 64;
/// Longest name, in bytes.
const LONGEST_NAME: usize = 64;

/// How far a pose may be from a preset's to be its.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Degrees.
    pub pan: f64,
    /// Degrees.
    pub tilt: f64,
    /// Part of the zoom ratio: 0.1 for a tenth larger or smaller.
    pub zoom: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { pan: 1.0, tilt: 1.0, zoom: 0.05 }
    }
}

/// Where the camera points when it rests on a preset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// What the camera reports.
    pub ptz: Ptz,
    /// How far from that it may be.
    pub tolerance: Tolerance,
}

impl Pose {
    /// Whether the camera points here.
    pub fn holds(&self, ptz: &Ptz) -> bool {
        self.meets(&Self { ptz: *ptz, tolerance: Tolerance { pan: 0.0, tilt: 0.0, zoom: 0.0 } })
    }

    /// Whether the camera can point here and there at the same time.
    fn meets(&self, other: &Self) -> bool {
        let (own, its) = (&self.tolerance, &other.tolerance);
        let ratio = self.ptz.zoom / other.ptz.zoom;
        turn(self.ptz.pan, other.ptz.pan).abs() <= own.pan + its.pan
            && (self.ptz.tilt - other.ptz.tilt).abs() <= own.tilt + its.tilt
            && ratio.max(1.0 / ratio) <= (1.0 + own.zoom) * (1.0 + its.zoom)
    }
}

/// A view with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// Its name, which no other has.
    pub name: Arc<str>,
    /// Where the camera points.
    pub pose: Option<Pose>,
    /// The path of a picture of it, as the file has it.
    pub image: Option<String>,
}

/// A file of presets.
///
/// JSON: `{"version": 1, "presets": [{"name": "door", "ptz": {"pan": 10, "tilt": -5, "zoom": 2}, "tolerance": {"pan": 1,
/// "tilt": 1, "zoom": 0.05}, "image": "door.png"}]}`. Each preset has a `ptz`, an `image` or both; pan and tilt are in
/// degrees, zoom is a ratio and 1 where it is left out, and the tolerances are as in the example where they are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PresetFile {
    /// In the order of the file.
    pub presets: Vec<Preset>,
}

/// Why a file of presets cannot be used. Places are written as in `presets[1].ptz.pan`, counted from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum PresetError {
    /// No JSON; what the JSON reader says, with line and column.
    Json(String),
    /// A key that means nothing there.
    UnknownKey {
        /// Where.
        place: String,
        /// The key.
        key: String,
        /// The keys that do.
        known: &'static [&'static str],
    },
    /// A key that is there twice.
    RepeatedKey {
        /// Where.
        place: String,
        /// The key.
        key: String,
    },
    /// A key that has to be there.
    MissingKey {
        /// Where.
        place: String,
        /// What is missing.
        key: &'static str,
    },
    /// A value that its key does not take.
    Value {
        /// Where.
        place: String,
        /// What is wanted.
        expected: &'static str,
        /// The value, as JSON, shortened.
        got: String,
    },
    /// Two presets of one name.
    RepeatedName {
        /// The name.
        name: Arc<str>,
        /// The presets, counted from 0.
        presets: [usize; 2],
    },
    /// Two presets at which the camera can rest at the same time.
    Overlap {
        /// Their names.
        names: [Arc<str>; 2],
    },
}

impl fmt::Display for PresetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(why) => write!(f, "not JSON: {why}"),
            Self::UnknownKey { place, key, known } => {
                let near = suggestion(key, known.iter().copied());
                write!(f, "{place}: unknown key \"{key}\"{near} (known: {})", known.join(", "))
            }
            Self::RepeatedKey { place, key } => write!(f, "{place}: the key \"{key}\" is there twice"),
            Self::MissingKey { place, key } => write!(f, "{place}: {key} is missing"),
            Self::Value { place, expected, got } => write!(f, "{place} takes {expected}, not {got}"),
            Self::RepeatedName { name, presets: [first, second] } => {
                write!(
                    f,
                    "presets[{first}] and presets[{second}] are both named \"{name}\"; give one another name"
                )
            }
            Self::Overlap { names: [first, second] } => write!(
                f,
                "the poses of \"{first}\" and \"{second}\" overlap within their tolerances; move them apart or \
                 lower a tolerance"
            ),
        }
    }
}

impl std::error::Error for PresetError {}

const FILE: &[&str] = &["version", "presets"];
const PRESET: &[&str] = &["name", "ptz", "tolerance", "image"];
const AXES: &[&str] = &["pan", "tilt", "zoom"];

impl PresetFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`PresetError`] names the place at fault, what it takes, and the nearest known key for a slip.
    pub fn from_json(text: &str) -> Result<Self, PresetError> {
        let json: Json = serde_json::from_str(text).map_err(|e| PresetError::Json(e.to_string()))?;
        let file = json.object("the file", "an object", FILE)?;
        let version = file.need("version")?;
        if !matches!(version.number(), Some(1.0)) {
            return Err(version.refused("version", "1, the only one there is"));
        }
        let list = file.need("presets")?;
        let Json::Array(items) = list else { return Err(list.refused("presets", "an array")) };
        if items.len() > MOST_PRESETS {
            let (place, got) = ("presets".into(), items.len().to_string());
            return Err(PresetError::Value { place, expected: "at most 64 presets", got });
        }
        let read = |(i, item): (usize, &Json)| Preset::read(item, &format!("presets[{i}]"));
        let presets = items.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        for (i, preset) in presets.iter().enumerate() {
            presets[..i]
                .iter()
                .enumerate()
                .try_for_each(|(earlier, other)| preset.beside(i, other, earlier))?;
        }
        Ok(Self { presets })
    }
}

impl Preset {
    fn read(json: &Json, place: &str) -> Result<Self, PresetError> {
        let object = json.object(place, "an object", PRESET)?;
        let name = object.text("name", "a name of 1 to 64 bytes without control characters", |name| {
            name.len() <= LONGEST_NAME && !name.trim().is_empty() && !name.chars().any(char::is_control)
        })?;
        let name = name.ok_or(PresetError::MissingKey { place: place.into(), key: "name" })?;
        let image = object.text("image", "the path of a picture", |path| !path.trim().is_empty())?;
        let ptz = object.get("ptz").map(|json| read_ptz(json, &object.at("ptz"))).transpose()?;
        let tolerance =
            object.get("tolerance").map(|json| read_tolerance(json, &object.at("tolerance"))).transpose()?;
        match (ptz, tolerance, &image) {
            (None, Some(_), _) => {
                Err(PresetError::MissingKey { place: place.into(), key: "ptz, to which tolerance belongs," })
            }
            (None, None, None) => Err(PresetError::MissingKey { place: place.into(), key: "ptz or image" }),
            _ => {
                let pose = ptz.map(|ptz| Pose { ptz, tolerance: tolerance.unwrap_or_default() });
                Ok(Self { name: name.into(), pose, image: image.map(str::to_owned) })
            }
        }
    }

    /// Whether this preset and an earlier one can be told apart.
    fn beside(&self, own: usize, other: &Self, earlier: usize) -> Result<(), PresetError> {
        if self.name == other.name {
            return Err(PresetError::RepeatedName { name: self.name.clone(), presets: [earlier, own] });
        }
        match (&self.pose, &other.pose) {
            (Some(pose), Some(its)) if pose.meets(its) => {
                Err(PresetError::Overlap { names: [other.name.clone(), self.name.clone()] })
            }
            _ => Ok(()),
        }
    }
}

fn read_ptz(json: &Json, place: &str) -> Result<Ptz, PresetError> {
    let object = json.object(place, "an object with pan and tilt", AXES)?;
    let pan = object.number("pan", "degrees from -3600 to 3600", |v| v.abs() <= 3600.0)?;
    let tilt = object.number("tilt", "degrees from -90 to 90", |v| v.abs() <= 90.0)?;
    let zoom = object.number("zoom", "a ratio above 0, up to 1000", |v| v > 0.0 && v <= 1000.0)?;
    let missing = |key| PresetError::MissingKey { place: place.into(), key };
    Ok(Ptz { pan: pan.ok_or(missing("pan"))?, tilt: tilt.ok_or(missing("tilt"))?, zoom: zoom.unwrap_or(1.0) })
}

fn read_tolerance(json: &Json, place: &str) -> Result<Tolerance, PresetError> {
    let object = json.object(place, "an object with pan, tilt and zoom", AXES)?;
    let degrees = |v: f64| v > 0.0 && v <= 180.0;
    let usual = Tolerance::default();
    Ok(Tolerance {
        pan: object.number("pan", "degrees above 0, up to 180", degrees)?.unwrap_or(usual.pan),
        tilt: object.number("tilt", "degrees above 0, up to 180", degrees)?.unwrap_or(usual.tilt),
        zoom: object
            .number("zoom", "a part of the ratio above 0, up to 10", |v| v > 0.0 && v <= 10.0)?
            .unwrap_or(usual.zoom),
    })
}

/// JSON whose objects keep their order and their repeated keys.
enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Plain(Value),
}

/// An object, and where it is.
struct Object<'a> {
    place: &'a str,
    entries: &'a [(String, Json)],
}

impl Json {
    fn object<'a>(
        &'a self,
        place: &'a str,
        expected: &'static str,
        known: &'static [&'static str],
    ) -> Result<Object<'a>, PresetError> {
        let Self::Object(entries) = self else { return Err(self.refused(place, expected)) };
        for (i, (key, _)) in entries.iter().enumerate() {
            let (place, key) = (place.to_owned(), key.clone());
            if !known.contains(&&*key) {
                return Err(PresetError::UnknownKey { place, key, known });
            }
            if entries[..i].iter().any(|(earlier, _)| *earlier == key) {
                return Err(PresetError::RepeatedKey { place, key });
            }
        }
        Ok(Object { place, entries })
    }

    fn number(&self) -> Option<f64> {
        if let Self::Plain(value) = self { value.as_f64() } else { None }
    }

    fn refused(&self, place: &str, expected: &'static str) -> PresetError {
        let got = match self {
            Self::Object(_) => "an object".to_owned(),
            Self::Array(_) => "an array".to_owned(),
            Self::Plain(value) => {
                let text = value.to_string();
                if text.chars().count() > 40 { text.chars().take(40).chain(['…']).collect() } else { text }
            }
        };
        PresetError::Value { place: place.into(), expected, got }
    }
}

impl Object<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.place)
    }

    fn get(&self, key: &str) -> Option<&Json> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, json)| json)
    }

    fn need(&self, key: &'static str) -> Result<&Json, PresetError> {
        self.get(key).ok_or_else(|| PresetError::MissingKey { place: self.place.into(), key })
    }

    fn number(
        &self,
        key: &str,
        expected: &'static str,
        fits: impl Fn(f64) -> bool,
    ) -> Result<Option<f64>, PresetError> {
        let Some(json) = self.get(key) else { return Ok(None) };
        let number = json.number().filter(|v| fits(*v));
        number.map(Some).ok_or_else(|| json.refused(&self.at(key), expected))
    }

    fn text(
        &self,
        key: &str,
        expected: &'static str,
        fits: impl Fn(&str) -> bool,
    ) -> Result<Option<&str>, PresetError> {
        let Some(json) = self.get(key) else { return Ok(None) };
        match json {
            Json::Plain(Value::String(text)) if fits(text) => Ok(Some(text)),
            _ => Err(json.refused(&self.at(key), expected)),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tree;
        impl<'de> Visitor<'de> for Tree {
            type Value = Json;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Json::Object(entries))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Json::Array(items))
            }
            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Plain(text.into()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
                Ok(Json::Plain(Number::from_f64(number).into()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
                Ok(Json::Plain(number.into()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
                Ok(Json::Plain(number.into()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Plain(value.into()))
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Plain(Value::Null))
            }
        }
        deserializer.deserialize_any(Tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(presets: &str) -> String {
        let text = format!(r#"{{"version": 1, "presets": [{presets}]}}"#);
        PresetFile::from_json(&text).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_read() {
        let text = r#"{"version": 1, "presets": [
            {"name": "door", "ptz": {"pan": 10, "tilt": -5, "zoom": 2}, "tolerance": {"pan": 2.5}, "image": "door.png"},
            {"name": "yard", "image": "yard.png"},
            {"name": "gate", "ptz": {"pan": 359.5, "tilt": -5}}]}"#;
        let file = PresetFile::from_json(text).unwrap();
        let [door, yard, gate] = &file.presets[..] else { panic!("{file:?}") };
        let pose = door.pose.unwrap();
        assert_eq!(pose.ptz, Ptz { pan: 10.0, tilt: -5.0, zoom: 2.0 });
        assert_eq!(pose.tolerance, Tolerance { pan: 2.5, tilt: 1.0, zoom: 0.05 });
        assert_eq!((yard.pose, yard.image.as_deref()), (None, Some("yard.png")));
        // Pan goes round.
        assert!(gate.pose.unwrap().holds(&Ptz { pan: 0.2, tilt: -5.9, zoom: 1.04 }));
        assert!(!gate.pose.unwrap().holds(&Ptz { pan: 0.2, tilt: -5.9, zoom: 1.06 }));
        assert!(!gate.pose.unwrap().holds(&Ptz { pan: f64::NAN, tilt: -5.0, zoom: 1.0 }));
        assert_eq!(PresetFile::from_json(r#"{"version": 1, "presets": []}"#).unwrap(), PresetFile::default());
    }

    #[test]
    fn each_mistake_is_named() {
        for (presets, wanted) in [
            (r#"{"nmae": "a", "image": "a.png"}"#, r#"presets[0]: unknown key "nmae""#),
            (r#"{"name": "a", "imag": "a.png"}"#, r#"unknown key "imag"; did you mean "image"?"#),
            (r#"{"image": "a.png"}"#, "presets[0]: name is missing"),
            (r#"{"name": " ", "image": "a.png"}"#, r#"presets[0].name takes a name of 1 to 64 bytes"#),
            (r#"{"name": 5, "image": "a.png"}"#, "not 5"),
            (r#"{"name": "a", "image": ""}"#, r#"presets[0].image takes the path of a picture, not """#),
            (r#"{"name": "a"}"#, "presets[0]: ptz or image is missing"),
            (
                r#"{"name": "a", "image": "a", "tolerance": {}}"#,
                "ptz, to which tolerance belongs, is missing",
            ),
            (r#"{"name": "a", "image": "a", "image": "b"}"#, r#"the key "image" is there twice"#),
            (r#"{"name": "a", "ptz": {"pan": 1}}"#, "presets[0].ptz: tilt is missing"),
            (
                r#"{"name": "a", "ptz": {"pan": 1, "tilt": 91}}"#,
                "presets[0].ptz.tilt takes degrees from -90 to 90, not 91",
            ),
            (
                r#"{"name": "a", "ptz": {"pan": 1, "tilt": 1, "zoom": 0}}"#,
                "presets[0].ptz.zoom takes a ratio",
            ),
            (
                r#"{"name": "a", "ptz": {"pan": "NaN", "tilt": 1}}"#,
                r#"presets[0].ptz.pan takes degrees from -3600 to 3600, not "NaN""#,
            ),
            (
                r#"{"name": "a", "ptz": {"pan": 1, "tilt": 1}, "tolerance": {"pan": 0}}"#,
                "presets[0].tolerance.pan takes degrees above 0",
            ),
            (
                r#"{"name": "a", "image": "a"}, {"name": "a", "image": "b"}"#,
                r#"presets[0] and presets[1] are both named "a""#,
            ),
            (
                r#"{"name": "a", "ptz": {"pan": 1, "tilt": 1}}, {"name": "b", "ptz": {"pan": 2.9, "tilt": 1}}"#,
                r#"the poses of "a" and "b" overlap"#,
            ),
            ("7", "presets[0] takes an object, not 7"),
        ] {
            let found = message(presets);
            assert!(found.contains(wanted), "{found}");
        }
        let whole = |text: &str| PresetFile::from_json(text).unwrap_err().to_string();
        assert!(whole("{\"version\": 1,\n \"presets\": [}").contains("line 2"));
        assert!(
            whole(r#"{"version": 2, "presets": []}"#)
                .contains("version takes 1, the only one there is, not 2")
        );
        assert!(whole(r#"{"presets": []}"#).contains("version is missing"));
        assert!(whole(r#"{"version": 1, "preset": []}"#).contains("did you mean \"presets\"?"));
        let many: Vec<_> = (0..65).map(|i| format!(r#"{{"name": "{i}", "image": "a"}}"#)).collect();
        assert!(message(&many.join(",")).contains("at most 64 presets, not 65"));
        assert!(message(r#"{"name": "a", "ptz": {"pan": 1e999, "tilt": 0}}"#).contains("not JSON"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in r#"\PC*"#) {
            let _ = PresetFile::from_json(&text);
            let _ = PresetFile::from_json(&format!(r#"{{"version": 1, "presets": [{text}]}}"#));
        }
    }
}
