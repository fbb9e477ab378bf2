// Locks: `settings`, `state`, `watch` and `last_run` are never held together, and none across a push or a message. The
// signal store's own lock is taken under `state`, for single values.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::gather::{self, Gatherer};
use super::report;
use super::rulebook::{self, Book};
use super::settings::{self, Settings};
use super::watch::Watch;
use crate::detection::LabelsRef;
use crate::elements::AUTHOR;
use crate::elements::clock::StreamClock;
use crate::elements::filter::{self, MetaFilter};
use crate::elements::provenance::{Feed, now};
use crate::elements::signals::SharedStore;
use crate::meta::{EventMeta, SignalMeta, TrackMeta, ZoneMeta};
use crate::provenance::Stage;
use crate::rules::{self, Engine, Events, Input, Part, RuleError, Rules, Shapes, Signal, Signals};
use crate::stats::Histogram;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpevents", gst::DebugColorFlags::empty(), Some("Events by rules"))
});

/// What lives from start to stop.
struct State {
    engine: Engine,
    /// The rules in force or waiting, as text.
    text: String,
    /// Rules to be put in force before the next frame.
    waiting: Option<Rules>,
    run: Arc<str>,
    element: Arc<str>,
    clock: StreamClock,
    gatherer: Gatherer,
    store: SharedStore,
    counts: Counts,
}

#[derive(Clone, Default)]
struct Counts {
    frames: u64,
    /// Frames that no tracker looked at.
    untracked: u64,
    /// Frames that did not tell their time.
    untimed: u64,
    events: u64,
    cancelled: u64,
    refused: u64,
    signals_refused: u64,
    generation: u64,
    rejected: u64,
    step: Histogram,
}

/// What a frame comes to.
struct Verdict {
    events: Events,
    signals: Signals,
    shapes: Shapes,
    news: Vec<gst::Structure>,
}

pub struct NvpEvents {
    sink: gst::Pad,
    src: gst::Pad,
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    watch: Mutex<Option<Watch>>,
    /// The counts of the last run, once it has ended.
    last_run: Mutex<Counts>,
    feed: Feed,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[glib::object_subclass]
impl ObjectSubclass for NvpEvents {
    const NAME: &'static str = "NvpEvents";
    type Type = super::NvpEvents;
    type ParentType = gst::Element;

    fn with_class(class: &Self::Class) -> Self {
        let (sink, src) = filter::pads::<Self>(|name| class.pad_template(name));
        Self {
            sink,
            src,
            settings: Mutex::default(),
            state: Mutex::default(),
            watch: Mutex::default(),
            last_run: Mutex::default(),
            feed: Feed::default(),
        }
    }
}

/// An action signal that takes text and returns whether it did what it says.
fn action(name: &str, act: fn(&NvpEvents, &str) -> bool) -> glib::subclass::Signal {
    glib::subclass::Signal::builder(name)
        .action()
        .param_types([String::static_type()])
        .return_type::<bool>()
        .class_handler(move |arguments| {
            let element = arguments.first()?.get::<super::NvpEvents>().ok()?;
            let text = arguments.get(1)?.get::<Option<String>>().ok()?.unwrap_or_default();
            Some(act(element.imp(), &text).to_value())
        })
        .build()
}

impl ObjectImpl for NvpEvents {
    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.add_pad(&self.sink).expect("a new element has no pads");
        element.add_pad(&self.src).expect("a new element has no pads");
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            vec![
                action("set-zone", |this, text| this.edit(|all| rules::put(all, Part::Zone, text))),
                action("remove-zone", |this, name| this.edit(|all| rules::remove(all, Part::Zone, name))),
                action("set-line", |this, text| this.edit(|all| rules::put(all, Part::Line, text))),
                action("remove-line", |this, name| this.edit(|all| rules::remove(all, Part::Line, name))),
            ]
        });
        &SIGNALS
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if pspec.name() == "rules" && lock(&self.state).is_some() {
            return self.set_rules(value);
        }
        lock(&self.settings).set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats().to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for NvpEvents {}

impl ElementImpl for NvpEvents {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Events by rules",
                "Filter/Analyzer/Video",
                "Watches zones and lines, and decides by rules what has happened; never looks at pixels",
                AUTHOR,
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(filter::pad_templates);
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::ReadyToPaused
            && let Err(wrong) = self.start()
        {
            gst::element_imp_error!(self, gst::ResourceError::Settings, ("{wrong}"));
            return Err(gst::StateChangeError);
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            // It may be about to call back, so it ends first and without a lock.
            let watch = lock(&self.watch).take();
            drop(watch);
            if let Some(state) = lock(&self.state).take() {
                *lock(&self.last_run) = state.counts;
            }
        }
        result
    }
}

