//! Poses of a camera's head as text: a header `time,pan,tilt,zoom`, then a row for each.

use super::{Notes, Recording, ReplayError, text};
use crate::view::{Ptz, Telemetry};

/// The columns, in this order.
const HEADER: [&str; 4] = ["time", "pan", "tilt", "zoom"];

/// True when a line is the header.
pub(super) fn is_header(line: &str) -> bool {
    text::fields(line).map(str::to_ascii_lowercase).eq(HEADER)
}

pub(super) fn read(all: &str) -> Result<Recording, ReplayError> {
    let mut notes = Notes::default();
    let mut poses: Vec<(u64, Ptz)> = Vec::new();
    let mut headed = false;
    text::each(all, &mut notes, |line, _| {
        if !std::mem::replace(&mut headed, true) {
            return if is_header(line) {
                Ok(())
            } else {
                Err("the first line has to be time,pan,tilt,zoom".into())
            };
        }
        poses.push(parse(line)?);
        Ok(())
    })?;
    poses.sort_by_key(|(time, _)| *time);
    let count = poses.len();
    poses.dedup_by_key(|(time, _)| *time);
    notes.duplicates = (count - poses.len()) as u64;
    Ok(Recording { poses, notes, ..Recording::default() })
}

fn parse(line: &str) -> Result<(u64, Ptz), String> {
    let mut numbers = [0.0; 4];
    let fields = text::fields(line).count();
    if fields != HEADER.len() {
        return Err(format!(
            "{fields} fields where 4 are needed: time in seconds, pan and tilt in degrees, zoom"
        ));
    }
    for ((number, field), name) in numbers.iter_mut().zip(text::fields(line)).zip(HEADER) {
        *number = text::number(field, &format!("the {name}"))?;
    }
    let [time, pan, tilt, zoom] = numbers;
    if !(0.0..=1e9).contains(&time) {
        return Err(format!("the time is {time} s; times are seconds of PTS from 0"));
    }
    let ptz = Ptz { pan, tilt, zoom };
    Telemetry::default().push(0, ptz).map_err(|why| why.to_string())?;
    Ok(((time * 1e9).round() as u64, ptz))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poses_are_read_in_any_order() {
        let text = "time,pan,tilt,zoom\n0.2, 1, 2, 3\n0,4,5,6\n0.2,9,9,9\n";
        let recording = Recording::from_text(text).unwrap();
        let ptz = |pan, tilt, zoom| Ptz { pan, tilt, zoom };
        assert_eq!(recording.poses(), [(0, ptz(4.0, 5.0, 6.0)), (200_000_000, ptz(1.0, 2.0, 3.0))]);
        assert_eq!((recording.notes().duplicates, recording.is_empty()), (1, false));
    }

    #[test]
    fn damage_names_its_line() {
        for (text, told) in [
            ("1,2,3,4\n", "line 1: the first line has to be time,pan,tilt,zoom"),
            ("time,pan,tilt,zoom\n1,2,3\n2,2,2,2\n", "line 2: 3 fields where 4 are needed"),
            ("time,pan,tilt,zoom\n1,NaN,3,1\n", "line 2: the pan is \"NaN\", which is no number"),
            ("time,pan,tilt,zoom\n-1,0,3,1\n", "line 2: the time is -1 s"),
            ("time,pan,tilt,zoom\n1,0,93,1\n", "line 2: the pan has to be within ten turns"),
        ] {
            let error = Recording::from_ptz(text).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
