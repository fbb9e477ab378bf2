//! MOTChallenge text (Leal-Taixé et al., "MOTChallenge 2015", arXiv 1504.01942).

use std::collections::BTreeMap;

use super::{Content, Frame, Notes, Recording, ReplayError, Rows, clamp, text};
use crate::detection::{Detection, Detections};
use crate::geometry::BBox;
use crate::track::{Track, TrackState, Tracks};

/// The id of the only model that a file can tell of.
const MODEL: &str = "mot";

/// One row; the box is in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    id: i64,
    bbox: BBox,
    confidence: f32,
}

pub(super) fn read(all: &str) -> Result<Recording, ReplayError> {
    let mut notes = Notes::default();
    let mut frames = BTreeMap::<u64, Vec<Row>>::new();
    text::each(all, &mut notes, |line, notes| {
        let (number, row) = parse(line, notes)?;
        let rows = frames.entry(number).or_default();
        if row.id > 0 && rows.iter().any(|other| other.id == row.id) {
            notes.duplicates += 1;
        } else {
            rows.push(row);
        }
        Ok(())
    })?;
    let rows = || frames.values().flatten();
    let (has_detections, has_tracks) = (rows().any(|row| row.id < 0), rows().any(|row| row.id > 0));
    let frames = frames.into_iter().map(|(number, rows)| Frame { number, rows: Rows::Mot(rows) }).collect();
    let mut recording = Recording { frames, has_detections, has_tracks, notes, ..Recording::default() };
    recording.labels.model = MODEL.into();
    Ok(recording)
}

fn parse(line: &str, notes: &mut Notes) -> Result<(u64, Row), String> {
    let fields: Vec<&str> = text::fields(line).collect();
    let [frame, id, x, y, width, height, rest @ ..] = fields.as_slice() else {
        return Err(format!(
            "{} fields where at least 6 are needed: frame,id,x,y,width,height",
            fields.len()
        ));
    };
    let number = text::number;
    let frame = number(frame, "the frame")?;
    if !(1.0..9e15).contains(&frame) || frame.fract() != 0.0 {
        return Err(format!("the frame is {frame}; frames count from 1"));
    }
    let id = number(id, "the id")?;
    if id != -1.0 && !((1.0..9e15).contains(&id) && id.fract() == 0.0) {
        return Err(format!("the id is {id}; detections have -1, tracks whole numbers from 1"));
    }
    let (x, y) = (number(x, "x")?, number(y, "y")?);
    let (width, height) = (number(width, "the width")?, number(height, "the height")?);
    let confidence = rest.first().map_or(Ok(1.0), |text| number(text, "the confidence"))?;
    let bbox = BBox::new(x as f32, y as f32, (x + width) as f32, (y + height) as f32);
    let row = Row { id: id as i64, bbox, confidence: clamp(confidence as f32, notes) };
    Ok((frame as u64 - 1, row))
}

pub(super) fn content(rows: &[Row], (width, height): (u32, u32)) -> Content {
    let (sx, sy) = (1.0 / width.max(1) as f32, 1.0 / height.max(1) as f32);
    let detections = rows.iter().filter(|row| row.id < 0).map(|row| Detection {
        bbox: row.bbox.scaled(sx, sy),
        confidence: row.confidence,
        class_id: 0,
    });
    let detections: Vec<_> = detections.collect();
    let tracks = rows.iter().filter(|row| row.id > 0).map(|row| Track {
        id: row.id as u64,
        bbox: row.bbox.scaled(sx, sy),
        confidence: row.confidence,
        label: -1,
        state: TrackState::Confirmed,
        ..Track::default()
    });
    let mut tracks: Vec<_> = tracks.collect();
    tracks.sort_by_key(|track| track.id);
    let found = |items| vec![Detections { model: MODEL.into(), items, ..Detections::default() }];
    Content {
        detections: (!detections.is_empty()).then(|| found(detections)),
        tracks: (!tracks.is_empty()).then(|| Tracks { items: tracks, ..Tracks::default() }),
        ..Content::default()
    }
}
