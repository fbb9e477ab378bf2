//! Streams that come, go, end, flush, change and fail at random while others play on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::rig::{LIMIT, Rig, Source, init};

const STREAMS: u32 = 8;
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

#[test]
fn random_trouble_touches_nobody_else() {
    init();
    let (beat, over) = watchdog();
    let before = threads();
    {
        let rig = Rig::playing("max-latency=5 silence=50");
        let steady = Camera::new(&rig, 100, true);
        let mut dice = Dice(88_172_645_463_325_252);
        let mut cameras: BTreeMap<u32, Camera> =
            (0..STREAMS).map(|number| (number, Camera::new(&rig, number, number % 2 == 0))).collect();
        for injection in 1..=INJECTIONS {
            beat.store(injection, Ordering::SeqCst);
            inject(&rig, &mut cameras, &mut dice);
        }
        let seen = rig.log.of(100).len();
        rig.log.wait(100, |lines| lines.len() > seen + 50);
        let steadily: Vec<u64> = rig.log.of(100).iter().filter_map(|line| line.parse().ok()).collect();
        assert!(steadily.is_sorted(), "in order, whatever the others do");
        for mut camera in cameras.into_values().chain([steady]) {
            rig.release(&camera.source);
            camera.halt();
            rig.log.wait_for(camera.source.number, "removed");
        }
        assert_eq!((rig.mux.num_sink_pads(), rig.demux.num_src_pads()), (0, 0));
        let total = |name| rig.stat::<u64>(&rig.mux, name);
        let gone = total("served") + total("dropped-overflow") + total("dropped-flush");
        assert_eq!(total("accepted"), gone, "every frame is accounted for");
    }
    over.store(true, Ordering::SeqCst);
    let started = Instant::now();
    while threads() > before && started.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One thing that happens to a stream; the log checks that every frame is on its own pad.
fn inject(rig: &Rig, cameras: &mut BTreeMap<u32, Camera>, dice: &mut Dice) {
    let number = dice.roll(u64::from(STREAMS)) as u32;
    let Some(mut camera) = cameras.remove(&number) else {
        cameras.insert(number, Camera::new(rig, number, dice.roll(2) == 0));
        return;
    };
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
