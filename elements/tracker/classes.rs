//! The property `class-settings`.

use super::settings::class_number;
use crate::track::Parameters;

/// What is different for one class.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClassRule {
    name: String,
    numbers: Vec<(String, f32)>,
}

impl ClassRule {
    /// The class.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The parameters of all classes with what is different.
    pub(super) fn apply(&self, mut parameters: Parameters) -> Parameters {
        for (name, value) in &self.numbers {
            if let Some((field, _)) = class_number(name) {
                *field(&mut parameters) = *value;
            }
        }
        parameters
    }
}

/// Reads `person: max-lost=5 new-confidence=0.4; car: coast=1`.
///
/// # Errors
/// What is wrong, to follow the property's name.
pub(super) fn read(text: &str) -> Result<Vec<ClassRule>, String> {
    text.split(';').filter(|part| !part.trim().is_empty()).map(rule).collect()
}

fn rule(part: &str) -> Result<ClassRule, String> {
    let (name, numbers) = part
        .split_once(':')
        .filter(|(name, _)| !name.trim().is_empty())
        .ok_or_else(|| format!("has {:?}, which is not like \"person: max-lost=5\"", part.trim()))?;
    let numbers = numbers.split_whitespace().map(number).collect::<Result<_, _>>()?;
    Ok(ClassRule { name: name.trim().into(), numbers })
}

fn number(text: &str) -> Result<(String, f32), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("has {text:?}, which is not like max-lost=5"))?;
    let (_, maximum) = class_number(name).ok_or_else(|| {
        format!("has {name:?}; a class may have high-confidence, low-confidence, new-confidence, evidence, probation, patience, coast, reliability and max-lost")
    })?;
    let number = value.parse().ok().filter(|v: &f32| (0.0..=maximum).contains(v));
    let number =
        number.ok_or_else(|| format!("has {name}={value}, which is no number from 0 to {maximum}"))?;
    Ok((name.into(), number))
}

/// The rules as [`read`] takes them; `None` when there are none.
pub(super) fn text(rules: &[ClassRule]) -> Option<String> {
    let numbers =
        |rule: &ClassRule| rule.numbers.iter().map(|(n, v)| format!(" {n}={v}")).collect::<String>();
    let rules: Vec<_> = rules.iter().map(|rule| format!("{}:{}", rule.name, numbers(rule))).collect();
    (!rules.is_empty()).then(|| rules.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_written_and_applied() {
        let rules = read(" person: max-lost=5 new-confidence=0.4 ;traffic light: coast=1;").unwrap();
        assert_eq!(text(&rules).unwrap(), "person: max-lost=5 new-confidence=0.4; traffic light: coast=1");
        assert_eq!(read(&text(&rules).unwrap()).unwrap(), rules);
        let person = rules[0].apply(Parameters::default());
        assert_eq!((person.max_lost, person.new_confidence), (5.0, 0.4));
        assert_eq!(rules[1].name(), "traffic light");
        assert_eq!(read(""), Ok(Vec::new()));
        assert_eq!(text(&[]), None);
    }

    #[test]
    fn mistakes_are_named() {
        for (wrong, said) in [
            ("person", "\"person\", which is not like \"person: max-lost=5\""),
            (": coast=1", "not like"),
            ("person: coast", "\"coast\", which is not like max-lost=5"),
            ("person: momentum=1", "\"momentum\"; a class may have"),
            ("person: coast=long", "coast=long, which is no number from 0 to 60"),
            ("person: new-confidence=2", "new-confidence=2, which is no number from 0 to 1"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
