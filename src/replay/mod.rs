//! Recorded metadata, read back: JSON lines of schema `nvperception.frame/1`, MOTChallenge text, camera motion and poses of
//! a camera's head.
//!
//! A [`Recording`] is the whole file as frames, sorted. [`Recording::at`] finds what belongs to a frame, by its
//! number or by its time; [`Recording::content`] makes the values that were published, as far as the file holds
//! them: JSON lines leave out the time since a track's last match, MOTChallenge text all but boxes
//! and confidences.

mod events;
mod json;
mod mot;
mod motion;
mod ptz;
#[cfg(test)]
mod tests;
mod text;

use crate::detection::Detections;
use crate::provenance::Provenance;
use crate::record::FrameRecord;
use crate::rules::{Events, Shapes, Signals};
use crate::track::Tracks;
use crate::view::{Ptz, View};

/// What is known of a frame that looks for its record.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// Its number in the stream, from 0.
    Number(u64),
    /// Its PTS, and how far from it the record's may be at most, both in nanoseconds.
    Time(u64, u64),
}

/// What a recording says of one frame. A list is `None` when its stage did not run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// What each model found.
    pub detections: Option<Vec<Detections>>,
    /// The tracks.
    pub tracks: Option<Tracks>,
    /// The camera's view.
    pub view: Option<View>,
    /// The signals of each source.
    pub signals: Option<Vec<Signals>>,
    /// The events.
    pub events: Option<Events>,
    /// The zones and lines.
    pub shapes: Option<Shapes>,
    /// Where the frame came from, for recordings that tell it.
    pub provenance: Option<Provenance>,
}

/// Why a file cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayError {
    /// The line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// What is wrong and what to do.
    pub why: String,
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for ReplayError {}

/// What was passed over while reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Confidences outside \[0, 1\], which were clamped.
    pub clamped: u64,
    /// Records of a frame, or of a track on a frame, that had one already; the first counts.
    pub duplicates: u64,
    /// True when the last line was cut off and left out.
    pub truncated: bool,
}

/// A file of records in memory.
#[derive(Debug, Default)]
pub struct Recording {
    /// By rising number.
    frames: Vec<Frame>,
    /// Indices of the frames that tell their time, by rising time.
    by_time: Vec<(u64, usize)>,
    /// The file has detections, tracks: a frame inside it without any has an empty list.
    has_detections: bool,
    has_tracks: bool,
    labels: json::Tables,
    /// Poses of the camera's head by rising PTS in nanoseconds.
    poses: Vec<(u64, Ptz)>,
    notes: Notes,
}

#[derive(Debug)]
struct Frame {
    number: u64,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Json(Box<FrameRecord>),
    Mot(Vec<mot::Row>),
    Motion(motion::Step),
}

/// Where a frame is in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has a record, at this index.
    Record(usize),
    /// It lies between records: nothing was found on it.
    Between,
    /// It lies before the first record or after the last.
    Outside,
}

impl Recording {
    /// Reads JSON lines, in any order.
    ///
    /// # Errors
    /// The first line that is no record of this schema; a last line without its end is left out instead.
    pub fn from_json(text: &str) -> Result<Self, ReplayError> {
        json::read(text)
    }

    /// Reads MOTChallenge text, rows in any order: `frame,id,x,y,width,height,confidence,...` with frames from 1 and
    /// boxes in pixels. Rows with id -1 are detections, those with an id above 0 confirmed tracks.
    ///
    /// # Errors
    /// The first row that is none.
    pub fn from_mot(text: &str) -> Result<Self, ReplayError> {
        mot::read(text)
    }

    /// Reads camera motion, rows in any order: `frame a b c d e f` with frames from 0, where `x' = a x + b y + c` and
    /// `y' = d x + e y + f` lead from the previous frame's pixels to this frame's. A gap begins a new epoch. The camera
    /// moves where a corner of 1000 x 1000 pixels moves by more than half a pixel; stability is 1 / (1 + that shift).
    ///
    /// # Errors
    /// The first row that is none, or has no inverse.
    pub fn from_motion(text: &str) -> Result<Self, ReplayError> {
        motion::read(text)
    }

