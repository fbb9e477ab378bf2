use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

type Frames = Former<(u32, u64), &'static str>;

fn policy(batch_size: usize, capacity: usize) -> Policy {
    Policy { batch_size, capacity, ..Policy::default() }
}

fn former(policy: Policy, streams: usize, live: bool) -> (Frames, Vec<StreamKey>) {
    let mut former = Former::new(policy);
    let keys = (0..streams).map(|_| former.add(live, 0)).collect();
    (former, keys)
}

/// Stream and number of each frame, and the events, of a batch.
fn taken(former: &mut Frames, now: u64) -> Vec<String> {
    let mut out = Vec::new();
    former.take(now, &mut out);
    out.into_iter()
        .map(|(key, form)| match form {
            Form::Frame((_, number)) => format!("{}:{number}", key.0),
            Form::Event(event) => format!("{}:{event}", key.0),
        })
        .collect()
}

fn push(former: &mut Frames, key: StreamKey, number: u64, now: u64) -> Result<Option<u64>, ()> {
    let pushed = former.push_frame(key, (0, number), Some(number * 40 * MS), now);
    pushed.map(|pushed| pushed.dropped.map(|(_, number)| number)).map_err(|_| ())
}

#[test]
fn a_batch_leaves_when_all_have_a_frame() {
    let (mut former, keys) = former(Policy::default(), 3, false);
    assert_eq!(former.next(0), Next::Wait(Some(2000 * MS)), "until they are silent");
    push(&mut former, keys[1], 0, 5).unwrap();
    push(&mut former, keys[0], 0, 10).unwrap();
    assert_eq!(former.next(20), Next::Wait(Some(5 + 40 * MS)));
    push(&mut former, keys[2], 0, 30).unwrap();
    assert_eq!(former.next(30), Next::Leave);
    assert_eq!(taken(&mut former, 30), ["1:0", "0:0", "2:0"], "who came first is served first");
    assert_eq!((former.batches(), former.fill(), former.formation().max()), ((1, 3), 1.0, 25));
}

#[test]
fn a_full_batch_waits_for_nobody_and_the_rest_goes_first_next_time() {
    let (mut former, keys) = former(policy(2, 2), 4, true);
    for key in &keys[..3] {
        push(&mut former, *key, 0, 0).unwrap();
        push(&mut former, *key, 1, 0).unwrap();
    }
    assert_eq!(former.next(0), Next::Leave);
    assert_eq!(taken(&mut former, 0), ["0:0", "1:0"]);
    push(&mut former, keys[3], 0, 1).unwrap();
    assert_eq!(taken(&mut former, 1), ["2:0", "0:1"]);
    assert_eq!(taken(&mut former, 1), ["1:1", "3:0"]);
}

#[test]
fn files_wait_once_for_a_stalled_one_and_live_streams_until_it_is_silent() {
    for (live, waits) in [(false, 1), (true, 49)] {
        let (mut former, keys) = former(Policy::default(), 2, live);
        let mut waited = 0;
        for number in 0..60 {
            let now = number * 40 * MS;
            push(&mut former, keys[0], number, now).unwrap();
            let mut silent = Vec::new();
            former.silent(now, &mut silent);
            assert_eq!(silent.contains(&keys[1]), number == 50, "said once, after two seconds");
            let next = former.next(now);
            waited += u64::from(next != Next::Leave);
            let leaves = if next == Next::Leave { now } else { now + 40 * MS };
            assert_eq!(former.next(leaves), Next::Leave);
            assert_eq!(taken(&mut former, leaves), [format!("0:{number}")]);
        }
        assert!(waited.abs_diff(waits) <= 1, "waited {waited} times");
        let back = former.push_frame(keys[1], (1, 0), None, 2400 * MS).unwrap();
        assert!(back.resumed);
        assert_eq!(former.next(2400 * MS), Next::Wait(Some(2440 * MS)), "for the other one");
    }
}

