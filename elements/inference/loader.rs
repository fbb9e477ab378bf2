//! Loading models: before the stream, and while it flows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use gst::prelude::*;
use gst::subclass::prelude::*;

use super::engine::{Engine, Order};
use super::imp::{CAT, NvpInference};
use super::instance;
use super::model::{Model, Source};
use super::onnx::{Choice, Precision, Provider, Runtime, wanted};
use super::pool::Pool;
use super::settings::{Load, Settings};
use super::task::{Config, lock};
use super::trouble::Trouble;
use super::{PrecisionHint, ProviderPolicy};
use crate::model::{ClassFilter, DecodeParams};

impl From<PrecisionHint> for Precision {
    fn from(hint: PrecisionHint) -> Self {
        match hint {
            PrecisionHint::Auto => Self::Auto,
            PrecisionHint::F32 => Self::F32,
            PrecisionHint::Bf16 => Self::Bf16,
            PrecisionHint::F16 => Self::F16,
        }
    }
}

/// The thread that loads a model while the stream flows, and whether it has more to do.
#[derive(Default)]
pub(super) struct Loader {
    thread: Option<JoinHandle<()>>,
    /// A property changed since the thread read the settings last.
    again: bool,
    running: bool,
}

/// An engine to use, and why those before it in the list are not used.
struct Chosen {
    choice: Choice,
    missing: Vec<String>,
}

fn choose(load: &Load, threads: u32, runtime: &Runtime) -> Result<Chosen, Trouble> {
    let settings = |why: String| {
        Trouble::new(&gst::LibraryError::Settings, format!("Properties provider and precision: {why}"))
    };
    let mut missing = Vec::new();
    let providers = wanted(&load.provider).map_err(settings)?;
    let precision = Precision::from(load.precision);
    let as_asked = (precision, &mut missing);
    if let Some(choice) = first_usable(&providers, as_asked, threads, runtime) {
        return Ok(Chosen { choice, missing });
    }
    if load.policy == ProviderPolicy::Require {
        return Err(settings(format!(
            "{}. With provider-policy=prefer it runs without it, and says so",
            missing.join("; ")
        )));
    }
    let otherwise = (Precision::Auto, &mut Vec::new());
    let choice = first_usable(&providers, otherwise, threads, runtime).unwrap_or(Choice {
        provider: Provider::Cpu,
        precision: Precision::Auto,
        threads,
    });
    Ok(Chosen { choice, missing })
}

/// The first provider of a list that can compute in a precision; what is wrong with those before it is noted.
fn first_usable(
    providers: &[Provider],
    (precision, missing): (Precision, &mut Vec<String>),
    threads: u32,
    runtime: &Runtime,
) -> Option<Choice> {
    providers.iter().find_map(|provider| match provider.usable(precision, runtime.path()) {
        Ok(()) => Some(Choice { provider: *provider, precision, threads }),
        Err(why) => {
            missing.push(why);
            None
        }
    })
}

impl NvpInference {
    fn plugin_folder(&self) -> Option<PathBuf> {
        let file = self.obj().factory()?.plugin()?.filename()?;
        file.parent().map(Path::to_path_buf)
    }

    /// Loads as many engines as there are workers.
    fn engines(&self, settings: &Settings) -> Result<Vec<Engine>, Trouble> {
        let load = &settings.load;
        let source = Source::read(load)?;
        let runtime = Runtime::get(load.onnxruntime.as_deref(), self.plugin_folder().as_deref())
            .map_err(|e| Trouble::new(&gst::LibraryError::Init, e))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (workers, threads) = settings.arrangement(cores);
        let Chosen { choice, mut missing } = choose(load, threads, &runtime)?;
        let (serial, batch) = (next_serial(), load.batch_size as usize);
        let mut order = Order { source: &source, runtime: &runtime, choice, batch, serial };
        let first = match Engine::load(&order, None) {
            Err(why) if load.policy == ProviderPolicy::Prefer && choice.provider != Provider::Cpu => {
                // What one provider does not run another one may.
                order.choice = Choice { provider: Provider::Cpu, precision: Precision::Auto, threads };
                missing.push(why.to_string());
                Engine::load(&order, None)?
            }
            first => first?,
        };
        let mut engines = vec![first];
        while engines.len() < workers {
            let engine = Engine::load(&order, engines.first())?;
            engines.push(engine);
        }
        let first = &engines[0].model;
        check_classes(settings, first)?;
        for why in missing {
            self.tell_missing(&why, &first.provider);
        }
        Ok(engines)
    }

