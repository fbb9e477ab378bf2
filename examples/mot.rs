//! Tracks the detections of MOTChallenge sequences: `mot OUT SEQUENCE...`
//!
//! A SEQUENCE is a folder with `seqinfo.ini` and `det/det.txt`. OUT/<name>.txt gets the tracks that
//! are there on each frame, confirmed or coasted, as `frame,id,x,y,width,height,confidence,-1,-1,-1` with frames from 1 and boxes
//! in pixels. Scores outside [0, 1] are clamped.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use gstnvperception::detection::Detection;
use gstnvperception::geometry::BBox;
use gstnvperception::track::{Input, Observation, Parameters, Tracker};

struct Sequence {
    name: String,
    frame_rate: f64,
    width: f32,
    height: f32,
    /// The detections of each frame.
    frames: Vec<Vec<Observation<'static>>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, sequences @ ..] = arguments.as_slice() else {
        return Err("usage: mot OUT SEQUENCE...".into());
    };
    fs::create_dir_all(out)?;
    for folder in sequences {
        let sequence = Sequence::read(Path::new(folder)).map_err(|e| format!("{folder}: {e}"))?;
        fs::write(Path::new(out).join(&sequence.name).with_extension("txt"), track(&sequence)?)?;
    }
    Ok(())
}

impl Sequence {
    fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let info = fs::read_to_string(folder.join("seqinfo.ini"))?;
        let value = |key: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.map(str::trim).ok_or_else(|| format!("seqinfo.ini has no {key}"))
        };
        let mut sequence = Self {
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            frame_rate: value("frameRate")?.parse()?,
            width: value("imWidth")?.parse()?,
            height: value("imHeight")?.parse()?,
            frames: Vec::new(),
        };
        sequence.frames.resize(value("seqLength")?.parse()?, Vec::new());
        for line in fs::read_to_string(folder.join("det/det.txt"))?.lines().filter(|l| !l.trim().is_empty()) {
            sequence.add(line).map_err(|e| format!("det.txt: '{line}': {e}"))?;
        }
        Ok(sequence)
    }

    fn add(&mut self, line: &str) -> Result<(), Box<dyn Error>> {
        let fields = line.split(',').map(|f| f.trim().parse::<f32>()).collect::<Result<Vec<_>, _>>()?;
        let [frame, _, x, y, w, h, confidence, ..] = fields[..] else { return Err("too few fields".into()) };
        let bbox = BBox::new(x, y, x + w, y + h).scaled(1.0 / self.width, 1.0 / self.height);
        let confidence = confidence.clamp(0.0, 1.0);
        let detection = Detection { bbox, confidence, ..Detection::default() };
        let observation = Observation { detection, label: -1, age: 0, embedding: None, detector: 0 };
        if let Some(frame) = self.frames.get_mut((frame as usize).wrapping_sub(1)) {
            frame.push(observation);
        }
        Ok(())
    }
}

fn track(sequence: &Sequence) -> Result<String, std::fmt::Error> {
    let mut tracker = Tracker::new(Parameters::default());
    let mut rows = String::new();
    for (i, observations) in sequence.frames.iter().enumerate() {
        let time = (i as f64 / sequence.frame_rate * 1e9) as u64;
        let aspect = sequence.width / sequence.height;
        let input = Input { time, aspect, observations: Some(observations), ..Input::default() };
        for track in tracker.step(&input).iter().filter(|t| t.state.is_there()) {
            let b = track.bbox.scaled(sequence.width, sequence.height);
            let (frame, id, w, h) = (i + 1, track.id, b.width(), b.height());
            let (x, y, confidence) = (b.x_min, b.y_min, track.confidence);
            writeln!(rows, "{frame},{id},{x:.2},{y:.2},{w:.2},{h:.2},{confidence:.4},-1,-1,-1")?;
        }
    }
    Ok(rows)
}