#[test]
fn streams_that_come_later_are_bridged_by_latency_and_room() {
    let policy = Policy { tolerance: Some(10 * MS), ..Policy::default() };
    let (spread, interval) = (200 * MS, 40 * MS);
    assert_eq!(Policy::default().bridge(spread, interval), None, "times do not matter");
    assert_eq!(policy.bridge(5 * MS, interval), None);
    let needed = policy.bridge(spread, interval).unwrap();
    assert_eq!((needed.max_latency, needed.capacity), (spread, 6));
    assert_eq!(needed.bridge(spread, interval), None);
    assert_eq!(policy.bridge(spread, 0).map(|needed| needed.capacity), Some(policy.capacity));
    // So it is: of two cameras at one rate the second one is late.
    for (policy, together) in [(policy, 0), (needed, 16)] {
        let (mut former, keys) = former(policy, 2, true);
        let mut pairs = 0;
        for now in (0..20 * interval + spread).step_by(MS as usize) {
            for (key, lateness) in [(keys[0], 0), (keys[1], spread)] {
                if let Some(time) = now.checked_sub(lateness).filter(|time| time.is_multiple_of(interval)) {
                    former.push_frame(key, (0, time), Some(time), now).unwrap();
                }
            }
            while former.next(now) == Next::Leave {
                pairs += usize::from(former.take(now, &mut Vec::new()).frames == 2);
            }
        }
        assert!(pairs >= together && (together > 0 || pairs == 0), "{pairs} pairs with {policy:?}");
    }
}

#[test]
fn nobody_is_silent_while_nobody_is_listened_to() {
    let (mut former, keys) = former(Policy::default(), 1, true);
    former.watch(false, 0);
    let silent = |former: &mut Former<_, _>, now| {
        let mut silent = Vec::new();
        former.silent(now, &mut silent);
        silent
    };
    assert_eq!((former.next(0), silent(&mut former, 9000 * MS)), (Next::Wait(None), vec![]));
    former.watch(true, 9000 * MS);
    assert_eq!(former.next(9000 * MS), Next::Wait(Some(11_000 * MS)));
    assert_eq!(silent(&mut former, 10_999 * MS), []);
    assert_eq!(silent(&mut former, 11_000 * MS), [keys[0]]);
}

#[test]
fn nobody_asks_a_file_before_the_batch_in_front_has_left() {
    let (mut former, keys) = former(Policy::default(), 2, false);
    for key in &keys {
        push(&mut former, *key, 0, 0).unwrap();
    }
    push(&mut former, keys[0], 1, 0).unwrap();
    taken(&mut former, 100 * MS);
    assert_eq!(former.next(100 * MS), Next::Wait(Some(140 * MS)), "not late yet, although it came long ago");
}

#[test]
fn events_keep_their_place_and_do_not_wait_for_frames() {
    let (mut former, keys) = former(Policy::default(), 2, false);
    for event in ["start", "caps"] {
        former.push_event(keys[0], event, Mark::Begin).unwrap();
    }
    assert_eq!(former.next(0), Next::Leave);
    assert_eq!(taken(&mut former, 0), ["0:start", "0:caps"]);
    push(&mut former, keys[0], 0, 0).unwrap();
    former.push_event(keys[0], "tags", Mark::None).unwrap();
    push(&mut former, keys[0], 1, 0).unwrap();
    former.push_event(keys[0], "end", Mark::End).unwrap();
    former.push_event(keys[1], "gap", Mark::None).unwrap();
    assert_eq!(former.next(1), Next::Wait(Some(40 * MS)), "a frame waits for the other stream");
    assert_eq!(taken(&mut former, 40 * MS), ["0:0", "0:tags", "1:gap"]);
    assert_eq!(former.next(40 * MS), Next::Leave, "the other stream is left out");
    assert_eq!(taken(&mut former, 40 * MS), ["0:1", "0:end"]);
    assert!(!former.is_over());
    former.push_event(keys[1], "end", Mark::End).unwrap();
    assert!(!former.is_over(), "it has not left");
    assert_eq!(taken(&mut former, 41 * MS), ["1:end"]);
    assert!(former.is_over());
    former.remove(keys[0], "gone");
    assert_eq!(former.next(42 * MS), Next::Wait(None), "its end said so");
    former.push_event(keys[1], "start", Mark::Begin).unwrap();
    assert!(!former.is_over(), "it began again");
}

