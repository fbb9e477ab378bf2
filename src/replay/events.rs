//! Signals, events, zones and lines of a JSON line.

use std::sync::Arc;

use crate::homography::IDENTITY;
use crate::record::{EventRecord, EvidenceRecord, ShapeRecord, SignalRecord};
use crate::rules::{
    Board, Closing, Event, EventState, Events, Evidence, Hold, NO_TIME, Shape, ShapeKind, ShapeNow, Shapes,
    Signal, Signals,
};

/// Names in the order in which they come.
#[derive(Default)]
struct Names<'a>(Vec<&'a str>);

impl<'a> Names<'a> {
    fn index(&mut self, name: &'a str) -> i32 {
        let known = self.0.iter().position(|known| *known == name);
        let at = known.unwrap_or_else(|| {
            self.0.push(name);
            self.0.len() - 1
        });
        at as i32
    }
}

/// One list a source, in the order in which they come.
pub(super) fn signals(records: &[SignalRecord<'_>]) -> Vec<Signals> {
    let mut sources: Vec<&str> = Vec::new();
    for record in records {
        if !sources.contains(&&*record.source) {
            sources.push(&record.source);
        }
    }
    let of = |source: &str| {
        let own = || records.iter().filter(|record| record.source == source);
        let item = |(at, record): (usize, &SignalRecord<'_>)| {
            let SignalRecord { value, ttl, .. } = *record;
            Signal { name: at as i32, reserved: 0, value, ttl }
        };
        Signals {
            source: source.into(),
            names: own().map(|record| &*record.name).collect(),
            items: own().enumerate().map(item).collect(),
        }
    };
    sources.into_iter().map(of).collect()
}

pub(super) fn events(records: &[EventRecord<'_>]) -> Events {
    let (mut events, mut names) = (Events::default(), Names::default());
    for record in records {
        let (first_track, first_evidence) = (events.tracks.len() as u32, events.evidence.len() as u32);
        events.tracks.extend_from_slice(&record.tracks);
        events.evidence.extend(record.evidence.iter().map(|known| evidence(known, &mut names)));
        let state = EventState::ALL.into_iter().find(|state| state.as_str() == record.state);
        let closing =
            Closing::ALL.into_iter().find(|closing| Some(closing.as_str()) == record.reason.as_deref());
        events.items.push(Event {
            id: record.id,
            start: record.start,
            confirmed: record.confirmed.unwrap_or(NO_TIME),
            end: record.end.unwrap_or(NO_TIME),
            generation: record.generation,
            rule: names.index(&record.rule),
            zone: record.zone.as_deref().map_or(-1, |zone| names.index(zone)),
            line: record.line.as_deref().map_or(-1, |line| names.index(line)),
            // Other states may come in a later minor version: what is not over is taken as going on.
            state: state.unwrap_or(if record.end.is_some() {
                EventState::Ended
            } else {
                EventState::Confirmed
            }),
            closing: closing.unwrap_or_default(),
            changed: record.changed.into(),
            first_track,
            tracks: record.tracks.len() as u32,
            first_evidence,
            evidence: record.evidence.len() as u32,
        });
    }
    events.names = names.0.into_iter().collect();
    events
}

/// Zones and lines where they lay on the frame.
pub(super) fn shapes(records: &[ShapeRecord<'_>]) -> Shapes {
    let mut board = Board { names: records.iter().map(|record| &*record.name).collect(), ..Board::default() };
    let mut now = Vec::with_capacity(records.len());
    for (record, name) in records.iter().zip(0..) {
        let (first, count) = (board.points.len() as u32, record.points.len() as u32);
        let is_line = record.kind == "line";
        let kind = if is_line { ShapeKind::Line } else { ShapeKind::Zone };
        board.points.extend_from_slice(&record.points);
        board.shapes.push(Shape { name, kind, first, count });
        let counts =
            if is_line { [record.forward, record.backward] } else { [record.occupancy, record.entries] };
        let hold = Hold::ALL.into_iter().find(|hold| hold.as_str() == record.hold);
        now.push(ShapeNow {
            hold: hold.unwrap_or(Hold::Unsure),
            reserved: 0,
            counts: counts.map(|count| count.unwrap_or(f64::NAN)),
        });
    }
    Shapes { board: Arc::new(board), now, to_frame: IDENTITY.map(|v| v as f32) }
}

fn evidence<'a>(record: &'a EvidenceRecord<'_>, names: &mut Names<'a>) -> Evidence {
    let EvidenceRecord { start, confirmed, last, peak, .. } = *record;
    let (signal, peak_time) = (names.index(&record.signal), record.peak_time.unwrap_or(NO_TIME));
    Evidence { signal, reserved: 0, start, confirmed, last, peak, peak_time }
}
