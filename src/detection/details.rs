//! What a model says of an object beyond its box and class, in tables that run parallel to the objects.

/// One point of an object: a joint, a corner of the mouth.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Keypoint {
    /// In units of the frame.
    pub x: f32,
    /// In units of the frame.
    pub y: f32,
    /// In \[0, 1\]; 1 when the model does not say.
    pub confidence: f32,
}

/// The corners of a turned box, clockwise from the one that was its bottom right before it was turned, each
/// (x, y) in units of the frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quad {
    /// The corners.
    pub corners: [[f32; 2]; 4],
}

/// Rows of equal length, one an object; without rows when the model says nothing of the kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table<T> {
    values: Vec<T>,
    width: usize,
}

impl<T: Copy> Table<T> {
    /// Appends a row. All rows have the length of the first, which is not 0: a shorter one is not taken.
    pub fn push(&mut self, row: &[T]) {
        if self.values.is_empty() {
            self.width = row.len();
        }
        if row.len() == self.width {
            self.values.extend_from_slice(row);
        }
    }

    /// The table, borrowed.
    pub fn view(&self) -> TableRef<'_, T> {
        TableRef { values: &self.values, width: self.width }
    }

    /// Every value, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }
}

/// A borrowed [`Table`], wherever it is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TableRef<'a, T> {
    /// All rows, one after the other.
    pub values: &'a [T],
    /// Values in a row.
    pub width: usize,
}

impl<T> Default for TableRef<'_, T> {
    fn default() -> Self {
        Self { values: &[], width: 0 }
    }
}

impl<'a, T> TableRef<'a, T> {
    /// The values of one object, empty when there are none.
    pub fn row(self, index: usize) -> &'a [T] {
        let start = index.saturating_mul(self.width);
        self.values.get(start..start.saturating_add(self.width)).unwrap_or_default()
    }

    /// True when there is no row.
    pub fn is_empty(self) -> bool {
        self.values.is_empty()
    }
}

/// Where a mask lies in [`Masks`]: `width` x `height` bytes in rows, from `offset` on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskSize {
    /// Index of the first byte.
    pub offset: u32,
    /// Columns that the object's box is divided into.
    pub width: u16,
    /// Rows that the object's box is divided into.
    pub height: u16,
}

/// A mask an object: the box divided into equal cells, each with the certainty that the object is there, from
/// 0 to 255.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    sizes: Vec<MaskSize>,
    values: Vec<u8>,
}

impl Masks {
    /// Appends a mask of `width` x `height` cells that `fill` writes.
    pub fn push(&mut self, width: u16, height: u16, fill: impl FnOnce(&mut [u8])) {
        let start = self.values.len();
        self.values.resize(start + usize::from(width) * usize::from(height), 0);
        fill(&mut self.values[start..]);
        let offset = u32::try_from(start).unwrap_or(u32::MAX);
        self.sizes.push(MaskSize { offset, width, height });
    }

    /// The masks, borrowed.
    pub fn view(&self) -> MasksRef<'_> {
        MasksRef { sizes: &self.sizes, values: &self.values }
    }
}

/// Borrowed [`Masks`], wherever they are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MasksRef<'a> {
    /// Where each lies.
    pub sizes: &'a [MaskSize],
    /// The cells of all.
    pub values: &'a [u8],
}

impl<'a> MasksRef<'a> {
    /// Columns, rows and cells of one object's mask, `None` when it has none.
    pub fn get(self, index: usize) -> Option<(usize, usize, &'a [u8])> {
        let MaskSize { offset, width, height } = *self.sizes.get(index)?;
        let (width, height) = (usize::from(width), usize::from(height));
        let cells = self.values.get(offset as usize..)?.get(..width * height)?;
        (!cells.is_empty()).then_some((width, height, cells))
    }

    /// True when no object has a mask.
    pub fn is_empty(self) -> bool {
        self.sizes.is_empty()
    }
}

/// Each part is empty, or has one entry for each object in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// Keypoints, in the model's order.
    pub keypoints: Table<Keypoint>,
    /// Corners of boxes that are not upright.
    pub quads: Vec<Quad>,
    /// Where within its box the object is.
    pub masks: Masks,
    /// Appearance as a vector of length 1, to be compared by the scalar product.
    pub embeddings: Table<f32>,
}