#[test]
fn a_stream_that_goes_has_a_last_word_if_anybody_knew_it() {
    let (mut former, keys) = former(Policy::default(), 3, false);
    former.push_event(keys[0], "start", Mark::Begin).unwrap();
    taken(&mut former, 0);
    push(&mut former, keys[0], 0, 0).unwrap();
    push(&mut former, keys[1], 0, 0).unwrap();
    former.remove(keys[0], "gone");
    former.remove(keys[1], "gone");
    assert_eq!(former.push_frame(keys[0], (0, 1), None, 0), Err(Refused::Gone((0, 1))));
    assert_eq!(former.next(0), Next::Leave);
    assert_eq!(taken(&mut former, 0), ["0:gone"]);
    let total = former.total();
    assert_eq!((total.accepted, total.flushed, total.served, former.streams()), (2, 2, 0, 1));
    assert!(!former.is_over());
    former.remove(keys[2], "gone");
    assert!(!former.is_over(), "more may come");
}

#[test]
fn an_end_that_a_flush_takes_away_was_none() {
    for left in [false, true] {
        let (mut former, keys) = former(Policy::default(), 1, false);
        former.push_event(keys[0], "start", Mark::Begin).unwrap();
        taken(&mut former, 0);
        former.push_event(keys[0], "end", Mark::End).unwrap();
        if left {
            assert_eq!(taken(&mut former, 0), ["0:end"]);
        }
        former.flush(keys[0], |_| false);
        assert_eq!(former.is_over(), left);
        former.remove(keys[0], "gone");
        assert_eq!(taken(&mut former, 0).is_empty(), left, "a last word, unless its end was one");
    }
}

#[test]
fn streams_end_though_nobody_wants_their_frames() {
    let (mut former, keys) = former(Policy::default(), 2, false);
    push(&mut former, keys[0], 0, 0).unwrap();
    former.push_event(keys[0], "tags", Mark::None).unwrap();
    push(&mut former, keys[0], 1, 0).unwrap();
    former.push_event(keys[0], "end", Mark::End).unwrap();
    push(&mut former, keys[1], 0, 0).unwrap();
    former.drop_frames();
    assert_eq!(former.next(0), Next::Leave);
    assert_eq!(taken(&mut former, 0), ["0:tags", "0:end"]);
    former.push_event(keys[1], "end", Mark::End).unwrap();
    assert_eq!(taken(&mut former, 0), ["1:end"]);
    assert!(former.is_over());
    assert_eq!(former.total(), Counts { accepted: 3, unwanted: 3, ..Counts::default() });
}

#[test]
fn files_have_to_wait_and_cameras_lose_what_is_old() {
    let (mut files, keys) = former(policy(0, 2), 1, false);
    let pushed: Vec<_> = (0..3).map(|number| push(&mut files, keys[0], number, 0)).collect();
    assert_eq!(pushed, [Ok(None), Ok(None), Err(())]);
    let (mut cameras, keys) = former(policy(0, 2), 1, true);
    let pushed: Vec<_> = (0..4).map(|number| push(&mut cameras, keys[0], number, number)).collect();
    assert_eq!(pushed, [Ok(None), Ok(None), Ok(Some(0)), Ok(Some(1))]);
    assert_eq!(taken(&mut cameras, 9), ["0:2"]);
    assert_eq!(
        cameras.counts(keys[0]).unwrap().0,
        Counts { accepted: 4, served: 1, overflow: 2, ..Counts::default() }
    );
    let events = (0..300).filter(|_| files.push_event(keys[0], "tags", Mark::None).is_ok()).count();
    assert_eq!(events, 256, "events are bounded, too");
    files.push_event(keys[0], "caps", Mark::None).unwrap_err();
    files.flush(keys[0], |_| false);
    files.push_event(keys[0], "caps", Mark::None).unwrap();
    files.push_event(keys[0], "gap", Mark::None).unwrap();
    files.flush(keys[0], |event| *event == "caps");
    assert!(push(&mut files, keys[0], 9, 0).is_ok());
    assert_eq!(taken(&mut files, 0), ["0:caps", "0:9"]);
}

