//! The properties of `nvptracker`, and what they come to.

use gst::glib;
use gst::prelude::*;

use super::classes::{self, ClassRule};
use super::{Algorithm, Export, OnEpoch, ground};
use crate::track::{Parameters, Retention};

/// The properties' values.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    algorithm: Algorithm,
    /// The numbers and switches that were set: they count before what the algorithm has.
    numbers: Vec<(usize, f32)>,
    switches: Vec<(usize, bool)>,
    max_tracks: u32,
    on_epoch: OnEpoch,
    pub(super) export: Export,
    retention: Retention,
    ground: Option<[f64; 9]>,
    classes: Vec<ClassRule>,
    /// What is wrong with properties that are text, by their names; the former values stay.
    wrong: Vec<(&'static str, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        let Parameters { max_tracks, retention, .. } = Parameters::default();
        Self {
            algorithm: Algorithm::default(),
            numbers: Vec::new(),
            switches: Vec::new(),
            max_tracks,
            on_epoch: OnEpoch::default(),
            export: Export::default(),
            retention,
            ground: None,
            classes: Vec::new(),
            wrong: Vec::new(),
        }
    }
}

/// Where a number is in the parameters.
pub(super) type Field = fn(&mut Parameters) -> &mut f32;

/// A property that is one number of the parameters.
struct Number {
    name: &'static str,
    nick: &'static str,
    maximum: f32,
    field: Field,
    blurb: &'static str,
}

#[rustfmt::skip]
const NUMBERS: [Number; 17] = [
    Number { name: "high-confidence", nick: "High confidence", maximum: 1.0, field: |p| &mut p.high_confidence,
        blurb: "Detections at least this confident are associated first, with every track, 0 to 1" },
    Number { name: "low-confidence", nick: "Low confidence", maximum: 1.0, field: |p| &mut p.low_confidence,
        blurb: "Less confident detections are ignored; from here to high-confidence they only prolong tracks, 0 to 1" },
    Number { name: "new-confidence", nick: "New track confidence", maximum: 1.0, field: |p| &mut p.new_confidence,
        blurb: "Lowest confidence of a detection that begins a track, 0 to 1" },
    Number { name: "iou", nick: "IoU", maximum: 1.0, field: |p| &mut p.iou,
        blurb: "Lowest similarity (IoU, less what speaks against the pair; times the confidence with fuse-score) of a track and a confident detection, 0 to 1" },
    Number { name: "low-iou", nick: "Low-confidence IoU", maximum: 2.0, field: |p| &mut p.low_iou,
        blurb: "Lowest similarity of a track and a detection below high-confidence, 0 to 1; above 1 these are not used" },
    Number { name: "tentative-iou", nick: "Tentative IoU", maximum: 1.0, field: |p| &mut p.tentative_iou,
        blurb: "As iou, for tentative tracks, 0 to 1" },
    Number { name: "height-weight", nick: "Height weight", maximum: 4.0, field: |p| &mut p.height,
        blurb: "How much the overlap in height alone counts beside the IoU, as its exponent (0 = not at all)" },
    Number { name: "size-weight", nick: "Size weight", maximum: 1.0, field: |p| &mut p.size,
        blurb: "How much an unexpected change of size counts, in nats for each squared standard deviation (0 = not at all)" },
    Number { name: "momentum", nick: "Momentum", maximum: 1.0, field: |p| &mut p.momentum,
        blurb: "How much the direction of motion counts, in units of IoU (0 = not at all)" },
    Number { name: "staleness", nick: "Staleness", maximum: 10.0, field: |p| &mut p.staleness,
        blurb: "How fast an unseen track loses against one that is seen, in nats a second (0 = not at all)" },
    Number { name: "appearance", nick: "Appearance", maximum: 1.0, field: |p| &mut p.appearance,
        blurb: "How much looks count where detections have embeddings, in units of IoU (0 = not at all, and no track is found again by its looks)" },
    Number { name: "evidence", nick: "Evidence", maximum: 100.0, field: |p| &mut p.evidence,
        blurb: "A new track is confirmed when the confidences of its detections add up to this" },
    Number { name: "probation", nick: "Probation", maximum: 60.0, field: |p| &mut p.probation,
        blurb: "How long a new track must be seen before it is confirmed, in seconds (0 = until its second match)" },
    Number { name: "patience", nick: "Patience", maximum: 60.0, field: |p| &mut p.patience,
        blurb: "How long a tentative track may go unseen, in seconds (0 = its first miss ends it)" },
    Number { name: "coast", nick: "Coast", maximum: 60.0, field: |p| &mut p.coast,
        blurb: "How long an unseen track is still taken to be there and reported at its predicted place, in seconds" },
    Number { name: "reliability", nick: "Reliability", maximum: 1.0, field: |p| &mut p.reliability,
        blurb: "Share of looks at which a track must have been seen so that it may coast, 0 to 1" },
    Number { name: "max-lost", nick: "Maximum lost", maximum: 600.0, field: |p| &mut p.max_lost,
        blurb: "How long an unseen track can be found again, in seconds" },
];

