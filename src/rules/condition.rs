//! Conditions: comparisons of signals, combined.
//!
//! ```text
//! zone.door.occupancy >= 3 and not view.moving
//! line.gate.forward - line.gate.backward > 10 or (time.hour >= 22 and motion.level > 0.2)
//! ```
//!
//! `or` binds weakest, then `and`, `not`, comparisons (`<` `<=` `>` `>=` `==` `!=`), `+ -`, `* /`. A signal by itself holds
//! when it is known and not 0. Names consist of letters, digits and `_ . : -`; a minus sign stands between blanks. A
//! comparison with something that is not known, or stale, is false.

/// Deeper conditions are refused.
const MAX_DEPTH: usize = 24;
/// Longer ones are refused, in bytes.
const MAX_LENGTH: usize = 4096;

/// Something that a condition asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The fact with this number.
    Fact(usize),
    /// Something about the object that an event would be of.
    Object(About),
}

/// What can be asked about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Seconds since it was first seen.
    Age,
    /// Confidence of its last detection, in \[0, 1\].
    Confidence,
    /// Units of the frame a second.
    Speed,
    /// Metres a second.
    GroundSpeed,
    /// Degrees clockwise from the right.
    Direction,
    /// 1 when it keeps its place.
    Stationary,
    /// Of its foot point.
    X,
    /// Of its foot point.
    Y,
    /// Of its box.
    Width,
    /// Of its box.
    Height,
    /// 1 while it is in the zone with this number.
    Inside(usize),
    /// Seconds that it has been in the zone with this number.
    Dwell(usize),
    /// How often it crossed the line with this number, forward (0) or backward (1).
    Crossed(usize, usize),
    /// The same on this frame.
    Crosses(usize, usize),
    /// Confidence of the attribute with this number.
    Attribute(usize),
}

/// Who knows the values. What is not known is NaN.
pub trait Values {
    /// The value of an operand.
    fn value(&self, operand: Operand) -> f64;
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// A number that is computed from signals.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// Itself.
    Constant(f64),
    /// The value of a signal.
    Of(Operand),
    /// Two numbers with `+`, `-`, `*` or `/` between them.
    Both(Box<(Number, char, Number)>),
}

/// Something that holds or does not.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Each of them holds.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// Two numbers compare so.
    Compare(Number, Comparison, Number),
    /// The number is known and not 0.
    Known(Number),
}

impl Number {
    fn value(&self, values: &impl Values) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Of(operand) => values.value(*operand),
            Self::Both(both) => {
                let (a, b) = (both.0.value(values), both.2.value(values));
                match both.1 {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    _ => a / b,
                }
            }
        }
    }

    fn visit(&self, see: &mut impl FnMut(Operand)) {
        match self {
            Self::Constant(_) => {}
            Self::Of(operand) => see(*operand),
            Self::Both(both) => {
                both.0.visit(see);
                both.2.visit(see);
            }
        }
    }
}

impl Condition {
    /// Whether it holds.
    pub fn holds(&self, values: &impl Values) -> bool {
        match self {
            Self::All(all) => all.iter().all(|condition| condition.holds(values)),
            Self::Any(any) => any.iter().any(|condition| condition.holds(values)),
            Self::Not(condition) => !condition.holds(values),
            Self::Compare(a, comparison, b) => {
                let (a, b) = (a.value(values), b.value(values));
                match comparison {
                    Comparison::Less => a < b,
                    Comparison::LessOrEqual => a <= b,
                    Comparison::Greater => a > b,
                    Comparison::GreaterOrEqual => a >= b,
                    Comparison::Equal => a == b,
                    // With NaN everything is unequal, which would make the unknown hold.
                    Comparison::NotEqual => a != b && !a.is_nan() && !b.is_nan(),
                }
            }
            Self::Known(number) => {
                let value = number.value(values);
                !value.is_nan() && value != 0.0
            }
        }
    }

    /// Calls `see` with everything that it asks about.
    pub fn visit(&self, see: &mut impl FnMut(Operand)) {
        match self {
            Self::All(all) | Self::Any(all) => all.iter().for_each(|condition| condition.visit(see)),
            Self::Not(condition) => condition.visit(see),
            Self::Compare(a, _, b) => {
                a.visit(see);
                b.visit(see);
            }
            Self::Known(number) => number.visit(see),
        }
    }

    /// Reads a condition. `resolve` says what a name stands for, or what is wrong with it.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(
        text: &str,
        resolve: &mut dyn FnMut(&str) -> Result<Operand, String>,
    ) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("the condition is {} bytes long, at most {MAX_LENGTH} are read", text.len()));
        }
        let mut parser = Parser { text, at: 0, resolve };
        let condition = parser.any(0)?.truth();
        match parser.peek() {
            "" => Ok(condition),
            more => Err(format!("{more:?} after {:?} is one too many", text[..parser.at].trim_end())),
        }
    }
}

