//! What `nvptracker` tells beyond the tracks of the frame: flags, retention and the ground.

use gst::glib;
use gst::prelude::*;

use super::{Export, settings};
use crate::homography;
use crate::track::{Parameters, Track, TrackPoint, TrackSegment, Tracker, Tracks};

const GROUND: &str = "ground-homography";

/// The properties' values.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) parameters: Parameters,
    pub(super) export: Export,
    /// What is wrong with the homography that was set last.
    pub(super) wrong: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let mut settings = Self { parameters: Parameters::default(), export: Export::default(), wrong: None };
        settings.set_export(Export::default());
        settings
    }
}

impl Settings {
    /// Takes over a property, whose type is the declared one. What is wrong with it is in `wrong`, and then the
    /// former value stays.
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        let retention = &mut self.parameters.retention;
        match name {
            "export" => self.set_export(value.get().unwrap_or_default()),
            "trajectory-age" => retention.age = value.get().unwrap_or_default(),
            "trajectory-points" => retention.points = value.get::<u32>().unwrap_or_default() as usize,
            GROUND => match value.get::<Option<&str>>().unwrap_or_default().map(ground).transpose() {
                Ok(ground) => (self.parameters.ground, self.wrong) = (ground, None),
                Err(wrong) => self.wrong = Some(wrong),
            },
            _ => settings::set(&mut self.parameters, name, value),
        }
    }

    /// The value of a property other than `stats`.
    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "export" => self.export.to_value(),
            "trajectory-age" => self.parameters.retention.age.to_value(),
            "trajectory-points" => (self.parameters.retention.points as u32).to_value(),
            GROUND => self.parameters.ground.as_ref().map(text).to_value(),
            _ => settings::get(self.parameters, name),
        }
    }

    fn set_export(&mut self, export: Export) {
        self.export = export;
        self.parameters.report_lost = export.contains(Export::LOST);
        self.parameters.report_past = export.contains(Export::PAST);
    }
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let retention = Parameters::default().retention;
    vec![
        glib::ParamSpecFlags::builder::<Export>("export")
            .nick("Export")
            .blurb("What to tell beside the tracks that are there (default ended)")
            .default_value(Export::default())
            .mutable_playing()
            .build(),
        glib::ParamSpecFloat::builder("trajectory-age")
            .nick("Trajectory age")
            .blurb("How far back the trajectory of a track reaches, in seconds")
            .minimum(0.0)
            .maximum(86_400.0)
            .default_value(retention.age)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("trajectory-points")
            .nick("Trajectory points")
            .blurb("How many points the trajectory of a track has at most, spread over trajectory-age")
            .minimum(2)
            .maximum(4096)
            .default_value(retention.points as u32)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder(GROUND)
            .nick("Ground homography")
            .blurb("Row-major homography a,b,c;d,e,f;g,h,i from normalised points of the camera's first view to metres on the ground; without one nothing is told in metres")
            .mutable_playing()
            .build(),
    ]
}

/// Nine numbers as a homography.
fn ground(text: &str) -> Result<[f64; 9], String> {
    let trouble = |what: String| {
        format!(
            "{GROUND} {what}; give nine numbers a,b,c;d,e,f;g,h,i that lead from points of the picture (0,0 top left, 1,1 bottom right) to metres"
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

fn text(h: &[f64; 9]) -> String {
    let rows = h.chunks(3).map(|row| format!("{},{},{}", row[0], row[1], row[2]));
    rows.collect::<Vec<_>>().join(";")
}

/// Adds to `tracks` what `export` asks for.
pub(super) fn add(tracks: &mut Tracks, export: Export, tracker: &Tracker) {
    let (mut segments, mut points): (Vec<TrackSegment>, Vec<TrackPoint>) = Default::default();
    if export.contains(Export::LIVE_TRAJECTORIES) {
        let believed = tracks.items.iter().map(|track: &Track| track.id);
        tracker.export(believed, &mut segments, &mut points);
    }
    if export.contains(Export::TRAJECTORIES) {
        let ended = tracker.ended().iter().map(|ended| ended.track.id);
        tracker.export(ended, &mut segments, &mut points);
    }
    (tracks.segments, tracks.points) = (segments, points);
    tracks.past = export.contains(Export::PAST).then(|| tracker.past().to_vec());
    let ended = export.intersects(Export::ENDED | Export::TRAJECTORIES);
    tracks.ended = ended.then(|| tracker.ended().to_vec());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_homography_is_read_and_written() {
        let h = ground("10, 0, 0.5; 0,20,0 ;0,1e-1,1").unwrap();
        assert_eq!(h, [10.0, 0.0, 0.5, 0.0, 20.0, 0.0, 0.0, 0.1, 1.0]);
        assert_eq!(ground(&text(&h)), Ok(h));
        for (wrong, said) in [
            ("1,2,3", "has 3 numbers"),
            ("a,0,0;0,1,0;0,0,1", "has \"a\", which is no number"),
            ("1,0,0;0,inf,0;0,0,1", "has \"inf\", which is no number"),
            ("1,0,0;1,0,0;0,0,1", "has no inverse"),
        ] {
            let error = ground(wrong).unwrap_err();
            assert!(error.contains(said) && error.contains("ground-homography"), "{error}");
            assert!(error.contains("give nine numbers"), "{error}");
        }
    }
}
