//! Rules as a property gives them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::settings::Settings;
use super::watch::Watched;
use crate::rules::{EMPTY, Rules};

/// Read at most, in bytes: longer files are refused by the rules anyway.
const MAX_BYTES: u64 = 2 << 20;

/// Rules with their text.
pub(super) type Book = (Rules, String);

/// The path of a rule file; `None` where the property has the rules themselves, or nothing.
fn path(value: Option<&str>) -> Option<&Path> {
    value.filter(|text| !text.trim_start().starts_with(['{', '['])).map(Path::new)
}

/// The rule file that is to be looked after, if any, as it is before it is read.
pub(super) fn watched(settings: &Settings) -> Option<Watched> {
    path(settings.rules.as_deref()).filter(|_| settings.watch).map(Watched::new)
}

/// Reads the rules that a property gives.
///
/// # Errors
/// What is wrong, with the file's name where there is one.
pub(super) fn open(value: Option<&str>) -> Result<Book, String> {
    let Some(path) = path(value) else {
        let text = value.unwrap_or(EMPTY);
        return Rules::read(text)
            .map(|rules| (rules, text.to_owned()))
            .map_err(|error| format!("The rules: {error}"));
    };
    let wrong = |why: &dyn std::fmt::Display| format!("Rule file {}: {why}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| wrong(&error))?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong(&"it is no text in UTF-8"))?;
    Rules::read(&text).map(|rules| (rules, text)).map_err(|error| wrong(&error))
}