/// What has been read, before it is known whether a number or a truth is wanted.
enum Term {
    Number(Number),
    Truth(Condition),
}

impl Term {
    fn truth(self) -> Condition {
        match self {
            Self::Number(number) => Condition::Known(number),
            Self::Truth(condition) => condition,
        }
    }

    fn number(self, what: &str) -> Result<Number, String> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Truth(_) => {
                Err(format!("a comparison cannot stand beside {what:?}: join comparisons by and or or"))
            }
        }
    }
}

struct Parser<'t, 'r> {
    text: &'t str,
    at: usize,
    resolve: &'r mut dyn FnMut(&str) -> Result<Operand, String>,
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':')
}

impl<'t> Parser<'t, '_> {
    /// The next word, without taking it; empty at the end.
    fn peek(&mut self) -> &'t str {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        let rest = &self.text[self.at..];
        let bytes = rest.as_bytes();
        let Some(&first) = bytes.first() else { return "" };
        let length = if first.is_ascii_alphabetic() || first == b'_' {
            let inner = |i: usize| bytes.get(i).is_some_and(|b| is_name(*b));
            let mut end = 1;
            while inner(end) || (bytes.get(end) == Some(&b'-') && inner(end + 1)) {
                end += 1;
            }
            end
        } else if first.is_ascii_digit() || first == b'.' {
            bytes.iter().position(|b| !is_name(*b)).unwrap_or(bytes.len())
        } else if matches!(first, b'<' | b'>' | b'=' | b'!') && bytes.get(1) == Some(&b'=') {
            2
        } else {
            rest.chars().next().map_or(0, char::len_utf8)
        };
        &rest[..length]
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == word;
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn any(&mut self, depth: usize) -> Result<Term, String> {
        let first = self.all(depth)?;
        if self.peek() != "or" {
            return Ok(first);
        }
        let mut any = vec![first.truth()];
        while self.take("or") {
            any.push(self.all(depth)?.truth());
        }
        Ok(Term::Truth(Condition::Any(any)))
    }

    fn all(&mut self, depth: usize) -> Result<Term, String> {
        let first = self.not(depth)?;
        if self.peek() != "and" {
            return Ok(first);
        }
        let mut all = vec![first.truth()];
        while self.take("and") {
            all.push(self.not(depth)?.truth());
        }
        Ok(Term::Truth(Condition::All(all)))
    }

    fn not(&mut self, depth: usize) -> Result<Term, String> {
        if depth > MAX_DEPTH {
            return Err(format!("the condition is nested more than {MAX_DEPTH} deep"));
        }
        if self.take("not") {
            return Ok(Term::Truth(Condition::Not(Box::new(self.not(depth + 1)?.truth()))));
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Result<Term, String> {
        let left = self.sum(depth)?;
        let word = self.peek();
        let comparison = match word {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            "==" => Comparison::Equal,
            "!=" => Comparison::NotEqual,
            "=" => return Err("\"=\" compares nothing: write \"==\"".into()),
            _ => return Ok(left),
        };
        self.at += word.len();
        let (left, right) = (left.number(word)?, self.sum(depth)?.number(word)?);
        Ok(Term::Truth(Condition::Compare(left, comparison, right)))
    }

    fn sum(&mut self, depth: usize) -> Result<Term, String> {
        let first = self.product(depth)?;
        self.chain(first, ["+", "-"], |parser| parser.product(depth))
    }

    fn product(&mut self, depth: usize) -> Result<Term, String> {
        let first = self.factor(depth)?;
        self.chain(first, ["*", "/"], |parser| parser.factor(depth))
    }

    fn chain(
        &mut self,
        mut left: Term,
        words: [&str; 2],
        next: impl Fn(&mut Self) -> Result<Term, String>,
    ) -> Result<Term, String> {
        let mut count = 0;
        while let Some(word) = words.into_iter().find(|word| self.take(word)) {
            // What is chained is evaluated by recursion.
            count += 1;
            if count > 4 * MAX_DEPTH {
                return Err(format!("more than {} numbers in a row", 4 * MAX_DEPTH));
            }
            let sign = word.chars().next().unwrap_or('+');
            let (a, b) = (left.number(word)?, next(self)?.number(word)?);
            left = Term::Number(Number::Both(Box::new((a, sign, b))));
        }
        Ok(left)
    }

    fn factor(&mut self, depth: usize) -> Result<Term, String> {
        if self.take("-") {
            let number = match self.peek().parse::<f64>() {
                Ok(_) => self.factor(depth)?.number("-")?,
                Err(_) => return Err("\"-\" before what is no number: write 0 - NAME".into()),
            };
            return Ok(Term::Number(Number::Both(Box::new((Number::Constant(0.0), '-', number)))));
        }
        if self.take("(") {
            let inner = if depth < MAX_DEPTH { self.any(depth + 1)? } else { self.not(depth + 1)? };
            return match self.take(")") {
                true => Ok(inner),
                false => Err("a \"(\" is not closed".into()),
            };
        }
        let word = self.peek();
        let first = word.as_bytes().first().copied().unwrap_or_default();
        if first.is_ascii_digit() || first == b'.' {
            let number = word.parse::<f64>().ok().filter(|v| v.is_finite());
            let number = number.ok_or_else(|| format!("{word:?} is no number"))?;
            self.at += word.len();
            return Ok(Term::Number(Number::Constant(number)));
        }
        if !(first.is_ascii_alphabetic() || first == b'_') || matches!(word, "and" | "or") {
            return Err(match word {
                "" => "it ends where a signal or a number is wanted".into(),
                _ => format!("{word:?} stands where a signal or a number is wanted"),
            });
        }
        let operand = (self.resolve)(word)?;
        self.at += word.len();
        Ok(Term::Number(Number::Of(operand)))
    }
}

/// A condition over signals by name, for whoever decides by signals alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    condition: Condition,
    names: Vec<String>,
}

