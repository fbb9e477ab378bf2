//! The ONNX Runtime backend: the only place that names it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

mod ffi;
mod locate;
mod provider;
mod session;
mod silu;

pub(super) use provider::{Choice, Precision, Provider, wanted};
pub(super) use session::{Outputs, Session};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvponnx", gst::DebugColorFlags::empty(), Some("ONNX Runtime's own log"))
});

/// The process's ONNX Runtime. Once loaded it stays: its environment must outlive every session.
#[derive(Clone)]
pub(super) struct Runtime {
    environment: Environment,
    path: PathBuf,
    pub(super) version: Arc<str>,
}

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// The runtime in force, or the first that is found: see the element's page for where.
    pub(super) fn get(property: Option<&Path>, plugin_dir: Option<&Path>) -> Result<Self, String> {
        let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*runtime {
            return runtime.serves(property).map(|()| runtime.clone());
        }
        let surroundings = locate::Surroundings::of_process(
            property.map(Path::to_path_buf),
            plugin_dir.map(Path::to_path_buf),
        );
        let found = locate::find(&surroundings)?;
        let loaded = Self::load(&found)
            .map_err(|e| format!("ONNX Runtime {} cannot be used: {e}", found.path.display()))?;
        gst::info!(CAT, "ONNX Runtime {} from {}", found.version, found.path.display());
        Ok(runtime.insert(loaded).clone())
    }

    /// Where the library lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn load(found: &locate::Found) -> Result<Self, String> {
        let builder = ort::init_from(&found.path).map_err(|e| e.to_string())?;
        let environment = builder
            .with_name("nvperception")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build()
            .map_err(|e| e.to_string())?;
        Ok(Self { environment, path: found.path.clone(), version: found.version.as_str().into() })
    }

    fn serves(&self, asked: Option<&Path>) -> Result<(), String> {
        let real = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_path_buf());
        match asked.map(locate::resolve) {
            Some(asked) if real(&asked) != real(&self.path) => Err(format!(
                "property onnxruntime asks for {}, but this process already uses {} (version {}) and can hold \
                 only one ONNX Runtime. Set the same path on every nvpinference, or run them in two processes",
                asked.display(),
                self.path.display(),
                self.version
            )),
            _ => Ok(()),
        }
    }
}

/// The last error that ONNX Runtime wrote into its log: where a provider's library cannot be loaded, only the log names
/// the file or the symbol.
static LAST_ERROR: Mutex<Option<String>> = Mutex::new(None);

/// Forgets the last error in the log and gives it.
fn take_last_error() -> Option<String> {
    LAST_ERROR.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn log(level: LogLevel, category: &str, id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Verbose => gst::trace!(CAT, "{category} {id} {place}: {message}"),
        LogLevel::Info => gst::debug!(CAT, "{category} {id} {place}: {message}"),
        LogLevel::Warning => gst::info!(CAT, "{category} {id} {place}: {message}"),
        LogLevel::Error | LogLevel::Fatal => {
            gst::warning!(CAT, "{category} {id} {place}: {message}");
            *LAST_ERROR.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
        }
    }
}