    /// Reads poses of a camera's head: a header `time,pan,tilt,zoom`, then rows in any order with the PTS in seconds, pan and
    /// tilt in degrees and the zoom as a ratio. Of two at one time the first counts.
    ///
    /// # Errors
    /// The first row that is none.
    pub fn from_ptz(text: &str) -> Result<Self, ReplayError> {
        ptz::read(text)
    }

    /// Reads whatever it is: JSON lines begin with `{`, a row of camera motion has frame 0 and six numbers,
    /// poses have their header, and all else is MOTChallenge text.
    ///
    /// # Errors
    /// As the format's own.
    pub fn from_text(text: &str) -> Result<Self, ReplayError> {
        match text.lines().find(|line| !line.trim().is_empty()) {
            Some(line) if line.trim_start().starts_with('{') => json::read(text),
            Some(line) if motion::is_motion(line) => motion::read(text),
            Some(line) if ptz::is_header(line) => ptz::read(text),
            _ => mot::read(text),
        }
    }

    /// How many frames have a record.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// True when it holds nothing at all.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.poses.is_empty()
    }

    /// Poses of the camera's head by rising PTS in nanoseconds.
    pub fn poses(&self) -> &[(u64, Ptz)] {
        &self.poses
    }

    /// True when the records tell their time.
    pub fn has_times(&self) -> bool {
        !self.by_time.is_empty()
    }

    /// What was passed over while reading.
    pub fn notes(&self) -> Notes {
        self.notes
    }

    /// Finds a frame. Of records equally near in time the earlier counts.
    pub fn at(&self, key: Key) -> Place {
        match key {
            Key::Number(number) => {
                let found = self.frames.binary_search_by_key(&number, |frame| frame.number);
                place(found, self.frames.len())
            }
            Key::Time(time, tolerance) => self.at_time(time, tolerance),
        }
    }

    fn at_time(&self, time: u64, tolerance: u64) -> Place {
        let after = self.by_time.partition_point(|(at, _)| *at < time);
        let near = self.by_time[after.saturating_sub(1)..].iter().take(2);
        let near = near.filter(|(at, _)| at.abs_diff(time) <= tolerance);
        match near.min_by_key(|(at, _)| at.abs_diff(time)) {
            Some((_, index)) => Place::Record(*index),
            None => place(Err(after), self.by_time.len()),
        }
    }

    /// What the recording says of a frame of `width` x `height` pixels; nothing of one outside.
    pub fn content(&self, place: Place, (width, height): (u32, u32)) -> Content {
        let mut content = match place {
            Place::Outside => return Content::default(),
            Place::Between => Content::default(),
            Place::Record(index) => match self.frames.get(index).map(|frame| &frame.rows) {
                Some(Rows::Json(record)) => return json::content(record, &self.labels),
                Some(Rows::Mot(rows)) => mot::content(rows, (width, height)),
                Some(Rows::Motion(step)) => return motion::content(step, (width, height)),
                None => Content::default(),
            },
        };
        if self.has_detections {
            content.detections.get_or_insert_with(|| vec![self.labels.nothing()]);
        }
        if self.has_tracks {
            content.tracks.get_or_insert_with(Tracks::default);
        }
        content
    }
}

fn place(found: Result<usize, usize>, len: usize) -> Place {
    match found {
        Ok(index) => Place::Record(index),
        Err(at) if at == 0 || at == len => Place::Outside,
        Err(_) => Place::Between,
    }
}

/// Confidences are in \[0, 1\]; what is not is clamped and counted.
fn clamp(confidence: f32, notes: &mut Notes) -> f32 {
    if (0.0..=1.0).contains(&confidence) {
        return confidence;
    }
    notes.clamped += 1;
    if confidence.is_nan() { 0.0 } else { confidence.clamp(0.0, 1.0) }
}
