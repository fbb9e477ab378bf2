//! Where ONNX Runtime is looked for.

use std::path::{Path, PathBuf};

use super::ffi;

/// How a place came to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Property,
    Environment,
    Plugin,
    DataHome,
    System,
}

impl Origin {
    fn describe(&self) -> &'static str {
        match self {
            Self::Property => "property onnxruntime",
            Self::Environment => "ORT_DYLIB_PATH",
            Self::Plugin => "beside the plugin",
            Self::DataHome => "user data folder",
            Self::System => "system libraries",
        }
    }

    /// A place that somebody named must serve; only the others may be passed over.
    fn is_explicit(&self) -> bool {
        matches!(self, Self::Property | Self::Environment)
    }
}

/// A library that was found fit, and its version.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

/// What the search starts from; [`Surroundings::of_process`] reads the process's own.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    pub(super) property: Option<PathBuf>,
    pub(super) environment: Option<PathBuf>,
    pub(super) plugin_dir: Option<PathBuf>,
    pub(super) data_home: Option<PathBuf>,
}

impl Surroundings {
    pub(super) fn of_process(property: Option<PathBuf>, plugin_dir: Option<PathBuf>) -> Self {
        let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let data_home = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
        Self {
            property,
            environment: variable("ORT_DYLIB_PATH"),
            plugin_dir,
            data_home: data_home.map(|d| d.join("nvperception")),
        }
    }

    fn places(&self) -> Vec<(Origin, PathBuf)> {
        let explicit = [(Origin::Property, &self.property), (Origin::Environment, &self.environment)];
        let folders = [(Origin::Plugin, &self.plugin_dir), (Origin::DataHome, &self.data_home)];
        let mut places: Vec<_> =
            explicit.into_iter().filter_map(|(o, p)| Some((o, p.clone()?))).take(1).collect();
        if !places.is_empty() {
            return places;
        }
        places.extend(folders.into_iter().filter_map(|(o, p)| Some((o, p.clone()?))));
        places.extend(["libonnxruntime.so", "libonnxruntime.so.1"].map(|n| (Origin::System, n.into())));
        places
    }
}

/// The newest `libonnxruntime.so*` in a folder; the plain name wins.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join("libonnxruntime.so");
    if plain.is_file() {
        return Some(plain);
    }
    let entries = folder.read_dir().ok()?.flatten().map(|e| e.path());
    let versioned = entries.filter(|p| {
        p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("libonnxruntime.so.")) && p.is_file()
    });
    versioned.max_by_key(|p| version_key(p))
}

fn version_key(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split('.').filter_map(|part| part.parse().ok()).collect()
}

/// The library that a place which somebody named stands for: itself, or the one in the folder.
pub(super) fn resolve(place: &Path) -> PathBuf {
    library_in(place).unwrap_or_else(|| place.to_path_buf())
}

/// Finds the library to use, or says where it was looked for and how to get it.
pub(super) fn find(surroundings: &Surroundings) -> Result<Found, String> {
    let mut looked = Vec::new();
    for (origin, place) in surroundings.places() {
        let candidate = if place.is_dir() { library_in(&place) } else { Some(place.clone()) };
        let missing = |p: &Path| origin != Origin::System && !p.is_file();
        let Some(path) = candidate.filter(|p| !missing(p)) else {
            looked.push(format!("  {} ({}): nothing there", place.display(), origin.describe()));
            continue;
        };
        match ffi::probe(&path) {
            Ok(version) => return Ok(Found { path, version }),
            Err(unfit) => {
                looked.push(format!("  {} ({}): {unfit}", path.display(), origin.describe()));
                if origin.is_explicit() {
                    break;
                }
            }
        }
    }
    Err(format!(
        "no usable ONNX Runtime library. Looked at:\n{}\nGet it with 'make deps', or take \
         libonnxruntime.so from the Python wheel 'onnxruntime' (folder onnxruntime/capi) or from an ONNX \
         Runtime release, and name it with the property onnxruntime or the variable ORT_DYLIB_PATH.",
        looked.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_place_is_the_only_one_and_its_failure_is_told() {
        let surroundings = Surroundings {
            property: Some("/nowhere/libonnxruntime.so".into()),
            data_home: Some("/elsewhere".into()),
            ..Default::default()
        };
        let error = find(&surroundings).unwrap_err();
        assert!(
            error.contains("/nowhere/libonnxruntime.so (property onnxruntime): nothing there"),
            "{error}"
        );
        assert!(!error.contains("/elsewhere"), "{error}");
        assert!(error.contains("make deps"), "{error}");
    }

    #[test]
    fn a_library_that_is_something_else_is_named() {
        let other = Surroundings { environment: Some("libm.so.6".into()), ..Default::default() };
        assert!(find(&other).unwrap_err().contains("ORT_DYLIB_PATH"));
        assert_eq!(ffi::probe(Path::new("libm.so.6")), Err(ffi::Unfit::NotOnnxRuntime));
        let text = ffi::probe(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")));
        assert!(matches!(text, Err(ffi::Unfit::Load(_))), "{text:?}");
    }

    #[test]
    fn the_newest_of_a_folder_is_taken() {
        let folder = std::env::temp_dir().join(format!("nvp-locate-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.22.0", "libonnxruntime_providers.so"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(library_in(&folder), Some(folder.join("libonnxruntime.so.1.22.0")));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
