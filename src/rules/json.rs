//! JSON with the line of each value, so that a mistake in a file can be pointed at.

use super::RuleError;

/// Deeper files are refused.
const MAX_DEPTH: usize = 32;
/// Larger files are refused, in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// Keys in the order of the file, each with its line.
    Object(Vec<(String, usize, Node)>),
}

impl Value {
    /// What the value is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads one value.
///
/// # Errors
/// When the text is too long, is no JSON or is nested too deeply.
pub(super) fn parse(text: &str) -> Result<Node, RuleError> {
    if text.len() > MAX_BYTES {
        let what =
            format!("the rules are {} bytes long, at most {MAX_BYTES} are read: split them up", text.len());
        return Err(RuleError { line: 0, path: String::new(), what });
    }
    // The grammar is serde_json's business; what follows only keeps the lines.
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let cut = if error.is_eof() { "; the text is cut off, perhaps half-written" } else { "" };
        return Err(RuleError {
            line: error.line(),
            path: String::new(),
            what: format!("no JSON: {error}{cut}"),
        });
    }
    Cursor { text, at: 0, line: 1 }.value(0)
}

/// A place in a text that is known to be JSON.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n' | b',' | b':') {
            self.line += usize::from(self.peek() == b'\n');
            self.at += 1;
        }
    }

    fn fail(&self, what: impl Into<String>) -> RuleError {
        RuleError { line: self.line, path: String::new(), what: what.into() }
    }

    fn value(&mut self, depth: usize) -> Result<Node, RuleError> {
        self.skip_blanks();
        if depth > MAX_DEPTH {
            return Err(self.fail(format!("nested more than {MAX_DEPTH} deep: flatten it")));
        }
        let line = self.line;
        let value = match self.peek() {
            b'{' => self.object(depth)?,
            b'[' => self.list(depth)?,
            b'"' => Value::Text(self.string()?),
            _ => self.word()?,
        };
        Ok(Node { line, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, RuleError> {
        let mut entries: Vec<(String, usize, Node)> = Vec::new();
        self.at += 1;
        loop {
            self.skip_blanks();
            if self.peek() == b'}' {
                self.at += 1;
                return Ok(Value::Object(entries));
            }
            let line = self.line;
            let key = self.string()?;
            if entries.iter().any(|(other, ..)| *other == key) {
                return Err(self.fail(format!("the key {key:?} stands here twice: leave one out")));
            }
            let value = self.value(depth + 1)?;
            entries.push((key, line, value));
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, RuleError> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.skip_blanks();
            if self.peek() == b']' {
                self.at += 1;
                return Ok(Value::List(items));
            }
            items.push(self.value(depth + 1)?);
        }
    }

    fn string(&mut self) -> Result<String, RuleError> {
        let start = self.at;
        self.at += 1;
        while !matches!(self.peek(), b'"' | 0) {
            self.at += 1 + usize::from(self.peek() == b'\\');
        }
        self.at += 1;
        self.read(start)
    }

    fn word(&mut self) -> Result<Value, RuleError> {
        let start = self.at;
        while !matches!(self.peek(), b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' | 0) {
            self.at += 1;
        }
        Ok(match &self.text[start..self.at] {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => Value::Number(self.read(start)?),
        })
    }

    fn read<T: serde::de::DeserializeOwned>(&self, start: usize) -> Result<T, RuleError> {
        serde_json::from_str(&self.text[start..self.at]).map_err(|error| self.fail(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_know_their_lines() {
        let node =
            parse("{\n \"a\": [1,\n -2.5e1, \"x\\\"\\n\"],\n\n\"b\": {\"c\": true, \"d\": null}}").unwrap();
        let Value::Object(entries) = node.value else { panic!("it is an object") };
        assert_eq!((entries[0].0.as_str(), entries[0].1, entries[1].1), ("a", 2, 5));
        let Value::List(items) = &entries[0].2.value else { panic!("it is a list") };
        assert!(matches!(items[1], Node { line: 3, value: Value::Number(v) } if v == -25.0));
        assert!(matches!(&items[2].value, Value::Text(text) if text == "x\"\n"));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let said = |text: &str| parse(text).unwrap_err().to_string();
        assert!(said("{\n\"a\": 1,\n}").starts_with("line 3: no JSON: "), "{}", said("{\n\"a\": 1,\n}"));
        assert!(said("{\"zones\": [{\"na").contains("half-written"));
        assert_eq!(said("{\"a\": 1,\n\"a\": 2}"), "line 2: the key \"a\" stands here twice: leave one out");
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        assert_eq!(said(&deep), "line 1: nested more than 32 deep: flatten it");
        let deeper = format!("{}1{}", "[".repeat(40_000), "]".repeat(40_000));
        assert_eq!(said(&deeper), "line 1: nested more than 32 deep: flatten it");
        let long = " ".repeat(10 << 20);
        assert_eq!(said(&long), "the rules are 10485760 bytes long, at most 1048576 are read: split them up");
    }

    proptest! {
        #[test]
        fn whatever_it_is_it_is_read_or_refused(text in "[\\[\\]{}\",:0-9a-z\\\\ .\n-]{0,60}") {
            let valid = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            // A key may stand there twice in JSON, not here.
            prop_assert!(valid || parse(&text).is_err());
        }
    }
}
