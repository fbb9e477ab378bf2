//! What went wrong, as an error for the bus and as words for other messages.

/// One error.
#[derive(Debug)]
pub(super) struct Trouble {
    message: gst::ErrorMessage,
    text: String,
}

impl Trouble {
    /// `text` names the thing, what is wrong with it, and what to do.
    pub(super) fn new(domain: &impl gst::MessageErrorDomain, text: String) -> Self {
        let message = gst::ErrorMessage::new(domain, Some(&text), None, file!(), module_path!(), line!());
        Self { message, text }
    }

    /// For the bus.
    pub(super) fn into_message(self) -> gst::ErrorMessage {
        self.message
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text.trim_end())
    }
}
