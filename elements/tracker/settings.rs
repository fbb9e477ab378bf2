//! The properties of `nvptracker`: the parameters of [`Tracker`](crate::track::Tracker).

use gst::glib;
use gst::prelude::*;

use crate::track::Parameters;

/// A property that is one number of the parameters.
struct Number {
    name: &'static str,
    nick: &'static str,
    maximum: f32,
    field: fn(&mut Parameters) -> &mut f32,
    blurb: &'static str,
}

#[rustfmt::skip]
const NUMBERS: [Number; 9] = [
    Number { name: "high-confidence", nick: "High confidence", maximum: 1.0, field: |p| &mut p.high_confidence,
        blurb: "Detections at least this confident are associated first, with every track, 0 to 1" },
    Number { name: "low-confidence", nick: "Low confidence", maximum: 1.0, field: |p| &mut p.low_confidence,
        blurb: "Less confident detections are ignored; from here to high-confidence they only prolong tracks, 0 to 1" },
    Number { name: "new-confidence", nick: "New track confidence", maximum: 1.0, field: |p| &mut p.new_confidence,
        blurb: "Lowest confidence of a detection that begins a track, 0 to 1" },
    Number { name: "iou", nick: "IoU", maximum: 1.0, field: |p| &mut p.iou,
        blurb: "Lowest overlap (IoU; times the confidence with fuse-score) of a track and a confident detection, 0 to 1" },
    Number { name: "low-iou", nick: "Low-confidence IoU", maximum: 1.0, field: |p| &mut p.low_iou,
        blurb: "Lowest overlap (IoU) of a track and a detection below high-confidence, 0 to 1" },
    Number { name: "tentative-iou", nick: "Tentative IoU", maximum: 1.0, field: |p| &mut p.tentative_iou,
        blurb: "As iou, for tentative tracks, 0 to 1" },
    Number { name: "probation", nick: "Probation", maximum: 60.0, field: |p| &mut p.probation,
        blurb: "How long a new track must be seen before it is confirmed, in seconds (0 = until its second match)" },
    Number { name: "coast", nick: "Coast", maximum: 60.0, field: |p| &mut p.coast,
        blurb: "How long an unseen track is still reported at its predicted place, in seconds" },
    Number { name: "max-lost", nick: "Maximum lost", maximum: 600.0, field: |p| &mut p.max_lost,
        blurb: "How long an unseen track can be found again, in seconds" },
];

fn number(name: &str) -> &'static Number {
    NUMBERS.iter().find(|n| n.name == name).expect("GObject only passes declared properties")
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let mut default = Parameters::default();
    let switch = |name: &'static str, nick: &'static str, default: bool, blurb: &'static str| {
        let builder = glib::ParamSpecBoolean::builder(name).nick(nick).blurb(blurb);
        builder.default_value(default).mutable_playing().build()
    };
    let mut specs = vec![
        switch(
            "fuse-score",
            "Fuse score",
            default.fuse_score,
            "Multiply the overlap by the detection's confidence when associating",
        ),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Counts of frames, of predicted and untimed ones among them, of tracks, and of believed tracks that ended or are alive, and the time of a step in nanoseconds as p50, p95 and p99")
            .read_only()
            .build(),
    ];
    specs.extend(super::export::properties());
    specs.extend(NUMBERS.iter().map(|number| {
        let builder = glib::ParamSpecFloat::builder(number.name).nick(number.nick).blurb(number.blurb);
        let builder = builder.minimum(0.0).maximum(number.maximum).mutable_playing();
        builder.default_value(*(number.field)(&mut default)).build()
    }));
    specs
}

/// Takes over a property other than `stats`. Its type is the one declared in [`properties`].
pub(super) fn set(parameters: &mut Parameters, name: &str, value: &glib::Value) {
    match name {
        "fuse-score" => parameters.fuse_score = value.get().unwrap_or_default(),
        _ => *(number(name).field)(parameters) = value.get().unwrap_or_default(),
    }
}

/// The value of a property other than `stats`.
pub(super) fn get(mut parameters: Parameters, name: &str) -> glib::Value {
    match name {
        "fuse-score" => parameters.fuse_score.to_value(),
        _ => (number(name).field)(&mut parameters).to_value(),
    }
}
