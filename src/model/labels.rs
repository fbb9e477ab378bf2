//! Names of classes: from a text file, from the metadata that exporters write, and COCO's.

use std::fmt;

use crate::detection::Labels;

/// More classes than any detector has; a larger class number in a file is an error, not an allocation.
const MAX_CLASSES: usize = 1 << 16;

/// The 80 object categories of COCO (Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014), in
/// the order that detectors number them.
const COCO: [&str; 80] = [
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];

/// The names of COCO's 80 classes.
pub fn coco() -> Labels {
    COCO.into_iter().collect()
}

/// Why a text gives no class names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelsError {
    /// There is no name in it.
    Empty,
    /// A blank line with names after it: were it skipped, every later name would move to another class.
    Blank {
        /// The line, from 1.
        line: usize,
    },
    /// Not the text of a Python or JSON list or dict of strings.
    Syntax {
        /// Where, in characters from 1.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The class numbers are not 0, 1, 2 and so on, each once.
    Numbering {
        /// The first class without a name, or with two.
        class: usize,
    },
    /// More classes than the 65536 that are supported.
    TooMany,
}

impl fmt::Display for LabelsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there are no class names"),
            Self::Blank { line } => write!(f, "line {line} is blank; every class needs a name"),
            Self::Syntax { at, expected } => write!(f, "character {at}: expected {expected}"),
            Self::Numbering { class } => write!(f, "class {class} has no name, or more than one"),
            Self::TooMany => write!(f, "more than {MAX_CLASSES} classes"),
        }
    }
}

impl std::error::Error for LabelsError {}

/// Reads a labels file: one name a line, the first is class 0. A byte order mark, CRLF, spaces around a name
/// and blank lines at the end are accepted.
///
/// # Errors
/// [`LabelsError::Empty`], [`LabelsError::Blank`], [`LabelsError::TooMany`].
pub fn from_text(text: &str) -> Result<Labels, LabelsError> {
    let text = text.trim_start_matches('\u{feff}').trim_end();
    if text.is_empty() {
        return Err(LabelsError::Empty);
    }
    if let Some(i) = text.lines().position(|l| l.trim().is_empty()) {
        return Err(LabelsError::Blank { line: i + 1 });
    }
    if text.lines().count() > MAX_CLASSES {
        return Err(LabelsError::TooMany);
    }
    Ok(text.lines().map(str::trim).collect())
}