impl MetaFilter for NvpEvents {
    fn see(&self, event: &gst::Event) -> bool {
        if let gst::EventView::StreamStart(start) = event.view() {
            self.feed.begin(start.stream_id());
        }
        let mut state = lock(&self.state);
        let Some(State { engine, clock, .. }) = state.as_mut() else { return true };
        match event.view() {
            gst::EventView::Caps(caps) => clock.set_caps(caps.caps()),
            gst::EventView::Segment(segment) => clock.set_segment(segment.segment()),
            gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_) => {
                gst::debug!(CAT, imp = self, "{:?} ends all events", event.type_());
                engine.restart();
                clock.restart();
            }
            _ => {}
        }
        true
    }

    fn handle(&self, mut buffer: gst::Buffer) -> Result<Option<gst::Buffer>, gst::FlowError> {
        let start = now();
        let ttl = lock(&self.settings).signal_ttl;
        let (verdict, element, generation) = {
            let mut state = lock(&self.state);
            let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            (state.decide(&buffer, ttl), state.element.clone(), state.engine.generation() as u32)
        };
        gst::log!(CAT, imp = self, "{} events at {:?}", verdict.events.items.len(), buffer.pts());
        let writable = buffer.make_mut();
        EventMeta::set(writable, verdict.events);
        SignalMeta::add(writable, verdict.signals);
        if !verdict.shapes.now.is_empty() {
            ZoneMeta::set(writable, verdict.shapes);
        }
        self.feed.sign(writable, Stage { element, start, end: now(), generation, ..Stage::default() });
        verdict.news.into_iter().for_each(|news| self.tell(news));
        Ok(Some(buffer))
    }

    fn src_pad(&self) -> &gst::Pad {
        &self.src
    }
}

impl State {
    /// Decides on a frame.
    fn decide(&mut self, buffer: &gst::BufferRef, ttl: u64) -> Verdict {
        let start = now();
        let mut news = Vec::new();
        if let Some(rules) = self.waiting.take() {
            self.engine.replace(rules);
            news.push(report::applied(&self.engine));
        }
        let (time, timed) = self.clock.time(buffer);
        let Self { engine, gatherer, store, element, run, .. } = self;
        let looked = gatherer.detections(buffer);
        gatherer.signals(buffer, element, time, engine.rules(), store);
        let clock = gatherer.clock(buffer);
        let mut attributes = Vec::new();
        gather::attributes(buffer, &mut attributes);
        let tracks = TrackMeta::get(buffer);
        let labels = tracks.map_or(LabelsRef::default(), |tracks| tracks.labels());
        let input = Input {
            time,
            aspect: self.clock.aspect(),
            look: gather::look(buffer),
            tracks: tracks.map(|tracks| tracks.items()).unwrap_or_default(),
            tracked: tracks.is_some(),
            labels,
            found: looked.then_some(&gatherer.found),
            found_labels: gatherer.names.table().view(),
            attributes: &attributes,
            signals: &gatherer.signals,
            clock,
        };
        engine.update(&input);
        news.extend(report::of_frame(engine, run, time, labels));
        let verdict = Verdict {
            events: events(engine, run),
            signals: signals(engine, element, ttl),
            shapes: shapes(engine),
            news,
        };
        store.share(&verdict.signals, time);
        self.count(timed, tracks.is_some());
        self.counts.step.record(now() - start);
        verdict
    }

    fn count(&mut self, timed: bool, tracked: bool) {
        let counts = &mut self.counts;
        counts.frames += 1;
        counts.untimed += u64::from(!timed);
        counts.untracked += u64::from(!tracked);
        (counts.events, counts.cancelled) = self.engine.counts();
        counts.refused = self.engine.refused();
        counts.generation = self.engine.generation();
        counts.signals_refused = self.store.lock().refused();
    }
}

fn events(engine: &Engine, run: &Arc<str>) -> Events {
    let output = engine.output();
    Events {
        run: run.clone(),
        names: engine.board().names.clone(),
        items: output.events.clone(),
        tracks: output.tracks.clone(),
        evidence: output.evidence.clone(),
    }
}

fn signals(engine: &Engine, source: &Arc<str>, ttl: u64) -> Signals {
    let signal = |(name, value): (usize, &f64)| Signal { name: name as i32, reserved: 0, value: *value, ttl };
    let items = engine.facts().iter().enumerate().map(signal).collect();
    Signals { source: source.clone(), names: engine.board().names.clone(), items }
}

