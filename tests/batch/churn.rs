//! Streams that come, go, end, flush, change and fail at random while others play on.
//!
//! `NVP_CHURN=1000 cargo test --test batch churn -- --nocapture` does so longer and says what it cost; with
//! `GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7` GStreamer says what is left over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;

use crate::rig::{LIMIT, Rig, Source, init, until};

const STREAMS: u32 = 8;
/// What is thrown at them, unless NVP_CHURN says how much.
const INJECTIONS: u64 = 300;

/// A small generator: the same course every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A stream whose frames a thread of its own pushes.
struct Camera {
    source: Arc<Source>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Camera {
    fn new(rig: &Rig, number: u32, live: bool) -> Self {
        let source = Arc::new(rig.stream(number, live));
        let mut camera = Self { source, stop: Arc::default(), thread: None };
        camera.run();
        camera
    }

    fn run(&mut self) {
        let (source, stop) = (self.source.clone(), self.stop.clone());
        self.thread = Some(std::thread::spawn(move || {
            let mut ms = 0;
            while !stop.load(Ordering::SeqCst) {
                if source.push(ms).is_err() {
                    return;
                }
                ms += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
        }));
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().into_iter().for_each(|thread| thread.join().unwrap());
        self.stop.store(false, Ordering::SeqCst);
    }
}

/// Ends the process when nothing moves on for too long, since a deadlock cannot be joined.
fn watchdog() -> (Arc<AtomicU64>, Arc<AtomicBool>) {
    let (beat, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (watched, done) = (beat.clone(), over.clone());
    std::thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        while !done.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(50));
            let now = watched.load(Ordering::SeqCst);
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if since.elapsed() > LIMIT {
                eprintln!("nothing moves after injection {now}");
                std::process::abort();
            }
        }
    });
    (beat, over)
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn random_trouble_touches_nobody_else() {
    init();
    let injections = std::env::var("NVP_CHURN").ok().map(|number| number.parse().unwrap());
    let (beat, over) = watchdog();
    let threads_before = threads();
    let started = Instant::now();
    let mut pads = Vec::new();
    let (served, resident) = churn(injections.unwrap_or(INJECTIONS), &beat, &mut pads);
    over.store(true, Ordering::SeqCst);
    until(|| pads.iter().all(|pad| pad.upgrade().is_none()));
    if let Some(injections) = injections {
        until(|| threads() <= threads_before);
        println!(
            "{injections} injections in {:.1} s, {served} frames: {threads_before} threads before, {} after; \
             {} KiB resident after a fifth, {} KiB after all",
            started.elapsed().as_secs_f64(),
            threads(),
            resident.0,
            resident.1
        );
    }
}

/// How many frames were served, and the memory resident after a fifth of the injections and after all.
fn churn(injections: u64, beat: &AtomicU64, pads: &mut Vec<glib::WeakRef<gst::Pad>>) -> (u64, (u64, u64)) {
    let rig = Rig::playing("max-latency=5 silence=50");
    let steady = Camera::new(&rig, 100, true);
    let mut dice = Dice(88_172_645_463_325_252);
    let mut cameras: BTreeMap<u32, Camera> =
        (0..STREAMS).map(|number| (number, Camera::new(&rig, number, number % 2 == 0))).collect();
    let mut resident = (0, 0);
    for injection in 1..=injections {
        beat.store(injection, Ordering::SeqCst);
        rig.pipeline.bus().unwrap().set_flushing(true);
        rig.pipeline.bus().unwrap().set_flushing(false);
        inject(&rig, &mut cameras, &mut dice, pads);
        if injection == injections / 5 {
            resident.0 = resident_kib();
        }
    }
    resident.1 = resident_kib();
    let seen = rig.log.of(100).len();
    rig.log.wait(100, |lines| lines.len() > seen + 50);
    let steadily: Vec<u64> = rig.log.of(100).iter().filter_map(|line| line.parse().ok()).collect();
    assert!(steadily.is_sorted(), "in order, whatever the others do");
    for mut camera in cameras.into_values().chain([steady]) {
        rig.release(&camera.source);
        camera.halt();
        rig.log.wait_for(camera.source.number, "removed");
        pads.push(camera.source.sink.downgrade());
    }
    assert_eq!((rig.mux.num_sink_pads(), rig.demux.num_src_pads()), (0, 0));
    let total = |name| rig.stat::<u64>(&rig.mux, name);
    let gone = total("served") + total("dropped-overflow") + total("dropped-flush");
    assert_eq!(total("accepted"), gone, "every frame is accounted for");
    (total("served"), resident)
}

/// One thing that happens to a stream; the log checks that every frame is on its own pad.
fn inject(
    rig: &Rig,
    cameras: &mut BTreeMap<u32, Camera>,
    dice: &mut Dice,
    pads: &mut Vec<glib::WeakRef<gst::Pad>>,
) {
    let number = dice.roll(u64::from(STREAMS)) as u32;
    rig.log.forget(number);
    let Some(mut camera) = cameras.remove(&number) else {
        cameras.insert(number, Camera::new(rig, number, dice.roll(2) == 0));
        return;
    };
    pads.push(camera.source.sink.downgrade());
    match dice.roll(6) {
        0 => {
            // Its thread may be waiting in the pad that goes.
            rig.release(&camera.source);
            camera.halt();
            return;
        }
        1 => {
            camera.halt();
            assert!(camera.source.eos());
            camera.source.begin();
            camera.run();
        }
        2 => {
            // A flush comes from another thread while frames are pushed.
            let _ = camera.source.pad.push_event(gst::event::FlushStart::new());
            camera.halt();
            assert!(camera.source.pad.push_event(gst::event::FlushStop::new(true)));
            camera.source.segment();
            camera.run();
        }
        3 => {
            camera.halt();
            assert!(camera.source.caps(4 * (1 + dice.roll(4) as i32)));
            camera.run();
        }
        4 => {
            camera.halt();
            camera.source.custom("trouble");
            camera.run();
        }
        // An element fails: nothing more comes, not even an end, until the pad is released.
        _ => {
            camera.halt();
            std::thread::sleep(Duration::from_millis(dice.roll(8)));
            rig.release(&camera.source);
            return;
        }
    }
    cameras.insert(number, camera);
}
