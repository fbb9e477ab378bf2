//! A run from start to stop: frames in, what goes with them and onto the bus out.

use std::sync::Arc;

use super::gather::{self, Gatherer};
use super::report;
use super::rulebook::Book;
use crate::detection::LabelsRef;
use crate::elements::clock::StreamClock;
use crate::elements::provenance::now;
use crate::elements::signals::SharedStore;
use crate::meta::{EventMeta, TrackMeta};
use crate::rules::{Engine, Events, Input, Rules, Shapes, Signal, Signals};
use crate::stats::Histogram;

/// What lives from start to stop.
pub(super) struct State {
    engine: Engine,
    /// The rules in force or waiting, as text.
    pub(super) text: String,
    /// Rules to be put in force before the next frame.
    waiting: Option<Rules>,
    run: Arc<str>,
    pub(super) element: Arc<str>,
    clock: StreamClock,
    gatherer: Gatherer,
    store: SharedStore,
    /// The running time of the last frame.
    time: u64,
    /// It has been said that somebody else's events are replaced.
    replaces: bool,
    pub(super) counts: Counts,
}

/// What a run has counted.
#[derive(Clone, Default)]
pub(super) struct Counts {
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

/// Why rules are not taken.
pub(super) enum Refusal {
    /// There is no run.
    Idle,
    /// They are wrong in this way, and those of this generation stay.
    Wrong(String, u64),
    /// They are taken, but nobody can look after their file.
    Unwatched(String),
}

/// What a frame comes to.
pub(super) struct Verdict {
    pub(super) events: Events,
    pub(super) signals: Signals,
    pub(super) shapes: Shapes,
    pub(super) news: Vec<gst::Structure>,
}

impl Counts {
    /// As the property `stats` tells them.
    pub(super) fn structure(&self) -> gst::Structure {
        gst::Structure::builder("application/x-nvp-events-stats")
            .field("frames", self.frames)
            .field("untracked", self.untracked)
            .field("untimed", self.untimed)
            .field("events", self.events)
            .field("cancelled", self.cancelled)
            .field("refused", self.refused)
            .field("signals-refused", self.signals_refused)
            .field("generation", self.generation)
            .field("rejected", self.rejected)
            .field("step-p50", self.step.quantile(0.50))
            .field("step-p95", self.step.quantile(0.95))
            .field("step-p99", self.step.quantile(0.99))
            .build()
    }
}

impl State {
    /// A run of an element by this name.
    pub(super) fn new((rules, text): Book, element: &str, store: SharedStore) -> Self {
        Self {
            engine: Engine::new(rules),
            text,
            waiting: None,
            run: uuid::Uuid::new_v4().to_string().into(),
            element: element.into(),
            clock: StreamClock::default(),
            gatherer: Gatherer::default(),
            store,
            time: 0,
            replaces: false,
            counts: Counts::default(),
        }
    }

    /// Numbers the rules in force, from 1.
    pub(super) fn generation(&self) -> u64 {
        self.engine.generation()
    }

    /// Takes rules that are to be put in force before the next frame.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn accept(&mut self, book: Result<Book, String>) -> Result<(), Refusal> {
        let (rules, text) = book.map_err(|wrong| {
            self.counts.rejected += 1;
            Refusal::Wrong(wrong, self.engine.generation())
        })?;
        (self.waiting, self.text) = (Some(rules), text);
        Ok(())
    }

    /// Takes in an event of the stream, and tells of what ends with it.
    pub(super) fn see(&mut self, event: &gst::EventRef) -> Vec<gst::Structure> {
        match event.view() {
            gst::EventView::Caps(caps) => self.clock.set_caps(caps.caps()),
            gst::EventView::Segment(segment) => self.clock.set_segment(segment.segment()),
            gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_) => {
                self.engine.restart();
                self.clock.restart();
            }
            gst::EventView::Eos(_) => return self.finish(),
            _ => {}
        }
        Vec::new()
    }

    /// Decides on a frame.
    pub(super) fn decide(&mut self, buffer: &gst::BufferRef, ttl: u64) -> Verdict {
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
        gather::attributes(buffer, &mut gatherer.said, &mut attributes);
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
            said_labels: gatherer.said.table().view(),
            signals: &gatherer.signals,
            clock,
        };
        engine.update(&input);
        self.time = time;
        news.extend(report::of_frame(engine, run, &input));
        let other = EventMeta::get(buffer).filter(|events| events.run() != &**run && !self.replaces);
        if let Some(other) = other {
            self.replaces = true;
            news.push(report::replaced(other.run(), time));
        }
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

    /// Takes its facts out of the store, at the end of the run.
    pub(super) fn withdraw(&self) {
        self.store.lock().forget(&self.element);
    }

    /// Ends what lasts, at the end of the stream, and tells of it.
    pub(super) fn finish(&mut self) -> Vec<gst::Structure> {
        self.engine.finish();
        (self.counts.events, self.counts.cancelled) = self.engine.counts();
        report::of_events(&self.engine, &self.run, self.time).collect()
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
