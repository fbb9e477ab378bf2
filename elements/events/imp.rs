// Locks: `changing` comes first and is the turn of whoever changes the rules; under it `settings`, `state`, `watch` and
// `last_run` are taken one at a time. None is held across a push, a message, or the end of a watch. The signal store's own
// lock is taken under `state`, for the signals of a frame.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::report;
use super::rulebook::{self, Book};
use super::settings::{self, Settings};
use super::state::{Counts, Refusal, State};
use super::watch::{Watch, Watched};
use crate::elements::AUTHOR;
use crate::elements::filter::{self, MetaFilter};
use crate::elements::provenance::{Feed, now};
use crate::elements::signals::SharedStore;
use crate::meta::{EventMeta, SignalMeta, ZoneMeta};
use crate::provenance::Stage;
use crate::rules::{self, Part, RuleError};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("nvpevents", gst::DebugColorFlags::empty(), Some("Events by rules"))
});

pub struct NvpEvents {
    sink: gst::Pad,
    src: gst::Pad,
    changing: Mutex<()>,
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
            changing: Mutex::default(),
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
        match pspec.name() {
            "rules" => self.set_rules(value),
            name => lock(&self.settings).set(name, value),
        }
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
        let failed = transition == gst::StateChange::ReadyToPaused && result.is_err();
        if failed || transition == gst::StateChange::PausedToReady {
            self.stop();
        }
        result
    }
}

impl MetaFilter for NvpEvents {
    fn see(&self, event: &gst::Event) -> bool {
        if let gst::EventView::StreamStart(start) = event.view() {
            self.feed.begin(start.stream_id());
        }
        let news = lock(&self.state).as_mut().map(|state| state.see(event)).unwrap_or_default();
        news.into_iter().for_each(|news| self.tell(news));
        true
    }

    fn handle(&self, mut buffer: gst::Buffer) -> Result<Option<gst::Buffer>, gst::FlowError> {
        let start = now();
        let ttl = lock(&self.settings).signal_ttl;
        let (verdict, element, generation) = {
            let mut state = lock(&self.state);
            let state = state.as_mut().ok_or(gst::FlowError::Flushing)?;
            (state.decide(&buffer, ttl), state.element.clone(), state.generation() as u32)
        };
        gst::log!(CAT, imp = self, "{} events at {:?}", verdict.events.items.len(), buffer.pts());
        let writable = buffer.make_mut();
        EventMeta::set(writable, verdict.events);
        SignalMeta::add(writable, verdict.signals);
        match verdict.shapes.now.is_empty() {
            // Zones of an element before this one, beside the events of this one, would mislead.
            true => ZoneMeta::remove(writable),
            false => ZoneMeta::set(writable, verdict.shapes),
        }
        self.feed.sign(writable, Stage { element, start, end: now(), generation, ..Stage::default() });
        verdict.news.into_iter().for_each(|news| self.tell(news));
        Ok(Some(buffer))
    }

    fn src_pad(&self) -> &gst::Pad {
        &self.src
    }
}

impl NvpEvents {
    /// Begins a run.
    ///
    /// # Errors
    /// What is wrong with the rules, or why nobody can look after their file.
    fn start(&self) -> Result<(), String> {
        let element = self.obj();
        let shared = lock(&self.settings).signal_store;
        let store = if shared { SharedStore::of(element.upcast_ref()) } else { SharedStore::default() };
        let _alone = lock(&self.changing);
        let settings = lock(&self.settings).clone();
        let file = rulebook::watched(&settings);
        let book = rulebook::open(settings.rules.as_deref())?;
        let watch = self.look_after(file)?;
        *lock(&self.state) = Some(State::new(book, &element.name(), store));
        *lock(&self.watch) = watch;
        Ok(())
    }

