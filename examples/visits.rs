//! Counts crossings and visits behind the tracker, beside those of the truth: `visits [SECONDS [SEEDS [SETTING...]]]`
//!
//! Plays `nvptestsrc` for each seed and decides twice by the same rules: on what `nvptracker` makes of the detections,
//! and on the true objects. Settings `NAME=VALUE` go to the source, as `detections=perfect`; `tracker=none` gives the
//! true objects to the rules in the place of tracks.
//!
//! With `camera=ptz` the camera tours its presets and the rules belong to the preset `street`. The truth is then that of a
//! camera that stands still and is switched on only while the other looks there: who is inside at first has not entered.

use std::error::Error;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gstnvperception::meta::{SignalMeta, TrackMeta, TruthMeta, ViewMeta};
use gstnvperception::rules::{Engine, Input, Rules};
use gstnvperception::scene::{LEAST_VISIBLE, TrueObject};
use gstnvperception::track::{Track, TrackState, Tracks};
use gstnvperception::view::{Motion, View};

const RATE: u64 = 25;
const PRESET: &str = "street";
const NO_TRACKER: &str = "tracker=none";
/// A visit lasts for a second at least; objects that are hidden for two seconds have not gone.
const RULES: &str = r#"{"version": 1,
    "zones": [{"name": "yard", "polygon": [[0.3, 0.4], [0.7, 0.4], [0.7, 0.8], [0.3, 0.8]], "grace": 2, "preset": "street"}],
    "lines": [{"name": "gate", "points": [[0.5, 0.2], [0.5, 1.0]], "preset": "street"}],
    "rules": [{"name": "visit", "per": "object", "when": "object.zone.yard.inside", "for": 1, "gap": 2}]}"#;

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    crossings: f64,
    entries: f64,
    events: f64,
    /// Mean seconds of a visit that ended.
    dwell: f64,
}

impl Counts {
    fn of(value: impl Fn(&str) -> f64) -> Self {
        let crossings = value("line.gate.forward") + value("line.gate.backward");
        let (events, dwell) = (value("rule.visit.count"), value("zone.yard.dwell-mean"));
        Self { crossings, entries: value("zone.yard.entries"), events, dwell }
    }
}

/// What is known of a run: who looks where, the truth's own decisions, and what came out.
struct Run {
    truth: Engine,
    tracks: Vec<Track>,
    /// Whether the true objects are given as tracks.
    given: bool,
    /// Whether the camera looks at the preset, and how often that has changed.
    here: bool,
    epoch: u64,
    /// What was true before the camera came here last, and who was inside then.
    before: Counts,
    inside: f64,
    counted: Counts,
}

impl Run {
    fn new(given: bool) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            given,
            truth: fixed()?,
            tracks: Vec::new(),
            here: true,
            epoch: 0,
            before: Counts::default(),
            inside: 0.0,
            counted: Counts::default(),
        })
    }

    /// Says on a frame from the source what its view is, and decides on the true objects.
    fn see(&mut self, buffer: &mut gst::Buffer) -> Option<()> {
        let truth = TruthMeta::get(buffer)?.to_owned();
        let here = truth.view.preset_name() == Some(PRESET);
        if here && !self.here {
            self.before = self.truth();
            self.truth = fixed().ok()?;
        }
        let came = here && !self.here;
        self.epoch += u64::from(here != self.here);
        self.here = here;
        let seen = truth.objects.iter().filter(|object| object.visibility >= LEAST_VISIBLE);
        self.tracks.clear();
        self.tracks.extend(seen.map(track));
        if here {
            self.decide(truth.frame);
        }
        if self.given {
            let tracks = Tracks { run: "truth".into(), items: self.tracks.clone(), ..Tracks::default() };
            TrackMeta::set(buffer.make_mut(), tracks);
        }
        if came {
            self.inside = self.fact("zone.yard.occupancy");
        }
        let view = View {
            epoch: self.epoch,
            motion: if truth.view.moved != 0 { Motion::Moving } else { Motion::Stable },
            to_previous: (truth.view.cut == 0).then(|| truth.view.to_previous.map(|v| v as f32)),
            to_reference: Some(truth.view.to_scene.map(|v| v as f32)),
            preset: here.then(|| PRESET.into()),
            ..View::default()
        };
        ViewMeta::set(buffer.make_mut(), view);
        Some(())
    }

    fn decide(&mut self, frame: u64) {
        let (time, tracks, aspect) = (frame * 1_000_000_000 / RATE, &*self.tracks, 16.0 / 9.0);
        self.truth.update(&Input { time, aspect, tracks, tracked: true, ..Input::default() });
    }

    fn fact(&self, name: &str) -> f64 {
        let value = self.truth.board().names.find(name).map_or(0.0, |at| self.truth.facts()[at as usize]);
        if value.is_nan() { 0.0 } else { value }
    }

    /// Looks at a frame behind the rules.
    fn count(&mut self, buffer: &gst::BufferRef) -> Option<()> {
        let signals = SignalMeta::all(buffer).next()?;
        self.counted = Counts::of(|name| signals.value(name).unwrap_or(0.0));
        Some(())
    }

    fn truth(&self) -> Counts {
        let now = Counts::of(|name| self.fact(name));
        let Counts { crossings, entries, events, .. } = self.before;
        Counts {
            crossings: crossings + now.crossings,
            entries: entries + now.entries - self.inside,
            events: events + now.events,
            dwell: now.dwell,
        }
    }
}

