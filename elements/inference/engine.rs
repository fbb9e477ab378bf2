//! A model that is understood and loaded, from a mapped frame to its detections.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::builtin;
use super::onnx::{PROVIDER, Runtime, Session};
use super::settings::Load;
use crate::detection::{Detections, Labels};
use crate::elements::provenance::now;
use crate::image::{Colorimetry, Frame, PixelFormat, Plane};
use crate::model::{self, DecodeParams, DecodeReport, Hints, LabelSource, Plan, TensorView, labels};
use crate::preprocess::{Geometry, Padding, Preprocessor};

/// Nanoseconds that each part of a frame took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) preprocess: u64,
    pub(super) run: u64,
    pub(super) decode: u64,
}

/// What the model said about one frame.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) detections: Detections,
    pub(super) times: Times,
    /// When work on the frame began and ended, on the monotonic clock.
    pub(super) span: (u64, u64),
    /// Candidates that were no detections.
    pub(super) left_out: DecodeReport,
}

/// A model ready to run.
pub(super) struct Engine {
    path: PathBuf,
    pub(super) sha256: Arc<str>,
    runtime: Arc<str>,
    model: Arc<str>,
    plan: Plan,
    preprocessor: Preprocessor,
    padding: Padding,
    session: Session,
    dry_run: u64,
}

fn failed(path: &Path, why: impl std::fmt::Display) -> gst::ErrorMessage {
    gst::error_msg!(gst::LibraryError::Init, ("Model {}: {why}", path.display()))
}

