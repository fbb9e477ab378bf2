//! What batches cost: how long they take to form, how full they are, who is served under overload, and what a stream
//! takes of processor, memory and threads.
//!
//! `cargo bench --bench batch [-- formation fairness scale]`. Cameras are threads that push frames at their rate, each at
//! a phase of its own and up to 2 ms late.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

const RUN: Duration = Duration::from_secs(8);
const SCALE_RUN: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    gst::init()?;
    gstnvperception::plugin_register_static()?;
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [one, streams, kind] = words.as_slice()
        && one == "one"
    {
        return scale_one(streams.parse()?, kind == "batched");
    }
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    if wanted("formation") {
        formation()?;
    }
    if wanted("fairness") {
        fairness()?;
    }
    if wanted("scale") {
        scale()?;
    }
    Ok(())
}

/// A camera on a thread of its own.
struct Camera {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Camera {
    fn new(mux: &gst::Element, number: u64, rate: f64) -> Result<Self, Failure> {
        let sink = mux.request_pad_simple("sink_%u").ok_or("a pad for the asking")?;
        let pad = gst::Pad::builder(gst::PadDirection::Src)
            .query_function(|pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::Latency(latency) => {
                    latency.set(true, gst::ClockTime::ZERO, gst::ClockTime::NONE);
                    true
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        pad.set_active(true)?;
        pad.link(&sink)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            begin(&pad, number);
            play(&pad, number, rate, &stopped);
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

fn begin(pad: &gst::Pad, number: u64) {
    pad.push_event(gst::event::StreamStart::new(&format!("camera/{number}")));
    let caps = gst::Caps::builder("video/x-raw").field("format", "GRAY8").field("width", 64i32);
    pad.push_event(gst::event::Caps::new(&caps.field("height", 36i32).build()));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    pad.push_event(gst::event::Segment::new(&segment));
}

fn play(pad: &gst::Pad, number: u64, rate: f64, stop: &AtomicBool) {
    let period = Duration::from_secs_f64(1.0 / rate);
    // The golden ratio spreads the phases; so is the lateness made up.
    let part = |n: u64| (n as f64 * 0.618_034).fract();
    let start = Instant::now() + period.mul_f64(part(number + 1));
    for frame in 0u32.. {
        let due = start + period * frame;
        let late = Duration::from_micros((2000.0 * part(u64::from(frame) * 31 + number)) as u64);
        std::thread::sleep((due + late).saturating_duration_since(Instant::now()));
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let mut buffer = gst::Buffer::from_slice([0u8; 64 * 36]);
        let pts = gst::ClockTime::try_from(period * frame).ok();
        buffer.make_mut().set_pts(pts);
        if pad.push(buffer).is_err() {
            return;
        }
    }
}

/// Plays cameras of these rates, and gives the muxer's statistics.
fn run(properties: &str, between: &str, rates: &[f64]) -> Result<gst::Structure, Failure> {
    let launch = format!("nvpbatchmux name=mux {properties} ! {between} fakesink sync=false async=false");
    let pipeline = gst::parse::launch(&launch)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let mux = pipeline.by_name("mux").ok_or("the element is in the launch line")?;
    pipeline.set_state(gst::State::Playing)?;
    let cameras: Vec<_> =
        (0..).zip(rates).map(|(number, rate)| Camera::new(&mux, number, *rate)).collect::<Result<_, _>>()?;
    std::thread::sleep(RUN);
    let stats = mux.property("stats");
    pipeline.set_state(gst::State::Null)?;
    drop(cameras);
    Ok(stats)
}

fn formation() -> Result<(), Failure> {
    println!("batches of 8 cameras, {} s each", RUN.as_secs());
    println!("rates        max-latency  frames/batch   fill  formation p50   p99   dropped");
    let mixed = [5.0, 5.0, 10.0, 10.0, 15.0, 15.0, 25.0, 30.0];
    for (name, rates) in [("8 x 5", [5.0; 8]), ("8 x 15", [15.0; 8]), ("mixed 5-30", mixed)] {
        for latency in [10, 40, 100] {
            let stats = run(&format!("max-latency={latency}"), "", &rates)?;
            let number = |name| stats.get::<u64>(name).unwrap_or_default();
            let each = number("frames") as f64 / number("batches").max(1) as f64;
            let ms = |name| number(name) as f64 / 1e6;
            println!(
                "{name:12} {latency:8} ms {each:13.2} {:6.2} {:11.1} ms {:5.1} ms {:5}",
                stats.get::<f64>("fill")?,
                ms("formation-p50"),
                ms("formation-p99"),
                number("dropped-overflow")
            );
        }
    }
    Ok(())
}

/// Eight cameras where there is time for some of their frames.
fn fairness() -> Result<(), Failure> {
    println!("\nunder overload: batch-size=3, and what follows takes 25 ms a batch (at most 120 frames/s)");
    let mixed = [5.0, 5.0, 10.0, 10.0, 30.0, 30.0, 30.0, 30.0];
    for (name, rates) in [("8 x 30", [30.0; 8]), ("mixed 5-30", mixed)] {
        let stats = run("batch-size=3 queue-size=2", "identity sleep-time=25000 !", &rates)?;
        let streams = stats.get::<gst::Array>("streams")?;
        let served = streams
            .iter()
            .filter_map(|stream| stream.get::<gst::Structure>().ok()?.get::<u64>("served").ok());
        let rates: Vec<f64> = served.map(|frames| frames as f64 / RUN.as_secs_f64()).collect();
        let text: Vec<_> = rates.iter().map(|rate| format!("{rate:.1}")).collect();
        println!("{name:12} frames/s served by stream: {}", text.join(" "));
        let fast = rates.iter().skip(if name == "8 x 30" { 0 } else { 4 });
        let (least, most) =
            fast.fold((f64::MAX, 0f64), |(least, most), rate| (least.min(*rate), most.max(*rate)));
        println!(
            "{:12} of those at 30 the most served has {:.1} % more than the least",
            "",
            100.0 * (most / least - 1.0)
        );
    }
    Ok(())
}

/// Streams of 320x180 at 5 frames a second, each in a process of its own, batched and taken apart again, and without.
fn scale() -> Result<(), Failure> {
    println!(
        "\nstreams of 320x180 at 5 frames/s, {} s: source ! [mux, demux] ! queue ! sink",
        SCALE_RUN.as_secs()
    );
    println!(
        "streams  CPU/frame plain  batched   added      RSS plain  batched  added/stream  threads plain  batched"
    );
    let mut grown = Vec::new();
    for streams in [1, 8, 16, 32, 64] {
        let [plain, batched] = ["plain", "batched"].map(|kind| measure(streams, kind));
        let (plain, batched) = (plain?, batched?);
        println!(
            "{streams:7} {:12.0} us {:6.0} us {:5.0} us {:11.1} MiB {:5.1} MiB {:8.0} KiB {:10.0} {:10.0}",
            plain[0],
            batched[0],
            batched[0] - plain[0],
            plain[1] / 1024.0,
            batched[1] / 1024.0,
            (batched[1] - plain[1]) / f64::from(streams),
            plain[2],
            batched[2]
        );
        // Milliseconds of processor a second, and MiB.
        grown.push((streams, batched[0] * f64::from(streams) * 5.0 / 1e3, batched[1] / 1024.0));
    }
    plot(
        "processor, ms a second, batched",
        grown.iter().map(|(streams, processor, _)| (*streams, *processor)),
    );
    plot("resident, MiB, batched", grown.iter().map(|(streams, _, memory)| (*streams, *memory)));
    Ok(())
}

/// Bars by the number of streams; linear growth is a straight line through their ends.
fn plot(what: &str, points: impl Iterator<Item = (u32, f64)> + Clone) {
    const WIDTH: f64 = 60.0;
    let most = points.clone().map(|(_, value)| value).fold(f64::MIN_POSITIVE, f64::max);
    println!("\n{what}");
    for (streams, value) in points {
        println!("{streams:7} {value:8.1} {}", "#".repeat((value / most * WIDTH).round() as usize));
    }
}

fn measure(streams: u32, kind: &str) -> Result<Vec<f64>, Failure> {
    let output = Command::new(std::env::current_exe()?).args(["one", &streams.to_string(), kind]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    if numbers.len() == 3 { Ok(numbers) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

/// Prints microseconds of processor a frame, KiB resident, and threads.
fn scale_one(streams: u32, batched: bool) -> Result<(), Failure> {
    let pipeline = gst::Pipeline::new();
    let caps = "video/x-raw,format=I420,width=320,height=180,framerate=5/1";
    let source = format!("videotestsrc is-live=true pattern=black ! {caps}");
    let mut launch = String::new();
    for number in 0..streams {
        let sink = "queue ! fakesink async=false sync=false";
        launch += &if batched {
            format!("{source} ! mux.sink_{number} demux.src_{number} ! {sink} ")
        } else {
            format!("{source} ! {sink} ")
        };
    }
    if batched {
        launch += "nvpbatchmux name=mux ! nvpbatchdemux name=demux";
    }
    let bin = gst::parse::bin_from_description(&launch, false)?;
    pipeline.add(&bin)?;
    pipeline.set_state(gst::State::Playing)?;
    std::thread::sleep(Duration::from_secs(2));
    let before = processor();
    std::thread::sleep(SCALE_RUN);
    let used = processor() - before;
    let frames = f64::from(streams) * 5.0 * SCALE_RUN.as_secs_f64();
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    println!("{} {} {threads}", used * 1e6 / frames, resident_kib()?);
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}

/// Seconds of processor that this process has used.
fn processor() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

fn resident_kib() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the kernel says how much")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