#[test]
fn frames_that_are_too_far_apart_do_not_leave_together() {
    let by_time = Policy { tolerance: Some(10 * MS), ..Policy::default() };
    let (mut former, keys) = former(by_time, 3, false);
    for (key, time) in keys.iter().zip([Some(100), Some(95), Some(111)]) {
        former.push_frame(*key, (0, 0), time.map(|time| time * MS), 0).unwrap();
    }
    assert_eq!(taken(&mut former, 0), ["0:0", "1:0"]);
    former.push_frame(keys[0], (0, 1), None, 0).unwrap();
    assert_eq!(former.next(0), Next::Wait(Some(40 * MS)), "the other one may have an earlier frame");
    former.push_frame(keys[1], (0, 1), Some(50 * MS), 0).unwrap();
    assert_eq!(
        taken(&mut former, 0),
        ["0:1", "1:1"],
        "one without a time goes with any, one from the past alone"
    );
    assert_eq!(taken(&mut former, 40 * MS), ["2:0"]);
}

/// A step of a random course.
#[derive(Clone, Debug)]
enum Step {
    Frame(usize),
    Event(usize),
    Flush(usize),
    Remove(usize),
    DropFrames,
    Add(bool),
    Take,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0usize..6).prop_map(Step::Frame),
        3 => (0usize..6).prop_map(Step::Event),
        1 => (0usize..6).prop_map(Step::Flush),
        1 => (0usize..6).prop_map(Step::Remove),
        1 => Just(Step::DropFrames),
        1 => any::<bool>().prop_map(Step::Add),
        6 => Just(Step::Take),
        4 => (1u64..100).prop_map(Step::Pass),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (0usize..5, 0u64..80, prop::option::of(0u64..100), 1usize..4, 0u64..300).prop_map(
        |(batch_size, latency, tolerance, capacity, silence)| Policy {
            batch_size,
            max_latency: latency * MS,
            tolerance: tolerance.map(|t| t * MS),
            capacity,
            silence: silence * MS,
        },
    )
}

