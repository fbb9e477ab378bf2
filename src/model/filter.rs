//! Which classes are wanted.

use std::fmt;

use super::nearest::suggestion;
use crate::detection::Labels;

/// A set of classes; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassFilter {
    /// Indexed by class id; `None` lets every class pass.
    wanted: Option<Box<[bool]>>,
}

/// Why a list of classes means nothing to a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// No class has this name, and it is no number.
    UnknownName {
        /// The name.
        name: String,
        /// The end of the message: the nearest name, when one is near.
        suggestion: String,
    },
    /// The model has fewer classes.
    OutOfRange {
        /// The class id asked for.
        id: usize,
        /// How many classes there are.
        classes: usize,
    },
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName { name, suggestion } => write!(f, "no class is named \"{name}\"{suggestion}"),
            Self::OutOfRange { id, classes } => {
                write!(f, "there is no class {id}: the model has {classes}, numbered from 0")
            }
        }
    }
}

impl std::error::Error for FilterError {}

impl ClassFilter {
    /// The largest class id that a filter takes for a model whose number of classes is not known.
    const MAX_ID: usize = 65535;

    /// Reads names and ids separated by commas, as in `person, 2, traffic light`. A name goes before an id,
    /// blanks around an entry do not count, and an empty list lets every class pass. `classes` is the number
    /// of classes, when it is known.
    ///
    /// # Errors
    /// [`FilterError`] names the entry that means nothing.
    pub fn parse(list: &str, labels: &Labels, classes: Option<usize>) -> Result<Self, FilterError> {
        let classes = classes.unwrap_or(Self::MAX_ID + 1);
        let mut wanted = Vec::new();
        for entry in list.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            let named = labels.iter().enumerate().filter(|(_, l)| *l == entry).map(|(id, _)| id);
            let mut ids: Vec<usize> = named.collect();
            if ids.is_empty() {
                ids.push(Self::id(entry, labels)?);
            }
            for id in ids {
                if id >= classes {
                    return Err(FilterError::OutOfRange { id, classes });
                }
                wanted.resize(wanted.len().max(id + 1), false);
                wanted[id] = true;
            }
        }
        Ok(Self { wanted: (!wanted.is_empty()).then(|| wanted.into_boxed_slice()) })
    }

    fn id(entry: &str, labels: &Labels) -> Result<usize, FilterError> {
        entry.parse().map_err(|_| FilterError::UnknownName {
            name: entry.to_owned(),
            suggestion: suggestion(entry, labels.iter()),
        })
    }

    /// True when `class` is wanted.
    pub fn contains(&self, class: usize) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.get(class).copied().unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids() {
        let labels = ["person", "traffic light", "2", "person"].into_iter().collect();
        let classes = |list| {
            let filter = ClassFilter::parse(list, &labels, Some(4)).unwrap();
            (0..5).filter(|c| filter.contains(*c)).collect::<Vec<_>>()
        };
        assert_eq!(classes(" traffic light ,0,"), [0, 1]);
        assert_eq!(classes("2"), [2]);
        assert_eq!(classes("person"), [0, 3], "every class of that name");
        assert_eq!(classes(" , "), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_means_nothing_is_an_error() {
        let labels = ["person", "car"].into_iter().collect();
        let message = |list| ClassFilter::parse(list, &labels, Some(2)).unwrap_err().to_string();
        assert_eq!(message("car, preson"), "no class is named \"preson\"; did you mean \"person\"?");
        assert_eq!(message("-1"), "no class is named \"-1\"");
        assert_eq!(message("7"), "there is no class 7: the model has 2, numbered from 0");
        assert!(ClassFilter::parse("99999999999", &labels, None).is_err());
    }
}
