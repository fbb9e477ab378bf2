//! Times a frame's way into the input tensor, alone or for `preprocess_vs_opencv.py`.
//!
//! Without arguments it prints a table over made-up frames. With `serve` it answers commands on standard
//! input, each a line:
//!
//! - `load FORMAT WIDTH HEIGHT SIDE LENGTH`, then LENGTH bytes of tightly packed planes: `ok`
//! - `time RUNS REPAD`: the nanoseconds of each run on one line; REPAD 1 writes the padding in every run
//! - `tensor`: the count of f32 elements on a line, then the elements in native byte order

use std::io::{BufRead, Read, Write};
use std::time::Instant;

use gstnvperception::image::{Colorimetry, Frame, PixelFormat, Plane};
use gstnvperception::preprocess::{Padding, Preprocessor, Spec, TensorMut};

type Error = Box<dyn std::error::Error>;

struct Job {
    format: PixelFormat,
    width: usize,
    height: usize,
    bytes: Vec<u8>,
    preprocessor: Preprocessor,
    tensor: Vec<f32>,
    padding: Padding,
}

impl Job {
    fn new(
        format: PixelFormat,
        width: usize,
        height: usize,
        side: usize,
        bytes: Vec<u8>,
    ) -> Result<Self, Error> {
        let spec = Spec { width: side, height: side, ..Spec::default() };
        let preprocessor = Preprocessor::new(spec)?;
        let (tensor, padding) = (vec![0.0; spec.len()], Padding::default());
        Ok(Self { format, width, height, bytes, preprocessor, tensor, padding })
    }

    fn run(&mut self) -> Result<(), Error> {
        let mut planes = [Plane::default(); 3];
        let mut rest = self.bytes.as_slice();
        for (i, plane) in planes.iter_mut().enumerate().take(self.format.planes()) {
            let (stride, rows) = self.format.plane_size(i, self.width, self.height);
            let (data, after) = rest.split_at_checked(stride * rows).ok_or("the frame is too short")?;
            *plane = Plane { data, stride };
            rest = after;
        }
        let frame = Frame::new(self.format, self.width, self.height, Colorimetry::default(), planes)?;
        self.preprocessor.run(&frame, TensorMut::F32(&mut self.tensor), &mut self.padding)?;
        Ok(())
    }

    fn time(&mut self, runs: usize, repad: bool) -> Result<Vec<u128>, Error> {
        let mut times = Vec::with_capacity(runs);
        for _ in 0..runs {
            if repad {
                self.padding = Padding::default();
            }
            let start = Instant::now();
            self.run()?;
            times.push(start.elapsed().as_nanos());
        }
        Ok(times)
    }
}

fn format(name: &str) -> Result<PixelFormat, Error> {
    let found = PixelFormat::ALL.into_iter().find(|f| format!("{f:?}").eq_ignore_ascii_case(name));
    Ok(found.ok_or_else(|| format!("no format {name}"))?)
}

fn serve() -> Result<(), Error> {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut job = None;
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        match (line.split_whitespace().collect::<Vec<_>>().as_slice(), &mut job) {
            (["load", name, width, height, side, length], job) => {
                let mut bytes = vec![0; length.parse()?];
                input.read_exact(&mut bytes)?;
                *job = Some(Job::new(format(name)?, width.parse()?, height.parse()?, side.parse()?, bytes)?);
                writeln!(output, "ok")?;
            }
            (["time", runs, repad], Some(job)) => {
                let times: Vec<_> =
                    job.time(runs.parse()?, *repad == "1")?.iter().map(u128::to_string).collect();
                writeln!(output, "{}", times.join(" "))?;
            }
            (["tensor"], Some(job)) => {
                writeln!(output, "{}", job.tensor.len())?;
                job.tensor.iter().try_for_each(|v| output.write_all(&v.to_ne_bytes()))?;
            }
            (command, _) => return Err(format!("cannot answer {command:?}").into()),
        }
        output.flush()?;
        line.clear();
    }
    Ok(())
}

fn table() -> Result<(), Error> {
    println!("{:<8}{:<12}{:<6}{:>11}{:>11}", "format", "frame", "input", "median ms", "fastest ms");
    for (width, height, side) in [(1280, 720, 640), (1920, 1080, 640), (1280, 720, 416), (640, 360, 640)] {
        for format in
            [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuy2, PixelFormat::Rgb, PixelFormat::Bgrx]
        {
            let length = (0..format.planes()).map(|p| format.plane_size(p, width, height));
            let length: usize = length.map(|(row, rows)| row * rows).sum();
            let bytes = (0..length).map(|i| ((i * 2_654_435_761) >> 13) as u8).collect();
            let mut job = Job::new(format, width, height, side, bytes)?;
            job.time(20, false)?;
            let mut times = job.time(200, false)?;
            times.sort_unstable();
            let [median, fastest] = [times[100], times[0]].map(|t| t as f64 / 1e6);
            let (name, size) = (format!("{format:?}"), format!("{width}x{height}"));
            println!("{name:<8}{size:<12}{side:<6}{median:>11.3}{fastest:>11.3}");
        }
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    if std::env::args().any(|a| a == "serve") { serve() } else { table() }
}