    /// Ends a run, and with it the events that last.
    fn stop(&self) {
        let (watch, state) = {
            let _alone = lock(&self.changing);
            let watch = lock(&self.watch).take();
            (watch, lock(&self.state).take())
        };
        drop(watch);
        let Some(mut state) = state else { return };
        state.withdraw();
        let news = state.finish();
        *lock(&self.last_run) = state.counts;
        news.into_iter().for_each(|news| self.tell(news));
    }

    /// Begins to look after a rule file.
    ///
    /// # Errors
    /// When there is no thread to be had.
    fn look_after(&self, file: Option<Watched>) -> Result<Option<Watch>, String> {
        let weak = self.obj().downgrade();
        let changed = move || {
            if let Some(element) = weak.upgrade() {
                element.imp().read_again();
            }
        };
        let watch = file.map(|file| Watch::start(file, changed)).transpose();
        watch.map_err(|error| format!("Cannot look after the rule file: {error}"))
    }

    /// Takes other rules. During a run, those that are wrong leave the property as it is.
    fn set_rules(&self, value: &glib::Value) {
        let done = {
            let _alone = lock(&self.changing);
            let mut settings = lock(&self.settings).clone();
            settings.set("rules", value);
            self.exchange(settings)
        };
        // With the turn over: the watch that goes may be waiting for its own.
        self.answer(done.map(drop));
    }

    /// Puts the rules of other settings in the place of these, and gives back the watch that looked after them.
    fn exchange(&self, settings: Settings) -> Result<Option<Watch>, Refusal> {
        let file = rulebook::watched(&settings);
        match self.accept(|_| rulebook::open(settings.rules.as_deref())) {
            Ok(()) => lock(&self.settings).rules = settings.rules,
            Err(Refusal::Idle) => {
                lock(&self.settings).rules = settings.rules;
                return Ok(None);
            }
            Err(wrong) => return Err(wrong),
        }
        let watch = self.look_after(file).map_err(Refusal::Unwatched)?;
        Ok(std::mem::replace(&mut *lock(&self.watch), watch))
    }

    /// Reads the rule file anew.
    fn read_again(&self) {
        let done = {
            let _alone = lock(&self.changing);
            let rules = lock(&self.settings).rules.clone();
            self.accept(|_| rulebook::open(rules.as_deref()))
        };
        self.answer(done);
    }

    /// Edits the rules in force; false when that is not possible.
    fn edit(&self, edit: impl FnOnce(&str) -> Result<Book, RuleError>) -> bool {
        let done = {
            let _alone = lock(&self.changing);
            self.accept(|text| edit(text).map_err(|error| format!("The edit: {error}")))
        };
        if matches!(done, Err(Refusal::Idle)) {
            gst::warning!(CAT, imp = self, "rules can be edited from PAUSED on; set the property before");
        }
        self.answer(done)
    }

    /// Takes the rules that `read` makes of the text of those in force. The caller's turn to change them goes on.
    fn accept(&self, read: impl FnOnce(&str) -> Result<Book, String>) -> Result<(), Refusal> {
        let text = lock(&self.state).as_ref().map(|state| state.text.clone()).ok_or(Refusal::Idle)?;
        let book = read(&text);
        lock(&self.state).as_mut().ok_or(Refusal::Idle)?.accept(book)
    }

    /// Says why rules were refused; true when they were not.
    fn answer(&self, done: Result<(), Refusal>) -> bool {
        match done {
            Ok(()) => return true,
            Err(Refusal::Idle) => {}
            Err(Refusal::Unwatched(wrong)) => {
                gst::element_imp_warning!(self, gst::ResourceError::Failed, ("{wrong}"));
            }
            Err(Refusal::Wrong(wrong, generation)) => {
                gst::element_imp_warning!(
                    self,
                    gst::ResourceError::Settings,
                    ("{wrong}; the rules of generation {generation} stay in force")
                );
                self.tell(report::rejected(generation, &wrong));
            }
        }
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
        running.unwrap_or_else(|| lock(&self.last_run).clone()).structure()
    }
}