/// A property that is one switch of the parameters.
struct Switch {
    name: &'static str,
    nick: &'static str,
    field: fn(&mut Parameters) -> &mut bool,
    blurb: &'static str,
}

#[rustfmt::skip]
const SWITCHES: [Switch; 5] = [
    Switch { name: "fuse-score", nick: "Fuse score", field: |p| &mut p.fuse_score,
        blurb: "Multiply the overlap by the detection's confidence when associating" },
    Switch { name: "follow-view", nick: "Follow the view", field: |p| &mut p.follow_view,
        blurb: "Take the camera's motion from view metadata where buffers have them" },
    Switch { name: "shared-motion", nick: "Shared motion", field: |p| &mut p.shared_motion,
        blurb: "Take the camera's motion from what all tracks have in common where the view does not tell it" },
    Switch { name: "walk-gaps", nick: "Walk gaps", field: |p| &mut p.walk_gaps,
        blurb: "Once an unseen track is found again, take its gap as walked in a straight line" },
    Switch { name: "class-voting", nick: "Class voting", field: |p| &mut p.class_voting,
        blurb: "Let well overlapping detections of another class prolong a track, whose class is decided by vote" },
];

const GROUND: &str = "ground-homography";
const CLASSES: &str = "class-settings";

/// A property of the parameters that a class may have for itself: where it is, and the most it can be.
pub(super) fn class_number(name: &str) -> Option<(Field, f32)> {
    const OF_CLASSES: [&str; 9] = [
        "high-confidence",
        "low-confidence",
        "new-confidence",
        "evidence",
        "probation",
        "patience",
        "coast",
        "reliability",
        "max-lost",
    ];
    let number = NUMBERS.iter().find(|number| number.name == name && OF_CLASSES.contains(&name))?;
    Some((number.field, number.maximum))
}

impl Settings {
    /// What a tracker decides by.
    pub(super) fn parameters(&self) -> Parameters {
        let Self { max_tracks, on_epoch, retention, ground, export, .. } = *self;
        let mut parameters = Parameters {
            max_tracks,
            on_epoch: on_epoch.into(),
            retention,
            ground,
            report_lost: export.contains(Export::LOST),
            report_past: export.contains(Export::PAST),
            ..Parameters::of(self.algorithm.into())
        };
        self.numbers.iter().for_each(|(at, value)| *(NUMBERS[*at].field)(&mut parameters) = *value);
        self.switches.iter().for_each(|(at, value)| *(SWITCHES[*at].field)(&mut parameters) = *value);
        parameters
    }

    /// The classes that have rules of their own, by name.
    pub(super) fn classes(&self) -> impl Iterator<Item = (&str, Parameters)> {
        let parameters = self.parameters();
        self.classes.iter().map(move |class| (class.name(), class.apply(parameters)))
    }

    /// What is wrong with the text of a property, or of the first that is wrong.
    pub(super) fn wrong(&self, property: Option<&str>) -> Option<&str> {
        let wrong = self.wrong.iter().find(|(name, _)| property.is_none_or(|property| property == *name));
        wrong.map(|(_, what)| what.as_str())
    }

