//! Names of classes.

use std::sync::{Arc, LazyLock};

/// Names of a model's classes, indexed by class id. Cloning shares the table.
///
/// All names lie in one text, so that the table has the same shape in memory for every reader, C included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels(Arc<Table>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    text: Box<str>,
    ends: Box<[usize]>,
}

impl Default for Labels {
    /// No names, always the same table: it costs nothing on every frame.
    fn default() -> Self {
        static EMPTY: LazyLock<Labels> = LazyLock::new(|| Labels(Arc::default()));
        EMPTY.clone()
    }
}

impl Labels {
    /// The name of a class, or `None` when the model does not name it.
    pub fn get(&self, class_id: i32) -> Option<&str> {
        self.view().get(class_id)
    }

    /// The class id of a name, by exact match.
    pub fn find(&self, name: &str) -> Option<i32> {
        self.iter().position(|l| l == name).and_then(|i| i32::try_from(i).ok())
    }

    /// How many classes are named.
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// True when no class is named.
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// The names in class order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.view().iter()
    }

    /// The table, borrowed.
    pub fn view(&self) -> LabelsRef<'_> {
        LabelsRef { text: &self.0.text, ends: &self.0.ends }
    }
}

impl<S: Into<Box<str>>> FromIterator<S> for Labels {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut text = String::new();
        let ends = names.into_iter().map(|name| {
            text.push_str(&name.into());
            text.len()
        });
        let ends = ends.collect();
        Self(Arc::new(Table { text: text.into(), ends }))
    }
}

/// A borrowed table of names, wherever it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelsRef<'a> {
    /// All names, one after the other.
    pub text: &'a str,
    /// Where each name ends in `text`, in bytes; it begins where the one before ends.
    pub ends: &'a [usize],
}

impl<'a> LabelsRef<'a> {
    /// The name of a class, or `None` when the table does not name it.
    pub fn get(self, class_id: i32) -> Option<&'a str> {
        usize::try_from(class_id).ok().and_then(|i| self.name(i))
    }

    /// The names in class order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        (0..self.ends.len()).map(move |i| self.name(i).unwrap_or_default())
    }

    /// A table of its own with the same names.
    pub fn to_owned(self) -> Labels {
        self.iter().collect()
    }

    fn name(self, index: usize) -> Option<&'a str> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.text.get(start..end)
    }
}

impl PartialEq<Labels> for LabelsRef<'_> {
    fn eq(&self, other: &Labels) -> bool {
        *self == other.view()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_both_ways() {
        let labels: Labels = ["person", "", "größe"].into_iter().collect();
        assert_eq!(labels.len(), 3);
        assert_eq!(labels.get(2), Some("größe"));
        assert_eq!(labels.get(1), Some(""));
        assert_eq!((labels.get(-1), labels.get(3)), (None, None));
        assert_eq!(labels.find("größe"), Some(2));
        assert_eq!(labels.find("car"), None);
        assert_eq!(labels.iter().collect::<Vec<_>>(), ["person", "", "größe"]);
        assert_eq!(labels.view().to_owned(), labels);
        assert!(Labels::default().is_empty());
    }

    #[test]
    fn a_broken_table_names_nothing() {
        let broken = LabelsRef { text: "aé", ends: &[9, 2, 0] };
        assert_eq!((broken.get(0), broken.get(1), broken.get(2)), (None, None, None));
        assert_eq!(broken.iter().collect::<Vec<_>>(), ["", "", ""]);
    }
}
