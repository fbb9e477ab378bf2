//! Parameters, with those of single classes.

use super::Parameters;

/// What a tracker decides by: for most classes alike, for some not.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) common: Parameters,
    /// By label.
    classes: Vec<(i32, Parameters)>,
}

impl Rules {
    pub(super) fn new(common: Parameters) -> Self {
        Self { common: common.clamped(), classes: Vec::new() }
    }

    pub(super) fn set_classes(&mut self, classes: impl Iterator<Item = (i32, Parameters)>) {
        self.classes.clear();
        self.classes.extend(classes.map(|(label, parameters)| (label, parameters.clamped())));
    }

    /// The rules for the objects of a label.
    pub(super) fn of(&self, label: i32) -> &Parameters {
        self.classes.iter().find(|(of, _)| *of == label).map_or(&self.common, |(_, parameters)| parameters)
    }
}
