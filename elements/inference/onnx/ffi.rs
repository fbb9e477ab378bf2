//! Looks into a shared library before it is trusted to be ONNX Runtime.

use std::ffi::CStr;
use std::path::Path;

use ort::sys::{ORT_API_VERSION, OrtApiBase};

/// Why a library cannot serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The dynamic loader refused it; its words.
    Load(String),
    /// It is a library, but not this one.
    NotOnnxRuntime,
    /// It is ONNX Runtime, but older than the API that is used here; its version.
    TooOld(String),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Load(error) => write!(f, "cannot be loaded: {error}"),
            Self::NotOnnxRuntime => f.write_str("is not ONNX Runtime (it has no OrtGetApiBase)"),
            Self::TooOld(version) => {
                write!(f, "is ONNX Runtime {version}; 1.{ORT_API_VERSION} or newer is needed")
            }
        }
    }
}

/// Loads the library and asks its version, without using it for anything else. A library that fits stays
/// loaded for the rest of the process, as ONNX Runtime must: its threads and caches outlive any session.
pub(super) fn probe(path: &Path) -> Result<String, Unfit> {
    // SAFETY: loading runs the library's initialisers. The path was named by the user or found where only
    // ONNX Runtime is looked for, and dlopen itself refuses what is not a library for this machine.
    let library = unsafe { libloading::Library::new(path) }.map_err(|e| Unfit::Load(describe(&e)))?;
    // SAFETY: the symbol's type is the one that onnxruntime_c_api.h has declared since the first release.
    let get_base = unsafe { library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase") }
        .map_err(|_| Unfit::NotOnnxRuntime)?;
    // SAFETY: OrtGetApiBase takes nothing and returns a pointer to a static, or null.
    let base = unsafe { get_base().as_ref() }.ok_or(Unfit::NotOnnxRuntime)?;
    // SAFETY: GetVersionString returns a static NUL-terminated string.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
    // An old GetApi prints to stderr before it returns null, so the version is asked first.
    let minor = version.strip_prefix("1.").and_then(|v| v.split('.').next()?.parse::<u32>().ok());
    if version.starts_with("0.") || minor.is_some_and(|m| m < ORT_API_VERSION) {
        return Err(Unfit::TooOld(version));
    }
    // SAFETY: GetApi accepts any version number and returns null for one that it does not know.
    if unsafe { (base.GetApi)(ORT_API_VERSION) }.is_null() {
        return Err(Unfit::TooOld(version));
    }
    std::mem::forget(library);
    Ok(version)
}

fn describe(error: &libloading::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}
