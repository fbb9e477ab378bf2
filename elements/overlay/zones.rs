//! Zones, lines and events of a buffer, for the scene.

use crate::draw::Plan;
use crate::meta::{EventMeta, ZoneMeta};
use crate::rules::{Event, EventState, ShapeKind};

/// Fills in where zones and lines are and which events last. `time` is the frame's running time in nanoseconds.
pub(super) fn read(plan: &mut Plan, buffer: &gst::BufferRef, time: Option<u64>) {
    let events = EventMeta::get(buffer);
    let lasting = || {
        let items = events.into_iter().flat_map(|events| events.items());
        items.filter(|event| event.state == EventState::Confirmed)
    };
    if let Some(zones) = ZoneMeta::get(buffer) {
        for (shape, now) in zones.iter() {
            let name = zones.name(shape).unwrap_or_default();
            let place = |event: &Event| match shape.kind {
                ShapeKind::Zone => event.zone,
                ShapeKind::Line => event.line,
            };
            let about = |at: i32| events.and_then(|events| events.names().get(at)) == Some(name);
            let active = lasting().any(|event| about(place(event)));
            plan.push_shape(shape.kind, name, zones.points_of(shape), zones.to_frame(), (now, active));
        }
    }
    for event in lasting() {
        let Some(events) = events else { return };
        let rule = events.names().get(event.rule).unwrap_or_default();
        let seconds = time.unwrap_or(event.start).saturating_sub(event.start) as f64 / 1e9;
        plan.push_event(rule, seconds, events.tracks_of(event).first().copied());
    }
}
