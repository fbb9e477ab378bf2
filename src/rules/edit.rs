//! Single zones and lines of a rule file put in, replaced and taken out.

use serde_json::{Value, json};

use super::suggest::hint;
use super::{RuleError, Rules};

/// A kind of thing that can be edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A zone.
    Zone,
    /// A line.
    Line,
}

impl Part {
    /// The name used in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::Line => "line",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Zone => "zones",
            Self::Line => "lines",
        }
    }
}

/// The text of rules without any.
pub const EMPTY: &str = r#"{"version": 1}"#;

/// Puts a zone or line, as JSON, into the rules of `text`, in the place of one of its name. Gives the rules and their
/// text.
///
/// # Errors
/// When either is wrong, or they do not go together.
pub fn put(text: &str, part: Part, item: &str) -> Result<(Rules, String), RuleError> {
    let item = parse(item)?;
    change(text, part, |items| {
        let known = items.iter_mut().find(|known| known.get("name") == item.get("name"));
        match known {
            Some(known) => *known = item,
            None => items.push(item),
        }
        Ok(())
    })
}

/// Takes a zone or line out of the rules of `text`.
///
/// # Errors
/// When there is none of the name, or a rule asks about it.
pub fn remove(text: &str, part: Part, name: &str) -> Result<(Rules, String), RuleError> {
    change(text, part, |items| {
        let at = items.iter().position(|known| known.get("name").and_then(Value::as_str) == Some(name));
        let names: Vec<&str> = items.iter().filter_map(|known| known.get("name")?.as_str()).collect();
        let missing =
            || wrong(format!("there is no {} {name:?}{}", part.as_str(), hint(name, names.iter().copied())));
        let at = at.ok_or_else(missing)?;
        items.remove(at);
        Ok(())
    })
}

fn change(
    text: &str,
    part: Part,
    change: impl FnOnce(&mut Vec<Value>) -> Result<(), RuleError>,
) -> Result<(Rules, String), RuleError> {
    let mut all = parse(text)?;
    let entries = all.as_object_mut().ok_or_else(|| wrong("the rules are no object".into()))?;
    let list = entries.entry(part.key()).or_insert_with(|| json!([]));
    change(list.as_array_mut().ok_or_else(|| wrong(format!("{} is no list", part.key())))?)?;
    let text = all.to_string();
    Rules::read(&text).map(|rules| (rules, text))
}

fn parse(text: &str) -> Result<Value, RuleError> {
    serde_json::from_str(text).map_err(|error| wrong(format!("no JSON: {error}")))
}

fn wrong(what: String) -> RuleError {
    RuleError { line: 0, path: String::new(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_change_and_go() {
        let zone = |x: f32| format!(r#"{{"name": "door", "polygon": [[{x}, 0], [1, 0], [1, 1]]}}"#);
        let (rules, text) = put(EMPTY, Part::Zone, &zone(0.0)).unwrap();
        assert_eq!(rules.zones.len(), 1);
        let (rules, text) = put(&text, Part::Zone, &zone(0.5)).unwrap();
        assert_eq!((rules.zones.len(), Rules::read(&text).unwrap()), (1, rules));
        let (rules, text) =
            put(&text, Part::Line, r#"{"name": "gate", "points": [[0, 0], [1, 1]]}"#).unwrap();
        assert_eq!((rules.zones.len(), rules.lines.len()), (1, 1));
        let error = remove(&text, Part::Zone, "dor").unwrap_err();
        assert_eq!(error.to_string(), "there is no zone \"dor\"; did you mean \"door\"?");
        let (rules, _) = remove(&text, Part::Zone, "door").unwrap();
        assert_eq!((rules.zones.len(), rules.lines.len()), (0, 1));
        assert!(put(EMPTY, Part::Zone, "{").unwrap_err().to_string().starts_with("no JSON"));
        assert!(
            put(EMPTY, Part::Line, &zone(0.0))
                .unwrap_err()
                .to_string()
                .contains("lines[0] has the unknown key")
        );
    }
}
