//! What a frame record says of signals and events.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

use super::parts::is_default;

/// A named value that others can decide on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SignalRecord<'a> {
    /// `zone.door.occupancy`, say.
    pub name: Cow<'a, str>,
    /// The value, in the signal's own unit; NaN when it is not known.
    #[serde(deserialize_with = "number")]
    pub value: f64,
    /// Nanoseconds from this frame on during which the value holds.
    pub ttl: u64,
    /// Who tells it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: Cow<'a, str>,
}

impl SignalRecord<'_> {
    /// The same, borrowed.
    pub fn as_ref(&self) -> SignalRecord<'_> {
        SignalRecord { name: (&*self.name).into(), source: (&*self.source).into(), ..*self }
    }
}

/// An event as it stands on this frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord<'a> {
    /// Identity: below 2^53, never used twice in a run.
    pub id: u64,
    /// The name of the rule that decided.
    pub rule: Cow<'a, str>,
    /// Where the event stands in its life: `potential`, `confirmed`, `ended` or `cancelled`.
    pub state: Cow<'a, str>,
    /// Running time in nanoseconds at which it began.
    pub start: u64,
    /// Running time in nanoseconds at which it ended, when it has.
    pub end: Option<u64>,
    /// The tracks that take part.
    pub tracks: Cow<'a, [u64]>,
    /// The zone, for events of a zone.
    pub zone: Option<Cow<'a, str>>,
    /// The line, for events of a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Cow<'a, str>>,
    /// Running time in nanoseconds at which it was confirmed, when it has been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<u64>,
    /// Why it is over, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// The number of the rules in force; absent when nobody counts them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub generation: u64,
    /// False when it only goes on; absent when it stands otherwise than on the frame before.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub changed: bool,
    /// The course of the signals that it was decided by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceRecord<'a>>,
}

impl Default for EventRecord<'_> {
    fn default() -> Self {
        Self {
            id: 0,
            rule: Cow::default(),
            state: "potential".into(),
            start: 0,
            end: None,
            tracks: Cow::default(),
            zone: None,
            line: None,
            confirmed: None,
            reason: None,
            generation: 0,
            changed: true,
            evidence: Vec::new(),
        }
    }
}

impl EventRecord<'_> {
    /// The same, borrowed.
    pub fn as_ref(&self) -> EventRecord<'_> {
        EventRecord {
            rule: (&*self.rule).into(),
            state: (&*self.state).into(),
            tracks: (&*self.tracks).into(),
            zone: self.zone.as_deref().map(Cow::Borrowed),
            line: self.line.as_deref().map(Cow::Borrowed),
            reason: self.reason.as_deref().map(Cow::Borrowed),
            evidence: self.evidence.iter().map(EvidenceRecord::as_ref).collect(),
            ..*self
        }
    }
}

/// The course of a signal while an event's condition held. What is not known is NaN.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvidenceRecord<'a> {
    /// The signal's name.
    pub signal: Cow<'a, str>,
    /// Its value when the condition began to hold.
    #[serde(deserialize_with = "number")]
    pub start: f64,
    /// When the event was confirmed.
    #[serde(deserialize_with = "number")]
    pub confirmed: f64,
    /// When the condition held last.
    #[serde(deserialize_with = "number")]
    pub last: f64,
    /// The greatest while it held.
    #[serde(deserialize_with = "number")]
    pub peak: f64,
    /// When that was first: running time in nanoseconds.
    pub peak_time: Option<u64>,
}

impl EvidenceRecord<'_> {
    /// The same, borrowed.
    pub fn as_ref(&self) -> EvidenceRecord<'_> {
        EvidenceRecord { signal: (&*self.signal).into(), ..*self }
    }
}

/// A zone or line as it lies on this frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShapeRecord<'a> {
    /// `zone` or `line`.
    pub kind: Cow<'a, str>,
    /// Its name.
    pub name: Cow<'a, str>,
    /// Whether it holds on the view: `current`, `away`, `unsure` or `unbound`.
    pub hold: Cow<'a, str>,
    /// Its corners in units of the frame: of this frame where it holds, else of the view that it is bound to. None where a
    /// corner lies nowhere.
    pub points: Cow<'a, [[f32; 2]]>,
    /// Of a zone: objects inside, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occupancy: Option<f64>,
    /// Of a zone: visits so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<f64>,
    /// Of a line: crossings forward so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<f64>,
    /// Of a line: crossings backward so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backward: Option<f64>,
}

impl ShapeRecord<'_> {
    /// The same, borrowed.
    pub fn as_ref(&self) -> ShapeRecord<'_> {
        ShapeRecord {
            kind: (&*self.kind).into(),
            name: (&*self.name).into(),
            hold: (&*self.hold).into(),
            points: (&*self.points).into(),
            ..*self
        }
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}