    /// Takes over a property other than `stats`, whose type is the declared one. What is wrong with it is in
    /// [`wrong`](Self::wrong) then, and the former value stays.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        if let Some(at) = NUMBERS.iter().position(|number| number.name == name) {
            return choose(&mut self.numbers, at, value.get().unwrap_or_default());
        }
        if let Some(at) = SWITCHES.iter().position(|switch| switch.name == name) {
            return choose(&mut self.switches, at, value.get().unwrap_or_default());
        }
        match name {
            "algorithm" => self.algorithm = value.get().unwrap_or_default(),
            "max-tracks" => self.max_tracks = value.get().unwrap_or_default(),
            "on-epoch" => self.on_epoch = value.get().unwrap_or_default(),
            "export" => self.export = value.get().unwrap_or_default(),
            "trajectory-age" => self.retention.age = value.get().unwrap_or_default(),
            "trajectory-points" => self.retention.points = value.get::<u32>().unwrap_or_default() as usize,
            GROUND => {
                let read = value.get::<Option<&str>>().unwrap_or_default().map(ground::read).transpose();
                self.ground = self.judge(GROUND, read).unwrap_or(self.ground);
            }
            CLASSES => {
                let read = value.get::<Option<&str>>().unwrap_or_default().map(classes::read).transpose();
                if let Some(classes) = self.judge(CLASSES, read) {
                    self.classes = classes.unwrap_or_default();
                }
            }
            _ => unreachable!("GObject only passes declared properties"),
        }
    }

    fn judge<T>(&mut self, property: &'static str, read: Result<T, String>) -> Option<T> {
        self.wrong.retain(|(name, _)| *name != property);
        let wrong = |what| format!("{property} {what}");
        read.map_err(|what| self.wrong.push((property, wrong(what)))).ok()
    }

    /// The value of a property other than `stats`.
    pub(super) fn get(&self, name: &str) -> glib::Value {
        if let Some(number) = NUMBERS.iter().find(|number| number.name == name) {
            return (number.field)(&mut self.parameters()).to_value();
        }
        if let Some(switch) = SWITCHES.iter().find(|switch| switch.name == name) {
            return (switch.field)(&mut self.parameters()).to_value();
        }
        match name {
            "algorithm" => self.algorithm.to_value(),
            "max-tracks" => self.max_tracks.to_value(),
            "on-epoch" => self.on_epoch.to_value(),
            "export" => self.export.to_value(),
            "trajectory-age" => self.retention.age.to_value(),
            "trajectory-points" => (self.retention.points as u32).to_value(),
            GROUND => self.ground.as_ref().map(ground::text).to_value(),
            CLASSES => classes::text(&self.classes).to_value(),
            _ => unreachable!("GObject only asks for declared properties"),
        }
    }
}

fn choose<T>(chosen: &mut Vec<(usize, T)>, at: usize, value: T) {
    chosen.retain(|(other, _)| *other != at);
    chosen.push((at, value));
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let mut default = Parameters::default();
    let mut specs = vec![
        glib::ParamSpecEnum::builder_with_default("algorithm", Algorithm::default())
            .nick("Algorithm")
            .blurb("Whose rules to follow; properties that are set count before them")
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("on-epoch", OnEpoch::default())
            .nick("On a new epoch")
            .blurb("What becomes of tracks when the view jumps")
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("max-tracks")
            .nick("Maximum tracks")
            .blurb("Most tracks at a time; a new one takes the place of the longest lost, and where none is lost there is no new one")
            .minimum(1)
            .maximum(100_000)
            .default_value(default.max_tracks)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder(CLASSES)
            .nick("Class settings")
            .blurb("What counts for single classes instead, as in \"person: max-lost=5 new-confidence=0.4; car: coast=1\"; of high-, low- and new-confidence, evidence, probation, patience, coast, reliability and max-lost")
            .mutable_playing()
            .build(),
        glib::ParamSpecFlags::builder::<Export>("export")
            .nick("Export")
            .blurb("What to tell beside the tracks that are there (default ended)")
            .default_value(Export::default())
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("trajectory-age")
            .nick("Trajectory age")
            .blurb("How far back the trajectory of a track reaches, in seconds")
            .minimum(0.0)
            .maximum(86_400.0)
            .default_value(default.retention.age)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("trajectory-points")
            .nick("Trajectory points")
            .blurb("How many points the trajectory of a track has at most, spread over trajectory-age")
            .minimum(2)
            .maximum(4096)
            .default_value(default.retention.points as u32)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder(GROUND)
            .nick("Ground homography")
            .blurb("Row-major homography a,b,c;d,e,f;g,h,i from normalised points of the camera's first view to metres on the ground; without one nothing is told in metres")
            .mutable_playing()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts of frames, of predicted and untimed ones among them, of tracks, of believed ones that ended and that are alive and of detections refused for max-tracks, and the time of a step in nanoseconds as p50, p95 and p99")
            .read_only()
            .build(),
    ];
    specs.extend(SWITCHES.iter().map(|switch| {
        let builder = glib::ParamSpecBoolean::builder(switch.name).nick(switch.nick).blurb(switch.blurb);
        builder.default_value(*(switch.field)(&mut default)).mutable_playing().build()
    }));
    specs.extend(NUMBERS.iter().map(|number| {
        let builder = glib::ParamSpecFloat::builder(number.name).nick(number.nick).blurb(number.blurb);
        let builder = builder.minimum(0.0).maximum(number.maximum).mutable_playing();
        builder.default_value(*(number.field)(&mut default)).build()
    }));
    specs
}