fn shapes(engine: &Engine) -> Shapes {
    let output = engine.output();
    Shapes { board: engine.board().clone(), now: output.shapes.clone(), to_frame: output.to_frame }
}

impl NvpEvents {
    /// Begins a run.
    ///
    /// # Errors
    /// What is wrong with the rules, or why nobody can look after their file.
    fn start(&self) -> Result<(), String> {
        let settings = lock(&self.settings).clone();
        let (rules, text) = rulebook::open(settings.rules.as_deref())?;
        let element = self.obj();
        let store = match settings.signal_store {
            true => SharedStore::of(element.upcast_ref()),
            false => SharedStore::default(),
        };
        let state = State {
            engine: Engine::new(rules),
            text,
            waiting: None,
            run: uuid::Uuid::new_v4().to_string().into(),
            element: element.name().as_str().into(),
            clock: StreamClock::default(),
            gatherer: Gatherer::default(),
            store,
            counts: Counts::default(),
        };
        *lock(&self.state) = Some(state);
        self.look_after(&settings)
    }

    /// Begins to look after the rule file, or stops.
    fn look_after(&self, settings: &Settings) -> Result<(), String> {
        let path = rulebook::path(settings.rules.as_deref()).filter(|_| settings.watch);
        let weak = self.obj().downgrade();
        let changed = move || {
            if let Some(element) = weak.upgrade() {
                element.imp().read_again();
            }
        };
        let watch = path.map(|path| Watch::start(path.to_owned(), changed)).transpose();
        let watch = watch.map_err(|error| format!("Cannot look after the rule file: {error}"))?;
        let before = std::mem::replace(&mut *lock(&self.watch), watch);
        drop(before);
        Ok(())
    }

    /// Takes other rules while playing; those that are wrong leave the property as it is.
    fn set_rules(&self, value: &glib::Value) {
        let mut settings = lock(&self.settings).clone();
        settings.set("rules", value);
        if !self.propose(rulebook::open(settings.rules.as_deref())) {
            return;
        }
        let rules = settings.rules.clone();
        lock(&self.settings).rules = rules;
        if let Err(wrong) = self.look_after(&settings) {
            gst::element_imp_warning!(self, gst::ResourceError::Failed, ("{wrong}"));
        }
    }

    fn read_again(&self) {
        let rules = lock(&self.settings).rules.clone();
        self.propose(rulebook::open(rules.as_deref()));
    }

    /// Edits the rules in force.
    fn edit(&self, edit: impl FnOnce(&str) -> Result<Book, RuleError>) -> bool {
        let Some(text) = lock(&self.state).as_ref().map(|state| state.text.clone()) else {
            gst::warning!(CAT, imp = self, "rules can be edited from PAUSED on; set the property before");
            return false;
        };
        self.propose(edit(&text).map_err(|error| format!("The edit: {error}")))
    }

    /// Puts rules in force before the next frame, or says why not.
    fn propose(&self, book: Result<Book, String>) -> bool {
        let generation = {
            let mut state = lock(&self.state);
            let Some(state) = state.as_mut() else { return false };
            match &book {
                Ok((rules, text)) => {
                    (state.waiting, state.text) = (Some(rules.clone()), text.clone());
                    return true;
                }
                Err(_) => {
                    state.counts.rejected += 1;
                    state.engine.generation()
                }
            }
        };
        let Err(wrong) = book else { return true };
        gst::element_imp_warning!(
            self,
            gst::ResourceError::Settings,
            ("{wrong}; the rules of generation {generation} stay in force")
        );
        self.tell(report::rejected(generation, &wrong));
        false
    }

    fn tell(&self, structure: gst::Structure) {
        gst::info!(CAT, imp = self, "{structure}");
        let element = self.obj();
        // Without a bus nobody listens.
        let _ = element.post_message(gst::message::Element::builder(structure).src(&*element).build());
    }

    fn stats(&self) -> gst::Structure {
        let running = lock(&self.state).as_ref().map(|state| state.counts.clone());
        let counts = running.unwrap_or_else(|| lock(&self.last_run).clone());
        gst::Structure::builder("application/x-nvp-events-stats")
            .field("frames", counts.frames)
            .field("untracked", counts.untracked)
            .field("untimed", counts.untimed)
            .field("events", counts.events)
            .field("cancelled", counts.cancelled)
            .field("refused", counts.refused)
            .field("signals-refused", counts.signals_refused)
            .field("generation", counts.generation)
            .field("rejected", counts.rejected)
            .field("step-p50", counts.step.quantile(0.50))
            .field("step-p95", counts.step.quantile(0.95))
            .field("step-p99", counts.step.quantile(0.99))
            .build()
    }
}