fn read_text(path: &Path, what: &str) -> Result<String, gst::ErrorMessage> {
    std::fs::read_to_string(path)
        .map_err(|e| gst::error_msg!(gst::ResourceError::OpenRead, ("{what} {}: {e}", path.display())))
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
fn hints(load: &Load, file: Option<&Path>) -> Result<(Hints, Option<Hints>), gst::ErrorMessage> {
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

fn read_labels(path: &Path) -> Result<Labels, gst::ErrorMessage> {
    labels::from_text(&read_text(path, "Labels file")?).map_err(|e| settings_error(path, "Labels file", e))
}

fn settings_error(path: &Path, what: &str, why: impl std::fmt::Display) -> gst::ErrorMessage {
    gst::error_msg!(gst::LibraryError::Settings, ("{what} {}: {why}", path.display()))
}

impl Engine {
    /// Finds ONNX Runtime, loads the model, understands it and runs it twice on a grey frame: the first run
    /// pays for one-time work and shows the outputs, the second is checked and timed.
    ///
    /// # Errors
    /// One message that names the file and what is wrong with it.
    pub(super) fn load(load: &Load, plugin_dir: Option<&Path>) -> Result<Self, gst::ErrorMessage> {
        let Some(path) = &load.model else {
            return Err(gst::error_msg!(
                gst::LibraryError::Settings,
                (
                    "No model is set; set the property model to the path of an ONNX file, or to {}",
                    builtin::NAMES
                )
            ));
        };
        let builtin = builtin::find(path).map_err(|e| failed(path, e))?;
        let sha256 = builtin
            .map_or_else(|| digest(File::open(path)?), digest)
            .map_err(|e| gst::error_msg!(gst::ResourceError::OpenRead, ("Model {}: {e}", path.display())))?;
        let (properties, sidecar) = hints(load, builtin.is_none().then_some(path))?;
        let runtime = Runtime::get(load.onnxruntime.as_deref(), plugin_dir)
            .map_err(|e| gst::error_msg!(gst::LibraryError::Init, ("{e}")))?;
        let mut session = Session::open(&runtime, path, builtin, load.threads).map_err(|e| {
            failed(path, format_args!("ONNX Runtime {} does not load it: {e}", runtime.version))
        })?;
        let mut facts = session.facts();
        let input = model::input(&facts, &properties, sidecar.as_ref()).map_err(|e| failed(path, e))?;
        session.allocate(input.shape(), input.element).map_err(|e| failed(path, e))?;
        let observe = |outputs: &[TensorView<'_>]| {
            outputs.iter().enumerate().for_each(|(i, output)| facts.observe(i, output.shape));
        };
        session.run(observe).map_err(|e| failed(path, format_args!("a dry run fails: {e}")))?;
        let plan = model::understand(&facts, &properties, sidecar.as_ref()).map_err(|e| failed(path, e))?;
        let mut engine = Self {
            sha256: sha256.into(),
            runtime: runtime.version.clone(),
            model: builtin::id(path).into(),
            preprocessor: Preprocessor::new(plan.spec).map_err(|e| failed(path, e))?,
            path: path.clone(),
            padding: Padding::default(),
            plan,
            session,
            dry_run: 0,
        };
        engine.check()?;
        Ok(engine)
    }

    fn check(&mut self) -> Result<(), gst::ErrorMessage> {
        let start = now();
        let grey = [114; 64 * 64];
        let planes = [Plane { data: &grey, stride: 64 }, Plane::default(), Plane::default()];
        let frame = Frame::new(PixelFormat::Gray8, 64, 64, Colorimetry::default(), planes)
            .map_err(|e| failed(&self.path, e))?;
        self.preprocess(&frame)?;
        let decoder = &mut self.plan.decoder;
        let checked = self.session.run(|outputs| decoder.check(outputs));
        checked.map_err(|e| failed(&self.path, e))?.map_err(|e| failed(&self.path, e))?;
        self.dry_run = now() - start;
        Ok(())
    }

    fn preprocess(&mut self, frame: &Frame<'_>) -> Result<Geometry, gst::ErrorMessage> {
        let input = self.session.input().ok_or_else(|| failed(&self.path, "it has no input tensor"))?;
        self.preprocessor.run(frame, input, &mut self.padding).map_err(|e| failed(&self.path, e))
    }

    /// Nanoseconds that the dry run took.
    pub(super) fn dry_run(&self) -> u64 {
        self.dry_run
    }

    /// The execution provider that runs the model.
    pub(super) fn provider(&self) -> &'static str {
        PROVIDER
    }

    /// The class names, in the order of class ids.
    pub(super) fn labels(&self) -> &Labels {
        &self.plan.labels
    }

    /// How many classes the model tells apart, when it says so.
    pub(super) fn classes(&self) -> Option<usize> {
        self.plan.classes
    }

    /// What was understood, in one line.
    pub(super) fn summary(&self) -> String {
        format!("model {}: {}; ONNX Runtime {}", self.path.display(), self.plan.summary(), self.runtime)
    }

    /// The structure of the message `nvp-model-loaded`.
    pub(super) fn describe(&self) -> gst::Structure {
        let spec = &self.plan.spec;
        gst::Structure::builder("nvp-model-loaded")
            .field("model", self.path.to_string_lossy().as_ref())
            .field("sha256", &*self.sha256)
            .field("family", self.plan.family.name)
            .field("width", spec.width as u32)
            .field("height", spec.height as u32)
            .field("classes", self.plan.classes.unwrap_or(self.plan.labels.len()) as u32)
            .field("provider", PROVIDER)
            .field("runtime", &*self.runtime)
            .field("summary", self.plan.summary())
            .field("assumptions", gst::List::new(&self.plan.assumptions))
            .field("dry-run", self.dry_run)
            .build()
    }

    /// Preprocesses, runs and decodes one frame.
    ///
    /// # Errors
    /// One message that names the model and what failed.
    pub(super) fn infer(
        &mut self,
        frame: &Frame<'_>,
        parameters: &DecodeParams,
    ) -> Result<Report, gst::ErrorMessage> {
        let start = now();
        let geometry = self.preprocess(frame)?;
        let filled = now();
        // The detections go into the buffer's metadata, which keeps them.
        let mut items = Vec::new();
        let decoder = &mut self.plan.decoder;
        let mut ran = filled;
        let decoded = self.session.run(|outputs| {
            ran = now();
            decoder.decode(outputs, parameters, &mut items)
        });
        let left_out = decoded.map_err(|e| failed(&self.path, e))?.map_err(|e| failed(&self.path, e))?;
        for detection in &mut items {
            detection.bbox = geometry.to_frame(&detection.bbox);
        }
        let end = now();
        let detections = Detections { model: self.model.clone(), labels: self.plan.labels.clone(), items };
        let times = Times { preprocess: filled - start, run: ran - filled, decode: end - ran };
        Ok(Report { detections, times, span: (start, end), left_out })
    }
}
