//! Whose a frame is, and whom a branch talks to.

use gst::prelude::*;
use gstnvperception::meta::{Origin, ProvenanceMeta};
use gstnvperception::provenance::Stage;

use crate::rig::Rig;

/// The feed and the stages of the frames that come out of a pad.
fn feeds(rig: &Rig, pad: u32) -> std::sync::mpsc::Receiver<(String, u64, Vec<String>)> {
    let (sender, feeds) = std::sync::mpsc::channel();
    rig.demux.connect_pad_added(move |_, added| {
        let sender = sender.clone();
        if added.name() != format!("src_{pad}") {
            return;
        }
        added.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let provenance = ProvenanceMeta::get(info.buffer().unwrap()).unwrap().to_owned();
            let stages = provenance.stages.iter().map(|stage| stage.element.to_string()).collect();
            sender.send((provenance.feed.to_string(), provenance.sequence, stages)).unwrap();
            gst::PadProbeReturn::Ok
        });
    });
    feeds
}

#[test]
fn the_name_of_a_stream_is_in_provenance_and_messages() {
    let rig = Rig::playing("max-latency=10");
    let (unnamed, named) = (feeds(&rig, 0), feeds(&rig, 1));
    let streams = [0, 1].map(|number| rig.pad(number, false));
    streams[1].sink.set_property("stream-name", "back door");
    assert_eq!(streams[1].sink.property::<String>("stream-name"), "back door");
    for stream in &streams {
        stream.begin();
        stream.push(0).unwrap();
        let mut signed = stream.frame(40);
        let origin = || Origin { feed: "elsewhere".into(), sequence: 70, received: 1 };
        let stage = Stage { element: "before".into(), ..Stage::default() };
        ProvenanceMeta::append(signed.get_mut().unwrap(), origin, stage);
        stream.pad.push(signed).unwrap();
    }
    let message = rig.message("nvp-stream-started", 1);
    assert_eq!(message.get::<String>("name").unwrap(), "back door");
    assert_eq!(message.get::<String>("stream-id").unwrap(), "camera/1");
    let mux = || vec!["mux".to_owned()];
    let both = || vec!["before".to_owned(), "mux".to_owned()];
    assert_eq!(unnamed.recv().unwrap(), ("camera/0".into(), 0, mux()));
    assert_eq!(unnamed.recv().unwrap(), ("elsewhere".into(), 70, both()), "who was first named it");
    assert_eq!(named.recv().unwrap(), ("back door".into(), 0, mux()));
    assert_eq!(named.recv().unwrap(), ("back door".into(), 70, both()));
    streams[1].sink.set_property("stream-name", None::<&str>);
    streams[1].push(80).unwrap();
    assert_eq!(named.recv().unwrap().0, "camera/1");
}

#[test]
fn a_launch_line_names_streams_and_json_has_the_name() {
    crate::rig::init();
    let out =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("names-{}.jsonl", std::process::id()));
    let launch = format!(
        "nvpbatchmux name=mux sink_0::stream-name=street ! nvpbatchdemux name=demux \
         nvptestsrc num-buffers=3 detections=perfect ! video/x-raw,format=GRAY8,width=64,height=36 ! mux.sink_0 \
         demux.src_0 ! queue ! nvptracker ! nvppublish location=\"{}\" ! fakesink",
        out.display()
    );
    let pipeline = gst::parse::launch(&launch).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let limit = gst::ClockTime::try_from(crate::rig::LIMIT).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(limit, &ends).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    let text = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(out).unwrap();
    let feeds: Vec<_> = text
        .lines()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            (record["feed"].as_str().unwrap().to_owned(), record["seq"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(feeds, (0..3).map(|seq| ("street".to_owned(), seq)).collect::<Vec<_>>());
}

#[test]
fn a_branch_talks_to_its_own_source() {
    let rig = Rig::playing("max-latency=10");
    let streams = [0, 1].map(|number| rig.stream(number, true));
    streams.iter().for_each(|stream| stream.send(0));
    streams.iter().for_each(|stream| rig.log.wait_for(stream.number, "0"));
    let pad = rig.demux.static_pad("src_1").unwrap();
    let sink = pad.peer().unwrap();
    assert_eq!(sink.peer_query_duration::<gst::ClockTime>(), Some(gst::ClockTime::from_seconds(2)));
    let mut seeking = gst::query::Seeking::new(gst::Format::Time);
    assert!(sink.peer_query(&mut seeking));
    let (seekable, _, end) = seeking.result();
    assert!(seekable && end == gst::ClockTime::from_seconds(9).into());
    let seek = gst::event::Seek::new(
        1.0,
        gst::SeekFlags::FLUSH,
        gst::SeekType::Set,
        gst::ClockTime::ZERO,
        gst::SeekType::None,
        gst::ClockTime::NONE,
    );
    assert!(sink.push_event(seek));
    assert!(streams[1].heard.of(1).contains(&"Seek".to_owned()));
    assert!(!streams[0].heard.of(0).contains(&"Seek".to_owned()));
    let mut latency = gst::query::Latency::new();
    assert!(sink.peer_query(&mut latency));
    assert_eq!(latency.result().1, gst::ClockTime::from_mseconds(17));
}