fn track(object: &TrueObject) -> Track {
    let TrueObject { id, bbox, .. } = *object;
    Track { id, bbox, label: -1, state: TrackState::Confirmed, ..Track::default() }
}

/// Decides as if the camera never moved.
fn fixed() -> Result<Engine, Box<dyn Error>> {
    Ok(Engine::new(Rules::read(&RULES.replace(r#", "preset": "street""#, ""))?))
}

fn play(seconds: u64, seed: u64, settings: &str) -> Result<Run, Box<dyn Error>> {
    let given = settings.contains(NO_TRACKER);
    let (settings, tracker) =
        (settings.replace(NO_TRACKER, ""), if given { "identity" } else { "nvptracker" });
    let launch = format!(
        "nvptestsrc name=source seed={seed} num-buffers={} detections=noisy {settings} \
         ! video/x-raw,width=32,height=18,framerate={RATE}/1 ! {tracker} ! nvpevents name=rules ! fakesink",
        seconds * RATE
    );
    let pipeline = gst::parse::launch(&launch)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let run = Arc::new(Mutex::new(Run::new(given)?));
    let element = |name: &str| pipeline.by_name(name).ok_or("no such element");
    element("rules")?.set_property("rules", RULES);
    let probe = |name: &str, run: Arc<Mutex<Run>>, look: fn(&mut Run, &mut gst::Buffer) -> Option<()>| {
        let pad = element(name)?.static_pad("src").ok_or("no pad")?;
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let mut run = run.lock().expect("looking does not panic");
            info.buffer_mut().and_then(|buffer| look(&mut run, buffer));
            gst::PadProbeReturn::Ok
        });
        Ok::<_, Box<dyn Error>>(())
    };
    probe("source", run.clone(), Run::see)?;
    probe("rules", run.clone(), |run, buffer| run.count(buffer))?;
    pipeline.set_state(gst::State::Playing)?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().ok_or("no bus")?.timed_pop_filtered(gst::ClockTime::NONE, &ends);
    pipeline.set_state(gst::State::Null)?;
    drop(pipeline);
    if let Some(gst::MessageView::Error(error)) = end.as_ref().map(|message| message.view()) {
        return Err(error.error().message().into());
    }
    let run = std::mem::replace(&mut *run.lock().expect("looking does not panic"), Run::new(given)?);
    Ok(run)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let (seconds, seeds) = (number(0, 60)?, number(1, 20)?);
    let settings = arguments.get(2..).unwrap_or_default().join(" ");
    gst::init()?;
    gstnvperception::plugin_register_static()?;
    println!(
        "| seed | crossings | true | entries | true | events | true | dwell | true |\n|---|---|---|---|---|---|---|---|---|"
    );
    for seed in 1..=seeds {
        let run = play(seconds, seed, &settings)?;
        let (own, truth) = (run.counted, run.truth());
        println!(
            "| {seed} | {} | {} | {} | {} | {} | {} | {:.2} | {:.2} |",
            own.crossings,
            truth.crossings,
            own.entries,
            truth.entries,
            own.events,
            truth.events,
            own.dwell,
            truth.dwell
        );
    }
    Ok(())
}
