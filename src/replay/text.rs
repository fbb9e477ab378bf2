//! Rows of numbers.

use super::{Notes, ReplayError};

/// The fields of a row, between commas and blanks.
pub(super) fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split([',', ' ', '\t']).filter(|field| !field.is_empty())
}

pub(super) fn number(text: &str, what: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|v| v.is_finite());
    value.ok_or_else(|| format!("{what} is {text:?}, which is no number"))
}

/// Reads each row that is not blank. The last one may be cut off: one that cannot be read is left out then.
pub(super) fn each(
    text: &str,
    notes: &mut Notes,
    mut row: impl FnMut(&str, &mut Notes) -> Result<(), String>,
) -> Result<(), ReplayError> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
    while let Some((at, line)) = lines.next() {
        match row(line, notes) {
            Ok(()) => {}
            Err(_) if lines.peek().is_none() && !text.ends_with('\n') => notes.truncated = true,
            Err(why) => return Err(ReplayError { line: at + 1, why }),
        }
    }
    Ok(())
}