proptest! {
    /// Whatever happens: each stream's things leave in its order and once, none is lost but those that are counted,
    /// and batches keep to the rules.
    #[test]
    fn nothing_is_lost_or_out_of_order(policy in any_policy(), steps in prop::collection::vec(step(), 1..300)) {
        let mut former: Former<(StreamKey, u64, u64), (StreamKey, u64)> = Former::new(policy);
        let mut streams = vec![(former.add(true, 0), true), (former.add(false, 0), false)];
        let (mut now, mut number, mut dropped) = (0, 0u64, 0u64);
        let mut seen = std::collections::BTreeMap::new();
        for step in steps {
            number += 1;
            match step {
                Step::Frame(i) => {
                    let (key, live) = streams[i % streams.len()];
                    let time = (!number.is_multiple_of(7)).then_some(number * 10 * MS);
                    match former.push_frame(key, (key, number, time.unwrap_or(u64::MAX)), time, now) {
                        Ok(pushed) => {
                            prop_assert!(live || pushed.dropped.is_none(), "a file loses nothing");
                            dropped += u64::from(pushed.dropped.is_some());
                        }
                        Err(Refused::Full(_)) => prop_assert!(!live, "a camera is never held up"),
                        Err(Refused::Gone(_)) => prop_assert!(false),
                    }
                }
                Step::Event(i) => {
                    let (key, _) = streams[i % streams.len()];
                    prop_assert!(former.push_event(key, (key, number), Mark::None).is_ok());
                }
                Step::Flush(i) => former.flush(streams[i % streams.len()].0, |(_, number)| number.is_multiple_of(2)),
                Step::DropFrames => former.drop_frames(),
                Step::Remove(i) if streams.len() > 1 => {
                    let (key, _) = streams.remove(i % streams.len());
                    former.remove(key, (key, number));
                }
                Step::Add(live) if streams.len() < 6 => streams.push((former.add(live, now), live)),
                Step::Pass(ms) => now += ms * MS,
                Step::Take if former.next(now) == Next::Leave => {
                    let mut out = Vec::new();
                    let left = former.take(now, &mut out);
                    prop_assert!(!out.is_empty(), "something leaves");
                    let frames: Vec<_> = out.iter().filter_map(|(key, form)| match form {
                        Form::Frame(frame) => Some((*key, frame)),
                        Form::Event(_) => None,
                    }).collect();
                    prop_assert_eq!(frames.len(), left.frames);
                    prop_assert!(policy.batch_size == 0 || frames.len() <= policy.batch_size);
                    let times = || frames.iter().map(|(_, (_, _, time))| *time).filter(|time| *time != u64::MAX);
                    if let (Some(tolerance), Some(first), Some(last)) = (policy.tolerance, times().min(), times().max()) {
                        prop_assert!(last - first <= tolerance);
                    }
                    let mut keys: Vec<_> = frames.iter().map(|(key, _)| *key).collect();
                    keys.sort();
                    keys.dedup();
                    prop_assert_eq!(keys.len(), frames.len(), "one frame a stream");
                    for (key, form) in &out {
                        let (of, number) = match form {
                            Form::Frame((of, number, _)) | Form::Event((of, number)) => (*of, *number),
                        };
                        prop_assert_eq!(of, *key);
                        let last = seen.insert(of, number).unwrap_or(0);
                        prop_assert!(number > last, "in order");
                    }
                }
                _ => {}
            }
            let total = former.total();
            let waiting: u64 = streams.iter().map(|(key, _)| former.counts(*key).unwrap().1 as u64).sum();
            prop_assert_eq!(total.accepted, total.served + total.overflow + total.flushed + total.unwanted + waiting);
            prop_assert_eq!(total.overflow, dropped);
            prop_assert!(streams.iter().all(|(key, _)| former.counts(*key).unwrap().1 <= policy.capacity));
        }
    }

    /// A batch with frames never waits longer than it may.
    #[test]
    fn no_frame_waits_beyond_the_latency(policy in any_policy(), arrivals in prop::collection::vec((0usize..4, 0u64..50), 1..100)) {
        let (mut former, keys) = former(policy, 4, true);
        let (mut now, mut waiting) = (0, None);
        for (number, (stream, gap)) in arrivals.into_iter().enumerate() {
            now += gap * MS;
            if let Some(since) = waiting {
                let due: u64 = since + policy.max_latency;
                if now >= due {
                    prop_assert_eq!(former.next(due), Next::Leave);
                    while former.next(due) == Next::Leave {
                        former.take(due, &mut Vec::new());
                    }
                    waiting = None;
                }
            }
            push(&mut former, keys[stream], number as u64, now).unwrap();
            while former.next(now) == Next::Leave {
                former.take(now, &mut Vec::new());
                waiting = None;
            }
            if keys.iter().any(|key| former.counts(*key).unwrap().1 > 0) {
                waiting = waiting.or(Some(now));
            }
        }
    }

    /// Under overload all streams that always have frames are served alike, and one that asks for less gets it all.
    #[test]
    fn service_is_fair(
        streams in 2usize..10,
        batch_size in 1usize..6,
        live in any::<bool>(),
        rounds in 10u64..200,
        slow in 3u64..9,
    ) {
        let (mut former, keys) = former(policy(batch_size, 2), streams, live);
        let mut asked = 0;
        for round in 0..rounds {
            for (index, key) in keys.iter().enumerate() {
                if index > 0 {
                    while former.counts(*key).unwrap().1 < 2 {
                        push(&mut former, *key, round, round).unwrap();
                    }
                }
            }
            if round.is_multiple_of(slow * streams as u64) {
                asked += u64::from(push(&mut former, keys[0], round, round).is_ok());
            }
            former.take(round, &mut Vec::new());
        }
        let served: Vec<_> = keys.iter().map(|key| former.counts(*key).unwrap().0.served).collect();
        let (least, most) = (served[1..].iter().min().unwrap(), served[1..].iter().max().unwrap());
        prop_assert!(most - least <= 1, "{:?}", served);
        prop_assert!(served[0] + 1 >= asked, "{} of {asked}", served[0]);
    }
}
