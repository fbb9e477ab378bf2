//! What goes to the bus.

use crate::rules::{
    Board, Closing, Engine, Event, EventState, Hold, Input, NO_TIME, Notice, Rules, closest, part,
};

/// The messages about the events that changed on a frame, or at the end.
pub(super) fn of_events(engine: &Engine, run: &str, time: u64) -> impl Iterator<Item = gst::Structure> {
    let (board, output) = (engine.board(), engine.output());
    let told = output.events.iter().filter(|event| {
        event.changed != 0 && matches!(event.state, EventState::Confirmed | EventState::Ended)
    });
    told.map(move |event| {
        let tracks = part(&output.tracks, event.first_track, event.tracks);
        of_event(event, board, run, tracks, time)
    })
}

/// The messages about a frame.
pub(super) fn of_frame(engine: &Engine, run: &str, input: &Input<'_>) -> Vec<gst::Structure> {
    let (output, rules, time) = (engine.output(), engine.rules(), input.time);
    let notices = output.notices.iter().map(|notice| match *notice {
        Notice::Zone(at, hold) => {
            of_place("zone", &rules.zones[at].name, hold, about(rules, |rule| rule.zones.contains(&at)), time)
        }
        Notice::Line(at, hold) => {
            of_place("line", &rules.lines[at].name, hold, about(rules, |rule| rule.lines.contains(&at)), time)
        }
        Notice::UnknownClass(at) => {
            let known = input.labels.iter().chain(input.found_labels.iter());
            of_class(&rules.classes()[at], "object", known)
        }
        Notice::UnknownAttribute(at) => {
            of_class(&rules.attributes[at], "attribute", input.said_labels.iter())
        }
        Notice::TooManyTracks => gst::Structure::builder("nvp-rules-too-many-tracks")
            .field("refused", engine.refused())
            .field("running-time", time)
            .build(),
    });
    of_events(engine, run, time).chain(notices).collect()
}

fn of_event(event: &Event, board: &Board, run: &str, tracks: &[u64], time: u64) -> gst::Structure {
    let name = |at: i32| board.names.get(at).map(str::to_owned);
    let known = |time: u64| Some(time).filter(|time| *time != NO_TIME);
    let reason = (event.closing != Closing::Open).then(|| event.closing.as_str());
    gst::Structure::builder("nvp-event")
        .field("id", event.id)
        .field("run", run)
        .field("rule", name(event.rule))
        .field("state", event.state.as_str())
        .field_if_some("reason", reason)
        .field("start", event.start)
        .field_if_some("confirmed", known(event.confirmed))
        .field_if_some("end", known(event.end))
        .field("tracks", gst::Array::new(tracks.iter().copied()))
        .field_if_some("zone", name(event.zone))
        .field_if_some("line", name(event.line))
        .field("generation", event.generation)
        .field("running-time", time)
        .build()
}

fn about(rules: &Rules, is: impl Fn(&crate::rules::Rule) -> bool) -> gst::Array {
    gst::Array::new(rules.rules.iter().filter(|rule| is(rule)).map(|rule| rule.name.to_string()))
}

fn of_place(kind: &str, name: &str, hold: Hold, rules: gst::Array, time: u64) -> gst::Structure {
    let message = if hold == Hold::Current { "nvp-rule-resumed" } else { "nvp-rule-suspended" };
    gst::Structure::builder(message)
        .field("kind", kind)
        .field("name", name)
        .field("reason", hold.as_str())
        .field("rules", rules)
        .field("running-time", time)
        .build()
}

fn of_class<'n>(class: &str, kind: &str, known: impl Iterator<Item = &'n str>) -> gst::Structure {
    gst::Structure::builder("nvp-rules-unknown-class")
        .field("class", class)
        .field("kind", kind)
        .field("suggestion", closest(class, known).map(str::to_owned))
        .build()
}

/// Events of another run are replaced.
pub(super) fn replaced(run: &str, time: u64) -> gst::Structure {
    gst::Structure::builder("nvp-events-replaced").field("run", run).field("running-time", time).build()
}

/// Other rules are in force.
pub(super) fn applied(engine: &Engine) -> gst::Structure {
    let rules = engine.rules();
    gst::Structure::builder("nvp-rules-applied")
        .field("generation", engine.generation())
        .field("zones", rules.zones.len() as u32)
        .field("lines", rules.lines.len() as u32)
        .field("rules", rules.rules.len() as u32)
        .build()
}

/// Rules were wrong.
pub(super) fn rejected(generation: u64, reason: &str) -> gst::Structure {
    gst::Structure::builder("nvp-rules-rejected")
        .field("generation", generation)
        .field("reason", reason)
        .build()
}
