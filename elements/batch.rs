//! What `nvpbatchmux` and `nvpbatchdemux` say to each other, and to whom they report.
//!
//! What goes downstream is in the batches. What one stream's branch sends upstream (a seek, a request for a key frame,
//! a question about the duration) concerns that stream alone: the demuxer wraps it with the number of the stream's pad,
//! elements in between pass it on, and the muxer unwraps it. A stream's flush-start, which has to be faster than what is
//! on its way in batches, goes downstream beside them, wrapped alike.

use gst::prelude::*;

use crate::meta::BatchStream;

const EVENT: &str = "nvp-stream-event";
const QUERY: &str = "nvp-stream-query";

/// Wraps an event that a branch sends upstream.
pub(super) fn wrap_event(pad: u32, event: gst::Event) -> gst::Event {
    let structure = gst::Structure::builder(EVENT).field("pad", pad).field("event", event).build();
    gst::event::CustomUpstream::builder(structure).build()
}

/// Wraps an event of a stream that overtakes the batches on their way downstream.
pub(super) fn wrap_urgent_event(pad: u32, event: gst::Event) -> gst::Event {
    let structure = gst::Structure::builder(EVENT).field("pad", pad).field("event", event).build();
    gst::event::CustomDownstreamOob::builder(structure).build()
}

/// The number of the pad and the event that [`wrap_event`] or [`wrap_urgent_event`] wrapped.
pub(super) fn wrapped_event(event: &gst::Event) -> Option<(u32, gst::Event)> {
    let structure = event.structure().filter(|s| s.name() == EVENT)?;
    Some((structure.get("pad").ok()?, structure.get("event").ok()?))
}

/// Asks the muxer what a query of one stream's branch asks; true when the query is answered.
pub(super) fn ask(sink: &gst::Pad, pad: u32, query: &mut gst::QueryRef) -> bool {
    let (kind, format) = match query.view() {
        gst::QueryView::Duration(query) => ("duration", query.format()),
        gst::QueryView::Position(query) => ("position", query.format()),
        gst::QueryView::Seeking(query) => ("seeking", query.format()),
        _ => return false,
    };
    let structure = gst::Structure::builder(QUERY);
    let structure = structure.field("pad", pad).field("kind", kind).field("format", format).build();
    let mut asked = gst::query::Custom::new(structure);
    if !sink.peer_query(&mut asked) {
        return false;
    }
    let Some(answer) = asked.structure() else { return false };
    let value = |name: &str| gst::GenericFormattedValue::new(format, answer.get(name).unwrap_or(-1));
    match query.view_mut() {
        gst::QueryViewMut::Duration(query) => query.set(value("value")),
        gst::QueryViewMut::Position(query) => query.set(value("value")),
        gst::QueryViewMut::Seeking(query) => {
            query.set(answer.get("seekable").unwrap_or(false), value("start"), value("end"));
        }
        _ => return false,
    }
    true
}

/// Answers what [`ask`] asks; `None` when the query is another one. `pad` finds a stream's pad by its number.
pub(super) fn answer(query: &mut gst::QueryRef, pad: impl Fn(u32) -> Option<gst::Pad>) -> Option<bool> {
    let gst::QueryViewMut::Custom(query) = query.view_mut() else { return None };
    let structure = query.structure().filter(|s| s.name() == QUERY)?;
    let number = structure.get::<u32>("pad").ok()?;
    let kind = structure.get::<String>("kind").ok()?;
    let format = structure.get::<gst::Format>("format").ok()?;
    let answers = pad(number).and_then(|pad| stream_answers(&pad, &kind, format));
    let answered = answers.is_some();
    for (name, value) in answers.into_iter().flatten() {
        query.structure_mut().set_value(name, value);
    }
    Some(answered)
}

fn stream_answers(
    pad: &gst::Pad,
    kind: &str,
    format: gst::Format,
) -> Option<Vec<(&'static str, gst::glib::SendValue)>> {
    match kind {
        "duration" => {
            let duration = pad.peer_query_duration_generic(format)?;
            Some(vec![("value", duration.value().to_send_value())])
        }
        "position" => {
            let position = pad.peer_query_position_generic(format)?;
            Some(vec![("value", position.value().to_send_value())])
        }
        "seeking" => {
            let mut query = gst::query::Seeking::new(format);
            if !pad.peer_query(&mut query) {
                return None;
            }
            let (seekable, start, end) = query.result();
            let ends = [("start", start.value()), ("end", end.value())];
            let ends = ends.into_iter().map(|(name, end)| (name, end.to_send_value()));
            Some(ends.chain([("seekable", seekable.to_send_value())]).collect())
        }
        _ => None,
    }
}

/// Posts the element message `what` about a stream: the number of its `pad`, its `stream-id` and `name`, and what
/// `fields` adds. No lock may be held.
pub(super) fn report(
    element: &(impl IsA<gst::Element> + IsA<gst::Object>),
    what: &str,
    stream: &BatchStream,
    fields: impl FnOnce(gst::structure::Builder) -> gst::structure::Builder,
) {
    let structure = gst::Structure::builder(what)
        .field("pad", stream.pad())
        .field("stream-id", stream.id())
        .field("name", stream.name());
    let message = gst::message::Element::builder(fields(structure).build()).src(element).build();
    // An element without a bus has nobody to tell.
    let _ = element.post_message(message);
}
