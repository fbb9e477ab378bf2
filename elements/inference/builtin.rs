//! Models that are part of the plugin.

use std::path::Path;

/// What the property `model` begins with to name one.
const SCHEME: &str = "builtin:";
const MODELS: [(&str, &[u8]); 1] = [("testscene", include_bytes!("../../models/testscene/testscene.onnx"))];
/// For messages.
pub(super) const NAMES: &str = "builtin:testscene";

fn name(model: &Path) -> Option<&str> {
    model.to_str()?.strip_prefix(SCHEME)
}

/// The model that a path names, `None` when it names a file.
///
/// # Errors
/// When there is no such model.
pub(super) fn find(model: &Path) -> Result<Option<&'static [u8]>, String> {
    let Some(name) = name(model) else { return Ok(None) };
    let found = MODELS.iter().find(|(known, _)| *known == name);
    found.map(|(_, bytes)| Some(*bytes)).ok_or_else(|| {
        format!("the plugin has no model of this name; it has {NAMES}. For a file write ./{SCHEME}{name}")
    })
}

/// What a model is called in its detections: its name, or its file's without folder and extension.
pub(super) fn id(model: &Path) -> String {
    let stem = || model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    name(model).map_or_else(stem, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_files() {
        assert!(find(Path::new("builtin:testscene")).unwrap().is_some());
        assert_eq!(id(Path::new("builtin:testscene")), "testscene");
        assert_eq!(find(Path::new("models/yolo11n.onnx")), Ok(None));
        assert_eq!(id(Path::new("models/yolo11n.onnx")), "yolo11n");
        assert_eq!(find(Path::new("./builtin:other")), Ok(None));
        let error = find(Path::new("builtin:other")).unwrap_err();
        assert!(error.contains("builtin:testscene"), "{error}");
    }
}