impl Watch {
    /// Reads a condition; any name stands for the signal of that name.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut names: Vec<String> = Vec::new();
        let condition = Condition::parse(text, &mut |name| {
            let known = names.iter().position(|known| known == name);
            Ok(Operand::Fact(known.unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            })))
        })?;
        Ok(Self { condition, names })
    }

    /// The signals that it asks about.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether it holds. `value` gives the signals' values, NaN where one is not known or stale.
    pub fn holds(&self, value: impl Fn(&str) -> f64) -> bool {
        struct Named<'n, F>(&'n [String], F);
        impl<F: Fn(&str) -> f64> Values for Named<'_, F> {
            fn value(&self, operand: Operand) -> f64 {
                match operand {
                    Operand::Fact(at) => self.0.get(at).map_or(f64::NAN, |name| (self.1)(name)),
                    Operand::Object(_) => f64::NAN,
                }
            }
        }
        self.condition.holds(&Named(&self.names, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(text: &str) -> bool {
        let watch = Watch::new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        watch.holds(|name| match name {
            "two" => 2.0,
            "zero" => 0.0,
            "zone.front-door.occupancy" => 5.0,
            _ => f64::NAN,
        })
    }

    #[test]
    fn conditions_are_what_they_say() {
        let long = ["two"; 90].join(" + ") + " == 180";
        for yes in [
            "two == 2",
            "two",
            "not zero",
            "two + 3 * two == 8",
            "(two + 3) * two == 10",
            "two - 3 < 0",
            "two - 3 != 2 and two > -3",
            "zone.front-door.occupancy >= 5 and two < 3",
            "zero or two and two",
            "not (two and zero)",
            "not two == 3",
            "two / 4 == 0.5",
            "1e0 == 1",
            long.as_str(),
        ] {
            assert!(holds(yes), "{yes}");
        }
        for no in ["zero", "two < 2", "not two", "(two > 3 or zero) and two", "not not zero"] {
            assert!(!holds(no), "{no}");
        }
    }

    #[test]
    fn what_is_not_known_makes_comparisons_false() {
        for no in
            ["gone > 1", "gone <= 1", "gone == gone", "gone != 3", "gone", "gone + 1 > 0", "two / zero < 0"]
        {
            assert!(!holds(no), "{no}");
        }
        assert!(holds("not gone > 1"));
    }

    #[test]
    fn mistakes_are_named() {
        let deep = format!("{}two{}", "(".repeat(60), ")".repeat(60));
        let denied = "not ".repeat(60) + "two";
        let long = "two + ".repeat(200) + "two";
        let longer = "two or ".repeat(2000);
        for (wrong, said) in [
            ("two >", "it ends where a signal or a number is wanted"),
            ("", "it ends where"),
            ("two = 2", "\"=\" compares nothing: write \"==\""),
            ("(two", "a \"(\" is not closed"),
            ("two 3", "\"3\" after \"two\" is one too many"),
            ("two > 1 > 0", "is one too many"),
            ("(two > 1) + 1", "a comparison cannot stand beside \"+\""),
            ("two > 1..5", "\"1..5\" is no number"),
            ("two > and", "\"and\" stands where"),
            ("two ≥ 3", "\"≥\" after"),
            ("- two > 1", "write 0 - NAME"),
            (&deep, "nested more than 24 deep"),
            (&denied, "nested more than 24 deep"),
            (&long, "more than 96 numbers in a row"),
            (&longer, "bytes long, at most 4096 are read"),
        ] {
            let error = Watch::new(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_breaks_it(text in "([a-c0-9.() <>=!+*/-]|and |or |not |é){0,40}") {
            if let Ok(watch) = Watch::new(&text) {
                watch.holds(|_| 1.0);
            }
        }
    }
}