    /// Loads a model of this element's own, or joins those who share one.
    fn pool(&self, settings: &Settings) -> Result<Arc<Pool>, Trouble> {
        let name = self.obj().name();
        let load = || Pool::start(self.engines(settings)?, settings, &name);
        let Some(instance) = &settings.sharing.instance else { return load().map(Arc::new) };
        let pool = instance::join(instance, settings, &name, load)?;
        check_classes(settings, &pool.model())?;
        Ok(pool)
    }

    fn tell_missing(&self, why: &str, instead: &str) {
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Settings,
            ("Properties provider and precision: {why}. {instead} runs the model instead")
        );
        let told =
            gst::Structure::builder("nvp-provider-missing").field("reason", why).field("active", instead);
        self.tell(told.build());
    }

    pub(super) fn tell(&self, structure: gst::Structure) {
        let _ = self.post_message(gst::message::Element::builder(structure).src(&*self.obj()).build());
    }

    /// Loads the model unless it is loaded with these settings already.
    pub(super) fn load(&self) -> Result<(), gst::StateChangeError> {
        let settings = self.settings();
        check_condition(&settings).map_err(|error| {
            self.post_error_message(error.into_message());
            gst::StateChangeError
        })?;
        let fits = |pool: &Arc<Pool>| settings.ask_for(&pool.settings());
        if lock(&self.pool).as_ref().is_some_and(fits) {
            if lock(&self.applied).as_deref() != Some(&settings) {
                self.apply(&settings);
            }
            return Ok(());
        }
        let former = lock(&self.pool).take();
        drop(former);
        let pool = self.pool(&settings).map_err(|error| {
            self.post_error_message(error.into_message());
            gst::StateChangeError
        })?;
        self.latency.store(pool.model().dry_run + pool.max_formation(), Ordering::Relaxed);
        pool.enlist(&self.obj());
        *lock(&self.pool) = Some(pool.clone());
        self.adopt(&pool, &settings);
        Ok(())
    }

    /// Makes the settings that go with a model those in force, and tells about the model.
    fn adopt(&self, pool: &Pool, settings: &Settings) {
        let model = pool.model();
        let generation = self.apply(settings);
        gst::info!(CAT, imp = self, "from now on {}, {} workers", model.summary(), pool.workers());
        self.tell(model.describe(generation, pool.workers(), pool.name.as_deref()));
        self.obj().notify("active-provider");
    }

    /// Makes settings those in force from the next frame on; returns their generation.
    pub(super) fn apply(&self, settings: &Settings) -> u32 {
        let model = self.model();
        let mut config = lock(&self.member.config);
        let classes = match &model {
            Some(model) => ClassFilter::parse(&settings.classes, &model.labels, model.classes),
            // Without a model the names cannot be checked yet; loading it does.
            None => Ok(ClassFilter::default()),
        };
        let (former, former_when) = (config.parameters.classes.clone(), config.when.clone());
        let generation = config.generation + 1;
        let (classes, refused) = match classes {
            Ok(classes) => (classes, None),
            Err(error) => (former, Some(error)),
        };
        let (when, refused_when) = match settings.when.parse() {
            Ok(when) => (when.map(Arc::new), None),
            Err(error) => (former_when, Some(error)),
        };
        *config = Arc::new(Config {
            generation,
            model: model.map_or(0, |model| model.serial),
            model_id: settings.model_id.clone(),
            parameters: DecodeParams {
                confidence: settings.confidence,
                iou: settings.iou,
                max_detections: settings.max_detections as usize,
                classes,
                top_k: settings.top_k as usize,
            },
            schedule: settings.schedule,
            max_age: u64::from(settings.max_age) * 1_000_000,
            response_timeout: u64::from(settings.response_timeout) * 1_000_000,
            regions: settings.regions.clone(),
            when,
        });
        drop(config);
        *lock(&self.applied) = Some(Box::new(settings.clone()));
        if let Some(error) = refused {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("Property classes: {error}; the former choice stays")
            );
        }
        if let Some(error) = refused_when {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("Property run-when: {error}; the former condition stays")
            );
        }
        self.obj().notify("generation");
        generation
    }

    /// Loads the model anew beside the stream and lets it take over between two frames.
    pub(super) fn reload(&self) {
        let mut loader = lock(&self.loader);
        loader.again = true;
        if loader.running {
            return;
        }
        let former = loader.thread.take();
        let element = self.obj().downgrade();
        let thread = std::thread::Builder::new().name(format!("{}:load", self.obj().name()));
        let spawned = thread.spawn(move || {
            if let Some(element) = element.upgrade() {
                element.imp().reload_all();
            }
        });
        match spawned {
            Ok(thread) => (loader.thread, loader.running) = (Some(thread), true),
            Err(error) => gst::warning!(CAT, imp = self, "cannot start a thread to load the model: {error}"),
        }
        drop(loader);
        // It has ended or is about to.
        if let Some(former) = former {
            let _ = former.join();
        }
    }

    fn reload_all(&self) {
        loop {
            {
                let mut loader = lock(&self.loader);
                loader.running = std::mem::take(&mut loader.again);
                if !loader.running {
                    return;
                }
            }
            let Some(pool) = lock(&self.pool).clone() else { continue };
            let settings = self.settings();
            match self.engines(&settings) {
                Ok(engines) => self.hand_over(&pool, engines, &settings),
                Err(error) => self.reject(&settings, &error),
            }
        }
    }

    /// Lets another model take over, in all elements that share it.
    fn hand_over(&self, pool: &Arc<Pool>, engines: Vec<Engine>, settings: &Settings) {
        pool.hand_over(engines, settings);
        self.adopt(pool, settings);
        for other in pool.others(&self.obj()) {
            other.imp().follow(pool, settings);
        }
    }

    /// Takes over what another element has changed of the model that both share.
    fn follow(&self, pool: &Arc<Pool>, settings: &Settings) {
        if !lock(&self.pool).as_ref().is_some_and(|ours| Arc::ptr_eq(ours, pool)) {
            return;
        }
        self.take_over(settings);
        self.adopt(pool, &self.settings());
    }

    fn reject(&self, settings: &Settings, error: &Trouble) {
        let why = error.to_string();
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Init,
            ("The model in use stays, as the new one cannot be loaded: {why}")
        );
        let model = settings.load.model.as_deref().unwrap_or(Path::new(""));
        let told = gst::Structure::builder("nvp-model-rejected")
            .field("model", model.to_string_lossy().as_ref())
            .field("reason", why)
            .field("generation", self.member.config().generation);
        self.tell(told.build());
    }

    /// Waits until no model is being loaded any more.
    pub(super) fn join_loader(&self) {
        let thread = {
            let mut loader = lock(&self.loader);
            loader.again = false;
            loader.thread.take()
        };
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// A number for a model that is loaded, higher than all before.
fn next_serial() -> u64 {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    SERIAL.fetch_add(1, Ordering::Relaxed) + 1
}

/// # Errors
/// When the property `classes` names one that the model does not have.
fn check_classes(settings: &Settings, model: &Model) -> Result<(), Trouble> {
    let parsed = ClassFilter::parse(&settings.classes, &model.labels, model.classes);
    let error = |e| Trouble::new(&gst::LibraryError::Settings, format!("Property classes: {e}"));
    parsed.map(|_| ()).map_err(error)
}

/// # Errors
/// When the property `run-when` holds no condition.
fn check_condition(settings: &Settings) -> Result<(), Trouble> {
    let error = |e| Trouble::new(&gst::LibraryError::Settings, format!("Property run-when: {e}"));
    settings.when.parse().map(|_| ()).map_err(error)
}
