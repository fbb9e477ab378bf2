//! Class names of several models in one table, so that one name is one class whoever found it.

use crate::detection::{Labels, LabelsRef};

/// The table, which only grows.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: Labels,
    known: Vec<Known>,
}

/// A model's names, and where each is in the table.
#[derive(Debug)]
struct Known {
    labels: Labels,
    indices: Vec<i32>,
}

impl Names {
    /// All names so far.
    pub(super) fn table(&self) -> &Labels {
        &self.table
    }

    /// For each class of a model, by its names, the index in the table.
    pub(super) fn indices(&mut self, labels: LabelsRef<'_>) -> &[i32] {
        let at = self.known.iter().position(|known| labels == known.labels);
        let at = at.unwrap_or_else(|| self.learn(labels));
        &self.known[at].indices
    }

    fn learn(&mut self, labels: LabelsRef<'_>) -> usize {
        let indices = labels.iter().map(|name| self.index(name)).collect();
        self.known.push(Known { labels: labels.to_owned(), indices });
        self.known.len() - 1
    }

    fn index(&mut self, name: &str) -> i32 {
        self.table.find(name).unwrap_or_else(|| {
            self.table = self.table.iter().chain([name]).collect();
            self.table.len() as i32 - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_class() {
        let mut names = Names::default();
        let first: Labels = ["person", "car"].into_iter().collect();
        let second: Labels = ["face", "person"].into_iter().collect();
        assert_eq!(names.indices(first.view()), [0, 1]);
        assert_eq!(names.indices(second.view()), [2, 0]);
        assert_eq!(names.indices(first.view()), [0, 1]);
        assert_eq!(names.table().iter().collect::<Vec<_>>(), ["person", "car", "face"]);
    }
}
