//! The pads of elements that attach metadata and change no pixel.
//!
//! Such an element is a plain `gst::Element` rather than a `BaseTransform`: the base class would map a
//! buffer that it has to make writable, and would answer the allocation query itself. Here caps,
//! allocation and scheduling are the neighbours' business, and any memory passes.

use gst::prelude::*;
use gst::subclass::prelude::*;

/// What such an element does with what passes. Events and buffers arrive in stream order.
pub(super) trait MetaFilter: ElementImpl
where
    Self::Type: IsA<gst::Element>,
{
    /// Looks at an event on its way downstream, before it is forwarded; false refuses it.
    fn see(&self, _event: &gst::Event) -> bool {
        true
    }

    /// Takes an event on its way upstream; true ends its way here.
    fn take(&self, _event: &gst::Event) -> bool {
        false
    }

    /// Handles a buffer; what it returns is pushed on, if it returns any.
    ///
    /// # Errors
    /// They are what upstream gets.
    fn handle(&self, buffer: gst::Buffer) -> Result<Option<gst::Buffer>, gst::FlowError>;

    /// The pad to push on.
    fn src_pad(&self) -> &gst::Pad;
}

/// Templates of the always pads `sink` and `src`, for raw video in any memory.
pub(super) fn pad_templates() -> Vec<gst::PadTemplate> {
    templates(&gst::Caps::builder("video/x-raw").any_features().build())
}

/// Templates of the always pads `sink` and `src` for the same caps.
pub(super) fn templates(caps: &gst::Caps) -> Vec<gst::PadTemplate> {
    [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
        .into_iter()
        .map(|(name, direction)| {
            gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps)
                .expect("a static template is valid")
        })
        .collect()
}

/// The pads `sink` and `src` of a new element; `template` gives theirs by name.
pub(super) fn pads<T: MetaFilter>(template: impl Fn(&str) -> Option<gst::PadTemplate>) -> (gst::Pad, gst::Pad)
where
    T::Type: IsA<gst::Element>,
{
    let flags = gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_ALLOCATION | gst::PadFlags::PROXY_SCHEDULING;
    let template = |name| template(name).expect("templates name both pads");
    let sink = gst::Pad::builder_from_template(&template("sink"))
        .chain_function(|_pad, parent, buffer| {
            T::catch_panic_pad_function(
                parent,
                || Err(gst::FlowError::Error),
                |this| match this.handle(buffer)? {
                    Some(buffer) => this.src_pad().push(buffer),
                    None => Ok(gst::FlowSuccess::Ok),
                },
            )
        })
        .event_function(|pad, parent, event| {
            T::catch_panic_pad_function(
                parent,
                || false,
                |this| this.see(&event) && gst::Pad::event_default(pad, Some(&*this.obj()), event),
            )
        })
        .iterate_internal_links_function(|_pad, parent| across(parent, "src"))
        .flags(flags)
        .build();
    let src = gst::Pad::builder_from_template(&template("src"))
        .event_function(|pad, parent, event| {
            T::catch_panic_pad_function(
                parent,
                || false,
                |this| this.take(&event) || gst::Pad::event_default(pad, Some(&*this.obj()), event),
            )
        })
        .iterate_internal_links_function(|_pad, parent| across(parent, "sink"))
        .flags(flags)
        .build();
    (sink, src)
}

/// The pad on the other side. An element may have more pads: by default each would have a say in what passes between these.
fn across(parent: Option<&gst::Object>, name: &str) -> gst::Iterator<gst::Pad> {
    let element = parent.and_then(|parent| parent.downcast_ref::<gst::Element>());
    gst::Iterator::from_vec(element.and_then(|element| element.static_pad(name)).into_iter().collect())
}
