//! A model that was understood: what all its engines share.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::builtin;
use super::onnx::{Choice, Runtime, Session};
use super::settings::Load;
use super::trouble::Trouble;
use crate::detection::{Labels, Task};
use crate::model::{self, Facts, Hints, LabelSource, ModelError, Plan, labels};
use crate::preprocess::Spec;

/// What is known of a loaded model, the same for each of its engines.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) path: PathBuf,
    pub(super) sha256: Arc<str>,
    pub(super) runtime: Arc<str>,
    /// What runs it, by ONNX Runtime's name.
    pub(super) provider: Arc<str>,
    /// What it is called in results of an element that has no other name for it.
    pub(super) id: Arc<str>,
    pub(super) family: &'static str,
    pub(super) task: Task,
    pub(super) labels: Labels,
    /// How many classes it tells apart, when it says so.
    pub(super) classes: Option<usize>,
    pub(super) spec: Spec,
    pub(super) summary: String,
    pub(super) assumptions: Vec<String>,
    /// The most pictures in one run.
    pub(super) batch: usize,
    /// Nanoseconds that a run took.
    pub(super) dry_run: u64,
    /// Rises with each model that is loaded in this process.
    pub(super) serial: u64,
}

/// What is read before a model is loaded.
pub(super) struct Source {
    pub(super) path: PathBuf,
    builtin: Option<&'static [u8]>,
    sha256: Arc<str>,
    properties: Hints,
    sidecar: Option<Hints>,
}

pub(super) fn failed(path: &Path, why: impl std::fmt::Display) -> Trouble {
    Trouble::new(&gst::LibraryError::Init, format!("Model {}: {why}", path.display()))
}

fn read_text(path: &Path, what: &str) -> Result<String, Trouble> {
    std::fs::read_to_string(path)
        .map_err(|e| Trouble::new(&gst::ResourceError::OpenRead, format!("{what} {}: {e}", path.display())))
}

/// SHA-256 in lower-case hex. It also finds out whether a file can be read at all.
fn digest(mut model: impl Read) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match model.read(&mut chunk)? {
            0 => break,
            n => hash.update(&chunk[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// The description beside a model: MODEL.json or MODEL.onnx.json for MODEL.onnx.
fn beside(model: &Path) -> Option<PathBuf> {
    let mut appended = model.as_os_str().to_owned();
    appended.push(".json");
    [model.with_extension("json"), appended.into()].into_iter().find(|path| path.is_file())
}

/// What the properties and the description say (that beside `file` when none is set), with the names of a labels file read in.
fn hints(load: &Load, file: Option<&Path>) -> Result<(Hints, Option<Hints>), Trouble> {
    let labels = load.labels.as_deref().map(read_labels).transpose()?.map(LabelSource::Names);
    let properties = Hints { labels, ..Hints::default() };
    let Some(file) = load.model_config.clone().or_else(|| beside(file?)) else {
        return Ok((properties, None));
    };
    let mut sidecar = Hints::from_json(&read_text(&file, "Model description")?)
        .map_err(|e| settings_error(&file, "Model description", e))?;
    if let Some(LabelSource::File(name)) = &sidecar.labels {
        let list = file.parent().unwrap_or(Path::new("")).join(name);
        sidecar.labels = Some(LabelSource::Names(read_labels(&list)?));
    }
    Ok((properties, Some(sidecar)))
}

fn read_labels(path: &Path) -> Result<Labels, Trouble> {
    labels::from_text(&read_text(path, "Labels file")?).map_err(|e| settings_error(path, "Labels file", e))
}

fn settings_error(path: &Path, what: &str, why: impl std::fmt::Display) -> Trouble {
    Trouble::new(&gst::LibraryError::Settings, format!("{what} {}: {why}", path.display()))
}

impl Source {
    /// Reads the model's bytes once, its description and its labels.
    ///
    /// # Errors
    /// One message that names the file and what is wrong with it.
    pub(super) fn read(load: &Load) -> Result<Self, Trouble> {
        let Some(path) = &load.model else {
            return Err(Trouble::new(
                &gst::LibraryError::Settings,
                format!(
                    "No model is set; set the property model to the path of an ONNX file, or to {}",
                    builtin::NAMES
                ),
            ));
        };
        let builtin = builtin::find(path).map_err(|e| failed(path, e))?;
        let sha256 = builtin.map_or_else(|| digest(File::open(path)?), digest).map_err(|e| {
            Trouble::new(&gst::ResourceError::OpenRead, format!("Model {}: {e}", path.display()))
        })?;
        let (properties, sidecar) = hints(load, builtin.is_none().then_some(path))?;
        Ok(Self { path: path.clone(), builtin, sha256: sha256.into(), properties, sidecar })
    }

    pub(super) fn open(&self, runtime: &Runtime, choice: Choice) -> Result<Session, Trouble> {
        Session::open(runtime, &self.path, self.builtin, choice).map_err(|e| {
            failed(&self.path, format_args!("ONNX Runtime {} does not load it: {e}", runtime.version))
        })
    }

    pub(super) fn input(&self, facts: &Facts) -> Result<model::Input, ModelError> {
        model::input(facts, &self.properties, self.sidecar.as_ref())
    }

    pub(super) fn understand(&self, facts: &Facts) -> Result<Plan, ModelError> {
        model::understand(facts, &self.properties, self.sidecar.as_ref())
    }

    /// What all engines of a model share; the serial, the batch and the time of a run are not known yet.
    pub(super) fn model(&self, plan: &Plan, runtime: &Runtime, choice: Choice) -> Model {
        Model {
            path: self.path.clone(),
            sha256: self.sha256.clone(),
            runtime: runtime.version.clone(),
            provider: choice.describe().into(),
            id: builtin::id(&self.path).into(),
            family: plan.family.name,
            task: plan.family.task,
            labels: plan.labels.clone(),
            classes: plan.classes,
            spec: plan.spec,
            summary: plan.summary(),
            assumptions: plan.assumptions.clone(),
            batch: 1,
            dry_run: 0,
            serial: 0,
        }
    }
}

impl Model {
    /// What was understood, in one line.
    pub(super) fn summary(&self) -> String {
        let Self { path, summary, provider, runtime, .. } = self;
        format!("model {}: {summary}; {provider} of ONNX Runtime {runtime}", path.display())
    }

    /// The structure of the message `nvp-model-loaded`.
    pub(super) fn describe(&self, generation: u32, workers: usize, instance: Option<&str>) -> gst::Structure {
        gst::Structure::builder("nvp-model-loaded")
            .field("model", self.path.to_string_lossy().as_ref())
            .field("sha256", &*self.sha256)
            .field("family", self.family)
            .field("task", self.task.as_str())
            .field("width", self.spec.width as u32)
            .field("height", self.spec.height as u32)
            .field("classes", self.classes.unwrap_or(self.labels.len()) as u32)
            .field("provider", &*self.provider)
            .field("runtime", &*self.runtime)
            .field("workers", workers as u32)
            .field("batch", self.batch as u32)
            .field_if_some("instance", instance)
            .field("generation", generation)
            .field("summary", &self.summary)
            .field("assumptions", gst::List::new(&self.assumptions))
            .field("dry-run", self.dry_run)
            .build()
    }
}