impl Details {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.keypoints.values.clear();
        self.quads.clear();
        self.masks.sizes.clear();
        self.masks.values.clear();
        self.embeddings.values.clear();
    }

    /// All parts, borrowed.
    pub fn view(&self) -> DetailsRef<'_> {
        DetailsRef {
            keypoints: self.keypoints.view(),
            quads: &self.quads,
            masks: self.masks.view(),
            embeddings: self.embeddings.view(),
        }
    }

    /// Appends what `other` says of one object, with its points moved by `place`. A part that is empty there
    /// stays as it is.
    pub fn push(&mut self, other: DetailsRef<'_>, index: usize, place: impl Fn([f32; 2]) -> [f32; 2]) {
        let first = self.keypoints.values.len();
        self.keypoints.push(other.keypoints.row(index));
        for point in &mut self.keypoints.values[first..] {
            [point.x, point.y] = place([point.x, point.y]);
        }
        if let Some(quad) = other.quads.get(index) {
            self.quads.push(Quad { corners: quad.corners.map(&place) });
        }
        if let Some((width, height, cells)) = other.masks.get(index) {
            self.masks.push(width as u16, height as u16, |to| to.copy_from_slice(cells));
        } else if !other.masks.is_empty() {
            self.masks.push(0, 0, |_| ());
        }
        self.embeddings.push(other.embeddings.row(index));
    }

    /// Moves every point.
    pub(super) fn move_points(&mut self, place: impl Fn([f32; 2]) -> [f32; 2]) {
        for point in &mut self.keypoints.values {
            [point.x, point.y] = place([point.x, point.y]);
        }
        self.quads.iter_mut().for_each(|quad| quad.corners = quad.corners.map(&place));
    }
}

/// Borrowed [`Details`], wherever they are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DetailsRef<'a> {
    /// Keypoints, in the model's order.
    pub keypoints: TableRef<'a, Keypoint>,
    /// Corners of boxes that are not upright.
    pub quads: &'a [Quad],
    /// Where within its box the object is.
    pub masks: MasksRef<'a>,
    /// Appearance.
    pub embeddings: TableRef<'a, f32>,
}

impl DetailsRef<'_> {
    /// True when nothing is said of any object.
    pub fn is_empty(self) -> bool {
        self.keypoints.is_empty()
            && self.quads.is_empty()
            && self.masks.is_empty()
            && self.embeddings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_run_parallel_to_the_objects() {
        let mut table = Table::default();
        assert!(table.view().row(0).is_empty());
        table.push(&[1, 2]);
        table.push(&[3]);
        table.push(&[3, 4]);
        assert_eq!((table.view().row(1), table.view().row(2)), (&[3, 4][..], &[][..]));
        assert!(table.view().row(usize::MAX).is_empty());
    }

    #[test]
    fn one_object_is_copied_with_all_that_is_said_of_it() {
        let mut from = Details::default();
        for i in 0..2u8 {
            let x = f32::from(i);
            from.keypoints.push(&[Keypoint { x, y: 0.5, confidence: 1.0 }]);
            from.quads.push(Quad { corners: [[x, 0.0]; 4] });
            from.masks.push(2, 1, |cells| cells.fill(i + 1));
            from.embeddings.push(&[x, 1.0 - x]);
        }
        let mut to = Details::default();
        to.push(from.view(), 1, |[x, y]| [x / 2.0, y + 1.0]);
        let to = to.view();
        assert_eq!(to.keypoints.row(0), [Keypoint { x: 0.5, y: 1.5, confidence: 1.0 }]);
        assert_eq!(to.quads, [Quad { corners: [[0.5, 1.0]; 4] }]);
        assert_eq!(to.masks.get(0), Some((2, 1, &[2, 2][..])));
        assert_eq!(to.embeddings.row(0), [1.0, 0.0]);
        assert!(DetailsRef::default().is_empty() && !to.is_empty());
    }

    #[test]
    fn a_mask_beyond_its_cells_is_none() {
        let sizes =
            [MaskSize { offset: 3, width: 2, height: 1 }, MaskSize { offset: 9, width: 1, height: 1 }];
        let masks = MasksRef { sizes: &sizes, values: &[0; 4] };
        assert_eq!((masks.get(0), masks.get(1), masks.get(2)), (None, None, None));
    }
}