/// Reads the `names` that Ultralytics exporters store in a model's metadata: the text of a Python dict
/// `{0: 'person', 1: "driver's seat"}` or list `['person', 'car']`; the same in JSON is read too.
///
/// # Errors
/// [`LabelsError::Syntax`] for any other text, [`LabelsError::Empty`] for an empty collection,
/// [`LabelsError::Numbering`] when the keys are not the numbers from 0 up.
pub fn from_names(text: &str) -> Result<Labels, LabelsError> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0 };
    let names = match reader.next_token() {
        Some('{') => reader.dict()?,
        Some('[') => reader.list(']')?,
        Some('(') => reader.list(')')?,
        _ => return Err(LabelsError::Syntax { at: 1, expected: "a list or a dict" }),
    };
    if reader.next_token().is_some() {
        return reader.fail("the end");
    }
    if names.is_empty() { Err(LabelsError::Empty) } else { Ok(names.into_iter().collect()) }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn fail<T>(&self, expected: &'static str) -> Result<T, LabelsError> {
        Err(LabelsError::Syntax { at: self.at.max(1), expected })
    }

    fn next_char(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at += 1;
        c
    }

    /// The next character that is not white space.
    fn next_token(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.next_char()
    }

    fn dict(&mut self) -> Result<Vec<String>, LabelsError> {
        let mut names: Vec<Option<String>> = Vec::new();
        loop {
            let class = match self.next_token() {
                Some('}') => break,
                Some(quote @ ('"' | '\'')) => self.string(quote)?.parse().ok(),
                Some(digit) => self.number(digit),
                None => None,
            };
            let Some(class) = class else { return self.fail("a class number") };
            if class >= MAX_CLASSES {
                return Err(LabelsError::TooMany);
            }
            if self.next_token() != Some(':') {
                return self.fail("':'");
            }
            let name = self.name()?;
            names.resize(names.len().max(class + 1), None);
            if names[class].replace(name).is_some() {
                return Err(LabelsError::Numbering { class });
            }
            match self.next_token() {
                Some(',') => {}
                Some('}') => break,
                _ => return self.fail("',' or '}'"),
            }
        }
        let missing = |class| LabelsError::Numbering { class };
        names.into_iter().enumerate().map(|(class, name)| name.ok_or_else(|| missing(class))).collect()
    }

    fn list(&mut self, end: char) -> Result<Vec<String>, LabelsError> {
        let mut names = Vec::new();
        loop {
            match self.next_token() {
                Some(c) if c == end => return Ok(names),
                Some(quote @ ('"' | '\'')) => names.push(self.string(quote)?),
                _ => return self.fail("a name in quotes"),
            }
            if names.len() > MAX_CLASSES {
                return Err(LabelsError::TooMany);
            }
            match self.next_token() {
                Some(',') => {}
                Some(c) if c == end => return Ok(names),
                _ => return self.fail("',' or the end of the list"),
            }
        }
    }

    fn name(&mut self) -> Result<String, LabelsError> {
        match self.next_token() {
            Some(quote @ ('"' | '\'')) => self.string(quote),
            _ => self.fail("a name in quotes"),
        }
    }

    fn number(&mut self, first: char) -> Option<usize> {
        let mut value = first.to_digit(10)? as usize;
        while let Some(digit) = self.chars.get(self.at).and_then(|c| c.to_digit(10)) {
            value = value.checked_mul(10)?.checked_add(digit as usize)?;
            self.at += 1;
        }
        Some(value)
    }

    /// The rest of a string after its opening quote.
    fn string(&mut self, quote: char) -> Result<String, LabelsError> {
        let mut text = String::new();
        loop {
            match self.next_char() {
                Some('\\') => text.push(self.escape()?),
                Some(c) if c == quote => return Ok(text),
                Some(c) => text.push(c),
                None => return self.fail("a closing quote"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, LabelsError> {
        match self.next_char() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('x') => self.code_point(2),
            Some('u') => self.code_point(4),
            Some('U') => self.code_point(8),
            Some(c @ ('\\' | '\'' | '"' | '/')) => Ok(c),
            _ => self.fail("an escape"),
        }
    }

    fn code_point(&mut self, digits: usize) -> Result<char, LabelsError> {
        let mut code = 0u32;
        for _ in 0..digits {
            let Some(digit) = self.next_char().and_then(|c| c.to_digit(16)) else {
                return self.fail("a hexadecimal digit");
            };
            code = (code << 4) | digit;
        }
        char::from_u32(code).map_or_else(|| self.fail("a character code"), Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Vec<String> {
        from_names(text).unwrap().iter().map(str::to_owned).collect()
    }

    #[test]
    fn coco_has_eighty_different_names() {
        let coco = coco();
        assert_eq!((coco.len(), coco.get(0), coco.get(79)), (80, Some("person"), Some("toothbrush")));
        assert!((0..80).all(|i| coco.find(coco.get(i).unwrap()) == Some(i)));
    }

    #[test]
    fn text_tolerates_what_editors_leave() {
        let labels = from_text("\u{feff}cat\r\n hot dog \r\n\r\n  \n").unwrap();
        assert_eq!(labels.iter().collect::<Vec<_>>(), ["cat", "hot dog"]);
        assert_eq!(from_text(" \n\n"), Err(LabelsError::Empty));
        assert_eq!(from_text("cat\n\ndog"), Err(LabelsError::Blank { line: 2 }));
        assert_eq!(from_text("\ncat"), Err(LabelsError::Blank { line: 1 }));
    }

    #[test]
    fn python_dict() {
        assert_eq!(names("{0: 'person', 1: 'traffic light'}"), ["person", "traffic light"]);
        assert_eq!(names(r#"{1: "driver's seat", 0: 'say "hi"',}"#), ["say \"hi\"", "driver's seat"]);
        assert_eq!(names(r"{0: 'it\'s \x41\u00e9\U0001F600\\ {1: x}'}"), ["it's A\u{e9}\u{1f600}\\ {1: x}"]);
        assert_eq!(names("{0: ''}"), [""]);
    }

    #[test]
    fn python_list_and_json() {
        assert_eq!(names("['a', \"b\"]"), ["a", "b"]);
        assert_eq!(names("('a',)"), ["a"]);
        assert_eq!(names(r#"{"0": "a", "1": "b"}"#), ["a", "b"]);
    }

    #[test]
    fn bad_names_are_errors() {
        let error = |text| from_names(text).unwrap_err();
        assert_eq!(error("{0: 'a', 2: 'b'}"), LabelsError::Numbering { class: 1 });
        assert_eq!(error("{0: 'a', 0: 'b'}"), LabelsError::Numbering { class: 0 });
        assert_eq!(error("{}"), LabelsError::Empty);
        assert_eq!(error("{99999999: 'a'}"), LabelsError::TooMany);
        for text in ["", "person", "{0 'a'}", "{0: a}", "{0: 'a'", "['a' 'b']", "{0: 'a'} x", r"['\xzz']"] {
            assert!(matches!(error(text), LabelsError::Syntax { .. }), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"[\[{(]?[0-9:,'"\\ a-z\[\]{}()]{0,40}"#) {
            let _ = from_names(&text);
            let _ = from_text(&text);
        }

        #[test]
        fn python_repr_is_read_back(list in proptest::collection::vec("[^\\\\']{0,8}", 1..6)) {
            let text = list.iter().enumerate().map(|(i, n)| format!("{i}: '{n}'")).collect::<Vec<_>>();
            let read = from_names(&format!("{{{}}}", text.join(", "))).unwrap();
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), list);
        }
    }
}
