//! The property `ground-homography`.

use crate::homography;

/// Nine numbers as a homography.
///
/// # Errors
/// What is wrong, to follow the property's name.
pub(super) fn read(text: &str) -> Result<[f64; 9], String> {
    let trouble = |what: String| {
        format!(
            "{what}; give nine numbers a,b,c;d,e,f;g,h,i that lead from points of the picture (0,0 top left, 1,1 bottom right) to metres"
        )
    };
    let mut numbers = Vec::with_capacity(9);
    for part in text.split([',', ';', ' ']).filter(|part| !part.is_empty()) {
        let number = part.parse::<f64>().ok().filter(|v| v.is_finite());
        numbers.push(number.ok_or_else(|| trouble(format!("has {part:?}, which is no number")))?);
    }
    let count = numbers.len();
    let matrix: [f64; 9] = numbers.try_into().map_err(|_| trouble(format!("has {count} numbers")))?;
    let flat = || trouble("has no inverse: it flattens the picture".into());
    homography::inverse(&matrix).ok_or_else(flat).map(|_| matrix)
}

/// A homography as [`read`] takes it.
pub(super) fn text(h: &[f64; 9]) -> String {
    let rows = h.chunks(3).map(|row| format!("{},{},{}", row[0], row[1], row[2]));
    rows.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_homography_is_read_and_written() {
        let h = read("10, 0, 0.5; 0,20,0 ;0,1e-1,1").unwrap();
        assert_eq!(h, [10.0, 0.0, 0.5, 0.0, 20.0, 0.0, 0.0, 0.1, 1.0]);
        assert_eq!(read(&text(&h)), Ok(h));
        for (wrong, said) in [
            ("1,2,3", "has 3 numbers"),
            ("a,0,0;0,1,0;0,0,1", "has \"a\", which is no number"),
            ("1,0,0;0,inf,0;0,0,1", "has \"inf\", which is no number"),
            ("1,0,0;1,0,0;0,0,1", "has no inverse"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(said), "{error}");
            assert!(error.contains("give nine numbers"), "{error}");
        }
    }
}
