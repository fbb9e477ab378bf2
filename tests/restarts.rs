//! All elements in one line, to the end and to NULL, a hundred times: nothing may stay behind.

use std::process::Command;

use gst::prelude::*;

const ROUNDS: usize = 100;
/// Memory that allocators keep for reuse has settled by then.
const SETTLED: usize = 30;
/// What may be added after that: the noise of the allocator, far below one leaked frame or model a round.
const SLACK: usize = 6 << 20;

#[test]
#[ignore = "run by the other test in a process of its own"]
fn child() {
    gst::init().unwrap();
    gstnvperception::plugin_register_static().unwrap();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/yolov8.onnx");
    let out = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.jsonl", std::process::id()));
    let launch = format!(
        "nvptestsrc num-buffers=5 detections=noisy ! video/x-raw,format=I420,width=640,height=360,framerate=25/1 \
         ! nvpinference model=\"{model}\" threads=1 ! nvptracker ! nvpoverlay ! nvppublish location=\"{}\" ! fakesink",
        out.display()
    );
    let mut settled = (0, 0);
    {
        let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
        let bus = pipeline.bus().unwrap();
        for round in 0..ROUNDS {
            pipeline.set_state(gst::State::Playing).unwrap();
            let ends = [gst::MessageType::Eos, gst::MessageType::Error];
            let end =
                bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &ends).expect("an end in time");
            assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
            pipeline.set_state(gst::State::Null).unwrap();
            assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), 5);
            if round == SETTLED {
                settled = (threads(), resident());
            }
        }
    }
    std::fs::remove_file(&out).unwrap();
    assert!(threads() <= settled.0, "{} threads, {} before", threads(), settled.0);
    assert!(resident() <= settled.1 + SLACK, "{} bytes, {} before", resident(), settled.1);
    // SAFETY: the process ends, and nothing of GStreamer is used any more.
    unsafe { gst::deinit() };
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Memory in use, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_hundred_restarts_leave_nothing_behind() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("GST_TRACERS", "leaks(check-refs=false)").env("GST_DEBUG", "GST_TRACER:7");
    let output = command.output().unwrap();
    let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{log}");
    let leaks: Vec<_> =
        log.lines().filter(|line| line.contains("object-alive") && !line.contains("build_format")).collect();
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}
